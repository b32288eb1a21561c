"""Searches among all galleries: who comes up first, and how often strangers come up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.ticker import FixedLocator, NullLocator

from sigvault.domain.comparison import Rate
from sigvault.evaluation.identification_rates import IdentificationRates
from sigvault.evaluation.results import ReferencesResult
from sigvault.reporting.evaluation.drawing import (
    QUIET,
    SERIES,
    SERIES_LINES,
    Drawing,
    arms,
    legend_below,
    one_panel,
    to_svg,
)

_APART = 1.03
_SET_APART = "Points of one place are set apart a little so that all can be seen."
_MARKERS = ("o", "s", "^", "D", "v", "P")


def draw_identification(results: Sequence[ReferencesResult]) -> Iterator[Drawing]:
    """CMC and open-set errors; nothing where no searches were asked for."""
    found = [
        (number % len(SERIES), result.identification)
        for number, result in enumerate(results)
        if result.identification is not None
    ]
    if found:
        yield _cmc(found)
        yield _open_set(found)


def _cmc(found: Sequence[tuple[int, IdentificationRates]]) -> Drawing:
    figure, axes = one_panel(height=4.4)
    ranks: set[int] = set()
    for number, rates in found:
        own = [point.rank for point in rates.cmc]
        ranks.update(own)
        axes.errorbar(
            [rank * _APART ** _aside(number, len(found)) for rank in own],
            [100.0 * point.identified.value for point in rates.cmc],
            yerr=[list(side) for side in _spans([point.identified for point in rates.cmc])],
            color=SERIES[number],
            linestyle=SERIES_LINES[number],
            marker=_MARKERS[number],
            markersize=5,
            capsize=2.5,
            linewidth=1.4,
            label=f"R = {rates.references}, {rates.signers} signers",
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(ranks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(ranks), [str(rank) for rank in sorted(ranks)])
    axes.set_ylim(top=100.4)
    axes.set_xlabel("rank: length of the candidate list")
    axes.set_ylabel("searches with the signer in the list, %")
    legend_below(figure)
    return Drawing(
        "cmc",
        "Identification by rank (CMC)",
        "Each genuine signature is searched for among all galleries: how often its signer is "
        f"among the first candidates, with 95 % intervals. {_SET_APART} It gets harder the more "
        "are enrolled.",
        to_svg(figure),
    )


def _open_set(found: Sequence[tuple[int, IdentificationRates]]) -> Drawing:
    figure, axes = one_panel(height=4.4)
    frozen = False
    aims: set[float] = set()
    for number, rates in found:
        points = rates.open_set
        aims.update(100.0 * point.aim for point in points)
        axes.errorbar(
            [100.0 * point.aim + 0.08 * _aside(number, len(found)) for point in points],
            [100.0 * point.fnir.value for point in points],
            yerr=[list(side) for side in _spans([point.fnir for point in points])],
            color=SERIES[number],
            linestyle=SERIES_LINES[number],
            marker=_MARKERS[number],
            markersize=5,
            capsize=2.5,
            linewidth=1.4,
            label=f"R = {rates.references}",
        )
        if rates.frozen is not None:
            frozen = True
            axes.errorbar(
                100.0 * rates.frozen.fpir.value,
                100.0 * rates.frozen.fnir.value,
                xerr=arms(rates.frozen.fpir),
                yerr=arms(rates.frozen.fnir),
                color=SERIES[number],
                marker="*",
                markersize=12,
                linewidth=1.0,
                clip_on=False,
                zorder=5,
            )
    if frozen:
        axes.plot([], [], "*", color=QUIET, markersize=12, label="frozen accept point")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("FPIR: strangers taken for somebody enrolled, %")
    axes.set_ylabel("FNIR: enrolled signers missed, %")
    legend_below(figure)
    return Drawing(
        "open_set",
        "Identification with strangers (FPIR and FNIR)",
        "How many searches miss their signer where strangers bring up somebody at a given rate, "
        "with 95 % intervals; nearer to the lower left is better. The lines only join the points "
        f"that were measured. {_SET_APART}"
        + (" Stars are the frozen accept point of verification." if frozen else ""),
        to_svg(figure),
    )


def _aside(number: int, of: int) -> float:
    """How many steps a series is set aside, so that the series lie around their place."""
    return number - 0.5 * (of - 1)


def _spans(rates: Sequence[Rate]) -> tuple[list[float], list[float]]:
    sides = [arms(rate) for rate in rates]
    return [below[0] for below, _ in sides], [above[0] for _, above in sides]
