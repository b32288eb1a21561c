"""How scores are spread, by kind of probe, with the frozen thresholds."""

from __future__ import annotations

import numpy as np

from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.results import FrozenResult, ReferencesResult, ScoreHistogram
from sigvault.reporting.evaluation.drawing import (
    KIND_COLOURS,
    KIND_LINES,
    KIND_WORDS,
    TEXT,
    Drawing,
    legend_below,
    one_panel,
    to_svg,
)


def draw_histogram(result: ReferencesResult) -> Drawing:
    """The scores of one number of references."""
    figure, axes = one_panel(height=4.4)
    edges = np.asarray(result.histogram.edges)
    for kind, counts in _by_kind(result.histogram).items():
        shares = 100.0 * np.asarray(counts) / max(1, sum(counts))
        colour, line = KIND_COLOURS[kind], KIND_LINES[kind]
        axes.stairs(shares, edges, fill=True, alpha=0.16, color=colour)
        label = f"{KIND_WORDS[kind]} ({sum(counts):,})"
        axes.stairs(shares, edges, linewidth=1.5, label=label, color=colour, linestyle=line)
    frozen = result.frozen
    if frozen is not None and frozen.accept is not None and frozen.refuse is not None:
        axes.axvline(frozen.accept, color=TEXT, linewidth=1.2, label="accept point")
        axes.axvline(frozen.refuse, color=TEXT, linewidth=1.2, linestyle=":", label="refuse point")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_scale(frozen))
    axes.set_ylabel("comparisons of the kind in each bin, %")
    legend_below(figure)
    return Drawing(
        f"scores_{result.references}",
        f"Scores, R = {result.references}",
        "Higher scores are more alike. Each kind's bars add up to 100 %, however many comparisons "
        "there are of it (in brackets). " + _threshold_words(frozen),
        to_svg(figure),
    )


def _by_kind(histogram: ScoreHistogram) -> dict[Kind, tuple[int, ...]]:
    found = {Kind.MATED: histogram.mated, Kind.RANDOM: histogram.random}
    return found if histogram.skilled is None else {**found, Kind.SKILLED: histogram.skilled}


def _scale(frozen: FrozenResult | None) -> str:
    if frozen is not None and frozen.accept is None:
        return "score: log10 likelihood ratio of the signer's fold, without bounds"
    return "score, higher is more alike"


def _threshold_words(frozen: FrozenResult | None) -> str:
    if frozen is None:
        return "No threshold was frozen beforehand."
    if frozen.accept is None:
        return "Each fold has thresholds of its own, so none is drawn."
    return "What lies right of the accept point is accepted, left of the refuse point refused."
