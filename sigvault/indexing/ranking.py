"""One score and one order for all indexes, however they find their candidates.

A matrix product in single precision gives the same vector another last digit at another place
of the matrix, in a batch of another size, and on another device: two references with equal
vectors would change ranks from run to run. So an index here only *proposes* candidates. What it
reports is computed again by :func:`inner_products`, which depends on nothing but the two
vectors, and candidates are fetched until it is certain that none is missing: a sum of d
products in float32 is off by at most ``d u / (1 - d u)`` times the norms, with u = 2**-24
(Higham: Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002, eq. 3.5).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.ports import SearchResult

UNIT_ROUNDOFF = 2.0**-24
"""Of float32 rounded to nearest."""

_SPARE = 16
"""Candidates fetched beyond k at first, so that one fetch nearly always suffices."""
_WIDENING = 8
"""How many times more are fetched where that was not certain to be enough."""
_BLOCK = 4096
"""Vectors worked on at a time: 8 MB in float64 at D = 256, which stays in cache."""


class CandidateSource(Protocol):
    """An index's own fast way of finding vectors, by their places in its storage.

    Attributes:
        size: how many vectors lie in the storage, removed ones among them.
        reach: the most candidates for a probe that one call of ``nearest`` can give.
        score_error: how far a score from ``nearest`` may lie from the true inner product.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def reach(self) -> int: ...  # noqa: D102
    @property
    def score_error(self) -> float: ...  # noqa: D102

    def nearest(
        self, probes: npt.NDArray[np.float32], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Places int64 (Q, count) of the best for probes (Q, D), and float32 scores, falling."""

    def rows_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows int64 (M,) of the vectors at places (M,); -1 where one was removed."""

    def vectors_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """The vectors float32 (M, D) at places (M,)."""


def rounding_error(dimension: int) -> float:
    """How far a float32 inner product of two unit vectors may lie from the true one."""
    # The vectors' norms may exceed 1 by the tolerance, and one rounding is the exact score's own.
    terms = (dimension + 1) * UNIT_ROUNDOFF
    return terms / (1.0 - terms) * (1.0 + UNIT_NORM_TOLERANCE) ** 2


def inner_products(
    vectors: npt.NDArray[np.float32], probe: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Score vectors against one probe, each independently of the others.

    Args:
        vectors: float32 (N, D).
        probe: float32 (D,).

    Returns:
        float32 (N,): products exact and summed in float64, then rounded once.
    """
    scores = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        # Not a matrix product: BLAS sums in an order that depends on the place in the matrix.
        scores[block] = np.multiply(vectors[block], probe, dtype=np.float64).sum(axis=1)
    return scores


def no_results(probes: int, k: int) -> SearchResult:
    """A result for so many probes in which nothing was found yet."""
    return SearchResult(
        np.full((probes, k), -1, np.int64), np.full((probes, k), -np.inf, np.float32)
    )


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


def exact_search(source: CandidateSource, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
    """The k best vectors of each probe, in the one order, from candidates of any exact source.

    Args:
        source: where candidates come from.
        probes: float32 (Q, D), unit norm.
        k: at least 1.

    Returns:
        Rows and scores (Q, k), padded with -1 and -inf where there are fewer vectors.
    """
    result = no_results(len(probes), k)
    most = min(source.reach, source.size)
    breadth = min(k + _SPARE, most)
    pending = np.arange(len(probes))
    while pending.size and breadth:
        places, proposed = source.nearest(probes[pending], breadth)
        certain = np.empty(len(pending), np.bool_)
        for at, number in enumerate(pending):
            rows, scores = _rank(source, places[at], probes[number], k)
            result.rows[number, : len(rows)] = rows
            result.scores[number, : len(rows)] = scores
            # What was not proposed scores at most as much as the last proposed, plus the error.
            unseen = float(proposed[at, -1]) + source.score_error
            certain[at] = breadth == source.size or (len(rows) == k and scores[-1] > unseen)
        pending = pending[~certain]
        if breadth == most:
            break
        breadth = min(breadth * _WIDENING, most)
    for number in pending:
        rows, scores = _scan(source, probes[number], k)
        result.rows[number, : len(rows)] = rows
        result.scores[number, : len(rows)] = scores
    return result


def _rank(
    source: CandidateSource,
    places: npt.NDArray[np.int64],
    probe: npt.NDArray[np.float32],
    k: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Score and order the vectors at these places that were not removed."""
    rows = source.rows_at(places)
    found = rows >= 0
    return best_first(rows[found], inner_products(source.vectors_at(places[found]), probe), k)


def _scan(
    source: CandidateSource, probe: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rank everything: for the rare probe whose candidates lie beyond the source's reach."""
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    for start in range(0, source.size, _BLOCK):
        places = np.arange(start, min(start + _BLOCK, source.size))
        more_rows, more_scores = _rank(source, places, probe, k)
        rows, scores = best_first(
            np.concatenate((rows, more_rows)), np.concatenate((scores, more_scores)), k
        )
    return rows, scores
