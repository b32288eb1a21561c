"""The pen's path, redrawn by one pen: how thick and how dark the real one wrote is gone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def trace(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The pen's path: the skeleton of ink.

    Thinning is Zhang and Suen's (A fast parallel algorithm for thinning digital patterns, CACM
    1984), as scikit-image does it. Where strokes had merged to a blot, its middle line is left.

    Args:
        ink: bool (H, W).

    Returns:
        Row and column of each pixel of the path, intp (N, 2); of every pixel of the ink if it is
        too small to have one.
    """
    from skimage.morphology import skeletonize  # noqa: PLC0415 - slow to import

    path = np.argwhere(skeletonize(ink))  # type: ignore[no-untyped-call]
    return path if len(path) else np.argwhere(ink)


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
    reach = int(width / 2)
    margin = 2 * reach  # takes what is drawn beyond a border
    high, wide = (side + 2 * margin for side in shape)
    near = path[((path >= -reach) & (path < np.array(shape) + reach)).all(axis=1)] + margin
    places = near[:, 0] * wide + near[:, 1]
    drawn = np.zeros(high * wide, dtype=np.bool_)
    for down, across in _disc(width / 2):
        drawn[places + (down * wide + across)] = True
    return drawn.reshape(high, wide)[margin : high - margin, margin : wide - margin]


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
