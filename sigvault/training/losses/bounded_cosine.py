"""Cosines whose angle has a derivative."""

from __future__ import annotations

from pytorch_metric_learning.distances import CosineSimilarity
from torch import Tensor

NEAREST = 1.0 - 1e-6
"""The largest cosine that is let through."""


class BoundedCosine(CosineSimilarity):  # type: ignore[misc]  # untyped
    """A cosine that stays clear of 1 and -1.

    Rounding puts the cosine of two equal vectors above 1, where no angle belongs to it, and the
    angle's derivative has no bound at 1: either makes a whole run's weights no numbers.
    """

    def compute_mat(self, query_emb: Tensor, ref_emb: Tensor) -> Tensor:
        """Cosines of unit vectors (N, D) and (M, D), as (N, M)."""
        cosines: Tensor = super().compute_mat(query_emb, ref_emb)
        return cosines.clamp(-NEAREST, NEAREST)
