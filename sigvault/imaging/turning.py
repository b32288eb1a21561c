"""Ink on its canvas, turned and fitted again: other views of the same signature."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Score
from sigvault.domain.image import InkImage
from sigvault.imaging.prepared import PreparedSignature

_FAINTEST = 0.1
"""From which presence on a pixel is ink that has to fit."""


def turn_ink(ink: npt.NDArray[np.float32], degrees: float) -> npt.NDArray[np.float32]:
    """Turn ink about the middle of its box, and fit it as the canvas fits what is level.

    One factor for both directions brings the turned ink as near to the canvas' border as the ink
    itself comes, so that a signature that fills the canvas fills it turned, and a small one that
    was not enlarged is not enlarged now. The turned box' middle comes to the canvas' middle.

    Args:
        ink: float32 (H, W) in [0, 1].
        degrees: anticlockwise positive, as a reader sees it.

    Returns:
        float32 (H, W) in [0, 1]; a canvas without ink as it is.
    """
    from skimage.transform import warp  # noqa: PLC0415 - slow to import

    places = np.argwhere(ink >= _FAINTEST).astype(np.float64)
    if not len(places):
        return ink
    size = np.array(ink.shape, np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = min(low.min(), (size - 1 - high).min())
    # Row and column: rows grow downwards, so an anticlockwise turn takes this sign.
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = (low + high) / 2
    turned = (places - centre) @ turn.T
    first, last = turned.min(axis=0), turned.max(axis=0)
    scale = float(((size - 1 - 2 * margin) / np.maximum(last - first, 1.0)).min())
    # Where each pixel of the result comes from.
    back = turn.T / scale
    offset = centre + turn.T @ ((first + last) / 2) - back @ ((size - 1) / 2)
    # The library counts columns first.
    matrix = np.eye(3)
    matrix[:2, :2] = back[::-1, ::-1]
    matrix[:2, 2] = offset[::-1]
    fitted = warp(ink, matrix, order=1, mode="constant", cval=0.0)  # type: ignore[no-untyped-call]
    turned_ink: npt.NDArray[np.float32] = np.clip(fitted, 0.0, 1.0).astype(np.float32)
    return turned_ink


def turn_image(image: InkImage, degrees: float) -> InkImage:
    """The same for ink that knows where it comes from."""
    return replace(image, ink=turn_ink(image.ink, degrees))


def as_compared(prepared: PreparedSignature, score: Score) -> PreparedSignature:
    """A probe with its ink as it was compared: turned back where that was done."""
    degrees = score.straightened
    if degrees is None:
        return prepared
    return replace(prepared, ink=turn_image(prepared.ink, degrees))
