"""An index that changes, made of a source that doesn't: a main part, a delta and marks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import SearchResult
from sigvault.indexing.candidates import CandidateSource, MakeSource, MemoryUse, Stored
from sigvault.indexing.checks import (
    check_dimension,
    check_k,
    check_new_rows,
    check_rows,
    check_vectors,
    refuse_taken,
)
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.packing import packed
from sigvault.indexing.product import ProductSource
from sigvault.indexing.ranking import Layer, merged, no_results, search_layer

_FRESH = 4096
"""Fresh vectors that are not worth a compaction, however small the index."""
_FRESH_SHARE = 50
"""Fresh vectors are worth one from this part of the main part on: at a million, 20,000 cost a
single search a tenth more time."""
_GONE = 256
"""Removed vectors that are not worth a compaction, however small the index."""
_GONE_SHARE = 5
"""Removed vectors are worth one from this part of the main part on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Delta:
    """Vectors that came after the main part was made, in the order in which they came.

    The arrays have room for more. What lies beyond ``size`` belongs to later states: it is
    written before such a state is shown to anybody, and what lies before is never written again.

    Attributes:
        rows: int64 (room,).
        vectors: float32 (room, D).
        gone: bool (size,): which were removed.
        size: how many there are.
    """

    rows: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    gone: npt.NDArray[np.bool_]
    size: int

    def with_more(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> _Delta:
        end = self.size + len(rows)
        all_rows, all_vectors = self.rows, self.vectors
        if end > len(all_rows):
            room = max(end, 2 * len(all_rows))
            all_rows = np.empty(room, np.int64)
            all_vectors = np.empty((room, vectors.shape[1]), np.float32)
            all_rows[: self.size] = self.rows[: self.size]
            all_vectors[: self.size] = self.vectors[: self.size]
        all_rows[self.size : end] = rows
        all_vectors[self.size : end] = vectors
        gone = np.concatenate((self.gone, np.zeros(len(rows), np.bool_)))
        return _Delta(all_rows, all_vectors, gone, end)

    def without(self, rows: npt.NDArray[np.int64]) -> _Delta:
        return replace(self, gone=self.gone | np.isin(self.rows[: self.size], rows))

    def after(self, size: int) -> _Delta:
        """What came after the first so many."""
        some = slice(size, self.size)
        return _Delta(
            self.rows[some].copy(),
            self.vectors[some].copy(),
            self.gone[some].copy(),
            self.size - size,
        )

    def findable(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (M,) of those that were not removed."""
        return self.rows[: self.size][~self.gone]

    def layer(self) -> Layer:
        vectors = self.vectors[: self.size]
        return Layer(self.rows[: self.size], vectors, self.gone, ProductSource(vectors))


@dataclass(frozen=True, eq=False)
class _State:
    """All that a search needs; a change makes another one.

    Attributes:
        rows: int64 (N,): the main part's numbers, rising.
        vectors: (N, D): the main part's vectors.
        gone: bool (N,): which of them were removed.
        source: made from ``vectors``, or None where there are none.
        delta: what came later.
        count: how many vectors can be found.
    """

    rows: npt.NDArray[np.int64]
    vectors: Stored
    gone: npt.NDArray[np.bool_]
    source: CandidateSource | None
    delta: _Delta
    count: int

    def holds(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of these numbers can be found, bool (M,)."""
        held = np.zeros(len(rows), np.bool_)
        if len(self.rows):
            places = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
            held |= (self.rows[places] == rows) & ~self.gone[places]
        return held | np.isin(rows, self.delta.findable())

    def without(self, rows: npt.NDArray[np.int64]) -> _State:
        places = np.searchsorted(self.rows, rows)
        inside = places < len(self.rows)
        places = places[inside]
        places = places[self.rows[places] == rows[inside]]
        gone = self.gone.copy()
        gone[places] = True
        delta = self.delta.without(rows)
        count = len(self.rows) - int(gone.sum()) + delta.size - int(delta.gone.sum())
        return replace(self, gone=gone, delta=delta, count=count)

    @property
    def worth_compacting(self) -> bool:
        main, fresh = len(self.rows), self.delta.size
        gone = int(self.gone.sum()) + int(self.delta.gone.sum())
        return fresh > max(_FRESH, main // _FRESH_SHARE) or (
            gone > max(_GONE, (main + fresh) // _GONE_SHARE)
        )

    def contents(self) -> IndexContents:
        """All findable vectors, by rising number."""
        fresh = self.delta.findable()
        stays = ~self.gone
        if not len(fresh) and stays.all():
            return IndexContents(self.rows, self.vectors)
        rows = np.concatenate((self.rows[stays], fresh))
        old = self.vectors if stays.all() else self.vectors[stays]
        new = self.delta.vectors[: self.delta.size][~self.delta.gone]
        vectors = packed([old, new], self.vectors.shape[1])
        if np.any(np.diff(rows) < 0):
            order = np.argsort(rows)
            rows, vectors = rows[order], vectors[order]
        return IndexContents(rows, vectors)


class LayeredIndex:
    """A source for most vectors, with what came and went since beside it.

    Sources never change: no GPU index can remove vectors, an approximate one is trained on what
    it holds, and removing from a flat one moves all the others. So a removed vector is marked,
    a fresh one goes to a delta, which is searched by one matrix product, and when either has
    grown, a thread makes a new main part and swaps it in. Nothing waits for that: a search works
    on the state that it finds, and changes go on.

    A removed vector can't be found, and leaves memory with the next compaction.
    """

    def __init__(
        self,
        dimension: int,
        make: MakeSource,
        contents: IndexContents | None = None,
        *,
        make_first: MakeSource | None = None,
    ) -> None:
        """Start with some vectors, or empty.

        Args:
            dimension: D, the length of the vectors.
            make: makes the main part's source.
            contents: vectors to start with, which are kept and not copied.
            make_first: makes the source to start with, where that has to be there soon.

        Raises:
            IndexFailed: If the dimension is below 1, or the source can't be made.
        """
        self.dimension = check_dimension(dimension)
        self._make = make
        self._changing = threading.Lock()
        self._compaction: threading.Thread | None = None
        empty = IndexContents(np.empty(0, np.int64), np.empty((0, dimension), np.float16))
        self._state = self._made_of(contents or empty, make_first or make)

    def __len__(self) -> int:
        """How many vectors can be found."""
        return self._state.count

    @property
    def exact(self) -> bool:
        """Whether searches find all there is to find."""
        source = self._state.source
        return source is None or source.exact

    @property
    def memory(self) -> MemoryUse:
        """The bytes that the index takes."""
        state = self._state
        mapped = _is_mapped(state.vectors)
        host = state.rows.nbytes + state.gone.nbytes + state.delta.vectors.nbytes
        held = MemoryUse(
            host=host + (0 if mapped else state.vectors.nbytes),
            mapped=state.vectors.nbytes if mapped else 0,
        )
        return held if state.source is None else held + state.source.memory

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add unit vectors float32 (N, D) under the numbers int64 (N,), new and not negative.

        Raises:
            IndexFailed: If a number is taken, or the arrays are not what they should be;
                nothing is added then.
        """
        vectors = check_vectors(vectors, self.dimension)
        check_new_rows(rows, len(vectors))
        with self._changing:
            state = self._state
            refuse_taken(rows[state.holds(rows)])
            delta = state.delta.with_more(rows, vectors)
            self._change(replace(state, delta=delta, count=state.count + len(rows)))

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the vectors under these numbers int64 (N,) unfindable; unknown ones are ignored.

        Raises:
            IndexFailed: If the numbers are not int64 (N,).
        """
        check_rows(rows)
        with self._changing:
            self._change(self._state.without(rows))

    def search(self, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
        """Find the k best vectors for each of the probes float32 (Q, D), unit norm.

        Returns:
            Rows and scores (Q, k) by falling score, then rising row; -1 and -inf beyond the end.

        Raises:
            IndexFailed: If k is below 1 or beyond what the kind of index can find, the probes
                are not what they should be, or memory or a device fails.
        """
        probes = check_vectors(probes, self.dimension)
        k = check_k(k)
        state = self._state
        result = no_results(len(probes), k)
        if not len(probes):
            return result
        if state.source is not None:
            layer = Layer(state.rows, state.vectors, state.gone, state.source)
            result = search_layer(layer, probes, k)
        if state.delta.size:
            result = merged(result, search_layer(state.delta.layer(), probes, k))
        return result

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""
        state = self._state
        return np.sort(np.concatenate((state.rows[~state.gone], state.delta.findable())))

    def contents(self) -> IndexContents:
        """All findable vectors, not to be written to."""
        return self._state.contents()

    def frozen(self) -> Callable[[], IndexContents]:
        """What `contents` would give now, whatever changes until it is called."""
        return self._state.contents

    def compact(self) -> None:
        """Make a new main part of all findable vectors; searches and changes go on meanwhile.

        Raises:
            IndexFailed: If it can't be made; the index is as it was then.
        """
        before = self._state
        made = self._made_of(before.contents(), self._make)
        with self._changing:
            now = self._state
            if now.vectors is not before.vectors:
                return  # another compaction was quicker
            went = np.concatenate(
                (
                    before.rows[now.gone & ~before.gone],
                    before.delta.rows[: before.delta.size][
                        now.delta.gone[: before.delta.size] & ~before.delta.gone
                    ],
                )
            )
            made = made.without(went)
            delta = now.delta.after(before.delta.size)
            self._state = replace(made, delta=delta, count=made.count + len(delta.findable()))

    def wait(self) -> None:
        """Wait for a compaction that is at work."""
        thread = self._compaction
        if thread is not None:
            thread.join()

    def _change(self, state: _State) -> None:
        """Show a new state, and see to it that it is compacted; the lock is held."""
        self._state = state
        busy = self._compaction is not None and self._compaction.is_alive()
        if state.worth_compacting and not busy:
            self._compaction = threading.Thread(target=self._compact_quietly, name="sigvault-index")
            self._compaction.start()

    def _compact_quietly(self) -> None:
        try:
            self.compact()
        except (IndexFailed, MemoryError) as error:
            _log.warning("the index stays as it is, which costs time alone: %s", error)

    def _made_of(self, contents: IndexContents, make: MakeSource) -> _State:
        count = len(contents.rows)
        delta = _Delta(
            np.empty(0, np.int64),
            np.empty((0, self.dimension), np.float32),
            np.empty(0, np.bool_),
            0,
        )
        source = make(contents.vectors) if count else None
        gone = np.zeros(count, np.bool_)
        return _State(contents.rows, contents.vectors, gone, source, delta, count)


def _is_mapped(vectors: Stored) -> bool:
    base: object = vectors
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False
