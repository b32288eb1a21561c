"""One score and one order for all indexes, however they find their candidates.

A matrix product in single precision gives the same vector another last digit at another place
of the matrix, in a batch of another size, and on another device: two references with equal
vectors would change ranks from run to run. So a source only *proposes* candidates. What an
index reports is computed again by `exact_scoring.inner_products`, which depends on nothing but
the two vectors, and candidates are fetched until it is certain that none is missing, by the
source's own bound on the error of its scores. That makes a source with coarser vectors exact too:
by Cauchy and Schwarz, replacing v by w changes the score of a unit probe by at most ``|v - w|``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.exact_scoring import BLOCK, best_first, inner_products
from sigvault.domain.ports import SearchResult
from sigvault.indexing.candidates import CandidateSource, Stored

_WIDENING = 8
"""How many times more are fetched where that was not certain to be enough."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Vectors, and a source that finds them.

    Attributes:
        rows: int64 (N,): the numbers that the vectors go by.
        vectors: (N, D), unit norm.
        gone: bool (N,): which were removed.
        source: made from these vectors.
    """

    rows: npt.NDArray[np.int64]
    vectors: Stored
    gone: npt.NDArray[np.bool_]
    source: CandidateSource


def no_results(probes: int, k: int) -> SearchResult:
    """A result for so many probes in which nothing was found yet."""
    return SearchResult(
        np.full((probes, k), -1, np.int64), np.full((probes, k), -np.inf, np.float32)
    )


def merged(first: SearchResult, second: SearchResult) -> SearchResult:
    """The best of two results for the same probes, over different vectors, of the same k."""
    result = no_results(*first.rows.shape)
    rows = np.concatenate((first.rows, second.rows), axis=1)
    scores = np.concatenate((first.scores, second.scores), axis=1)
    for number in range(len(rows)):
        best = best_first(rows[number], scores[number], result.rows.shape[1])
        result.rows[number], result.scores[number] = best
    return result


def search_layer(layer: Layer, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
    """The k best vectors of each probe that were not removed, in the one order.

    From an exact source all of them; from another one, the best of what it proposes.

    Args:
        layer: the vectors.
        probes: float32 (Q, D), unit norm.
        k: at least 1.

    Returns:
        Rows and scores (Q, k), padded with -1 and -inf where there are fewer vectors.

    Raises:
        IndexFailed: If the source fails, or is not exact and its reach is below k,
            though there are more.
    """
    source = layer.source
    _check_reach(source, k)
    result = no_results(len(probes), k)
    most = min(source.reach, source.size)
    breadth = min(k + source.spare(len(probes)), most)
    pending = np.arange(len(probes))
    while pending.size and breadth:
        found = source.nearest(probes[pending], breadth)
        certain = np.empty(len(pending), np.bool_)
        for at, number in enumerate(pending):
            rows, scores = _rank(layer, found.places[at], probes[number], k)
            result.rows[number, : len(rows)] = rows
            result.scores[number, : len(rows)] = scores
            # What was not proposed scores at most as much as the last proposed, plus the error.
            unseen = found.scores[at, -1] + found.errors[at] if source.exact else -np.inf
            certain[at] = breadth == source.size or (len(rows) == k and scores[-1] > unseen)
        pending = pending[~certain]
        if breadth == most:
            break
        breadth = min(breadth * _WIDENING, most)
    for number in pending if source.exact else ():
        rows, scores = _scan(layer, probes[number], k)
        result.rows[number, : len(rows)] = rows
        result.scores[number, : len(rows)] = scores
    return result


def _check_reach(source: CandidateSource, k: int) -> None:
    # Where there are fewer than k at all, nothing is missed that is in reach.
    if not source.exact and source.reach < min(k, source.size):
        raise IndexFailed(
            f"this kind of index finds at most {source.reach} vectors for a probe, not {k}: "
            "ask for fewer, or use an exact kind"
        )


def _rank(
    layer: Layer, places: npt.NDArray[np.int64], probe: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Score and order the vectors at these places that were not removed; -1 is no place."""
    places = places[places >= 0]
    places = places[~layer.gone[places]]
    return best_first(layer.rows[places], inner_products(layer.vectors[places], probe), k)


def _scan(
    layer: Layer, probe: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rank everything: for the rare probe whose candidates lie beyond the source's reach."""
    rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
    for start in range(0, len(layer.rows), BLOCK):
        places = np.arange(start, min(start + BLOCK, len(layer.rows)))
        more_rows, more_scores = _rank(layer, places, probe, k)
        rows, scores = best_first(
            np.concatenate((rows, more_rows)), np.concatenate((scores, more_scores)), k
        )
    return rows, scores
