"""One score and one order for whatever is searched, so that equal vectors never change ranks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BLOCK = 4096
"""Vectors worked on at a time: 8 MB in float64 at D = 256, which stays in cache."""


def inner_products(
    vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], probe: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Score vectors against one probe, each independently of the others.

    Args:
        vectors: (N, D).
        probe: float32 (D,).

    Returns:
        float32 (N,): products exact and summed in float64, then rounded once.
    """
    scores = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        # Not a matrix product: BLAS sums in an order that depends on the place in the matrix.
        scores[block] = np.multiply(vectors[block], probe, dtype=np.float64).sum(axis=1)
    return scores


def best_first(
    rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k best by falling score and, where scores are equal, rising row.

    Args:
        rows: int64 (M,).
        scores: float32 (M,).
        k: how many at most.

    Returns:
        Rows int64 and scores float32, both (min(k, M),).
    """
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]
