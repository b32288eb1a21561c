"""Candidates by one matrix product in NumPy: for the few vectors that came last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigvault.indexing.candidates import FEW_SPARE, MemoryUse, Proposals, Stored, rounding_error

_SCORES_AT_ONCE = 2**24
"""Scores held at a time: 64 MB of float32."""


class ProductSource:
    """Scores all vectors at once. Needs no other library, and nothing has to be built."""

    exact = True
    memory = MemoryUse()

    def __init__(self, vectors: Stored) -> None:
        """Take the vectors (N, D)."""
        self._vectors = vectors.astype(np.float32, copy=False)
        self.size = self.reach = len(vectors)

    def spare(self, probes: int) -> int:  # noqa: ARG002 - the same for any batch
        """See CandidateSource."""
        return FEW_SPARE

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        places = np.empty((len(probes), count), np.int64)
        scores = np.empty((len(probes), count), np.float32)
        step = max(1, _SCORES_AT_ONCE // self.size)
        for start in range(0, len(probes), step):
            some = slice(start, start + step)
            products = probes[some] @ self._vectors.T
            best = np.argpartition(products, -count, axis=1)[:, -count:]
            found = np.take_along_axis(products, best, axis=1)
            order = np.argsort(-found, axis=1)
            places[some] = np.take_along_axis(best, order, axis=1)
            scores[some] = np.take_along_axis(found, order, axis=1)
        errors = np.full(len(probes), rounding_error(self._vectors.shape[1]))
        return Proposals(places, scores, errors)
