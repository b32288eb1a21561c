"""What is FAISS's own; what it shares with the other indexes is in congruence/."""

from __future__ import annotations

import subprocess
import sys
import threading

import faiss
import numpy as np
import pytest

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import faiss_index
from sigvault.indexing.faiss_index import GPU_REACH, FaissIndex, FlatKind, flat_kind

VECTORS = np.eye(4, dtype=np.float32)


class FailingFlat:
    """A flat index that fails as FAISS does: by a foreign exception, at a chosen call."""

    def __init__(self, dimension, failing, error):
        self._flat = faiss.IndexFlatIP(dimension)
        self.d = dimension
        self._failing, self._error = failing, error

    def _call(self, name, *arguments):
        if name == self._failing:
            raise self._error
        return getattr(self._flat, name)(*arguments)

    def add(self, vectors):
        self._call("add", vectors)

    def search(self, probes, k):
        return self._call("search", probes, k)

    def reconstruct_batch(self, places):
        return self._call("reconstruct_batch", places)


def failing_at(call, error):
    kind = FlatKind("cpu", lambda dimension: FailingFlat(dimension, call, error), None)
    return FaissIndex(4, kind=kind, threads=1)


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA"), MemoryError("bad_alloc"), AssertionError()]
)
def test_what_faiss_raises_becomes_index_failed(error):
    adding = failing_at("add", error)
    with pytest.raises(IndexFailed, match="can't take more vectors") as caught:
        adding.add(np.arange(4), VECTORS)
    assert caught.value.__cause__ is error
    assert len(adding) == 0
    searching = failing_at("search", error)
    searching.add(np.arange(4), VECTORS)
    with pytest.raises(IndexFailed, match="can't be searched"):
        searching.search(VECTORS, 1)
    reading = failing_at("reconstruct_batch", error)
    reading.add(np.arange(4), VECTORS)
    with pytest.raises(IndexFailed, match="can't be read"):
        reading.contents()


def test_a_failed_compaction_loses_nothing():
    index = failing_at("reconstruct_batch", MemoryError("bad_alloc"))
    angles = np.linspace(0.0, 1.0, 400)
    vectors = np.zeros((400, 4), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    index.add(np.arange(400), vectors)
    with pytest.raises(IndexFailed, match="can't be compacted"):
        index.remove(np.arange(300))
    assert index.rows().tolist() == list(range(300, 400))


def test_without_faiss_the_error_names_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    faiss_index._faiss.cache_clear()
    try:
        with pytest.raises(IndexFailed, match="install faiss-cpu"):
            FaissIndex(4)
        assert faiss_index.faiss_version() is None
    finally:
        faiss_index._faiss.cache_clear()


def test_the_version_is_that_of_the_module():
    assert faiss_index.faiss_version() == faiss.__version__


def test_unknown_devices_are_refused():
    with pytest.raises(IndexFailed, match="no device tpu"):
        flat_kind("tpu")


def test_no_gpu_means_the_cpu_unless_one_was_asked_for(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    assert FaissIndex(4).device == "cpu"
    with pytest.raises(IndexFailed, match="sees no GPU"):
        flat_kind("cuda")


def test_a_gpu_that_does_not_work_means_the_cpu_with_a_warning(monkeypatch, caplog):
    def broken(dimension):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss_index, "_make_on_gpu", broken)
    assert flat_kind("auto").device == "cpu"
    assert "no kernel image" in caplog.text
    with pytest.raises(IndexFailed, match="no kernel image"):
        flat_kind("cuda")


def test_a_gpu_that_works_is_used_and_its_reach_is_known(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss_index, "_make_on_gpu", faiss.IndexFlatIP)
    for device in ("auto", "cuda"):
        kind = flat_kind(device)
        assert (kind.device, kind.reach) == ("cuda", GPU_REACH)


def test_a_search_leaves_the_settings_of_its_caller_alone():
    threshold = faiss.cvar.distance_compute_blas_threshold
    index = FaissIndex(4, device="cpu", threads=2)
    index.add(np.arange(4), VECTORS)
    seen = []

    def search():
        faiss.omp_set_num_threads(1)
        index.search(VECTORS, 1)
        seen.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert seen == [1]
    assert faiss.cvar.distance_compute_blas_threshold == threshold


def test_importing_the_indexes_loads_neither_torch_nor_faiss():
    code = (
        "import sys, sigvault.indexing.opening\n"
        "sys.exit(bool({'faiss', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
def test_more_than_the_reach_of_a_gpu_is_found_all_the_same():
    index = FaissIndex(4, device="cuda")
    assert index.device == "cuda"
    count = GPU_REACH + 500
    index.add(np.arange(count), np.repeat(VECTORS[:1], count, axis=0))
    found = index.search(VECTORS[:1], count)
    assert found.rows[0].tolist() == list(range(count))
