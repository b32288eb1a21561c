"""Dust, noise and the scan's edge taken off; dots and short strokes left alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_EIGHT = np.ones((3, 3), dtype=bool)


def remove_specks(
    ink: npt.NDArray[np.bool_], *, speck_area: float, dirt_share: float, reach: float, edge: int
) -> npt.NDArray[np.bool_]:
    """Drop what is not writing.

    A connected piece (8-neighbours) goes if it is

    - smaller than ``speck_area`` times the square of the stroke's width: smaller than a dot;
    - or within ``edge`` pixels of one border along its whole length: the scan's own edge;
    - or smaller than ``dirt_share`` of all ink and farther from the writing than ``reach``. The
      writing is the box round the pieces that are not so small; ``reach`` is a share of that
      box's longer side.

    Args:
        ink: bool (H, W).
        speck_area: in squares of the stroke's width.
        dirt_share: share of all ink, in [0, 1].
        reach: share of the writing's longer side.
        edge: pixels.

    Returns:
        bool (H, W), a subset of ``ink``.
    """
    labels, count = ndimage.label(ink, structure=_EIGHT)
    if count == 0:
        return ink
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    boxes = _boxes(labels, count)
    keep = areas >= max(2.0, speck_area * stroke_width(ink) ** 2)
    keep &= ~_along_border(boxes, ink.shape, edge)
    keep[0] = False
    keep &= _near_writing(boxes, areas, keep, dirt_share, reach)
    return keep[labels]


def stroke_width(ink: npt.NDArray[np.bool_]) -> float:
    """The mean width of a stroke in pixels: twice the area over the outline's length.

    Args:
        ink: bool (H, W).

    Returns:
        Pixels; 0 without ink.
    """
    area = int(np.count_nonzero(ink))
    outline = int(np.count_nonzero(ink[:, 1:] != ink[:, :-1]))
    outline += int(np.count_nonzero(ink[1:] != ink[:-1]))
    # A city-block outline is 4/pi times too long in the mean over directions.
    return 2 * area / max(outline * np.pi / 4, 1.0)


def _boxes(labels: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int64]:
    """Top, bottom, left and right (ends exclusive) of each label, int64 (count + 1, 4)."""
    boxes = np.zeros((count + 1, 4), dtype=np.int64)
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        boxes[label] = rows.start, rows.stop, columns.start, columns.stop
    return boxes


def _along_border(
    boxes: npt.NDArray[np.int64], shape: tuple[int, ...], edge: int
) -> npt.NDArray[np.bool_]:
    top, bottom, left, right = boxes.T
    height, width = shape
    return np.asarray(
        (bottom <= edge) | (top >= height - edge) | (right <= edge) | (left >= width - edge)
    )


def _near_writing(
    boxes: npt.NDArray[np.int64],
    areas: npt.NDArray[np.int64],
    keep: npt.NDArray[np.bool_],
    dirt_share: float,
    reach: float,
) -> npt.NDArray[np.bool_]:
    total = int(areas[keep].sum())
    main = keep & (areas >= dirt_share * total)
    if not main.any():
        return keep
    top, left = boxes[main, 0].min(), boxes[main, 2].min()
    bottom, right = boxes[main, 1].max(), boxes[main, 3].max()
    margin = reach * max(bottom - top, right - left)
    near = (boxes[:, 1] > top - margin) & (boxes[:, 0] < bottom + margin)
    near &= (boxes[:, 3] > left - margin) & (boxes[:, 2] < right + margin)
    return main | near
