"""Error curves: DET and ROC, one picture for each kind of forgery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.special import ndtr, ndtri

from sigvault.domain.comparison import ErrorRates, Rate
from sigvault.evaluation.binary_measures import Discrimination
from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.results import FrozenResult, ReferencesResult
from sigvault.reporting.evaluation.drawing import (
    KIND_WORDS,
    QUIET,
    SERIES,
    SERIES_LINES,
    Drawing,
    legend_below,
    one_panel,
    to_svg,
)

TICKS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""On the axes of a DET plot, in per cent."""

LIMITS = (0.05, 60.0)
"""What a DET plot shows, in per cent."""

_CORNER = (0, 5, 10, 15, 20)

_ZOOM_FROM = 0.9
"""The least area under a ROC curve from which its corner is shown enlarged."""


def draw_curves(results: Sequence[ReferencesResult]) -> Iterator[Drawing]:
    """DET and ROC of skilled and of random forgeries; nothing without results."""
    if not results:
        return
    kinds = [Kind.RANDOM]
    if any(_of(result, Kind.SKILLED) for result in results):
        kinds = [Kind.SKILLED, Kind.RANDOM]
    for kind in kinds:
        yield _det(results, kind)
    for kind in kinds:
        yield _roc(results, kind)


def _of(result: ReferencesResult, kind: Kind) -> Discrimination | None:
    return result.binary.skilled if kind is Kind.SKILLED else result.binary.random


def _curves(
    results: Sequence[ReferencesResult], kind: Kind
) -> Iterator[tuple[int, ReferencesResult, Discrimination]]:
    for number, result in enumerate(results):
        found = _of(result, kind)
        if found is not None:
            yield number % len(SERIES), result, found


def banded(results: Sequence[ReferencesResult]) -> ReferencesResult:
    """The result whose interval is drawn: one in the middle, so that the picture stays legible."""
    return results[len(results) // 2]


def _det(results: Sequence[ReferencesResult], kind: Kind) -> Drawing:
    figure, axes = one_panel(height=5.3)
    chosen = banded(results)
    for number, result, found in _curves(results, kind):
        colour = SERIES[number]
        axes.plot(
            _place(found.det.fmr),
            _place(found.det.fnmr),
            color=colour,
            linestyle=SERIES_LINES[number],
            linewidth=1.6,
            label=f"R = {result.references}",
        )
        if result is chosen:
            band = found.band
            axes.fill_between(
                _place(band.fmr),
                _place(band.low),
                _place(band.high),
                color=colour,
                alpha=0.13,
                linewidth=0,
            )
        if result.frozen is not None:
            _operating_points(axes, result.frozen, kind, colour)
    _per_cent_axes(axes)
    axes.plot(_edges(), _edges(), color=QUIET, linewidth=0.7, linestyle=(0, (2, 3)))
    axes.set_xlabel(f"{KIND_WORDS[kind]} that pass, %")
    axes.set_ylabel("genuine signatures that fail, %")
    _explain_markers(axes, results)
    legend_below(figure, 3)
    return Drawing(
        f"det_{kind.name.lower()}",
        f"DET curves, {KIND_WORDS[kind]}",
        "Both errors at every threshold, on axes of normal deviates; nearer to the lower left is "
        "better, and the equal error rate is where a curve meets the dotted diagonal. R is the "
        f"number of references. The shaded band is the 95 % interval for R = {chosen.references}. "
        + _frozen_words(results)
        + f"Rates outside {LIMITS[0]:g} % to {LIMITS[1]:g} % lie on the edge.",
        to_svg(figure),
    )


def _frozen_words(results: Sequence[ReferencesResult]) -> str:
    if all(result.frozen is None for result in results):
        return ""
    return (
        "Filled circles are the frozen accept points and open squares the frozen refuse points, "
        "fixed before these signers were scored, with their 95 % intervals as crosses. "
    )


def _explain_markers(axes: Axes, results: Sequence[ReferencesResult]) -> None:
    if any(result.frozen is not None for result in results):
        axes.plot([], [], "o", color=QUIET, label="accept point")
        axes.plot([], [], "s", color=QUIET, markerfacecolor="white", label="refuse point")


def _operating_points(axes: Axes, frozen: FrozenResult, kind: Kind, colour: str) -> None:
    points = ((frozen.accept_rates, "o", colour), (frozen.refuse_rates, "s", "white"))
    for rates, marker, face in points:
        passing = _passing(rates, kind)
        if passing is None:
            continue
        across, up = _place([passing.value])[0], _place([rates.fnmr.value])[0]
        axes.plot(_place([passing.low, passing.high]), [up, up], color=colour, linewidth=1.0)
        axes.plot(
            [across, across], _place([rates.fnmr.low, rates.fnmr.high]), color=colour, linewidth=1.0
        )
        axes.plot(
            [across],
            [up],
            marker,
            color=colour,
            markerfacecolor=face,
            markersize=6.5,
            clip_on=False,
            zorder=5,
        )


def _passing(rates: ErrorRates, kind: Kind) -> Rate | None:
    return rates.skilled_fmr if kind is Kind.SKILLED else rates.fmr


def _edges() -> list[float]:
    return [float(ndtri(limit / 100.0)) for limit in LIMITS]


def _place(shares: Sequence[float]) -> list[float]:
    """Shares as places on an axis of normal deviates, inside its limits."""
    low, high = _edges()
    places: list[float] = np.clip(ndtri(np.asarray(shares, np.float64)), low, high).tolist()
    return places


def _per_cent_axes(axes: Axes) -> None:
    places = [float(ndtri(tick / 100.0)) for tick in TICKS]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(places))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda place, _: f"{100.0 * ndtr(place):.3g}"))
    axes.set_xlim(*_edges())
    axes.set_ylim(*_edges())
    axes.set_aspect("equal")


def _roc(results: Sequence[ReferencesResult], kind: Kind) -> Drawing:
    figure, axes = one_panel(height=5.3)
    areas = [found.auc.value for _, _, found in _curves(results, kind)]
    enlarged = None
    if min(areas) >= _ZOOM_FROM:
        enlarged = axes.inset_axes((0.36, 0.12, 0.6, 0.6))
        enlarged.set(
            xlim=(0, 20), ylim=(80, 100.4), xticks=_CORNER, yticks=[80 + k for k in _CORNER]
        )
        enlarged.grid(color="#eceded", linewidth=0.5)
        enlarged.tick_params(labelsize=8)
        axes.indicate_inset_zoom(enlarged, edgecolor=QUIET)
    for number, result, found in _curves(results, kind):
        across = 100.0 * np.asarray(found.roc.fmr)
        up = 100.0 - 100.0 * np.asarray(found.roc.fnmr)
        auc = found.auc
        label = f"R = {result.references}: AUC {auc.value:.4f} ({auc.low:.4f} to {auc.high:.4f})"
        for panel in (axes, enlarged):
            if panel is not None:
                panel.plot(
                    across,
                    up,
                    color=SERIES[number],
                    linestyle=SERIES_LINES[number],
                    linewidth=1.6,
                    label=label if panel is axes else None,
                )
    axes.plot([0, 100], [0, 100], color=QUIET, linewidth=0.7, linestyle=(0, (2, 3)))
    axes.set(xlim=(0, 100), ylim=(0, 100.5), aspect="equal")
    axes.set_xlabel(f"{KIND_WORDS[kind]} that pass, %")
    axes.set_ylabel("genuine signatures that pass, %")
    legend_below(figure, 1)
    return Drawing(
        f"roc_{kind.name.lower()}",
        f"ROC curves, {KIND_WORDS[kind]}",
        "The share of genuine signatures that pass against the share of forgeries that do, at "
        "every threshold; nearer to the upper left is better, and the dotted diagonal is chance. "
        "AUC is the area under the curve, with its 95 % interval."
        + ("" if enlarged is None else " The inner panel enlarges the corner."),
        to_svg(figure),
    )
