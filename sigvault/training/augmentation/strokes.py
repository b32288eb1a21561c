"""Changes of the strokes: thinner, thicker, broken, lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as v2

from sigvault.training.augmentation.changes import Changes

_INKED = 128


def break_strokes(ink: npt.NDArray[np.uint8], changes: Sequence[Changes]) -> npt.NDArray[np.uint8]:
    """Take short gaps out of the strokes of uint8 ink (B, H, W); the given ink stays as it is."""
    if not any(entry.gaps for entry in changes):
        return ink
    ink = ink.copy()
    for picture, entry in zip(ink, changes, strict=True):
        inked = np.flatnonzero(picture >= _INKED) if entry.gaps else np.empty(0, np.intp)
        if not inked.size:
            continue
        for gap in entry.gaps:
            row, column = divmod(int(inked[int(gap.place * inked.size)]), picture.shape[1])
            _clear_disc(picture, row, column, gap.radius)
    return ink


def change_width(pictures: Tensor, changes: Sequence[Changes]) -> Tensor:
    """Make strokes of pictures (B, 1, H, W) thinner or thicker by up to a pixel on each side.

    Grey erosion or dilation with a 3x3 square, mixed with the picture by the drawn share.
    """
    share = torch.tensor([entry.thickness for entry in changes], dtype=pictures.dtype)
    changed = pictures.clone()
    for chosen, sign in ((share > 0, 1.0), (share < 0, -1.0)):
        if bool(chosen.any()):
            own = pictures[chosen]
            widest = sign * largest_near(sign * own)
            changed[chosen] = torch.lerp(own, widest, share[chosen].abs()[:, None, None, None])
    return changed


def largest_near(pictures: Tensor) -> Tensor:
    """The largest of the 3x3 values round each, as max_pool2d has it, at a tenth of its cost."""
    for axis in (-2, -1):
        sides = (1, 1, 0, 0) if axis == -1 else (0, 0, 1, 1)
        padded = functional.pad(pictures, sides, value=-torch.inf)
        length = pictures.shape[axis]
        before, here, after = (padded.narrow(axis, start, length) for start in range(3))
        pictures = torch.maximum(torch.maximum(before, here), after)
    return pictures


def lose_patches(pictures: Tensor, changes: Sequence[Changes]) -> Tensor:
    """Erase the drawn rectangles of pictures (B, 1, H, W), in place."""
    for picture, entry in zip(pictures, changes, strict=True):
        if (patch := entry.patch) is not None:
            v2.erase(
                picture,
                patch.top,
                patch.left,
                patch.height,
                patch.width,
                v=picture.new_zeros(1),
                inplace=True,
            )
    return pictures


def _clear_disc(picture: npt.NDArray[np.uint8], row: int, column: int, radius: float) -> None:
    reach = int(radius)
    top, left = max(0, row - reach), max(0, column - reach)
    near = picture[top : row + reach + 1, left : column + reach + 1]
    rows = np.arange(top, top + near.shape[0])[:, None] - row
    columns = np.arange(left, left + near.shape[1]) - column
    near[rows * rows + columns * columns <= radius * radius] = 0
