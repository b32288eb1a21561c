"""Every index against the NumPy oracle, to the last bit, whatever is done to both."""

from __future__ import annotations

import functools
import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from search_stand_ins import GpuLike, halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import SearchResult
from sigvault.indexing import layered, torch_exact
from sigvault.indexing.choice import IndexKind, SearchOptions, choose_index
from sigvault.indexing.combining import BySize, Replicas, Shards, in_shards
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import CodedSource, Processor, flat_source
from sigvault.indexing.gpu_worker import OnGpu, gpu_worker
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.product import ProductSource
from sigvault.indexing.torch_exact import TorchSource


def on_gpu_like(number, vectors, *, half=False):
    return OnGpu(gpu_worker(number), lambda: flat_source(vectors, GpuLike(), half=half))


def by_gpu_shards(vectors):
    places = (90, 91, 92)[: len(vectors)]
    return Shards.split(functools.partial(on_gpu_like, half=True), vectors, places)


def by_gpu_replicas(vectors):
    return Replicas([on_gpu_like(90, vectors), on_gpu_like(91, vectors)])


def by_size(vectors):
    return BySize(in_shards(CodedSource, vectors, 3, 5), TorchSource(vectors), 3)


SOURCES = {
    "product": ProductSource,
    "torch": TorchSource,
    "torch-bfloat16": functools.partial(TorchSource, narrow_from=1),
    "flat": lambda vectors: flat_source(vectors, Processor()),
    "flat-shards": lambda vectors: in_shards(
        lambda part: flat_source(part, Processor()), vectors, 3, 1
    ),
    "codes": CodedSource,
    "codes-and-batches": by_size,
    "gpu-like": functools.partial(on_gpu_like, 90),
    "gpu-like-half": functools.partial(on_gpu_like, 90, half=True),
    "gpu-like-shards": by_gpu_shards,
    "gpu-like-replicas": by_gpu_replicas,
}


def layered_over(make):
    return lambda dimension: LayeredIndex(dimension, make)


def on_gpu(**options):
    wanted = SearchOptions("cuda", **options)
    return pytest.param(
        lambda dimension: choose_index(dimension, 10**6, wanted), marks=pytest.mark.gpu
    )


INDEXES = {name: layered_over(make) for name, make in SOURCES.items()} | {
    "gpu-flat": on_gpu(kind=IndexKind.FLAT, half=False),
    "gpu-flat-half": on_gpu(kind=IndexKind.FLAT),
    "gpu-flat-shards": on_gpu(kind=IndexKind.FLAT, shard=True),
    "gpu-torch": on_gpu(kind=IndexKind.TORCH),
}
every_index = pytest.mark.parametrize("make", INDEXES.values(), ids=INDEXES.keys())
with_oracle = pytest.mark.parametrize(
    "make", [ExactIndex, *INDEXES.values()], ids=["exact", *INDEXES.keys()]
)


def assert_same(result, expected):
    np.testing.assert_array_equal(result.rows, expected.rows)
    np.testing.assert_array_equal(result.scores, expected.scores)
    assert (result.rows.dtype, result.scores.dtype) == (np.int64, np.float32)


DIMENSION = 5
# Few different vectors, some a rounding error apart: ties and near ties are the rule.
POOL = unit(np.random.default_rng(0), 6, DIMENSION)
POOL = np.concatenate((POOL, np.nextafter(POOL[:2], np.float32(1.0)), -POOL[:1]))
rows_of = st.lists(st.integers(0, 40), max_size=30).map(lambda rows: np.array(rows, np.int64))


def machine_for(make, pool):  # noqa: C901 - one method for each thing that can be done
    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.oracle, self.index = ExactIndex(DIMENSION), make(DIMENSION)

        @rule(rows=rows_of, seed=st.integers(0, 99))
        def add(self, rows, seed):
            vectors = pool[np.random.default_rng(seed).integers(0, len(pool), len(rows))]
            refusals = []
            for each in (self.oracle, self.index):
                try:
                    each.add(rows, vectors)
                except IndexFailed as error:
                    refusals.append(str(error))
            assert len(refusals) in (0, 2)

        @rule(first=st.integers(0, 1000), count=st.integers(1, 60))
        def add_many(self, first, count):
            rows = np.setdiff1d(np.arange(first, first + count), self.oracle.rows())
            vectors = pool[rows % len(pool)]
            self.oracle.add(rows, vectors)
            self.index.add(rows, vectors)

        @rule(rows=rows_of)
        def remove(self, rows):
            self.oracle.remove(rows)
            self.index.remove(rows)

        @rule(share=st.integers(2, 4))
        def remove_many(self, share):
            rows = self.oracle.rows()
            self.remove(rows[rows % share != 0])

        @rule()
        def compact(self):
            self.index.compact()

        @rule(probes=st.lists(st.sampled_from(range(len(pool))), max_size=4), k=st.integers(1, 70))
        def search(self, probes, k):
            wanted = pool[probes] if probes else np.empty((0, DIMENSION), np.float32)
            assert_same(self.index.search(wanted, k), self.oracle.search(wanted, k))

        @invariant()
        def same_rows(self):
            assert len(self.index) == len(self.oracle)
            np.testing.assert_array_equal(self.index.rows(), self.oracle.rows())

        def teardown(self):
            self.index.wait()
            expected, contents = self.oracle.contents(), self.index.contents()
            np.testing.assert_array_equal(contents.rows, expected.rows)
            np.testing.assert_array_equal(contents.vectors, expected.vectors)

    return Machine


@every_index
@pytest.mark.parametrize("pool", [POOL, halved(POOL)], ids=["32-bit", "16-bit"])
def test_any_sequence_of_changes_and_searches_agrees(make, pool, monkeypatch):
    monkeypatch.setattr(layered, "_FRESH", 8)  # so that short sequences reach compaction
    monkeypatch.setattr(layered, "_GONE", 4)
    run_state_machine_as_test(
        machine_for(make, pool),
        settings=settings(max_examples=10, stateful_step_count=12, deadline=None),
    )


@pytest.fixture(scope="module")
def large():
    """1,150 of 1,500 vectors, probes, and what the oracle finds for them."""
    rng = np.random.default_rng(1)
    rows, vectors = rng.permutation(9000)[:1500], halved(unit(rng, 1500, 32))
    vectors[500:540] = vectors[0]  # the same image under several signers
    probes = np.concatenate((vectors[:1], unit(rng, 259, 32)))
    oracle = ExactIndex(32)
    oracle.add(rows, vectors)
    oracle.remove(rows[150:500])
    return rows, vectors, probes, {k: oracle.search(probes, k) for k in (1, 20, 50)}


@every_index
@pytest.mark.parametrize("size", [1, 3, 17, 64, 260])
def test_a_larger_index_agrees_in_batches_of_any_size(make, large, size, monkeypatch):
    monkeypatch.setitem(torch_exact._BLOCK, "cpu", 256)
    rows, vectors, probes, expected = large
    index = make(32)
    index.add(rows[:1300], vectors[:1300])
    index.compact()
    index.add(rows[1300:], vectors[1300:])
    index.remove(rows[150:500])
    for k, best in expected.items():
        found = index.search(probes[:size], k)
        assert_same(found, SearchResult(best.rows[:size], best.scores[:size]))


@every_index
def test_a_score_does_not_depend_on_the_batch(make):
    rng = np.random.default_rng(2)
    index, probes = make(96), unit(rng, 70, 96)
    index.add(np.arange(800), unit(rng, 800, 96))
    index.compact()
    together = index.search(probes, 5)
    for number in range(len(probes)):
        alone = index.search(probes[number : number + 1], 5)
        np.testing.assert_array_equal(alone.scores[0], together.scores[number])
        np.testing.assert_array_equal(alone.rows[0], together.rows[number])


@with_oracle
def test_an_empty_index_finds_nothing(make):
    index = make(3)
    for _ in range(2):
        result = index.search(np.eye(3, dtype=np.float32), 2)
        assert (result.rows == -1).all()
        assert np.isneginf(result.scores).all()
        assert result.rows.shape == result.scores.shape == (3, 2)
        index.add(np.array([4]), np.eye(3, dtype=np.float32)[:1])
        index.remove(np.array([4]))
        index.add(np.empty(0, np.int64), np.empty((0, 3), np.float32))
    assert len(index) == 0


@with_oracle
def test_fewer_vectors_than_k_are_padded(make):
    index = make(2)
    index.add(np.array([3, 1]), np.eye(2, dtype=np.float32))
    result = index.search(np.eye(2, dtype=np.float32)[:1], 4)
    assert result.rows.tolist() == [[3, 1, -1, -1]]
    assert result.scores.tolist() == [[1.0, 0.0, -np.inf, -np.inf]]


@with_oracle
def test_equal_scores_come_by_rising_row(make):
    index = make(2)
    index.add(np.array([9, 2, 5, 7]), np.eye(2, dtype=np.float32)[[0, 0, 1, 0]])
    assert index.search(np.eye(2, dtype=np.float32)[:1], 3).rows.tolist() == [[2, 7, 9]]


@with_oracle
def test_a_refused_addition_adds_nothing(make):
    index, vectors = make(2), np.eye(2, dtype=np.float32)
    index.add(np.array([1]), vectors[:1])
    bad = [
        (np.array([2, 1]), vectors),
        (np.array([2, 2]), vectors),
        (np.array([-2, 2]), vectors),
        (np.array([2]), vectors),
        (np.array([2, 3]), vectors * 2),
        (np.array([2, 3]), np.full((2, 2), np.nan, np.float32)),
        (np.array([2, 3]), np.eye(3, dtype=np.float32)[:2]),
    ]
    for rows, wrong in bad:
        with pytest.raises(IndexFailed):
            index.add(rows, wrong)
    assert index.rows().tolist() == [1]


@with_oracle
def test_bad_searches_are_refused(make):
    index = make(2)
    with pytest.raises(IndexFailed, match="1 or more"):
        index.search(np.eye(2, dtype=np.float32), 0)
    with pytest.raises(IndexFailed, match="not float32"):
        index.search(np.eye(3, dtype=np.float32), 1)
    with pytest.raises(IndexFailed, match="norm"):
        index.search(np.zeros((1, 2), np.float32), 1)
    with pytest.raises(IndexFailed, match="not int64"):
        index.remove(np.array([1.0]))


@with_oracle
def test_mapped_files_can_be_added(make, tmp_path):
    np.save(tmp_path / "vectors.npy", np.eye(4, dtype=np.float32))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    index = make(4)
    index.add(np.arange(4), mapped)
    assert index.search(mapped[2:3], 1).rows.tolist() == [[2]]


@with_oracle
def test_what_was_frozen_does_not_change(make):
    index, vectors = make(2), np.eye(2, dtype=np.float32)
    index.add(np.array([1, 2]), vectors)
    frozen = index.frozen()
    index.remove(np.array([1]))
    index.add(np.array([3]), vectors[:1])
    assert frozen().rows.tolist() == [1, 2]
    np.testing.assert_array_equal(frozen().vectors, vectors)


@with_oracle
def test_searches_beside_changes_see_whole_changes(make, monkeypatch):
    monkeypatch.setattr(layered, "_FRESH", 8)
    monkeypatch.setattr(layered, "_GONE", 8)
    index, vectors = make(2), np.eye(2, dtype=np.float32)[[0, 0]]
    index.add(np.array([0, 1]), vectors)
    stop, halves, failures = threading.Event(), [], []

    def search():
        try:
            while not stop.is_set():
                found = (index.search(vectors[:1], 2).rows >= 0).sum()
                halves.extend([found] if found == 1 else [])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(60):
        index.remove(np.array([0, 1]))
        index.add(np.array([0, 1]), vectors)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert not halves
