"""A closer look at a probe that may be a reference's picture again, turned a little.

The local score bears a turn of two degrees. Whoever pastes the picture of a signature turned by
five would pass for somebody who signed once more; turned back, it is the picture again. By how much
it is turned shows in where its cells found their counterparts, and that they found them there tells
most second signatures from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import CLOSER_LOOK, Score, Threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.gallery import Gallery
from sigvault.domain.image import InkImage
from sigvault.domain.local_blocks import match_local_block
from sigvault.domain.local_matching import TURN_MARGIN
from sigvault.domain.ports import Embedder
from sigvault.domain.turn_fit import fit_turn
from sigvault.imaging.turning import turn_ink

RESIDUAL = 0.5
"""Cells by which half of the counterparts may lie off where a turn brings them: a copy's lie within
half a cell, as cells are found; a second signature's mostly don't."""

LOSS = 0.02
LOSS_A_DEGREE = 0.03
"""What a copy's local score loses at most, and by each degree of the turn that is told: what lies
lower than that below the limit would not reach it turned back."""

SHORT = 1.0
"""Degrees that the turn told of a copy falls short by, mostly; see `sigvault.domain.turn_fit`."""


class CloserLook:
    """Looks at one probe, turned back, where it lies turned against a reference as a copy would."""

    def __init__(self, embedder: Embedder, ink: InkImage, probe: Embedding) -> None:
        """Take the probe's ink and what was made of it; nothing more is before it has to be."""
        self._embedder = embedder
        self._ink = ink
        self._probe = probe

    def __call__(self, score: Score, gallery: Gallery, threshold: Threshold) -> Score:
        """The score with what the closer look finds, or as it is where none is worth it.

        Args:
            score: the probe against the gallery.
            gallery: of the signer that it may be of.
            threshold: the one for so many references.

        Raises:
            GenerationMismatch: If the ink was prepared for another model.
        """
        degrees = self.suspect(score, gallery, threshold)
        return score if degrees is None else self.take(score, gallery, degrees)

    def suspect(self, score: Score, gallery: Gallery, threshold: Threshold) -> float | None:
        """By how many degrees to turn the probe, or None where it is no turned copy.

        The turn is told by the view of a reference that explains it best.

        Args:
            score: the probe against the gallery.
            gallery: of the signer that it may be of.
            threshold: the one for so many references.
        """
        limit = threshold.copy_limit
        if limit is None or not threshold.asks_closer_look(score):
            return None
        near = [
            reference.embedding
            for one, reference in zip(score.per_reference, gallery.references, strict=True)
            if one.local >= limit - CLOSER_LOOK
        ]
        fits = [
            fit
            for alike, view in _views(self._probe, near)
            if alike >= limit - CLOSER_LOOK
            and (fit := fit_turn(self._probe.level, view)) is not None
            and fit.residual <= RESIDUAL
            and alike + LOSS + LOSS_A_DEGREE * abs(fit.degrees) >= limit
        ]
        if not fits:
            return None
        told = min(fits, key=lambda fit: fit.residual).degrees
        return told + math.copysign(SHORT, told)

    def take(self, score: Score, gallery: Gallery, degrees: float) -> Score:
        """The score with the local scores of the probe turned.

        Args:
            score: the probe against the gallery.
            gallery: the same.
            degrees: anticlockwise positive.

        Raises:
            GenerationMismatch: If the ink was prepared for another model.
        """
        ink = replace(self._ink, ink=turn_ink(self._ink.ink, degrees))
        found = match_local_block(
            [reference.embedding.local for reference in gallery.references],
            self._embedder.local_features([ink]),
        )
        seen = zip(score.per_reference, found[:, 0].tolist(), strict=True)
        return replace(
            score, per_reference=tuple(replace(one, turned=turned) for one, turned in seen)
        )


def _views(
    probe: Embedding, references: Sequence[Embedding]
) -> Iterator[tuple[float, npt.NDArray[np.int8]]]:
    """The local score of each view of the references, less the margin of a turned one, and it."""
    own = [[one.local] if one.local.ndim == 3 else list(one.local) for one in references]
    views = [view for each in own for view in each]
    margins = [TURN_MARGIN if number else 0.0 for each in own for number in range(len(each))]
    scores = match_local_block(views, [probe.level])[:, 0] - margins
    return zip(scores.tolist(), views, strict=True)
