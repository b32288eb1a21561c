"""Every index against the NumPy oracle, to the last bit, whatever is done to both."""

from __future__ import annotations

import threading

import faiss
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import SearchResult
from sigvault.indexing import row_table
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import FaissIndex, FlatKind
from sigvault.indexing.torch_exact import TorchExactIndex


class GpuLikeFlat:
    """A flat FAISS index with the limits of one on a GPU: a short reach, and no removal."""

    REACH = 32

    def __init__(self, dimension):
        self._flat = faiss.IndexFlatIP(dimension)
        self.d = dimension

    def add(self, vectors):
        self._flat.add(vectors)

    def search(self, probes, k):
        if k > self.REACH:
            raise RuntimeError(f"k is {k}, not at most {self.REACH}")
        return self._flat.search(probes, k)

    def reconstruct_batch(self, places):
        return self._flat.reconstruct_batch(places)


def gpu_like(dimension):
    kind = FlatKind("cuda", GpuLikeFlat, GpuLikeFlat.REACH)
    return FaissIndex(dimension, kind=kind, threads=1)


def on_gpu(make):
    return pytest.param(lambda dimension: make(dimension, device="cuda"), marks=pytest.mark.gpu)


INDEXES = {
    "faiss": lambda dimension: FaissIndex(dimension, device="cpu", threads=1),
    "faiss-gpu-like": gpu_like,
    "torch": lambda dimension: TorchExactIndex(dimension, device="cpu"),
    "faiss-gpu": on_gpu(FaissIndex),
    "torch-gpu": on_gpu(TorchExactIndex),
}
every_index = pytest.mark.parametrize("make", INDEXES.values(), ids=INDEXES.keys())
with_oracle = pytest.mark.parametrize(
    "make", [ExactIndex, *INDEXES.values()], ids=["exact", *INDEXES.keys()]
)


def unit(rng, *shape):
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def assert_same(result, expected):
    np.testing.assert_array_equal(result.rows, expected.rows)
    np.testing.assert_array_equal(result.scores, expected.scores)
    assert (result.rows.dtype, result.scores.dtype) == (np.int64, np.float32)


DIMENSION = 5
# Few different vectors, some a rounding error apart: ties and near ties are the rule.
POOL = unit(np.random.default_rng(0), 6, DIMENSION)
POOL = np.concatenate((POOL, np.nextafter(POOL[:2], np.float32(1.0)), -POOL[:1]))
rows_of = st.lists(st.integers(0, 40), max_size=30).map(lambda rows: np.array(rows, np.int64))


def machine_for(make):  # noqa: C901 - one method for each thing that can be done
    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.oracle, self.index = ExactIndex(DIMENSION), make(DIMENSION)

        @rule(rows=rows_of, seed=st.integers(0, 99))
        def add(self, rows, seed):
            vectors = POOL[np.random.default_rng(seed).integers(0, len(POOL), len(rows))]
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
            vectors = POOL[rows % len(POOL)]
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

        @rule(probes=st.lists(st.sampled_from(range(len(POOL))), max_size=4), k=st.integers(1, 70))
        def search(self, probes, k):
            wanted = POOL[probes] if probes else np.empty((0, DIMENSION), np.float32)
            assert_same(self.index.search(wanted, k), self.oracle.search(wanted, k))

        @invariant()
        def same_rows(self):
            assert len(self.index) == len(self.oracle)
            np.testing.assert_array_equal(self.index.rows(), self.oracle.rows())

        def teardown(self):
            expected, contents = self.oracle.contents(), self.index.contents()
            np.testing.assert_array_equal(contents.rows, expected.rows)
            np.testing.assert_array_equal(contents.vectors, expected.vectors)

    return Machine


@every_index
def test_any_sequence_of_changes_and_searches_agrees(make, monkeypatch):
    monkeypatch.setattr(row_table, "_FEW_REMOVED", 4)  # so that short sequences reach compaction
    run_state_machine_as_test(
        machine_for(make), settings=settings(max_examples=20, stateful_step_count=12, deadline=None)
    )


@pytest.fixture(scope="module")
def large():
    """1,150 of 1,500 vectors, probes, and what the oracle finds for them."""
    rng = np.random.default_rng(1)
    rows, vectors = rng.permutation(9000)[:1500], unit(rng, 1500, 32)
    vectors[500:540] = vectors[0]  # the same image under several signers
    probes = np.concatenate((vectors[:1], unit(rng, 259, 32)))
    oracle = ExactIndex(32)
    oracle.add(rows, vectors)
    oracle.remove(rows[150:500])
    return rows, vectors, probes, {k: oracle.search(probes, k) for k in (1, 20, 50)}


@every_index
@pytest.mark.parametrize("size", [1, 3, 64, 260])
def test_a_larger_index_agrees_in_batches_of_any_size(make, large, size):
    rows, vectors, probes, expected = large
    index = make(32)
    index.add(rows[:600], vectors[:600])
    index.add(rows[600:], vectors[600:])
    index.remove(rows[150:500])
    for k, best in expected.items():
        found = index.search(probes[:size], k)
        assert_same(found, SearchResult(best.rows[:size], best.scores[:size]))


@every_index
def test_a_score_does_not_depend_on_the_batch(make):
    rng = np.random.default_rng(2)
    index, probes = make(96), unit(rng, 70, 96)
    index.add(np.arange(800), unit(rng, 800, 96))
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
def test_searches_beside_changes_see_whole_changes(make):
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


@pytest.mark.parametrize("name", ["faiss", "torch"])
def test_a_change_waits_for_the_search_at_work(name, monkeypatch):
    index, vectors = INDEXES[name](2), np.eye(2, dtype=np.float32)
    index.add(np.array([0]), vectors[:1])
    nearest, changes = index._store.nearest, []

    def nearest_beside_a_change(probes, count):
        change = threading.Thread(target=index.add, args=(np.array([1]), vectors[1:]))
        change.start()
        change.join(0.05)
        changes.append((change, len(index)))
        return nearest(probes, count)

    monkeypatch.setattr(index._store, "nearest", nearest_beside_a_change)
    index.search(vectors[:1], 1)
    ((change, size_during_search),) = changes
    change.join()
    assert (size_during_search, len(index)) == (1, 2)
