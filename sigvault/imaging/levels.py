"""How bright the paper is, how dark the ink, and both brought to common levels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

_WHITE = 255
_INK_SHARE = 0.0005
_LEAST_INK_PIXELS = 16
_PAPER_PERCENTILE = 0.9


class Levels(NamedTuple):
    """What the histogram of a picture says.

    Attributes:
        paper: the level of the paper in [0, 255].
        ink: the level of the darkest ink in [0, paper].
        is_reversed: whether the writing is light on dark; the other two are then those of the
            negative.
    """

    paper: float
    ink: float
    is_reversed: bool

    @property
    def contrast(self) -> float:
        """Of the ink against the paper, (paper - ink) / paper, in [0, 1]."""
        return self.depth / max(self.paper, 1.0)

    @property
    def depth(self) -> float:
        """Paper less ink, in [0, 255]."""
        return self.paper - self.ink


def measure_levels(pixels: npt.NDArray[np.uint8]) -> Levels:
    """Measure the levels of paper and ink.

    The paper is the 90th percentile; the ink is the level that the darkest 0.05 % of the
    pixels, at least 16 of them, lie at or below. A picture is reversed if its median is in the
    dark half and farther from its brightest pixels, counted likewise, than from its darkest.

    Args:
        pixels: uint8 (H, W).
    """
    # Pillow counts bytes as they are; np.bincount would first make an integer of eight bytes each.
    counts = np.array(Image.fromarray(pixels).histogram(), dtype=np.int64)
    median = _level_at(counts, 0.5)
    rare = max(_INK_SHARE, _LEAST_INK_PIXELS / pixels.size)
    light = _WHITE - _level_at(counts[::-1], rare)
    is_reversed = median < _WHITE / 2 and light - median > median - _level_at(counts, rare)
    if is_reversed:
        counts = counts[::-1]
    paper = _level_at(counts, _PAPER_PERCENTILE)
    return Levels(paper, min(paper, _level_at(counts, rare)), bool(is_reversed))


def level(
    pixels: npt.NDArray[np.uint8], low_contrast: float, max_gain: float
) -> npt.NDArray[np.float32]:
    """Bring the paper to white, and darken the ink if it is faint.

    Args:
        pixels: uint8 (H, W).
        low_contrast: ink contrast in [0, 1] below which contrast is raised to it.
        max_gain: the most that contrast is multiplied by, so that noise stays noise.

    Returns:
        float32 (H, W) in [0, 255], dark on light.
    """
    found = measure_levels(pixels)
    if found.depth == 0:
        return np.full(pixels.shape, _WHITE, dtype=np.float32)
    gain = min(max(1.0, low_contrast / max(found.contrast, 1e-6)), max_gain)
    levels = np.arange(_WHITE + 1, dtype=np.float64)
    if found.is_reversed:
        levels = levels[::-1]
    levelled = _WHITE * (1 - gain * (1 - levels / max(found.paper, 1.0)))
    return np.clip(levelled, 0, _WHITE).astype(np.float32).take(pixels)


def _level_at(counts: npt.NDArray[np.int64], share: float) -> float:
    """The lowest level that at least this share of the pixels lie at or below."""
    running = np.cumsum(counts)
    return float(min(np.searchsorted(running, share * running[-1]), _WHITE))
