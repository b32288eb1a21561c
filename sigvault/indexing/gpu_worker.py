"""One thread for each GPU, which gathers searches that wait into one batch."""

from __future__ import annotations

import functools
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sigvault.indexing.candidates import CandidateSource, MemoryUse, Proposals

_PROBES_AT_ONCE = 1024
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class _Search:
    """A search that waits.

    Attributes:
        source: where.
        probes: float32 (Q, D).
        count: how many candidates.
        done: where the proposals go.
    """

    source: CandidateSource
    probes: npt.NDArray[np.float32]
    count: int
    done: Future[Proposals] = field(default_factory=Future)


@dataclass(frozen=True, eq=False)
class _Call:
    """Anything else that has to happen on the GPU.

    Attributes:
        call: what.
        done: where the result goes.
    """

    call: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)


class GpuWorker:
    """Does everything that concerns one GPU, in one thread.

    A GPU index is not safe for threads, not even to read. Searches that come while one is at
    work wait; those at the same source are then done as one batch, which takes the GPU hardly
    longer than one probe.
    """

    def __init__(self, name: str) -> None:
        """Start the thread, which ends with the process."""
        self._jobs: queue.SimpleQueue[_Search | _Call] = queue.SimpleQueue()
        self._later: deque[_Search | _Call] = deque()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Call something in the worker's thread, and wait for the result."""
        job = _Call(call)
        self._jobs.put(job)
        result: _Result = job.done.result()
        return result

    def run_later(self, call: Callable[[], object]) -> None:
        """Call something in the worker's thread some time; its failure is no matter."""
        self._jobs.put(_Call(call))

    def nearest(
        self, source: CandidateSource, probes: npt.NDArray[np.float32], count: int
    ) -> Proposals:
        """Search a source that lies on this GPU; see `CandidateSource.nearest`."""
        job = _Search(source, probes, count)
        self._jobs.put(job)
        return job.done.result()

    def _work(self) -> None:
        while True:
            job = self._later.popleft() if self._later else self._jobs.get()
            if isinstance(job, _Call):
                _settle([job.done], lambda call=job.call: [call()])  # type: ignore[misc]
            else:
                batch = self._gather(job)
                _settle([each.done for each in batch], functools.partial(_search, batch))
            del job

    def _gather(self, first: _Search) -> list[_Search]:
        """The search and those that wait for the same source, up to a batch."""
        batch, probes = [first], len(first.probes)
        waiting = self._later
        while True:
            try:
                waiting.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        for job in list(waiting):
            if not isinstance(job, _Search) or job.source is not first.source:
                continue
            if probes + len(job.probes) <= _PROBES_AT_ONCE:
                waiting.remove(job)
                batch.append(job)
                probes += len(job.probes)
        return batch


class OnGpu:
    """A source that is only ever touched in its GPU's thread."""

    def __init__(self, worker: GpuWorker, make: Callable[[], CandidateSource]) -> None:
        """Make the source on the worker's thread, and keep it there.

        Raises:
            IndexFailed: If it can't be made.
        """
        self._worker = worker
        held = self._held = [worker.run(make)]
        source = held[0]
        self.size, self.reach, self.exact = source.size, source.reach, source.exact
        # Freeing GPU memory beside a search is not safe either.
        weakref.finalize(self, worker.run_later, held.clear)

    @property
    def memory(self) -> MemoryUse:
        """See CandidateSource."""
        return self._held[0].memory

    def spare(self, probes: int) -> int:
        """See CandidateSource."""
        return self._held[0].spare(probes)

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        return self._worker.nearest(self._held[0], probes, count)


@functools.cache
def gpu_worker(number: int) -> GpuWorker:
    """The worker of a GPU."""
    return GpuWorker(f"sigvault-gpu-{number}")


def _search(batch: list[_Search]) -> list[Proposals]:
    """One search for all; each gets as many candidates as it asked for."""
    count = max(each.count for each in batch)
    probes = np.concatenate([each.probes for each in batch])
    found = batch[0].source.nearest(probes, count)
    ends = np.cumsum([len(each.probes) for each in batch])
    parts = [slice(end - len(each.probes), end) for each, end in zip(batch, ends, strict=True)]
    return [
        Proposals(
            found.places[part, : each.count], found.scores[part, : each.count], found.errors[part]
        )
        for each, part in zip(batch, parts, strict=True)
    ]


def _settle(waiting: list[Future[Any]], work: Callable[[], list[Any]]) -> None:
    try:
        results = work()
    except BaseException as error:
        for future in waiting:
            future.set_exception(error)
        return
    for future, result in zip(waiting, results, strict=True):
        future.set_result(result)
