"""One signer's enrolled references in one generation, and how much they vary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.local_blocks import match_local_pairs


@dataclass(frozen=True, eq=False)
class Reference:
    """An enrolled genuine signature in one generation.

    Attributes:
        id: the reference.
        embedding: what the generation's model says of it.
    """

    id: ReferenceId
    embedding: Embedding


@dataclass(frozen=True)
class Spread:
    """How alike a signer's references are to each other: the signer's own variability.

    Attributes:
        cosine: mean cosine similarity over all pairs of references, in [-1, 1].
        local: mean local score over all pairs of references, in [-1, 1].
    """

    cosine: float
    local: float


@dataclass(frozen=True, eq=False)
class Gallery:
    """The references of one signer in one generation.

    Attributes:
        signer: whose gallery it is.
        generation: the generation that all references belong to.
        references: at least one, in order of enrollment.
        kept_spread: the spread of these references as it was worked out before, if it was.
    """

    signer: SignerId
    generation: GenerationId
    references: tuple[Reference, ...]
    kept_spread: Spread | None = None

    def __post_init__(self) -> None:
        """Check that there are references, all of one model.

        Raises:
            ValueError: If there is no reference.
            GenerationMismatch: If two models made the embeddings.
        """
        if not self.references:
            raise ValueError("a gallery has at least one reference")
        models = {reference.embedding.model for reference in self.references}
        if len(models) > 1:
            raise GenerationMismatch(
                f"the gallery of signer {self.signer} mixes the models "
                f"{', '.join(sorted(models))}: check the vault with `sigvault audit check`"
            )

    @cached_property
    def spread(self) -> Spread | None:
        """The references' mean similarity to each other, or None with a single reference."""
        count = len(self.references)
        if count < 2:
            return None
        if self.kept_spread is not None:
            return self.kept_spread
        embeddings = [reference.embedding for reference in self.references]
        grids = [embedding.local for embedding in embeddings]
        vectors = np.stack([embedding.vector for embedding in embeddings])
        pairs = np.triu_indices(count, 1)
        cosine = (vectors @ vectors.T)[pairs].astype(np.float64)
        return Spread(float(cosine.mean()), float(match_local_pairs(grids).mean()))
