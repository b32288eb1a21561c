"""A closer look at a probe that is nearly as like a reference as a copy of it: turned a little.

The local score bears a turn of two degrees. Whoever pastes the picture of a signature turned by
five would pass for somebody who signed once more; turned back, it is the picture again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sigvault.domain.comparison import Score, Threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.gallery import Gallery
from sigvault.domain.image import InkImage
from sigvault.domain.local_blocks import match_local_block
from sigvault.domain.ports import Embedder
from sigvault.imaging.turning import turn_ink

TURNS = (-6.0, -3.0, 3.0, 6.0)
"""Degrees by which a probe is turned. With references that are also seen turned by twelve either
way, a copy that is turned by up to nineteen is within one and a half of one of the pairs."""


class CloserLook:
    """Looks at one probe, turned by each of `TURNS`, where a threshold asks for it.

    The turned probe is embedded once, however many galleries ask.
    """

    def __init__(self, embedder: Embedder, ink: InkImage) -> None:
        """Take the probe's ink; nothing is embedded before it has to be."""
        self._embedder = embedder
        self._ink = ink
        self._turned: Sequence[Embedding] = ()

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
        if not self._turned:
            inks = [replace(self._ink, ink=turn_ink(self._ink.ink, turn)) for turn in TURNS]
            self._turned = self._embedder.embed(inks)
        found = match_local_block(
            [reference.embedding.local for reference in gallery.references],
            [embedding.level for embedding in self._turned],
        ).max(axis=1)
        seen = zip(score.per_reference, found.tolist(), strict=True)
        return replace(
            score, per_reference=tuple(replace(one, turned=turned) for one, turned in seen)
        )
