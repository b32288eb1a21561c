"""A closer look at a probe that may be a reference's picture again, turned a little.

The local score bears a turn of two degrees. Whoever pastes the picture of a signature turned by
five would pass for somebody who signed once more; turned back, it is the picture again. By how much
it is turned shows in where its cells found their counterparts, and that they found them there tells
most second signatures from it.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import nlargest

from sigvault.domain.comparison import CLOSER_LOOK, Score
from sigvault.domain.local_blocks import match_local_block, match_views
from sigvault.domain.ports import Embedder
from sigvault.domain.turn_fit import fit_turn
from sigvault.imaging.turning import turn_image
from sigvault.services.comparing import Claimed, Comparison

RESIDUAL = 0.5
"""Cells by which half of the counterparts may lie off where a turn brings them: a copy's lie within
half a cell, as cells are found; a second signature's mostly don't."""

MOST_VIEWS = 5
"""So many of the most alike views are asked: a copy is most alike to those of its own reference."""

LOSS = 0.02
LOSS_A_DEGREE = 0.03
"""What a copy's local score loses at most, and by each degree of the turn that is told: what lies
lower than that below the limit would not reach it turned back."""


def suspect_copy(compared: Comparison, claimed: Claimed) -> float | None:
    """By how many degrees to turn a probe, or None where it is no turned copy.

    The turn is told by the view that explains it best, of the most alike ones.

    Args:
        compared: the probe.
        claimed: whom it was compared with.
    """
    limit, score = claimed.threshold.copy_limit, compared.score
    if limit is None or not claimed.threshold.asks_closer_look(score):
        return None
    near = [
        reference.embedding.local
        for one, reference in zip(score.per_reference, claimed.gallery.references, strict=True)
        if one.local >= limit - CLOSER_LOOK
    ]
    views = match_views(near, compared.embedding.level)
    fits = [
        fit
        for view in nlargest(MOST_VIEWS, views, key=lambda view: view.score)
        if view.score >= limit - CLOSER_LOOK
        and (fit := fit_turn(compared.embedding.level, view.grid)) is not None
        and fit.residual <= RESIDUAL
        and view.score + LOSS + LOSS_A_DEGREE * abs(fit.degrees) >= limit
    ]
    return min(fits, key=lambda fit: fit.residual).told if fits else None


def look_closer(
    embedder: Embedder, compared: Comparison, claimed: Claimed, degrees: float
) -> Score:
    """The score with the local scores of the probe turned.

    Args:
        embedder: the model.
        compared: the probe.
        claimed: whom it was compared with.
        degrees: anticlockwise positive.

    Raises:
        GenerationMismatch: If the ink was prepared for another model.
    """
    found = match_local_block(
        [reference.embedding.local for reference in claimed.gallery.references],
        embedder.local_features([turn_image(compared.ink, degrees)]),
    )
    seen = zip(compared.score.per_reference, found[:, 0].tolist(), strict=True)
    return replace(
        compared.score, per_reference=tuple(replace(one, turned=turned) for one, turned in seen)
    )
