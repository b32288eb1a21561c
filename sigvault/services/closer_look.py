"""A closer look at a probe that is nearly as like a reference as a copy of it: turned a little.

The local score bears a turn of two degrees. Whoever pastes the picture of a signature turned by
five would pass for somebody who signed once more; turned back, it is the picture again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Score, Threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.gallery import Gallery
from sigvault.domain.image import InkImage
from sigvault.domain.local_blocks import match_local_block
from sigvault.domain.ports import Embedder
from sigvault.imaging.turning import turn_ink

STEPS = ((-3.0, 3.0), (-6.0, 6.0))
"""Degrees by which a probe is turned at first, and where that makes it more alike. With references
that are also seen turned by twelve either way, a copy that is turned by up to nineteen comes within
one and a half of one of the pairs."""

RISE = 0.015
"""By how much the local score has to rise at first for a probe to be turned further: a copy's rises
by several times as much, most second signatures' by less."""


class CloserLook:
    """Looks at one probe, turned, where a threshold asks for it.

    Each turned probe is embedded once, however many galleries ask.
    """

    def __init__(self, embedder: Embedder, ink: InkImage) -> None:
        """Take the probe's ink; nothing is embedded before it has to be."""
        self._embedder = embedder
        self._ink = ink
        self._turned: dict[float, Embedding] = {}

    def __call__(self, score: Score, gallery: Gallery, threshold: Threshold) -> Score:
        """The score with what the closer look finds, or as it is where none is asked for.

        Args:
            score: the probe against the gallery.
            gallery: of the signer that it may be of.
            threshold: the one for so many references.

        Raises:
            GenerationMismatch: If the ink was prepared for another model.
        """
        if not threshold.asks_closer_look(score):
            return score
        first, further = STEPS
        found = self._match(gallery, first)
        if found.max() >= max(one.local for one in score.per_reference) + RISE:
            found = np.hstack([found, self._match(gallery, further)])
        seen = zip(score.per_reference, found.max(axis=1).tolist(), strict=True)
        return replace(
            score, per_reference=tuple(replace(one, turned=turned) for one, turned in seen)
        )

    def _match(self, gallery: Gallery, turns: tuple[float, ...]) -> npt.NDArray[np.float64]:
        """The local scores of the references with the turned probe, (references, turns)."""
        new = [turn for turn in turns if turn not in self._turned]
        inks = [replace(self._ink, ink=turn_ink(self._ink.ink, turn)) for turn in new]
        self._turned |= zip(new, self._embedder.embed(inks) if inks else (), strict=True)
        return match_local_block(
            [reference.embedding.local for reference in gallery.references],
            [self._turned[turn].level for turn in turns],
        )
