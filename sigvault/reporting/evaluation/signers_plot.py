"""Who is hard: each signer's errors, from the easiest to the hardest."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from sigvault.evaluation.results import ReferencesResult, SignerResult
from sigvault.reporting.evaluation.drawing import (
    GRID,
    MATED,
    SKILLED,
    TEXT,
    Drawing,
    new_figure,
    to_svg,
)

SHOWN = 60
"""No more signers than this in one picture."""

_LONGEST_NAME = 10


def draw_signers(result: ReferencesResult) -> Drawing | None:
    """One dot a signer and error; None where no signer met a forgery."""
    ranked = rank_signers(result.per_signer)
    if not ranked:
        return None
    shown = ranked[-SHOWN:]
    frozen = any(one.frozen_fnmr is not None for one in shown)
    figure = new_figure(10.4, 5.4 if frozen else 3.4)
    panels = figure.subplots(2 if frozen else 1, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
    _oracle(panels[0], shown)
    if frozen:
        _frozen(panels[1], shown)
    panels[-1].set_xticks(
        range(len(shown)),
        [_shorten(one.signer) for one in shown],
        rotation=90 if len(shown) > 24 or any(len(one.signer) > 4 for one in shown) else 0,
        fontsize=7.5 if len(shown) > 24 else 9,
    )
    panels[-1].set_xlim(-0.8, len(shown) - 0.2)
    panels[-1].set_xlabel("signer, from the easiest to the hardest")
    figure.align_ylabels()
    number = result.references
    return Drawing(
        f"signers_{number}",
        f"Errors by signer, R = {number}",
        "Above, each signer's equal error rate at a threshold of the signer's own that was chosen "
        "afterwards: an oracle, which no system has, to show who is hard."
        + (
            " Below, what the frozen accept point, the same for all, did to the same signers."
            if frozen
            else ""
        )
        + _left_out(len(ranked), len(shown)),
        to_svg(figure),
        wide=True,
    )


def rank_signers(signers: Sequence[SignerResult]) -> list[SignerResult]:
    """Those with an equal error rate, the hardest last."""
    known = [
        (one.eer, one.frozen_fnmr or 0.0, one.signer, one) for one in signers if one.eer is not None
    ]
    return [one for *_, one in sorted(known, key=lambda each: each[:3])]


def _left_out(known: int, shown: int) -> str:
    if known == shown:
        return ""
    return f" The {shown} hardest of {known} signers are drawn; the table holds all."


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _oracle(axes: Axes, shown: Sequence[SignerResult]) -> None:
    rates = [100.0 * (one.eer or 0.0) for one in shown]
    axes.bar(range(len(rates)), rates, width=0.62, color="#8c939c")
    axes.set_ylabel("own EER (oracle), %")
    axes.set_ylim(0, max(5.0, 1.08 * max(rates)))


def _frozen(axes: Axes, shown: Sequence[SignerResult]) -> None:
    failing = [(place, one.frozen_fnmr) for place, one in enumerate(shown)]
    passing = [(place, one.frozen_skilled_fmr) for place, one in enumerate(shown)]
    highest = 5.0
    for points, marker, colour, label in (
        (passing, "^", SKILLED, "skilled forgeries accepted"),
        (failing, "o", MATED, "genuine signatures not accepted"),
    ):
        known = [(place, 100.0 * rate) for place, rate in points if rate is not None]
        if not known:
            continue
        places, rates = zip(*known, strict=True)
        highest = max(highest, *rates)
        axes.plot(
            places,
            rates,
            marker,
            color=colour,
            markersize=8 if marker == "^" else 5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=label,
            clip_on=False,
            zorder=4,
        )
    axes.set_ylim(0, 1.08 * highest)
    axes.set_ylabel("at the accept point, %", color=TEXT)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
