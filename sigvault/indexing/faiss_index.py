"""Exact search in FAISS, on the CPU or a GPU: the only file that imports faiss."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import SearchResult
from sigvault.indexing.checks import (
    check_dimension,
    check_k,
    check_new_rows,
    check_rows,
    check_vectors,
)
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.ranking import exact_search, rounding_error
from sigvault.indexing.row_table import RowTable

GPU_REACH = 2048
"""The most results for a probe that FAISS gives on a GPU."""

_BLAS_FROM_PROBES = 4
"""The smallest batch that is searched by matrix products. FAISS 1.15 compares probes times
dimension with 128,000, which at D = 256 leaves batches of up to 500 probes without: 64 probes
then take over five times as long. Below 4, products are the slower way."""
_GPU_TEMPORARY_BYTES = 256 * 2**20
"""FAISS takes up to 1.5 GiB of each GPU otherwise."""
_BLOCK = 65536
"""Vectors copied at a time."""
_FOREIGN = (RuntimeError, AssertionError, MemoryError)
"""What FAISS raises: its C++ exceptions, its wrapper's checks, and allocation."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FlatKind:
    """Where flat FAISS indexes are made.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        make: makes an empty flat inner-product index of a dimension.
        reach: the most results for a probe that it gives, or None where there is no limit.
    """

    device: str
    make: Callable[[int], Any]
    reach: int | None


class FaissIndex:
    """A flat FAISS index with our own row numbers and removal by mark and compaction.

    The same on a GPU, which can neither hold row numbers nor remove. One lock lets one caller in
    at a time: a GPU index is not safe for threads even to read, and a CPU one not while it
    changes. A vector that was removed can't be found, and leaves memory with the next
    compaction.
    """

    def __init__(
        self,
        dimension: int,
        *,
        device: str = "auto",
        threads: int = 1,
        kind: FlatKind | None = None,
    ) -> None:
        """Start empty.

        Args:
            dimension: D, the length of the vectors.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for the first GPU where there is one.
            threads: how many threads a search uses. One is the default, since a single probe can
                use no more, and FAISS's threads wait busily for each other: on two busy cores a
                batch of 64 took 27 times the processor time with two threads.
            kind: where the flat index is made, instead of what ``device`` says.

        Raises:
            IndexFailed: If FAISS is not installed, the dimension is below 1 or the device can't
                be had.
        """
        self.dimension = check_dimension(dimension)
        self._threads = threads
        self._kind = kind or flat_kind(device)
        self._lock = threading.RLock()
        with _translated("be made"):
            self._store = _Store(self._kind, dimension)

    @property
    def device(self) -> str:
        """Where it searches: ``"cpu"`` or ``"cuda"``."""
        return self._kind.device

    def __len__(self) -> int:
        """How many vectors can be found."""
        return len(self._store.table)

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add unit vectors float32 (N, D) under the numbers int64 (N,), new and not negative.

        Raises:
            IndexFailed: If a number is taken, the arrays are not what they should be, or memory
                runs out; nothing is added then.
        """
        vectors = check_vectors(vectors, self.dimension)
        check_new_rows(rows, len(vectors))
        with self._lock:
            self._store.table.refuse_taken(rows)
            with _translated("take more vectors"):
                self._store.append(rows, vectors)

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the vectors under these numbers int64 (N,) unfindable; unknown ones are ignored.

        Raises:
            IndexFailed: If the numbers are not int64 (N,), or memory runs out.
        """
        check_rows(rows)
        with self._lock:
            self._store.table.remove(rows)
            if self._store.table.worth_compacting:
                with _translated("be compacted"):
                    self._store = self._store.compacted()

    def search(self, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
        """Find the k best vectors for each of the probes float32 (Q, D), unit norm.

        Where a GPU's reach of 2,048 candidates does not suffice, all vectors are scored on the
        CPU: slowly, but with the same result.

        Returns:
            Rows and scores (Q, k) by falling score, then rising row; -1 and -inf beyond the end.

        Raises:
            IndexFailed: If k is below 1, the probes are not what they should be, or memory
                runs out.
        """
        probes = check_vectors(probes, self.dimension)
        k = check_k(k)
        with self._lock, _tuned(self._threads, self.dimension), _translated("be searched"):
            return exact_search(self._store, probes, k)

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""
        with self._lock:
            return self._store.rows_at(self._store.table.occupied())

    def contents(self) -> IndexContents:
        """Copy out all findable vectors."""
        with self._lock, _translated("be read"):
            places = self._store.table.occupied()
            return IndexContents(self._store.rows_at(places), self._store.vectors_at(places))


def flat_kind(device: str) -> FlatKind:
    """Where flat indexes are made for a device.

    Args:
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for the first GPU where there is one that
            works.

    Raises:
        IndexFailed: If FAISS is not installed, or ``"cuda"`` is asked for and can't be had.
    """
    faiss = _faiss()
    cpu = FlatKind("cpu", faiss.IndexFlatIP, None)
    if device == "cpu":
        return cpu
    if device not in ("auto", "cuda"):
        raise IndexFailed(f"FAISS knows no device {device}: use auto, cpu or cuda")
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    if gpus == 0 and device == "auto":
        return cpu
    if gpus == 0:
        raise IndexFailed("FAISS sees no GPU, or was built without: use the device cpu")
    try:
        _make_on_gpu(1)  # resources are made lazily: only an index shows whether the GPU serves
    except _FOREIGN as error:
        if device == "cuda":
            raise IndexFailed(f"no search on a GPU: {error}; use the device cpu") from error
        _log.warning("FAISS can't use the GPU, so searches run on the CPU: %s", error)
        return cpu
    return FlatKind("cuda", _make_on_gpu, GPU_REACH)


def faiss_version() -> str | None:
    """The version of FAISS, or None where it is not installed."""
    try:
        return str(_faiss().__version__)
    except IndexFailed:
        return None


@functools.cache
def _faiss() -> Any:
    """The module, imported on first use."""
    try:
        import faiss
    except ImportError as error:
        raise IndexFailed(
            f"FAISS can't be imported: {error}; install faiss-cpu, or use another index"
        ) from error
    return faiss


@functools.cache
def _gpu_resources() -> Any:
    """The one resources object of the first GPU: each further one would take memory anew."""
    resources = _faiss().StandardGpuResources()
    resources.setTempMemory(_GPU_TEMPORARY_BYTES)
    return resources


def _make_on_gpu(dimension: int) -> Any:
    faiss = _faiss()
    options = faiss.GpuClonerOptions()
    # FAISS's own kernels: their products are not reduced to TF32 and their reach is known.
    options.use_cuvs = False
    return faiss.index_cpu_to_gpu(_gpu_resources(), 0, faiss.IndexFlatIP(dimension), options)


@contextmanager
def _tuned(threads: int, dimension: int) -> Iterator[None]:
    """Search with so many threads, and with matrix products where they pay.

    OpenMP keeps the number of threads for each calling thread apart. The threshold is the whole
    process's; two indexes that search at once may see each other's, which costs time alone.
    """
    faiss = _faiss()
    before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
    faiss.omp_set_num_threads(threads)
    faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM_PROBES * dimension
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before[0])
        faiss.cvar.distance_compute_blas_threshold = before[1]


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn what FAISS raises into IndexFailed: the index can't so-and-so."""
    try:
        yield
    except _FOREIGN as error:
        raise IndexFailed(
            f"the FAISS index can't {what}: {error}; free memory or use the device cpu"
        ) from error


class _Store:
    """A flat FAISS index and its rows: the candidate source of the index."""

    def __init__(self, kind: FlatKind, dimension: int) -> None:
        self.table = RowTable()
        self._kind = kind
        self._flat = kind.make(dimension)

    @property
    def size(self) -> int:
        return self.table.size

    @property
    def reach(self) -> int:
        return self.size if self._kind.reach is None else self._kind.reach

    @property
    def score_error(self) -> float:
        return rounding_error(int(self._flat.d))

    def append(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        self._flat.add(vectors)
        self.table.append(rows)

    def compacted(self) -> _Store:
        store = _Store(self._kind, int(self._flat.d))
        places = self.table.occupied()
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            store.append(self.rows_at(block), self.vectors_at(block))
        return store

    def nearest(
        self, probes: npt.NDArray[np.float32], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        scores, places = self._flat.search(probes, count)
        return places, scores

    def rows_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self.table.at(places)

    def vectors_at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        vectors: npt.NDArray[np.float32] = self._flat.reconstruct_batch(places)
        return vectors
