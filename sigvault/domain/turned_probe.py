"""Whether a probe lies turned against a signer's references, further than their views reach.

A form that lies askew in the scanner turns all that is on it, and whoever writes along the edge of
a parcel turns it by more. References are seen from three sides, so that a turn of ten degrees costs
little; one of twenty costs more than most forgeries differ by. By how much a probe is turned shows
in where its cells found their counterparts, as with turned copies, but no counterpart has to lie as
near as a copy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from sigvault.domain.comparison import Score
from sigvault.domain.embedding import Embedding
from sigvault.domain.image import QualityFinding
from sigvault.domain.local_blocks import match_views
from sigvault.domain.turn_fit import fit_turn

TURNED = "turned"
"""What the finding is called."""

LEAST_TURN = 14.0
"""Degrees: below them the views of references serve."""

RESIDUAL = 1.5
"""Cells by which half of the counterparts may lie off where a turn brings them. Those of another
signer's signature lie two off."""

_ONE_VIEW_IN = 3
_MOST_VIEWS = 5
"""The turn is told by the most alike third of all views, but by no more than these."""


def tell_turn(
    probe: Embedding, references: Sequence[Embedding], turns: Sequence[float]
) -> float | None:
    """By how many degrees to turn a probe so that it lies as the references do.

    Args:
        probe: the probe, as it is.
        references: of one signer, at least one, of the same model.
        turns: by how many degrees each further view of a reference was turned
            (`ModelCard.local_turns`).

    Returns:
        Degrees, anticlockwise positive as a reader sees it, at least `LEAST_TURN` to either side;
        None where the probe lies less askew, or its cells agree on no turn.

    Raises:
        ValueError: If the shapes differ, or there are other views than turns.
    """
    views = match_views([reference.local for reference in references], probe.level)
    degrees = (0.0, *turns)
    if len(views) > len(degrees) * len(references):
        raise ValueError(f"the references have more than {len(degrees)} views each")
    views.sort(key=lambda view: -view.score)
    told: list[float] = []
    residuals: list[float] = []
    for view in views[: min(_MOST_VIEWS, max(1, len(views) // _ONE_VIEW_IN))]:
        fit = fit_turn(probe.level, view.grid)
        if fit is None:
            return None
        turn = fit.told - degrees[view.number]
        # The most alike view tells most of those that are level, and most of other signers'.
        if not told and (fit.residual > RESIDUAL or abs(turn) < LEAST_TURN / 2):
            return None
        told.append(turn)
        residuals.append(fit.residual)
    turn = median(told)
    return turn if median(residuals) <= RESIDUAL and abs(turn) >= LEAST_TURN else None


def direction(degrees: float) -> str:
    """Which way a turn goes as a reader sees it; anticlockwise ones are positive."""
    return "anticlockwise" if degrees > 0 else "clockwise"


def once_straightened(score: Score) -> str:
    """What to add where a score is told: that the probe was turned back for it, or nothing."""
    degrees = score.straightened
    return "" if degrees is None else f" turned back by {abs(degrees):.0f} degrees"


def find_turned(score: Score) -> tuple[QualityFinding, ...]:
    """One finding where a probe was turned back before it was compared; else none."""
    degrees = score.straightened
    if degrees is None:
        return ()
    return (
        QualityFinding(
            name=TURNED,
            value=abs(degrees),
            limit=LEAST_TURN,
            unit="degrees",
            severe=False,
            message=f"turned {direction(-degrees)} by {abs(degrees):.0f} degrees against the "
            "references, and compared turned back: see that the paper lies straight in the scanner",
        ),
    )
