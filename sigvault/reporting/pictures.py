"""Pictures for a page: crops and ink views as data URIs, and tints over a canvas."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from sigvault.domain.image import SignatureImage
from sigvault.domain.local_matching import LocalMatch
from sigvault.imaging.prepared import PreparedSignature
from sigvault.reporting.case import Picture

CROP_MARGIN = 0.06
"""Paper left around the ink, as a share of the box's longer side."""

LONGEST_SIDE = 720
"""Longest side of a crop on the page, in pixels: enough for a screen of double density."""

AGREEMENT_STEPS = (0.5, 0.7, 0.8, 0.9)
"""Where one tint ends and the next begins, in cosine; five tints in all."""


@dataclass(frozen=True)
class PagePicture:
    """A picture ready for the page.

    Attributes:
        uri: a PNG as a data URI.
        width: pixels of the original that it shows across.
        height: pixels of the original that it shows downwards.
    """

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Tint:
    """One inked cell of the probe, tinted by how well it agrees.

    Attributes:
        x: left edge, in canvas pixels.
        y: top edge, in canvas pixels.
        width: in canvas pixels.
        height: in canvas pixels.
        step: 0 for the least agreement to 4 for the most.
        value: the agreement, a cosine.
    """

    x: float
    y: float
    width: float
    height: float
    step: int
    value: float


def crop_to_ink(picture: Picture) -> PagePicture:
    """The part of the scan that holds the ink, with a little paper around it."""
    crop = crop_pixels(picture.image, picture.prepared)
    return PagePicture(_png(crop.pixels), crop.width, crop.height)


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a scan.

    Attributes:
        pixels: uint8 (h, w), 255 = white, shrunk where the part is large.
        width: pixels of the original that it shows across.
        height: pixels of the original that it shows downwards.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int


def crop_pixels(image: SignatureImage, prepared: PreparedSignature) -> Crop:
    """The part of a scan that holds the ink, with a little paper around it; all without ink."""
    pixels, box = image.pixels, prepared.box
    height, width = image.source_height, image.source_width
    if box is None:
        return Crop(_shrink(pixels), width, height)
    margin = math.ceil(CROP_MARGIN * max(box.height, box.width)) + 1
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    bottom, right = min(height, box.bottom + margin), min(width, box.right + margin)
    down, across = pixels.shape[0] / height, pixels.shape[1] / width
    crop = pixels[
        math.floor(top * down) : math.ceil(bottom * down),
        math.floor(left * across) : math.ceil(right * across),
    ]
    return Crop(_shrink(crop), right - left, bottom - top)


def ink_view(picture: Picture) -> PagePicture:
    """The canvas as the model sees it, dark ink on white."""
    ink = picture.prepared.ink.ink
    pixels = np.rint(255.0 * (1.0 - np.clip(ink, 0.0, 1.0))).astype(np.uint8)
    return PagePicture(_png(pixels), pixels.shape[1], pixels.shape[0])


def agreement_tints(matches: Sequence[LocalMatch], canvas: tuple[int, ...]) -> tuple[Tint, ...]:
    """Tint each inked cell of the probe by its mean agreement with the best references.

    Args:
        matches: the probe against each of the references that count.
        canvas: height and width of the canvas, in pixels.

    Returns:
        One tint for each cell with ink, row by row; none without matches.
    """
    if not matches:
        return ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell without ink has no mean
        mean = np.nanmean([match.probe_agreement for match in matches], axis=0)
    height, width = canvas[0] / mean.shape[0], canvas[1] / mean.shape[1]
    steps = np.digitize(mean, AGREEMENT_STEPS)
    return tuple(
        Tint(
            x=round(column * width, 2),
            y=round(row * height, 2),
            width=round(width, 2),
            height=round(height, 2),
            step=int(steps[row, column]),
            value=float(mean[row, column]),
        )
        for row, column in np.argwhere(~np.isnan(mean))
    )


def _shrink(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    longest = max(pixels.shape)
    if longest <= LONGEST_SIDE:
        return pixels
    scale = LONGEST_SIDE / longest
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.uint8)


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
