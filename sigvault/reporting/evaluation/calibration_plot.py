"""Whether likelihood ratios mean what they say: a reliability diagram."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.reliability import Reliability
from sigvault.evaluation.results import FrozenResult, ReferencesResult
from sigvault.reporting.evaluation.drawing import (
    GRID,
    KIND_WORDS,
    MATED,
    QUIET,
    Drawing,
    arms,
    new_figure,
    to_svg,
)
from sigvault.reporting.words import percent


def draw_reliability(result: ReferencesResult, frozen: FrozenResult) -> Drawing:
    """What the ratios predicted against what came true, with how many there were below."""
    figure = new_figure(5.2, 5.3)
    upper, lower = _panels(figure)
    ratios = frozen.ratios
    upper.plot([0, 100], [0, 100], color=QUIET, linewidth=0.9, linestyle=(0, (2, 3)))
    for one in ratios.bins:
        upper.errorbar(
            100.0 * one.predicted.value,
            100.0 * one.observed.value,
            xerr=arms(one.predicted),
            yerr=arms(one.observed),
            color=MATED,
            marker="o",
            markersize=5.5,
            linewidth=1.0,
            capsize=2.5,
            clip_on=False,
        )
    upper.set(xlim=(0, 100), ylim=(0, 100))
    upper.set_ylabel("observed: genuine in the bin, %")
    upper.text(3, 97, _figures(ratios), va="top", fontsize=9.5)
    for one in ratios.bins:
        left, width = 100.0 * one.low, 100.0 * (one.high - one.low)
        lower.bar(left, 100.0 * one.weight, width, align="edge", color="#8c939c", edgecolor="white")
    lower.set_ylabel("weight, %")
    lower.set_xlabel("predicted probability of a genuine signature, %")
    number, against = result.references, Kind.RANDOM if result.skilled == 0 else Kind.SKILLED
    return Drawing(
        f"reliability_{number}",
        f"Reliability of the likelihood ratios, R = {number}",
        f"Genuine signatures against {KIND_WORDS[against]}, both kinds weighing the same. Points "
        "on the dotted diagonal mean what they say; above it the ratios are too cautious about "
        "genuine signatures, below it too bold. Crosses are 95 % intervals. ECE is the mean "
        "distance from the diagonal. Cllr is the cost of the ratios in bits: 0 for perfect ones, 1 "
        "for ones that say nothing; the least Cllr is what remains with the best calibration.",
        to_svg(figure),
    )


def _panels(figure: Figure) -> tuple[Axes, Axes]:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    for axes in (upper, lower):
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
    return upper, lower


def _figures(ratios: Reliability) -> str:
    return (
        f"ECE {percent(ratios.expected_calibration_error.value)}\n"
        f"Cllr {ratios.cllr.value:.3f} bits\n"
        f"least Cllr {ratios.minimum_cllr.value:.3f} bits"
    )
