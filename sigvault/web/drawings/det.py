"""A detection error trade-off: the errors at each measured point, on normal deviate axes.

Martin et al., "The DET curve in assessment of detection task performance" (Eurospeech 1997): on
these axes normal distributions of scores make straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from sigvault.domain.comparison import ErrorRates, Rate, Threshold
from sigvault.reporting.number_line import Tick

HEIGHT = 320.0
"""Of the plot, in pixels."""

LEAST = 0.0002
MOST = 0.6
"""The rates at the ends of both axes; a mark that lies beyond is drawn at the end."""

_NONE, _ALL = 1e-6, 1.0 - 1e-6
"""Rates of 0 and 1 have no place on these axes."""

_TICKS = (0.001, 0.01, 0.05, 0.2, 0.4)

_deviate = NormalDist().inv_cdf


@dataclass(frozen=True)
class Mark:
    """A point on one of the curves, with its intervals.

    Attributes:
        x: in per cent from the left.
        y: in pixels from the top.
        left: the interval's lower end across.
        right: its upper end.
        top: the interval's upper end upwards, in pixels from the top.
        bottom: its lower end.
    """

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Curve:
    """The errors with one kind of forgeries.

    Attributes:
        kind: ``"random"`` or ``"skilled"``.
        path: points as SVG has them, both directions in per cent.
        accept: where signatures are accepted from, as calibrated.
        refuse: where they are refused below.
        moved: the point that somebody looks at; None for none.
    """

    kind: str
    path: str
    accept: Mark
    refuse: Mark
    moved: Mark | None


@dataclass(frozen=True)
class Det:
    """The curves and what lies along the axes.

    Attributes:
        curves: one a kind of forgeries that was measured.
        across: rates along the lower axis, in per cent of the width.
        upwards: rates along the left axis, in pixels from the top.
    """

    curves: tuple[Curve, ...]
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]


def draw_det(threshold: Threshold, moved: ErrorRates | None) -> Det:
    """Lay out a threshold's curves.

    Args:
        threshold: with the points that were measured.
        moved: the rates of the point that somebody looks at, or None.
    """
    kinds = ["random"]
    if threshold.accept_rates.skilled_fmr is not None:
        kinds.append("skilled")
    return Det(
        curves=tuple(_curve(threshold, kind, moved) for kind in kinds),
        across=tuple(Tick(_across(rate), f"{100 * rate:g} %") for rate in _TICKS),
        upwards=tuple(Tick(_upwards(rate), f"{100 * rate:g} %") for rate in _TICKS),
    )


def _curve(threshold: Threshold, kind: str, moved: ErrorRates | None) -> Curve:
    places = []
    for point in threshold.points:
        forged = _forged(point.rates, kind)
        if forged is not None:
            across, up = _share(forged.value), _share(point.rates.fnmr.value)
            places.append(f"{100.0 * across:.2f},{100.0 * (1.0 - up):.2f}")
    accept, refuse = _mark(threshold.accept_rates, kind), _mark(threshold.refuse_rates, kind)
    return Curve(
        kind=kind,
        path=" ".join(places),
        accept=accept,
        refuse=refuse,
        moved=None if moved is None else _mark(moved, kind),
    )


def _forged(rates: ErrorRates, kind: str) -> Rate | None:
    return rates.fmr if kind == "random" else rates.skilled_fmr


def _mark(rates: ErrorRates, kind: str) -> Mark:
    forged = _forged(rates, kind) or Rate(1.0, 1.0, 1.0)
    return Mark(
        x=_across(forged.value),
        y=_upwards(rates.fnmr.value),
        left=_across(forged.low),
        right=_across(forged.high),
        top=_upwards(rates.fnmr.high),
        bottom=_upwards(rates.fnmr.low),
    )


def _share(rate: float) -> float:
    """Where a rate lies between the ends of an axis; below 0 or above 1 where it lies beyond."""
    low, high = _deviate(LEAST), _deviate(MOST)
    return (_deviate(min(_ALL, max(_NONE, rate))) - low) / (high - low)


def _within(rate: float) -> float:
    return min(1.0, max(0.0, _share(rate)))


def _across(rate: float) -> float:
    return round(100.0 * _within(rate), 2)


def _upwards(rate: float) -> float:
    return round(HEIGHT * (1.0 - _within(rate)), 2)
