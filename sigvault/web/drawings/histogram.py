"""Where genuine signatures and skilled forgeries score, from a threshold's measured points.

The scores themselves are not kept with a threshold, but the shares beyond each of its points are:
between two points lies the difference of their shares. Bars of one width are cut from that,
with the scores between two neighbouring points spread evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import Threshold
from sigvault.reporting.number_line import Tick
from sigvault.web.drawings.axis import Axis, axis_around

HEIGHT = 120.0
"""Of the highest bar, in pixels."""

BARS = 30
"""Between the lowest measured point and the highest."""

_LEAST_POINTS = 8


@dataclass(frozen=True)
class Bar:
    """A bar of both kinds.

    Attributes:
        x: left edge, in per cent.
        width: in per cent.
        mated: height of the genuine signatures, in pixels.
        skilled: height of the skilled forgeries, in pixels.
    """

    x: float
    width: float
    mated: float
    skilled: float


@dataclass(frozen=True)
class Histogram:
    """The bars, and what lies where along them.

    Attributes:
        bars: from left to right.
        refuse: place of the refuse point, in per cent.
        accept: place of the accept point.
        score: place of the score; None where it is not shown.
        ticks: round numbers below.
        mated_beyond: the share of genuine signatures whose scores lie outside the bars.
        skilled_beyond: the share of skilled forgeries likewise.
    """

    bars: tuple[Bar, ...]
    refuse: float
    accept: float
    score: float | None
    ticks: tuple[Tick, ...]
    mated_beyond: float
    skilled_beyond: float


def draw_histogram(threshold: Threshold, score: float | None) -> Histogram | None:
    """Lay out the distributions that a threshold's points tell of.

    Args:
        threshold: with the points that were measured.
        score: the score to be shown among them, or None.

    Returns:
        The histogram; None where the points are too few or skilled forgeries were not measured.
    """
    curves = _curves(threshold)
    if curves is None:
        return None
    scores, mated, skilled = curves
    shown = [scores[0], scores[-1], threshold.accept, threshold.refuse]
    axis = axis_around(shown if score is None else [*shown, score])
    edges = np.linspace(scores[0], scores[-1], BARS + 1)
    own, others = (np.diff(np.interp(edges, scores, curve)) for curve in (mated, skilled))
    return Histogram(
        bars=_bars(axis, edges.tolist(), own.tolist(), others.tolist()),
        refuse=axis.place(threshold.refuse),
        accept=axis.place(threshold.accept),
        score=None if score is None else axis.place(score),
        ticks=axis.ticks(),
        mated_beyond=float(1.0 - (mated[-1] - mated[0])),
        skilled_beyond=float(1.0 - (skilled[-1] - skilled[0])),
    )


def _curves(threshold: Threshold) -> tuple[list[float], list[float], list[float]] | None:
    """Scores, and the shares of genuine signatures and of skilled forgeries below each."""
    points = [point for point in threshold.points if point.rates.skilled_fmr is not None]
    if len(points) < _LEAST_POINTS:
        return None
    mated = [point.rates.fnmr.value for point in points]
    skilled = [1.0 - rate.value for point in points if (rate := point.rates.skilled_fmr)]
    return [point.score for point in points], mated, skilled


def _bars(
    axis: Axis, edges: Sequence[float], mated: Sequence[float], skilled: Sequence[float]
) -> tuple[Bar, ...]:
    highest = max(*mated, *skilled, 1e-9)
    places = [axis.place(edge) for edge in edges]
    return tuple(
        Bar(
            x=left,
            width=round(right - left, 2),
            mated=round(HEIGHT * own / highest, 1),
            skilled=round(HEIGHT * other / highest, 1),
        )
        for left, right, own, other in zip(places[:-1], places[1:], mated, skilled, strict=True)
    )
