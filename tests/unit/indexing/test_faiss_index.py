"""What is FAISS's own; that it agrees with the oracle is in congruence/."""

from __future__ import annotations

import subprocess
import sys
import threading

import faiss
import numpy as np
import pytest
from search_stand_ins import REACH, GpuLike, halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import faiss_index
from sigvault.indexing.candidates import MemoryUse, rounding_error
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import (
    GPU_REACH,
    GPU_TEMPORARY_BYTES,
    CodedSource,
    Gpu,
    Inverted,
    Processor,
    check_probed,
    flat_source,
    graph_source,
    inverted_source,
)
from sigvault.indexing.gpu_worker import OnGpu, gpu_worker
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.packing import coded
from sigvault.indexing.recall import measure_recall

VECTORS = halved(unit(np.random.default_rng(0), 900, 16))
PROBES = unit(np.random.default_rng(1), 40, 16)


class FailingFlat:
    """A flat index that fails as FAISS does: by a foreign exception, at a chosen call."""

    def __init__(self, failing, error):
        self._flat = faiss.IndexFlatIP(16)
        self.d = 16
        self._failing, self._error = failing, error

    def add(self, vectors):
        if self._failing == "add":
            raise self._error
        self._flat.add(vectors)

    def search(self, probes, k, params=None):
        raise self._error


class FailingPlace(Processor):
    def __init__(self, failing, error):
        self._arguments = failing, error

    def flat(self, dimension, *, half):
        return FailingFlat(*self._arguments)


def test_codes_are_the_bytes_that_faiss_would_have_made():
    source = CodedSource(VECTORS)
    own = faiss.IndexScalarQuantizer(
        16, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    own.is_trained = True
    for block in coded(VECTORS):
        own.add(block.codes)
    kept = faiss.vector_to_array(source._index.codes)
    np.testing.assert_array_equal(kept, faiss.vector_to_array(own.codes))
    assert len(np.unique(kept)) > 200
    assert source._index.ntotal == own.ntotal == len(VECTORS)


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA"), MemoryError("bad_alloc"), AssertionError()]
)
def test_what_faiss_raises_becomes_index_failed(error):
    with pytest.raises(IndexFailed, match="can't be made") as caught:
        flat_source(VECTORS, FailingPlace("add", error))
    assert caught.value.__cause__ is error
    source = flat_source(VECTORS, FailingPlace("search", error))
    with pytest.raises(IndexFailed, match="can't be searched"):
        source.nearest(PROBES, 1)


def test_without_faiss_the_error_names_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    faiss_index._faiss.cache_clear()
    try:
        with pytest.raises(IndexFailed, match="install faiss-cpu"):
            CodedSource(VECTORS)
        assert faiss_index.faiss_version() is None
    finally:
        faiss_index._faiss.cache_clear()


def test_the_version_is_that_of_the_module():
    assert faiss_index.faiss_version() == faiss.__version__


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("fine", [False, True])
def test_scores_from_eight_bits_are_within_the_stated_error(dtype, fine):
    vectors = VECTORS.astype(dtype) if not fine else unit(np.random.default_rng(2), 900, 16)
    source = CodedSource(vectors)
    found = source.nearest(PROBES, 900)
    true = np.take_along_axis(
        PROBES.astype(np.float64) @ vectors.T.astype(np.float64), found.places, axis=1
    )
    off = np.abs(found.scores - true).max(axis=1)
    assert (off <= found.errors).all()
    assert (found.errors < 0.05).all()
    # The bound is no wild guess: some score is off by a tenth of it.
    assert (off > 0.1 * found.errors).any()


def test_scores_from_eight_bits_are_whole_numbers_over_the_scales():
    # The largest that a product can be still counts every unit in float32.
    assert 127 * 127 * 1024 < 2**24
    source = CodedSource(VECTORS)
    found = source.nearest(PROBES, 5)
    scale = 127.0 / np.abs(PROBES).max(axis=1, keepdims=True).astype(np.float64)
    products = found.scores * scale * source._scale
    np.testing.assert_allclose(products, np.rint(products), atol=0.02)


def test_memory_is_what_the_vectors_take():
    count, dimension = VECTORS.shape
    assert CodedSource(VECTORS).memory == MemoryUse(host=count * dimension)
    assert flat_source(VECTORS, Processor()).memory == MemoryUse(host=4 * count * dimension)
    on_gpu = flat_source(VECTORS, GpuLike(), half=True).memory
    assert on_gpu == MemoryUse(gpu=2 * count * dimension + GpuLike.temporary)


@pytest.mark.parametrize("place", [Processor(), GpuLike()], ids=["cpu", "gpu-like"])
def test_an_inverted_file_that_searches_all_lists_finds_all(place):
    source = inverted_source(VECTORS, place, Inverted(lists=8, probed=8))
    assert (source.exact, source.size) == (False, 900)
    found = source.nearest(PROBES, 10)
    expected = flat_source(VECTORS, Processor()).nearest(PROBES, 10)
    np.testing.assert_array_equal(np.sort(found.places), np.sort(expected.places))


def test_places_that_lists_leave_open_are_no_candidates():
    source = inverted_source(VECTORS[:40], Processor(), Inverted(lists=20, probed=1))
    found = source.nearest(PROBES[:5], 40)
    assert (found.places == -1).any()
    assert np.isneginf(found.scores[found.places == -1]).all()


def test_the_number_of_lists_follows_the_number_of_vectors():
    assert Inverted().lists_for(1_000_000) == 4000
    assert Inverted(lists=50).lists_for(1_000_000) == 50
    assert Inverted(lists=50).lists_for(7) == 7


@pytest.mark.parametrize("wrong", [Inverted(probed=0), Inverted(lists=0), Inverted(probed=2049)])
def test_lists_that_can_not_be_searched_are_refused(wrong):
    with pytest.raises(IndexFailed, match="ask for"):
        check_probed(wrong, GPU_REACH)
    check_probed(Inverted(probed=2048), GPU_REACH)
    check_probed(Inverted(probed=9999), None)


def approximate_indexes():
    def inverted(place):
        return lambda vectors: inverted_source(vectors, place, Inverted(lists=16, probed=6))

    def graph(place):
        return lambda vectors: OnGpu(gpu_worker(93), lambda: graph_source(vectors, place))

    def on_gpu(make):
        return lambda vectors: OnGpu(gpu_worker(0), lambda: make(Gpu(0))(vectors))

    return {
        "ivf": inverted(Processor()),
        "ivf-gpu-like": inverted(GpuLike()),
        "graph-gpu-like": graph(GpuLike()),
        "ivf-gpu": pytest.param(on_gpu(inverted), marks=pytest.mark.gpu),
        "cagra": pytest.param(
            on_gpu(lambda place: lambda vectors: graph_source(vectors, place)),
            marks=pytest.mark.gpu,
        ),
    }


@pytest.mark.parametrize("make", approximate_indexes().values(), ids=approximate_indexes().keys())
def test_what_an_approximate_index_finds_is_scored_exactly_through_all_changes(make):
    rows = np.arange(900)
    index = LayeredIndex(16, make, IndexContents(rows[:700], VECTORS[:700].astype(np.float16)))
    oracle = ExactIndex(16)
    oracle.add(rows[:700], VECTORS[:700])
    assert not index.exact
    for step in ("as built", "changed", "compacted"):
        if step == "changed":
            for each in (index, oracle):
                each.add(rows[700:], VECTORS[700:])
                each.remove(rows[:200])
        elif step == "compacted":
            index.compact()
        recall = measure_recall(index, oracle, PROBES, 5)
        assert recall.mean > 0.6
        found, true = index.search(PROBES, 5), oracle.search(PROBES, 900)
        for number in range(len(PROBES)):
            exact = dict(zip(true.rows[number].tolist(), true.scores[number], strict=True))
            got = found.rows[number].tolist()
            assert [exact[row] for row in got] == found.scores[number].tolist()
        np.testing.assert_array_equal(index.rows(), oracle.rows())


def test_more_than_a_gpu_gives_is_refused_where_it_can_not_be_made_up_for():
    index = LayeredIndex(
        16,
        lambda vectors: inverted_source(vectors, GpuLike(), Inverted(lists=4, probed=4)),
        IndexContents(np.arange(900), VECTORS),
    )
    index.search(PROBES, REACH)
    with pytest.raises(IndexFailed, match="at most 32 vectors"):
        index.search(PROBES, REACH + 1)


def test_there_is_no_graph_on_the_cpu():
    with pytest.raises(IndexFailed, match="CAGRA needs a GPU"):
        graph_source(VECTORS, Processor())
    assert Processor().graph_search(3) is None


def test_a_faiss_without_cagra_says_so(monkeypatch):
    monkeypatch.delattr(faiss, "GpuIndexCagra", raising=False)
    with pytest.raises(IndexFailed, match="install faiss-gpu-cuvs"):
        Gpu(0).graph(16)


def test_a_search_leaves_the_settings_of_its_callers_alone():
    threshold = faiss.cvar.distance_compute_blas_threshold
    source = flat_source(VECTORS, Processor())
    seen = []

    def search():
        faiss.omp_set_num_threads(3)
        for _ in range(50):
            source.nearest(PROBES, 1)
        seen.append(faiss.omp_get_max_threads())

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [3] * 4
    assert faiss.cvar.distance_compute_blas_threshold == threshold


def test_importing_the_indexes_loads_neither_torch_nor_faiss():
    code = (
        "import sys, sigvault.indexing.opening\n"
        "sys.exit(bool({'faiss', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
@pytest.mark.parametrize("half", [False, True])
def test_scores_from_a_gpu_are_within_the_stated_error(half):
    source = OnGpu(gpu_worker(0), lambda: flat_source(VECTORS, Gpu(0), half=half))
    found = source.nearest(PROBES, 900)
    true = np.take_along_axis(
        PROBES.astype(np.float64) @ VECTORS.T.astype(np.float64), found.places, axis=1
    )
    assert (np.abs(found.scores - true).max(axis=1) <= found.errors).all()
    assert found.errors[0] == (faiss_index.HALF_ERROR if half else rounding_error(16))
    assert source.memory.gpu > GPU_TEMPORARY_BYTES


@pytest.mark.gpu
def test_more_than_the_reach_of_a_gpu_is_found_all_the_same():
    count = GPU_REACH + 500
    same = np.repeat(np.eye(4, dtype=np.float16)[:1], count, axis=0)
    index = LayeredIndex(
        4,
        lambda vectors: OnGpu(gpu_worker(0), lambda: flat_source(vectors, Gpu(0), half=True)),
        IndexContents(np.arange(count), same),
    )
    found = index.search(same[:1].astype(np.float32), count)
    assert found.rows[0].tolist() == list(range(count))


@pytest.mark.gpu
def test_callers_in_many_threads_share_a_gpu():
    index = LayeredIndex(
        16,
        lambda vectors: OnGpu(gpu_worker(0), lambda: flat_source(vectors, Gpu(0))),
        IndexContents(np.arange(900), VECTORS),
    )
    oracle = ExactIndex(16)
    oracle.add(np.arange(900), VECTORS)
    expected = oracle.search(PROBES, 7)
    wrong = []

    def search(at):
        found = index.search(PROBES[at : at + 1], 7)
        wrong.extend([at] if found.rows.tolist() != expected.rows[at : at + 1].tolist() else [])

    threads = [threading.Thread(target=search, args=(at,)) for at in range(len(PROBES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
