"""Paper, light, pen and scanner harmonised away: what is left is where the ink lies.

The result is binary, at the source's resolution. Grey levels and edge sharpness, which tell
genuine from forged in the research sets without looking at the writing, end here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sigvault.imaging.canvas import ink_box
from sigvault.imaging.levels import level, measure_levels
from sigvault.imaging.rulings import clear_rulings, find_rulings

_WHITE = 255.0
_SAUVOLA_RANGE = _WHITE / 2
_ROWS = 64
_FAINT = 0.45
"""The contrast below which faint strokes are followed."""


class Separated(NamedTuple):
    """Ink separated from paper and from what is ruled on it.

    Attributes:
        ink: bool (H, W), true where there is ink.
        rulings: how many ruled lines were taken off.
    """

    ink: npt.NDArray[np.bool_]
    rulings: int


def find_ink(
    pixels: npt.NDArray[np.uint8],
    *,
    smoothing: int,
    window: int,
    k: float,
    low_contrast: float,
    max_gain: float,
    ruled: bool = False,
    faint_k: float = 0.0,
) -> Separated:
    """Tell ink from paper.

    Args:
        pixels: uint8 (H, W), 0 = black, 255 = white.
        smoothing: odd side in pixels of the square over which grey is averaged first, so that
            sharp and blurred scans break and thicken strokes alike.
        window: odd side of Sauvola's window in pixels.
        k: Sauvola's weight of the local deviation; larger finds less ink.
        low_contrast: ink contrast in [0, 1] below which the contrast is raised to it.
        max_gain: the most that contrast is multiplied by, so that noise stays noise.
        ruled: whether ruled lines are looked for and taken off.
        faint_k: in a picture of contrast below 0.45, strokes are followed from what ``k`` finds
            as far as this weight, smaller than ``k``, finds ink: a light hand's pressure wanes
            along a stroke. 0 follows none.

    Returns:
        The ink, and how many lines were taken off.
    """
    grey = level(pixels, low_contrast, max_gain)
    if smoothing > 1:
        ndimage.uniform_filter(grey, smoothing, mode="mirror", output=grey)
    ink = _darker_than_paper(grey, window, k)
    if faint_k and measure_levels(pixels).contrast < _FAINT:
        ink = _follow(ink, _darker_than_paper(grey, window, faint_k))
    rulings = find_rulings(ink) if ruled else ()
    return Separated(clear_rulings(ink, grey, rulings), len(rulings))


def _follow(clear: npt.NDArray[np.bool_], faint: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The faint pieces that hold something clear.

    Hysteresis: Canny, "A computational approach to edge detection", IEEE TPAMI 8 (1986), section
    VI, with local thresholds.
    """
    from skimage.filters import apply_hysteresis_threshold  # noqa: PLC0415 - slow to import

    levels = faint.astype(np.int8) + (faint & clear)
    followed: npt.NDArray[np.bool_] = apply_hysteresis_threshold(levels, 0, 1)  # type: ignore[no-untyped-call]
    return followed


def _darker_than_paper(
    grey: npt.NDArray[np.float32], window: int, k: float
) -> npt.NDArray[np.bool_]:
    """What Sauvola's threshold takes for ink."""
    ink = np.zeros(grey.shape, dtype=np.bool_)
    dark = ink_box(grey <= brightest_ink(k))
    if dark is not None:
        # Only pixels in this box can be ink, and half a window beyond it is all they look at.
        half = window // 2
        rows = slice(max(0, dark.top - half), dark.bottom + half)
        columns = slice(max(0, dark.left - half), dark.right + half)
        near = grey[rows, columns]
        ink[rows, columns] = near <= sauvola_threshold(near, window, k)
    return ink


def brightest_ink(k: float) -> float:
    """A level that Sauvola's threshold never exceeds, whatever the picture, in [0, 256].

    Levels in [0, 255] with mean m deviate by at most sqrt(m (255 - m)) (Bhatia and Davis 2000),
    so the threshold is at most the greatest value that its formula takes on with that.
    """
    mean = np.linspace(0, _WHITE, 256)
    deviation = np.sqrt(mean * (_WHITE - mean))
    threshold = mean * (1 + k * (deviation / _SAUVOLA_RANGE - 1))
    return float(threshold.max()) + 1  # the grid's and float32's share


def sauvola_threshold(
    grey: npt.NDArray[np.float32], window: int, k: float
) -> npt.NDArray[np.float32]:
    """Sauvola's local threshold, T = m (1 + k (s / R - 1)).

    Sauvola and Pietikäinen, "Adaptive document image binarization", Pattern Recognition 33
    (2000), equation 5, with R half the grey range as in scikit-image.

    Args:
        grey: float32 (H, W) in [0, 255].
        window: odd side of the square window in pixels; the edge is mirrored.
        k: weight of the local deviation.

    Returns:
        float32 (H, W), the level up to which a pixel is ink.
    """
    # Centred on mid-grey so that the difference of squares keeps its digits in float32. In place
    # and by blocks of rows that fit the cache: fresh memory costs more here than arithmetic.
    centred = grey - np.float32(_SAUVOLA_RANGE)
    means = ndimage.uniform_filter(centred, window, mode="mirror")
    np.square(centred, out=centred)
    squares = ndimage.uniform_filter(centred, window, mode="mirror", output=centred)
    for start in range(0, len(means), _ROWS):
        mean, deviation = means[start : start + _ROWS], squares[start : start + _ROWS]
        deviation -= mean * mean
        np.sqrt(np.maximum(deviation, 0, out=deviation), out=deviation)
        deviation *= np.float32(k / _SAUVOLA_RANGE)
        deviation += np.float32(1 - k)
        mean += np.float32(_SAUVOLA_RANGE)
        mean *= deviation
    return np.asarray(means, dtype=np.float32)
