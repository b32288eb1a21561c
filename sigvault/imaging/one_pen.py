"""The pen's path, redrawn by one pen: how thick and how dark the real one wrote is gone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def trace(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The pen's path: the skeleton of ink.

    Thinning is Zhang and Suen's; see `thin`. Where strokes had merged to a blot, its middle line is
    left.

    Args:
        ink: bool (H, W).

    Returns:
        Row and column of each pixel of the path, intp (N, 2); of every pixel of the ink if it is
        too small to have one.
    """
    path = np.argwhere(thin(ink))
    return path if len(path) else np.argwhere(ink)


def thin(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Thin ink to lines, pixel for pixel as ``skimage.morphology.skeletonize(ink)`` does.

    Zhang and Suen, A fast parallel algorithm for thinning digital patterns, CACM 27 (3), 1984:
    pixels are taken off in two alternating passes until none is left to take. A pixel can go only
    where a neighbour is gone already, so each pass looks at the rim of what is left alone, which
    is faster than looking at every pixel.

    Args:
        ink: bool (H, W).

    Returns:
        bool (H, W), a part of the ink.
    """
    padded = np.pad(ink, 1).astype(np.uint8)
    flat, width = padded.reshape(-1), padded.shape[1]
    around = np.array([-width - 1, -width, -width + 1, 1, width + 1, width, width - 1, -1])
    inner = np.zeros(padded.shape, dtype=np.bool_)
    inner[1:-1, 1:-1] = _surrounded(padded)
    rim = np.flatnonzero(flat.astype(np.bool_) & ~inner.reshape(-1))
    unlisted = flat.astype(np.bool_)
    unlisted[rim] = False
    places = np.empty(len(flat), dtype=np.int32)
    removed = True
    while removed:
        removed = False
        for goes in _GOES:
            code = np.zeros(len(rim), dtype=np.uint8)
            for bit, offset in enumerate(around):
                code |= flat[rim + offset] << np.uint8(bit)
            gone = goes[code]
            if not gone.any():
                continue
            removed = True
            flat[rim[gone]] = 0
            bared = (rim[gone][:, None] + around).reshape(-1)
            bared = bared[unlisted[bared]]
            unlisted[bared] = False
            order = np.arange(len(bared), dtype=np.int32)
            places[bared] = order  # of the same pixel, one place is left: that one is taken
            rim = np.concatenate([rim[~gone], bared[places[bared] == order]])
    return padded[1:-1, 1:-1].astype(np.bool_)


def _surrounded(padded: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which pixels have ink on all eight sides, bool (H, W) of uint8 (H + 2, W + 2)."""
    rows = padded[:-2] & padded[1:-1] & padded[2:]
    surrounded: npt.NDArray[np.bool_] = (rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]) > 0
    return surrounded


_PASSES = (
    "0001001300111013000000002020303300000000300000000000000020003022"
    "0000000000000000000000000000000020000000200020003000000030003020"
    "0031001300000001000000000000000131000000000000002000000000000000"
    "2313001300000001000000000000000023010001000000003301000022002000"
)
"""In which pass a pixel goes, by its eight neighbours: 1 the first, 2 the second, 3 either, 0 none.

The lowest bit of the place is the neighbour above on the left, the next ones follow clockwise. It
is scikit-image's table, which in 25 places is not the paper's: corners of stairs go, ends stay.
"""
_GOES = tuple(np.array([int(each) in labels for each in _PASSES]) for labels in ({1, 3}, {2, 3}))


def fit_path(
    path: npt.NDArray[np.intp],
    width: float,
    *,
    shape: tuple[int, int],
    margin: int,
    most: float,
) -> tuple[npt.NDArray[np.intp], float]:
    """Scale and centre a path so that what a pen draws along it fits its canvas.

    How far ink reaches depends on the pen that wrote it; how far this does, on the path alone.

    Args:
        path: pixels of it, row and column, intp (N, 2), N above 0.
        width: of the pen, in pixels, above 0.
        shape: rows and columns of the canvas.
        margin: left free on each side, in pixels.
        most: the most that it may be enlarged by.

    Returns:
        The pixels on the canvas, intp (N, 2), and the factor that it was enlarged by.
    """
    first, last = path.min(axis=0), path.max(axis=0)
    room = np.array(shape) - 2 * margin - width
    scale = min(most, *(room / np.maximum(last - first, 1)).tolist())
    middle = (np.array(shape) - 1) / 2
    return np.rint((path - (first + last) / 2) * scale + middle).astype(np.intp), scale


def draw(
    path: npt.NDArray[np.intp], width: float, *, shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Draw a path with a round pen.

    Args:
        path: pixels of it, row and column, intp (N, 2).
        width: of the pen, in pixels, above 0.
        shape: rows H and columns W of the canvas.

    Returns:
        bool (H, W); what the pen would draw beyond a border is cut off.
    """
    disc = _disc(width / 2)
    reach = int(width / 2)
    height, columns = shape[0] + 2 * reach, shape[1] + 2 * reach
    drawn = np.zeros((height, columns), dtype=np.bool_)
    # A margin as wide as the pen reaches takes what is drawn beyond a border.
    near = path[((path >= -reach) & (path < np.array(shape) + reach)).all(axis=1)] + reach
    inner = ((near >= reach) & (near < np.array([height, columns]) - reach)).all(axis=1)
    flat, outer = near[inner, 0] * columns + near[inner, 1], near[~inner]
    for step in disc[:, 0] * columns + disc[:, 1]:
        drawn.reshape(-1)[flat + step] = True
    for offset in disc if len(outer) else ():
        at = outer + offset
        at = at[((at >= 0) & (at < drawn.shape)).all(axis=1)]
        drawn[at[:, 0], at[:, 1]] = True
    return drawn[reach : height - reach, reach : columns - reach]


def shrink(drawn: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[np.float32]:
    """The shares of ink in squares.

    Args:
        drawn: bool (H * factor, W * factor).
        factor: the squares' side.

    Returns:
        float32 (H, W) in [0, 1].
    """
    high, wide = drawn.shape[0] // factor, drawn.shape[1] // factor
    squares = drawn.view(np.uint8).reshape(high, factor, wide, factor)
    # Slice by slice: many times as fast as a sum over axes as short as these.
    rows = np.zeros((high, factor, wide), dtype=np.uint16)
    for place in range(factor):
        rows += squares[..., place]
    counts = np.zeros((high, wide), dtype=np.uint16)
    for place in range(factor):
        counts += rows[:, place]
    return counts.astype(np.float32) / np.float32(factor * factor)


def _disc(radius: float) -> npt.NDArray[np.intp]:
    """Offsets (N, 2) down and across of the pixels whose centres lie in a disc."""
    reach = int(radius)
    grid = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    return np.asarray(grid[np.hypot(grid[:, 0], grid[:, 1]) <= radius])
