"""Dust, noise and the scan's edge taken off; dots and short strokes left alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sigvault.imaging.canvas import ink_box

_EIGHT = np.ones((3, 3), dtype=bool)
_SIDES = 4
_FAR = np.iinfo(np.intp).max

_FRAME_DEPTH = 0.04
_FRAME_COVER = 0.95
_FRAME_WIDTH = 5
_FRAME_CORE = 0.3


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

    First a ruled frame: a line along at least 95 % of a border, within 4 % of the picture of it,
    and all beyond the line. Then the scan's own edge: pieces (8-neighbours) that lie whole
    within ``edge`` pixels of a border. Then pieces nearer to each other than ``gap`` are taken
    as one group, so that a stroke that the pen left in dots holds together, and a group goes if
    it is

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
    ink = ink.copy()
    for side in range(_SIDES):
        turned = np.rot90(ink, side)
        _clear_frame(turned)
        _clear_scan_edge(turned, edge)
    box = ink_box(ink)
    if box is None:
        return ink
    width = stroke_width(ink)
    inner = ink[box.top : box.bottom, box.left : box.right]
    # Several times as fast as np.nonzero, whose two indices are found one pixel at a time.
    rows, columns = np.divmod(np.flatnonzero(inner), box.width)
    groups = _groups(inner, rows, columns, radius=max(1, round(gap * width / 2)))
    areas = np.bincount(groups)
    keep = areas >= speck_area * width**2
    keep &= _near_writing(_boxes(groups, rows, columns), areas, keep, dirt_share, reach)
    dropped = ~keep[groups]
    inner[rows[dropped], columns[dropped]] = False
    return ink


def _clear_frame(ink: npt.NDArray[np.bool_]) -> None:
    """Clear a ruled line along the top border, and all above it.

    The line may lean by a few pixels, so rows are taken together in bands; its lower end is
    where few of a row's pixels are still ink. The limits part the 29 such lines among the
    pictures of CEDAR (all within 2.5 % of a border) from the flattest strokes of hands.
    """
    strip = ink[: round(_FRAME_DEPTH * ink.shape[0]) + _FRAME_WIDTH]
    if len(strip) <= _FRAME_WIDTH or not strip.any():
        return
    bands = np.lib.stride_tricks.sliding_window_view(strip, _FRAME_WIDTH, axis=0).any(axis=2)
    ruled = np.flatnonzero(bands.mean(axis=1) >= _FRAME_COVER)
    if ruled.size:
        last = int(ruled[-1]) + _FRAME_WIDTH - 1
        while last + 1 < len(ink) and ink[last + 1].mean() >= _FRAME_CORE:
            last += 1
        ink[: last + 1] = False


def _clear_scan_edge(ink: npt.NDArray[np.bool_], edge: int) -> None:
    """Clear the pieces that lie whole within ``edge`` pixels of the top border."""
    strip = ink[: edge + 1]
    if len(ink) <= 2 * (edge + 1) or not strip[:edge].any():
        return
    labels, count = ndimage.label(strip, structure=_EIGHT)
    reaching = np.zeros(count + 1, dtype=bool)
    reaching[labels[edge]] = True
    strip &= reaching[labels]


def _groups(
    ink: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    radius: int,
) -> npt.NDArray[np.intp]:
    """The number of each ink pixel's group, from 0 on."""
    labels, _ = ndimage.label(_swollen(ink, radius), structure=_EIGHT)
    return np.asarray(labels[rows, columns] - 1, dtype=np.intp)


def _swollen(ink: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.bool_]:
    """Dilation by a square of side 2 radius + 1; by doubling, five times as fast as SciPy's."""
    swollen = ink
    for _ in range(2):
        swollen = swollen.T
        padded = np.pad(swollen, ((radius, radius), (0, 0)))
        reach, target = 1, 2 * radius + 1
        while reach < target:
            step = min(reach, target - reach)
            padded = padded[:-step] | padded[step:]
            reach += step
        swollen = padded
    return swollen


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


def _boxes(
    groups: npt.NDArray[np.intp], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Top, bottom, left and right (ends exclusive) of each group, (groups, 4)."""
    boxes = np.full((int(groups.max()) + 1, 4), _FAR, dtype=np.intp)
    boxes[:, 1::2] = 0
    np.minimum.at(boxes[:, 0], groups, rows)
    np.maximum.at(boxes[:, 1], groups, rows + 1)
    np.minimum.at(boxes[:, 2], groups, columns)
    np.maximum.at(boxes[:, 3], groups, columns + 1)
    return boxes


def _near_writing(
    boxes: npt.NDArray[np.intp],
    areas: npt.NDArray[np.intp],
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
    return np.asarray(main | near, dtype=np.bool_)
