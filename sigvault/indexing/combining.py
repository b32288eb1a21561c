"""Sources made of other sources: side by side, in turns, and by the size of the batch."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Self

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import (
    CandidateSource,
    MakeSource,
    MemoryUse,
    Proposals,
    Stored,
)
from sigvault.indexing.torch_exact import work_alone

SHARD = 32_768
"""Vectors that are worth a thread of their own."""

_log = logging.getLogger(__name__)


class Shards:
    """Parts of the vectors, searched at the same time: on several cores or several GPUs."""

    def __init__(self, parts: Sequence[CandidateSource], pool: Executor) -> None:
        """Take the parts in the order of their vectors, and what runs their searches."""
        self._parts = tuple(parts)
        self._pool = pool
        self._starts = list(itertools.accumulate((part.size for part in parts), initial=0))
        self.size = self._starts[-1]
        # Where a part gives less than it has, no more than that is certain of all.
        self.reach = min(
            [part.reach for part in parts if part.reach < part.size], default=self.size
        )
        self.exact = all(part.exact for part in parts)

    @classmethod
    def split(
        cls, make: Callable[[int, Stored], CandidateSource], vectors: Stored, places: Sequence[int]
    ) -> Self:
        """Sources of parts alike in size, one at each place, made at the same time.

        Args:
            make: makes the source of a part at a place.
            vectors: (N, D), at least as many as places.
            places: where, such as the numbers of GPUs.
        """
        parts = np.array_split(vectors, len(places))
        return cls(list(_threads().map(make, places, parts)), _threads())

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        return sum((part.memory for part in self._parts), MemoryUse())

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return max(part.spare(probes) for part in self._parts)

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        waiting = [
            self._pool.submit(part.nearest, probes, min(count, part.size)) for part in self._parts
        ]
        found = [each.result() for each in waiting]
        places = np.concatenate(
            [
                np.where(each.places < 0, -1, each.places + start)
                for each, start in zip(found, self._starts, strict=False)
            ],
            axis=1,
        )
        scores = np.concatenate([each.scores for each in found], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return Proposals(
            np.take_along_axis(places, order, axis=1),
            np.take_along_axis(scores, order, axis=1),
            np.max([each.errors for each in found], axis=0),
        )


class Replicas:
    """The same vectors several times, searched in turns: for many callers on several GPUs."""

    def __init__(self, copies: Sequence[CandidateSource]) -> None:
        """Take sources made from the same vectors in the same way."""
        self._copies = tuple(copies)
        self._turn = itertools.count()
        first = copies[0]
        self.size, self.reach, self.exact = first.size, first.reach, first.exact

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        return sum((copy.memory for copy in self._copies), MemoryUse())

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return self._copies[0].spare(probes)

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        # The counter is atomic, so that no lock is needed.
        return self._copies[next(self._turn) % len(self._copies)].nearest(probes, count)


class BySize:
    """One source for few probes at a time, and another for batches; both exact."""

    exact = True

    def __init__(self, few: CandidateSource, many: CandidateSource, many_from: int) -> None:
        """Take sources made from the same vectors, and the smallest batch of the second."""
        self._few, self._many, self._many_from = few, many, many_from
        self.size = few.size
        self.reach = min(few.reach, many.reach)

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        return self._few.memory + self._many.memory

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return self._for(probes).spare(probes)

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        return self._for(len(probes)).nearest(probes, count)

    def _for(self, probes: int) -> CandidateSource:
        return self._few if probes < self._many_from else self._many


class Improving:
    """A source that is there at once, and a quicker one that takes its place when it is made.

    It is made beside the searches, from the second one on: a process that was started for a
    single search never waits for it.
    """

    def __init__(
        self, source: CandidateSource, make_quicker: Callable[[], CandidateSource]
    ) -> None:
        """Take a source, and what makes another one over the same vectors, as exact."""
        self._source = source
        self._make_quicker = make_quicker
        self._searches = itertools.count(1)
        self._making: threading.Thread | None = None
        self.size, self.reach, self.exact = source.size, source.reach, source.exact

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        return self._source.memory

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return self._source.spare(probes)

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        # The counter is atomic: exactly one search is the second.
        if next(self._searches) == 2:
            self._making = threading.Thread(target=self._improve, name="sigvault-improving")
            self._making.start()
        return self._source.nearest(probes, count)

    def wait(self) -> None:
        """Wait for the quicker source, if it is being made."""
        if self._making is not None:
            self._making.join()

    def _improve(self) -> None:
        try:
            self._source = self._make_quicker()
        except (IndexFailed, MemoryError) as error:
            _log.warning("searches stay as quick as they are: %s", error)


def in_shards(make: MakeSource, vectors: Stored, count: int, smallest: int) -> CandidateSource:
    """A source in as many parts as there are threads, none of them smaller than worth while.

    Args:
        make: makes the source of a part.
        vectors: (N, D).
        count: how many parts at most.
        smallest: how many vectors are worth a thread.
    """
    count = min(count, max(1, len(vectors) // smallest))
    if count == 1:
        return make(vectors)
    return Shards.split(lambda _, part: make(part), vectors, range(count))


def on_parts(work: Callable[[Stored], None], vectors: Stored) -> None:
    """Do something to all vectors, part by part on several cores.

    Args:
        work: takes a part, and may raise.
        vectors: (N, D).
    """
    parts = min(searching_threads(), max(1, len(vectors) // SHARD))
    for _ in _threads().map(work, np.array_split(vectors, parts)):
        pass


def searching_threads() -> int:
    """How many threads a search may use: one a core, up to where memory is the limit."""
    return min(os.cpu_count() or 1, 8)


@functools.cache
def _threads() -> Executor:
    """The threads of all sharded searches; they sleep while there is nothing to do."""
    return ThreadPoolExecutor(
        max(8, os.cpu_count() or 1), thread_name_prefix="sigvault-shard", initializer=work_alone
    )
