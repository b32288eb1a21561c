"""What became of genuine signatures and forgeries at the frozen accept point."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from sigvault.evaluation.decision_measures import ConfusionMatrix
from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.results import FrozenResult, ReferencesResult
from sigvault.reporting.evaluation.drawing import (
    KIND_WORDS,
    TEXT,
    Drawing,
    new_figure,
    to_svg,
)

_SHADES = LinearSegmentedColormap.from_list("share", ["#eef1f3", "#7fb3d5"])


def draw_confusion(result: ReferencesResult, frozen: FrozenResult) -> Drawing:
    """Counts and shares, against random and against skilled forgeries apart."""
    decisions = {Kind.RANDOM: frozen.at_accept.random.confusion}
    if frozen.at_accept.skilled is not None:
        decisions = {Kind.SKILLED: frozen.at_accept.skilled.confusion, **decisions}
    figure = new_figure(5.2, 0.5 + 1.75 * len(decisions))
    figure.set_layout_engine("constrained", hspace=0.14)
    panels = figure.subplots(len(decisions), 1, squeeze=False)[:, 0]
    for axes, (kind, matrix) in zip(panels, decisions.items(), strict=True):
        _panel(axes, kind, matrix)
    panels[0].set_xticks([0, 1], ["accepted", "not accepted"])
    panels[0].xaxis.tick_top()
    number = result.references
    return Drawing(
        f"confusion_{number}",
        f"Confusion at the frozen accept point, R = {number}",
        "Rows are what the signatures were, columns what the accept point, fixed beforehand, said; "
        "percentages are of the row. Each probe counts once for every draw of the references. "
        "Random and skilled forgeries are kept apart: pooled, the figures would say whatever their "
        "proportion says.",
        to_svg(figure),
    )


def _panel(axes: Axes, kind: Kind, matrix: ConfusionMatrix) -> None:
    counts = np.array(
        [
            [matrix.genuine_passed, matrix.genuine_failed],
            [matrix.forged_passed, matrix.forged_failed],
        ]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=_SHADES, vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        right = row == column
        axes.text(
            column,
            row,
            f"{100.0 * shares[row, column]:.1f} %\n{count:,} {'right' if right else 'wrong'}",
            ha="center",
            va="center",
            color=TEXT,
            fontweight="normal" if right else "bold",
        )
    axes.set_xticks([])
    axes.set_yticks([0, 1], ["genuine\nsignatures", KIND_WORDS[kind].replace(" ", "\n")])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.axhline(0.5, color="white", linewidth=3)
    axes.axvline(0.5, color="white", linewidth=3)
