"""Paper, light, pen and scanner harmonised away: what is left is where the ink lies.

The result is binary, at the source's resolution. Grey levels and edge sharpness, which tell
genuine from forged in the research sets without looking at the writing, end here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sigvault.imaging.levels import level

_SAUVOLA_RANGE = 127.5
_ROWS = 64


def find_ink(
    pixels: npt.NDArray[np.uint8],
    *,
    smoothing: int,
    window: int,
    k: float,
    low_contrast: float,
    max_gain: float,
) -> npt.NDArray[np.bool_]:
    """Tell ink from paper.

    Args:
        pixels: uint8 (H, W), 0 = black, 255 = white.
        smoothing: odd side in pixels of the square over which grey is averaged first, so that
            sharp and blurred scans break and thicken strokes alike.
        window: odd side of Sauvola's window in pixels.
        k: Sauvola's weight of the local deviation; larger finds less ink.
        low_contrast: ink contrast in [0, 1] below which the contrast is raised to it.
        max_gain: the most that contrast is multiplied by, so that noise stays noise.

    Returns:
        bool (H, W), true where there is ink.
    """
    grey = level(pixels, low_contrast, max_gain)
    if smoothing > 1:
        ndimage.uniform_filter(grey, smoothing, mode="mirror", output=grey)
    return grey <= sauvola_threshold(grey, window, k)


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
