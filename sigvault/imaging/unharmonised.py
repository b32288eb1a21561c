"""Recipes that do not harmonise, to show what that costs; never to serve with.

They keep the paper's brightness, the pen's tone and the scanner's sharpness, all of which tell
genuine from forged in the research sets without looking at the writing. A model that is fed so
seems far better than it is, and the gates say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.image import InkImage, SignatureImage
from sigvault.imaging.prepared import PreparedSignature
from sigvault.imaging.sauvola import DEFAULT_PREPROCESSING

_WHITE = 255


class Fit(StrEnum):
    """How a whole picture comes onto the canvas; the values are the recipes' names.

    ``KEPT``: scaled by one factor to fit, the rest filled with the picture's own median paper.
    ``STRETCHED``: resized to the canvas's height and width, each by its own factor.
    """

    KEPT = "raw-1"
    STRETCHED = "stretched-1"


@dataclass(frozen=True)
class Unharmonised:
    """Grey as scanned, on the canvas: what is called ink is 1 - grey / 255.

    Attributes:
        fit: how the picture comes onto the canvas.
        height: of the canvas, in pixels.
        width: of the canvas, in pixels.
    """

    fit: Fit
    height: int = 128
    width: int = 208

    @property
    def name(self) -> str:
        """The recipe and its version."""
        return str(self.fit)

    @property
    def demonstration(self) -> bool:
        """Whether it keeps leaks on purpose, so that no vault may serve with it: it does."""
        return True

    def to_dict(self) -> dict[str, str | int | float]:
        """The name and every parameter, for a model card."""
        return {"name": self.name, "height": self.height, "width": self.width}

    @classmethod
    def from_dict(cls, card: Mapping[str, object]) -> Unharmonised:
        """The recipe that a model card names.

        Raises:
            CheckpointMismatch: If it is none of these, or has other parameters.
        """
        odd = set(card) ^ {"name", "height", "width"}
        if odd or card["name"] not in tuple(Fit):
            raise CheckpointMismatch(
                f"The model's preprocessing {card.get('name')!r} is not understood"
                f" (parameters that don't fit: {', '.join(sorted(odd)) or 'none'}): use the"
                " sigvault that the model was made with, or retrain it."
            )
        return cls(Fit(str(card["name"])), int(str(card["height"])), int(str(card["width"])))

    def prepare(self, image: SignatureImage) -> PreparedSignature:
        """Put a picture on the canvas as it is; quality is judged as for serving.

        Args:
            image: the decoded picture.

        Returns:
            Darkness float32 (height, width) in [0, 1], with the findings of the ordinary recipe.
        """
        inspected = DEFAULT_PREPROCESSING.prepare(image)
        rows, columns = image.pixels.shape
        scale = min(self.height / rows, self.width / columns)
        if self.fit is Fit.STRETCHED:
            grey = _resize(image.pixels, self.height, self.width)
        else:
            grey = self._fit_unstretched(image.pixels, scale)
        return PreparedSignature(
            ink=InkImage(
                ink=np.asarray(1.0 - grey.astype(np.float32) / np.float32(_WHITE), np.float32),
                digest=image.digest,
                preprocessing=self.name,
                scale=scale * columns / image.source_width,
            ),
            findings=inspected.findings,
            box=inspected.box,
        )

    def _fit_unstretched(
        self, pixels: npt.NDArray[np.uint8], scale: float
    ) -> npt.NDArray[np.uint8]:
        """The picture in the middle of the canvas, its own median level around it."""
        rows, columns = pixels.shape
        height = max(1, min(self.height, round(rows * scale)))
        width = max(1, min(self.width, round(columns * scale)))
        canvas = np.full((self.height, self.width), np.median(pixels), dtype=np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[top : top + height, left : left + width] = _resize(pixels, height, width)
        return canvas


def _resize(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Bilinear, over the whole area that a smaller pixel covers."""
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)
