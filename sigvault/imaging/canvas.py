"""Crop to the ink, scale by a stated rule, centre on a fixed canvas.

The rule: the ink's box is scaled by one factor for both directions, the largest that fits it
into the canvas less its margin, and at most ``max_scale``, so that a tiny signature is not
blown up. The box's centre comes to the canvas's centre. Each canvas pixel is the mean ink
presence over the area of the source that it covers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Box(NamedTuple):
    """A rectangle of pixels.

    Attributes:
        top: first row.
        left: first column.
        bottom: row after the last.
        right: column after the last.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left


def ink_box(ink: npt.NDArray[np.bool_]) -> Box | None:
    """The smallest box that holds all ink, or none without ink.

    Args:
        ink: bool (H, W).
    """
    rows = np.flatnonzero(ink.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(ink.any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def fit_scale(box: Box, height: int, width: int, margin: int, max_scale: float) -> float:
    """Canvas pixels per source pixel for ink of this box."""
    inner_height, inner_width = height - 2 * margin, width - 2 * margin
    return min(inner_height / box.height, inner_width / box.width, max_scale)


def place_on_canvas(
    ink: npt.NDArray[np.bool_], box: Box, *, height: int, width: int, scale: float
) -> npt.NDArray[np.float32]:
    """Put the box's ink in the middle of the canvas.

    Args:
        ink: bool (H, W).
        box: what to take of it.
        height: of the canvas, in pixels.
        width: of the canvas, in pixels.
        scale: canvas pixels per source pixel.

    Returns:
        float32 (height, width) in [0, 1].
    """
    crop = ink[box.top : box.bottom, box.left : box.right]
    by_rows = _area_means(crop, height, scale, dtype=np.int32)
    turned = np.ascontiguousarray(by_rows.T)
    placed = _area_means(turned, width, scale, dtype=np.float64).T
    return np.clip(placed, 0.0, 1.0).astype(np.float32, order="C")


def _area_means(
    lines: npt.NDArray[np.generic], target: int, scale: float, *, dtype: npt.DTypeLike
) -> npt.NDArray[np.float64]:
    """Lines along axis 0 resized by ``scale`` and centred, float64 (target, ...).

    Each target line is the integral of the source over what it covers: the running sum, kept in
    ``dtype``, interpolated at both ends.
    """
    count = lines.shape[0]
    sums = np.zeros((count + 2, *lines.shape[1:]), dtype=dtype)
    np.cumsum(lines, axis=0, out=sums[1:-1])
    sums[-1] = sums[-2]
    edges = (np.arange(target + 1) - (target - count * scale) / 2) / scale
    edges = np.clip(edges, 0.0, count)
    whole = np.floor(edges).astype(np.intp)
    part = (edges - whole)[:, None]
    integral = sums[whole] * (1 - part) + sums[whole + 1] * part
    means: npt.NDArray[np.float64] = np.diff(integral, axis=0) * scale
    return means
