"""What comparing a probe with a claimed signer's gallery goes by, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.comparison import Score, Threshold, compare
from sigvault.domain.embedding import Embedding
from sigvault.domain.gallery import Gallery
from sigvault.domain.image import InkImage


@dataclass(frozen=True, eq=False)
class Claimed:
    """Whom a probe is said to be by.

    Attributes:
        gallery: the signer's.
        threshold: the one for so many references.
    """

    gallery: Gallery
    threshold: Threshold

    def compare(self, ink: InkImage, embedding: Embedding) -> Comparison:
        """Score a probe against the gallery, by the threshold's own fusion rule.

        Args:
            ink: the probe's.
            embedding: what was made of it.

        Raises:
            GenerationMismatch: If another model made the probe's embedding than the gallery's.
        """
        return Comparison(ink, embedding, compare(embedding, self.gallery, self.threshold.fusion))


@dataclass(frozen=True, eq=False)
class Comparison:
    """A probe as it was compared.

    Attributes:
        ink: its ink, as it is or turned.
        embedding: what was made of it.
        score: against the gallery.
    """

    ink: InkImage
    embedding: Embedding
    score: Score
