"""Random changes that a signature survives. No mirror images, and nothing is stretched."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from sigvault.training.config import Augmentation


class StrokeWidth(v2.Transform):  # type: ignore[misc]  # torchvision is untyped
    """Makes strokes thinner or thicker by up to about a pixel on each side.

    Grey dilation or erosion with a 3x3 square, mixed with the image by a random share.
    """

    def transform(self, inpt: Tensor, params: dict[str, float]) -> Tensor:  # noqa: ARG002
        """Change an image (1, H, W) in [0, 1]."""
        share = float(torch.rand(()))
        if float(torch.rand(())) < 0.5:
            changed = functional.max_pool2d(inpt, 3, stride=1, padding=1)
        else:
            changed = -functional.max_pool2d(-inpt, 3, stride=1, padding=1)
        return torch.lerp(inpt, changed, share)


def build_transform(config: Augmentation) -> v2.Transform:
    """The augmentation of one image (1, H, W) in [0, 1], 0 = paper."""
    return v2.Compose(
        [
            v2.RandomAffine(
                degrees=config.rotation,
                translate=(config.translation, config.translation),
                scale=(1.0 - config.scale, 1.0 + config.scale),
                shear=config.shear,
                interpolation=v2.InterpolationMode.BILINEAR,
                fill=0.0,
            ),
            v2.RandomApply([StrokeWidth()], p=config.stroke_width),
            v2.RandomErasing(p=config.erase, scale=(0.002, 0.02), value=0.0),
        ]
    )
