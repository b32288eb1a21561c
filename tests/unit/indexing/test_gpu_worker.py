from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from search_stand_ins import unit

from sigvault.indexing import gpu_worker
from sigvault.indexing.candidates import MemoryUse
from sigvault.indexing.gpu_worker import GpuWorker, OnGpu
from sigvault.indexing.product import ProductSource

RNG = np.random.default_rng(0)
VECTORS, PROBES = unit(RNG, 50, 4), unit(RNG, 12, 4)


class Watched(ProductSource):
    """Notes each search: in which thread, and of how many probes.

    Attributes:
        searches: probes, count and thread of each.
    """

    memory = MemoryUse(gpu=7)

    def __init__(self, vectors):
        super().__init__(vectors)
        self.searches = []
        self.made_in = threading.current_thread().name

    def nearest(self, probes, count):
        self.searches.append((len(probes), count, threading.current_thread().name))
        if count == 13:
            raise RuntimeError("out of memory")
        return super().nearest(probes, count)


@pytest.fixture
def worker():
    return GpuWorker("the-gpu")


@pytest.fixture
def busy(worker):
    """Keeps the worker from its queue; to be set once the queue is as it should be."""
    begun, go_on = threading.Event(), threading.Event()

    def occupy():
        begun.set()
        go_on.wait(60)

    worker.run_later(occupy)
    assert begun.wait(60)
    return go_on


def in_threads(worker, calls, busy):
    """Run calls at once while the worker is busy, then let it go on; the results in order."""
    results = [None] * len(calls)

    def run(at):
        try:
            results[at] = calls[at]()
        except RuntimeError as error:
            results[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(calls))]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        while worker._jobs.qsize() < number:
            threading.Event().wait(0.001)
    busy.set()
    for thread in threads:
        thread.join()
    return results


def assert_found(found, probes, count):
    expected = ProductSource(VECTORS).nearest(probes, count)
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    assert found.errors.shape == (len(probes),)


def test_everything_happens_in_its_one_thread(worker):
    source = OnGpu(worker, lambda: Watched(VECTORS))
    assert_found(source.nearest(PROBES, 3), PROBES, 3)
    held = source._held[0]
    assert held.made_in == "the-gpu"
    assert held.searches == [(12, 3, "the-gpu")]
    assert (source.size, source.reach, source.exact, source.spare(1)) == (50, 50, True, 16)
    assert source.memory == MemoryUse(gpu=7)


def test_searches_that_wait_are_done_as_one(worker, busy):
    source, other = Watched(VECTORS), Watched(VECTORS[::-1])
    calls = [lambda at=at: worker.nearest(source, PROBES[at : at + 2], at + 1) for at in range(5)]
    calls.insert(2, lambda: worker.nearest(other, PROBES[:1], 2))
    calls.append(lambda: worker.run(lambda: "done"))
    results = in_threads(worker, calls, busy)
    assert results.pop() == "done"
    of_other = results.pop(2)
    np.testing.assert_array_equal(
        of_other.places, ProductSource(VECTORS[::-1]).nearest(PROBES[:1], 2).places
    )
    for at, found in enumerate(results):
        assert_found(found, PROBES[at : at + 2], at + 1)
    assert source.searches == [(10, 5, "the-gpu")]
    assert other.searches == [(1, 2, "the-gpu")]


def test_a_batch_has_an_end(worker, busy, monkeypatch):
    monkeypatch.setattr(gpu_worker, "_PROBES_AT_ONCE", 5)
    source = Watched(VECTORS)
    calls = [lambda at=at: worker.nearest(source, PROBES[at : at + 2], 3) for at in range(5)]
    for at, found in enumerate(in_threads(worker, calls, busy)):
        assert_found(found, PROBES[at : at + 2], 3)
    assert [probes for probes, *_ in source.searches] == [4, 4, 2]


def test_a_failure_reaches_everybody_in_the_batch_and_nobody_else(worker, busy):
    source = Watched(VECTORS)
    calls = [lambda count=count: worker.nearest(source, PROBES[:1], count) for count in (2, 13)]
    results = in_threads(worker, calls, busy)
    assert [str(each) for each in results] == ["out of memory"] * 2
    assert_found(worker.nearest(source, PROBES, 2), PROBES, 2)


def test_what_can_not_be_made_is_raised_where_it_was_wanted(worker):
    def make():
        raise RuntimeError("no kernel image")

    with pytest.raises(RuntimeError, match="no kernel image"):
        OnGpu(worker, make)
    assert worker.run(lambda: 3) == 3


def test_a_source_is_let_go_in_its_gpus_thread(worker):
    threads = []
    source = OnGpu(worker, lambda: Watched(VECTORS))
    held = source._held[0]
    weakref.finalize(held, lambda: threads.append(threading.current_thread().name))
    del held, source
    gc.collect()
    worker.run(lambda: None)
    assert threads == ["the-gpu"]
