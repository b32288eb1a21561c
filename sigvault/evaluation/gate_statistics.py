"""Single numbers about a picture that a model might lean on, and the same pen's path redrawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatImage = npt.NDArray[np.float32]

FINENESS = 4
"""How much finer than the canvas ink is best traced: about the resolution of a 300 dpi scan."""

_LEAST = 0.5 / 255
PEN = 1.75
"""The width of the pen that a path is redrawn with, in pixels of the canvas."""
_COARSE = 4
_LEVELS = 256
_NEAR_INK = 2
_SQUARE = np.ones((3, 3), dtype=bool)

_INK_STATISTICS = (
    "paper median",
    "paper noise",
    "ink fraction",
    "ink mean",
    "share of half tones",
    "stroke width",
    "outline length",
    "steepest edge across",
    "steepest edge down",
    "upright travel",
    "separate pieces",
    "width",
    "height",
    "aspect",
)


def grey_statistics(pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Every single number about a decoded picture that a model might lean on.

    Ink is what lies below the midpoint of the darkest and the median level. Quantiles are the
    lowest level that at least their share of pixels does not exceed.

    Args:
        pixels: uint8 (H, W), 0 = black.

    Returns:
        Name to value; all finite.
    """
    height, width = pixels.shape
    counts = np.bincount(pixels.ravel(), minlength=_LEVELS)
    paper, darkest = _quantile(counts, 0.5), float(np.flatnonzero(counts)[0])
    ink = np.arange(_LEVELS) <= (paper + darkest) / 2
    inked = np.where(ink, counts, 0)
    rise = np.maximum(pixels[:, 1:], pixels[:, :-1]) - np.minimum(pixels[:, 1:], pixels[:, :-1])
    steps = np.bincount(rise.ravel(), minlength=_LEVELS)
    return {
        "paper median": paper,
        "mean grey": _moments(counts)[0],
        "paper noise": _moments(counts - inked)[1],
        "grey levels": float(np.count_nonzero(counts)),
        "ink mean": _moments(inked)[0],
        "ink tenth percentile": _quantile(inked, 0.1),
        "steepest edge": _quantile(steps, 0.999) if rise.size else 0.0,
        "ink fraction": float(inked.sum() / counts.sum()),
        "width": float(width),
        "height": float(height),
        "aspect": width / height,
    }


def _quantile(counts: npt.NDArray[np.integer], share: float) -> float:
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def _moments(counts: npt.NDArray[np.integer]) -> tuple[float, float]:
    """Mean and standard deviation of levels that occur so often; zero if none does."""
    total = counts.sum()
    if total == 0:
        return 0.0, 0.0
    levels = np.arange(_LEVELS)
    mean = float(counts @ levels / total)
    return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / total))


def ink_statistics(ink: FloatImage) -> dict[str, float]:
    """The same for ink on the canvas: all that is left for a model to lean on.

    Args:
        ink: float32 (H, W) in [0, 1], 1 = ink.

    Returns:
        Name to value; all finite, zero for a blank canvas. Pixels that 8 bits would round to none
        are no ink: resizing leaves traces of rounding beside strokes. "Paper noise" is the
        deviation of what lies more than two pixels from ink above 0.5; "stroke width" is twice
        the ink's area over the length of its outlines; "upright travel" is how far outlines go up
        and down for each pixel that they go across.
    """
    inked = ink > _LEAST
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if rows.size == 0:
        return dict.fromkeys(_INK_STATISTICS, 0.0)
    height, width = float(np.ptp(rows)) + 1, float(np.ptp(columns)) + 1
    steps = np.abs(np.diff(ink, axis=1)), np.abs(np.diff(ink, axis=0))
    across, down = (float(each.sum(dtype=np.float64)) for each in steps)
    tones = ink[inked]
    total = float(tones.sum(dtype=np.float64))
    strong = ink > 0.5
    paper = ink[~ndimage.binary_dilation(strong, structure=_SQUARE, iterations=_NEAR_INK)]
    numbers = (
        float(np.median(ink)),
        float(np.where(paper > _LEAST, paper, 0.0).std()) if paper.size else 0.0,
        total / (height * width),
        total / tones.size,
        float(np.mean((tones > 0.1) & (tones < 0.9))),
        2 * total / max(across + down, 1e-9),
        across + down,
        float(np.quantile(steps[0], 0.999)),
        float(np.quantile(steps[1], 0.999)),
        across / max(down, 1e-9),
        float(ndimage.label(strong, structure=_SQUARE)[1]),
        width,
        height,
        width / height,
    )
    return dict(zip(_INK_STATISTICS, numbers, strict=True))


def redraw_path(fine: FloatImage, fineness: int, pen: float = PEN) -> FloatImage:
    """Take everything off the ink but the pen's path, and draw that with one constant pen.

    Ink above a half is thinned to its skeleton and widened to about a pen's width, before
    each canvas pixel becomes the mean over what it covers. Neither the scan's tones nor its
    sharpness nor the width of its strokes can be seen in the result; where the scan broke or
    merged strokes, that can.

    Args:
        fine: float32 (H * fineness, W * fineness) in [0, 1], 1 = ink.
        fineness: pixels of it, in both directions, for one pixel of the canvas.
        pen: its width, in pixels of the canvas.

    Returns:
        float32 (H, W) in [0, 1].
    """
    from skimage.morphology import skeletonize  # noqa: PLC0415 - slow to import

    strong = fine > 0.5
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    drawn = np.zeros(fine.shape, dtype=bool)
    if rows.size:
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        drawn[box] = skeletonize(strong[box])  # type: ignore[no-untyped-call]
    for turn in range(round((pen * fineness - 1) / 2)):
        drawn = widen(drawn, square=turn % 2 == 1)
    return _means_of_squares(drawn, fineness)


def widen(drawn: npt.NDArray[np.bool_], *, square: bool) -> npt.NDArray[np.bool_]:
    """Dilation by one pixel; turning between both kinds draws with an eight-sided pen.

    Args:
        drawn: bool (H, W).
        square: whether to go to all eight neighbours of a pixel, or only to the four beside it.

    Returns:
        bool (H, W).
    """
    wide = drawn.copy()
    wide[1:] |= drawn[:-1]
    wide[:-1] |= drawn[1:]
    source = wide.copy() if square else drawn
    wide[:, 1:] |= source[:, :-1]
    wide[:, :-1] |= source[:, 1:]
    return wide


def coarse_ink(ink: FloatImage) -> FloatImage:
    """Ink averaged over squares of 4 x 4 canvas pixels, for finding near-duplicates.

    Another compression, or a scan shifted by a pixel, hardly changes it.

    Args:
        ink: float32 (H, W).

    Returns:
        float32 (H // 4 * (W // 4),).
    """
    height, width = (side - side % _COARSE for side in ink.shape)
    return _means_of_squares(ink[:height, :width], _COARSE).ravel()


def _means_of_squares(
    picture: npt.NDArray[np.float32] | npt.NDArray[np.bool_], side: int
) -> FloatImage:
    height, width = picture.shape
    by_rows = picture.reshape(height // side, side, width).sum(axis=1, dtype=np.float32)
    by_both = by_rows.reshape(height // side, width // side, side).sum(axis=2)
    return np.asarray(by_both / np.float32(side * side), dtype=np.float32)
