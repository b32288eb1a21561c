"""Dust, noise and the scan's edge taken off; dots and short strokes left alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_EIGHT = np.ones((3, 3), dtype=bool)
_SIDES = 4


def remove_specks(
    ink: npt.NDArray[np.bool_],
    *,
    edge: int,
    gap: float,
    speck_area: float,
    dirt_share: float,
    reach: float,
) -> npt.NDArray[np.bool_]:
    """Drop what is not writing.

    First the scan's own edge: pieces (8-neighbours) that lie whole within ``edge`` pixels of a
    border. Then pieces nearer to each other than ``gap`` are taken as one group, so that a
    stroke that the pen left in dots holds together, and a group goes if it is

    - smaller than ``speck_area``: smaller than a dot;
    - or smaller than ``dirt_share`` of all ink and farther from the writing than ``reach``. The
      writing is the box round the groups that are not so small.

    Args:
        ink: bool (H, W).
        edge: pixels.
        gap: in stroke widths.
        speck_area: in squares of the stroke's width.
        dirt_share: share of all ink, in [0, 1].
        reach: share of the longer side of the writing's box.

    Returns:
        bool (H, W), a subset of ``ink``.
    """
    ink = _without_scan_edge(ink, edge)
    width = stroke_width(ink)
    labels = _grouped(ink, radius=max(1, round(gap * width / 2)))
    boxes = _boxes(labels)
    if len(boxes) == 0:
        return ink
    areas = np.bincount(labels.ravel(), minlength=len(boxes) + 1)[1:]
    keep = areas >= speck_area * width**2
    keep &= _near_writing(boxes, areas, keep, dirt_share, reach)
    return np.concatenate(([False], keep))[labels]


def _without_scan_edge(ink: npt.NDArray[np.bool_], edge: int) -> npt.NDArray[np.bool_]:
    """Ink less the pieces that don't reach farther than ``edge`` pixels from a border."""
    if min(ink.shape) <= 2 * (edge + 1):
        return ink
    cleaned = ink.copy()
    for side in range(_SIDES):
        strip = np.rot90(cleaned, side)[: edge + 1]
        if strip[:edge].any():
            labels, count = ndimage.label(strip, structure=_EIGHT)
            reaching = np.zeros(count + 1, dtype=bool)
            reaching[labels[edge]] = True
            strip &= reaching[labels]
    return cleaned


def _grouped(ink: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.int32]:
    """Each ink pixel's group, int32 (H, W), 0 = paper."""
    swollen = ndimage.maximum_filter(ink.view(np.uint8), 2 * radius + 1, mode="constant")
    labels, _ = ndimage.label(swollen, structure=_EIGHT)
    return np.asarray(np.where(ink, labels, 0), dtype=np.int32)


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


def _boxes(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Top, bottom, left and right (ends exclusive) of label 1, 2, ..., int64 (count, 4)."""
    boxes = [
        (rows.start, rows.stop, columns.start, columns.stop)
        for rows, columns in ndimage.find_objects(labels)
    ]
    return np.array(boxes, dtype=np.int64).reshape(-1, 4)


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
