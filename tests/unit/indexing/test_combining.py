from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from search_stand_ins import unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import MemoryUse, Proposals
from sigvault.indexing.combining import (
    BySize,
    Improving,
    Replicas,
    Shards,
    in_shards,
    searching_threads,
)
from sigvault.indexing.product import ProductSource

RNG = np.random.default_rng(0)
VECTORS, PROBES = unit(RNG, 50, 4), unit(RNG, 6, 4)


class Part(ProductSource):
    """A source with a name, a reach and an error of its own."""

    def __init__(self, vectors, *, reach=None, error=0.0, exact=True, spare=16, memory=1):
        super().__init__(vectors)
        self.reach = len(vectors) if reach is None else reach
        self.error, self.exact, self.few = error, exact, spare
        self.memory = MemoryUse(host=memory)
        self.searches = 0

    def spare(self, probes):
        return self.few

    def nearest(self, probes, count):
        assert count <= self.reach
        self.searches += 1
        found = super().nearest(probes, count)
        return Proposals(found.places, found.scores, np.full(len(probes), self.error))


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("count", [1, 20, 45, 50])
def test_shards_find_what_the_whole_finds(pool, count):
    parts = [Part(VECTORS[:30], error=0.1), Part(VECTORS[30:33], error=0.3), Part(VECTORS[33:])]
    shards = Shards(parts, pool)
    found, expected = shards.nearest(PROBES, count), ProductSource(VECTORS).nearest(PROBES, count)
    np.testing.assert_array_equal(found.places, expected.places)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    assert found.errors.tolist() == [0.3] * len(PROBES)
    assert (shards.size, shards.reach, shards.memory) == (50, 50, MemoryUse(host=3))


def test_shards_reach_as_far_as_the_shortest_that_does_not_reach_all(pool):
    parts = [Part(VECTORS[:30], reach=20), Part(VECTORS[30:33]), Part(VECTORS[33:], reach=12)]
    assert Shards(parts, pool).reach == 12
    assert Shards(parts[:2], pool).reach == 20
    assert Shards(parts[1:2], pool).reach == 3


def test_shards_are_exact_only_if_all_are(pool):
    exact, other = Part(VECTORS[:5], spare=3), Part(VECTORS[5:], exact=False, spare=40)
    assert Shards([exact, exact], pool).exact
    shards = Shards([exact, other], pool)
    assert (shards.exact, shards.spare(1)) == (False, 40)


def test_places_that_a_shard_leaves_open_stay_open(pool):
    class Blind(Part):
        def nearest(self, probes, count):
            found = super().nearest(probes, count)
            found.places[:, -1], found.scores[:, -1] = -1, -np.inf
            return found

    shards = Shards([Blind(VECTORS[:5]), Blind(VECTORS[5:10])], pool)
    assert (np.sort(shards.nearest(PROBES, 10).places)[:, :2] == -1).all()


def test_parts_are_searched_at_the_same_time(pool):
    together = threading.Barrier(2, timeout=60)

    class Meeting(Part):
        def nearest(self, probes, count):
            together.wait()
            return super().nearest(probes, count)

    Shards([Meeting(VECTORS[:5]), Meeting(VECTORS[5:])], pool).nearest(PROBES, 2)


@pytest.mark.parametrize(("count", "smallest", "parts"), [(4, 10, 4), (4, 20, 2), (4, 60, 1)])
def test_there_are_as_many_shards_as_are_worth_a_thread(count, smallest, parts):
    made = []

    def make(vectors):
        made.append(len(vectors))
        return ProductSource(vectors)

    source = in_shards(make, VECTORS, count, smallest)
    assert (len(made), sum(made), source.size) == (parts, 50, 50)
    np.testing.assert_array_equal(
        source.nearest(PROBES, 9).places, ProductSource(VECTORS).nearest(PROBES, 9).places
    )


def test_a_search_uses_at_least_one_thread():
    assert 1 <= searching_threads() <= 8


def test_replicas_take_turns():
    copies = [Part(VECTORS, spare=5), Part(VECTORS)]
    replicas = Replicas(copies)
    for _ in range(6):
        found = replicas.nearest(PROBES, 4)
        np.testing.assert_array_equal(
            found.places, ProductSource(VECTORS).nearest(PROBES, 4).places
        )
    assert [copy.searches for copy in copies] == [3, 3]
    assert (replicas.size, replicas.reach, replicas.exact) == (50, 50, True)
    assert (replicas.spare(1), replicas.memory) == (5, MemoryUse(host=2))


def test_a_quicker_source_is_made_beside_the_second_search_and_takes_over():
    go_on = threading.Event()
    quicker = Part(VECTORS, spare=99, memory=50)

    def make():
        assert go_on.wait(60)
        return quicker

    first = Part(VECTORS, spare=5)
    source = Improving(first, make)
    source.wait()  # nothing is being made
    for _ in range(3):
        source.nearest(PROBES, 3)
    assert (first.searches, quicker.searches) == (3, 0)
    assert (source.spare(1), source.memory) == (5, MemoryUse(host=1))
    go_on.set()
    source.wait()
    source.nearest(PROBES, 3)
    assert (first.searches, quicker.searches) == (3, 1)
    assert (source.spare(1), source.memory) == (99, MemoryUse(host=50))
    assert (source.size, source.reach, source.exact) == (50, 50, True)


def test_one_search_makes_nothing():
    made = []
    source = Improving(Part(VECTORS), lambda: made.append(1))
    source.nearest(PROBES, 3)
    source.wait()
    assert made == []


def test_a_quicker_source_that_can_not_be_made_is_done_without(caplog):
    def make():
        raise IndexFailed("memory is full")

    first = Part(VECTORS)
    source = Improving(first, make)
    for _ in range(4):
        source.nearest(PROBES, 3)
        source.wait()
    assert first.searches == 4
    assert caplog.text.count("memory is full") == 1


def test_the_size_of_the_batch_decides():
    few, many = Part(VECTORS, spare=200, reach=40), Part(VECTORS, spare=3)
    source = BySize(few, many, 3)
    source.nearest(PROBES[:2], 4)
    assert (few.searches, many.searches) == (1, 0)
    source.nearest(PROBES[:3], 4)
    assert (few.searches, many.searches) == (1, 1)
    assert (source.spare(2), source.spare(3)) == (200, 3)
    assert (source.size, source.reach, source.exact) == (50, 40, True)
    assert source.memory == MemoryUse(host=2)
