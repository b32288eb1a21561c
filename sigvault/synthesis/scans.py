"""Pens, paper and scanners.

They are drawn knowing nothing about who writes, so that nothing but the writing tells a genuine
signature from a forgery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Scan:
    """The pen, the paper and the scanner of one image.

    Attributes:
        dpi: resolution, in pixels per inch.
        pen_width: width of the line at usual pressure, in millimetres.
        ink_tone: grey level of a full line, in [0, 255].
        flow: how much width and darkness follow the pressure, in [0, 1].
        grain: roughness of the ink, 0 = even.
        paper_tone: grey level of the paper, in [0, 255].
        shading: difference of tone across the sheet, in grey levels.
        fibre: spread of the paper's texture, in grey levels.
        noise: spread of the sensor's noise, in grey levels.
        blur: spread of the optics' blur, in pixels.
        margins: left, top, right and bottom margin, in millimetres.
    """

    dpi: float
    pen_width: float
    ink_tone: float
    flow: float
    grain: float
    paper_tone: float
    shading: float
    fibre: float
    noise: float
    blur: float
    margins: tuple[float, float, float, float]


def draw_scan(rng: np.random.Generator, dpi: float) -> Scan:
    """Draw the pen, paper and scanner of an image; knows nothing about who writes."""
    left, top, right, bottom = rng.uniform(2.0, 8.0, 4)
    return Scan(
        dpi=dpi,
        pen_width=float(np.clip(rng.normal(0.34, 0.06), 0.24, 0.55)),
        ink_tone=rng.uniform(20, 85),
        flow=rng.uniform(0.4, 1.0),
        grain=rng.uniform(0.08, 0.4),
        paper_tone=rng.uniform(226, 250),
        shading=rng.uniform(0, 8),
        fibre=rng.uniform(0.3, 2.0),
        noise=rng.uniform(0.5, 2.5),
        blur=rng.uniform(0.4, 0.8),
        margins=(left, top, right, bottom),
    )


class Pen(StrEnum):
    """What the varied population writes with."""

    BALLPOINT = "ballpoint"
    GEL = "gel"
    FIBRE_TIP = "fibre_tip"
    FOUNTAIN = "fountain"
    PENCIL = "pencil"


@dataclass(frozen=True)
class PenRange:
    """What pens of a kind are like.

    Attributes:
        share: of the signatures that are written with one.
        width: of the line at usual pressure, in millimetres, from the finest to the broadest.
        tone: grey level of a full line, from the darkest to the lightest.
        flow: how much width and darkness follow the pressure, least and most, in [0, 1].
        grain: roughness of the ink, least and most; 0 = even.
    """

    share: float
    width: tuple[float, float]
    tone: tuple[float, float]
    flow: tuple[float, float]
    grain: tuple[float, float]


PENS: Final = {
    Pen.BALLPOINT: PenRange(0.5, (0.22, 0.42), (25, 100), (0.5, 1.0), (0.15, 0.5)),
    Pen.GEL: PenRange(0.2, (0.3, 0.55), (10, 50), (0.1, 0.4), (0.03, 0.15)),
    Pen.FIBRE_TIP: PenRange(0.12, (0.45, 0.85), (15, 70), (0.1, 0.5), (0.05, 0.25)),
    Pen.FOUNTAIN: PenRange(0.1, (0.3, 0.7), (20, 90), (0.7, 1.0), (0.05, 0.2)),
    Pen.PENCIL: PenRange(0.08, (0.3, 0.55), (80, 125), (0.6, 1.0), (0.5, 0.8)),
}
"""The pens of the varied population; set by hand and eye."""


def draw_varied_scan(rng: np.random.Generator, dpi: float) -> Scan:
    """Draw the kind of pen, and paper and scanners from a broader range than ``draw_scan``."""
    pen = PENS[list(PENS)[int(rng.choice(len(PENS), p=[kind.share for kind in PENS.values()]))]]
    return replace(
        draw_scan(rng, dpi),
        pen_width=rng.uniform(*pen.width),
        ink_tone=rng.uniform(*pen.tone),
        flow=rng.uniform(*pen.flow),
        grain=rng.uniform(*pen.grain),
        paper_tone=rng.uniform(205, 252),
        shading=rng.uniform(0, 16),
        fibre=rng.uniform(0.3, 4.0),
        noise=rng.uniform(0.5, 4.0),
        blur=rng.uniform(0.4, 1.1),
    )
