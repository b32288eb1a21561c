"""The two pictures of a signature: as it was decoded, and as ink alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class SignatureImage:
    """A decoded picture, upright, before any harmonisation.

    Attributes:
        pixels: uint8 (H, W), 0 = black, 255 = white; row 0 is the top.
        digest: SHA-256 of the bytes that it was decoded from, in lower-case hex.
        source_width: width in pixels before any reduction for speed.
        source_height: height in pixels before any reduction for speed.
    """

    pixels: npt.NDArray[np.uint8]
    digest: str
    source_width: int
    source_height: int


@dataclass(frozen=True, eq=False)
class InkImage:
    """Ink presence on the fixed canvas: what every model and every score sees.

    Attributes:
        ink: float32 (H, W) in [0, 1], 1 = ink, 0 = paper; row 0 is the top.
        digest: SHA-256 of the bytes that it was decoded from, in lower-case hex.
        preprocessing: the name and version of the recipe, such as ``"sauvola-1"``.
        scale: canvas pixels per source pixel; below 1 the signature was reduced.
    """

    ink: npt.NDArray[np.float32]
    digest: str
    preprocessing: str
    scale: float


@dataclass(frozen=True)
class QualityFinding:
    """One thing that quality inspection noticed about a picture.

    Attributes:
        name: what was found, such as ``"blank"`` or ``"cut_off"``.
        value: the measured value.
        limit: the value from which it counts.
        unit: the unit of both, such as ``"pixels"`` or ``"share of ink"``.
        severe: whether the picture can't serve because of it.
        message: the finding in words, and what to do.
    """

    name: str
    value: float
    limit: float
    unit: str
    severe: bool
    message: str
