"""Exact search in NumPy: the oracle that the other indexes are tested against."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sigvault.domain.exact_scoring import best_first, inner_products
from sigvault.domain.ports import SearchResult
from sigvault.indexing.candidates import MemoryUse
from sigvault.indexing.checks import (
    check_dimension,
    check_k,
    check_new_rows,
    check_rows,
    check_vectors,
    refuse_taken,
)
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.packing import widened
from sigvault.indexing.ranking import no_results


class ExactIndex:
    """Scores every vector against every probe.

    Meant to be seen through at a glance, and for small vaults, where it needs no other library.
    Safe for threads: a change builds new arrays and swaps them in, so that a search never sees
    half a change, and one lock lets changes through one at a time.
    """

    exact = True

    def __init__(self, dimension: int) -> None:
        """Start empty.

        Args:
            dimension: D, the length of the vectors.

        Raises:
            IndexFailed: If the dimension is below 1.
        """
        self.dimension = check_dimension(dimension)
        self._contents = IndexContents(np.empty(0, np.int64), np.empty((0, dimension), np.float32))
        self._changing = threading.Lock()

    def __len__(self) -> int:
        """How many vectors can be found."""
        return len(self._contents.rows)

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add unit vectors float32 (N, D) under the numbers int64 (N,), new and not negative.

        Raises:
            IndexFailed: If a number is taken, or the arrays are not what they should be;
                nothing is added then.
        """
        vectors = check_vectors(vectors, self.dimension)
        check_new_rows(rows, len(vectors))
        with self._changing:
            now = self._contents
            refuse_taken(rows[np.isin(rows, now.rows)])
            all_rows = np.concatenate((now.rows, rows))
            order = np.argsort(all_rows)
            all_vectors = np.concatenate((widened(now.vectors), vectors))
            self._contents = IndexContents(all_rows[order], all_vectors[order])

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the vectors under these numbers int64 (N,) unfindable; unknown ones are ignored.

        Raises:
            IndexFailed: If the numbers are not int64 (N,).
        """
        check_rows(rows)
        with self._changing:
            now = self._contents
            stays = ~np.isin(now.rows, rows)
            self._contents = IndexContents(now.rows[stays], now.vectors[stays])

    def search(self, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
        """Find the k best vectors for each of the probes float32 (Q, D), unit norm.

        Returns:
            Rows and scores (Q, k) by falling score, then rising row; -1 and -inf beyond the end.

        Raises:
            IndexFailed: If k is below 1, or the probes are not what they should be.
        """
        probes = check_vectors(probes, self.dimension)
        k = check_k(k)
        now = self._contents
        result = no_results(len(probes), k)
        for number, probe in enumerate(probes):
            rows, scores = best_first(now.rows, inner_products(now.vectors, probe), k)
            result.rows[number, : len(rows)] = rows
            result.scores[number, : len(rows)] = scores
        return result

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""
        return self._contents.rows.copy()

    @property
    def memory(self) -> MemoryUse:
        """The bytes that the index takes."""
        now = self._contents
        return MemoryUse(host=now.rows.nbytes + now.vectors.nbytes)

    def contents(self) -> IndexContents:
        """Copy out all findable vectors."""
        now = self._contents
        return IndexContents(now.rows.copy(), now.vectors.copy())

    def frozen(self) -> Callable[[], IndexContents]:
        """What `contents` would give now, whatever changes until it is called."""
        now = self._contents
        return lambda: now
