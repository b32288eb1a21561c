"""Candidates from FAISS, on the CPU or GPUs: the only file that imports faiss."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import (
    FEW_SPARE,
    MemoryUse,
    Proposals,
    Stored,
    rounding_error,
)
from sigvault.indexing.packing import BLOCK, coded, widened

GPU_REACH = 2048
"""The most results for a probe, and lists probed, that FAISS allows on a GPU."""
GPU_TEMPORARY_BYTES = 256 * 2**20
"""Set aside on each GPU once; FAISS takes up to 1.5 GiB otherwise."""
HALF_ERROR = 2.0**-9
"""How far 16 bits may put a GPU's score off: 2**-11 for the probe, as much for the vectors, and
twice that for what is summed."""

_BLAS_FROM_PROBES = 4
"""The smallest batch that is searched by matrix products. FAISS 1.15 compares probes times
dimension with 128,000, which at D = 256 leaves batches of up to 500 probes without: 64 probes
then take over five times as long. Below 4, products are the slower way."""
_CODES_SPARE = 240
"""Candidates fetched beyond those wanted where scores come from eight bits: at a million vectors
without clusters about 50 lie within the error of the tenth best."""
ZERO_CODE = 128
"""The byte that FAISS keeps for the whole number 0."""
_HALF_SPARE = 48
_TRAINING = 64
"""Vectors that each list of an inverted file is trained on, about."""
_GRAPH_DEGREE = 64
"""Neighbours that CAGRA keeps of each vector."""
_FOREIGN = (RuntimeError, AssertionError, MemoryError)
"""What FAISS raises: its C++ exceptions, its wrapper's checks, and allocation."""


class FaissPlace(Protocol):
    """Where FAISS makes its indexes: the processor, or one GPU; all for inner products.

    Attributes:
        reach: the most results for a probe, or None where there is no limit.
        temporary: bytes of GPU memory that searches need.
        on_gpu: whether indexes take GPU memory rather than the host's.
    """

    @property
    def reach(self) -> int | None: ...  # noqa: D102
    @property
    def temporary(self) -> int: ...  # noqa: D102
    @property
    def on_gpu(self) -> bool: ...  # noqa: D102

    def flat(self, dimension: int, *, half: bool) -> Any:
        """An empty flat index, of 16 bits if ``half``."""

    def inverted(self, dimension: int, lists: int) -> Any:
        """An untrained inverted file of vectors as they are."""

    def graph(self, dimension: int) -> Any:
        """An empty index that is a graph of neighbours, built in one go."""

    def graph_search(self, count: int) -> Any:
        """How a graph is to be searched for so many results."""


@dataclass(frozen=True)
class Inverted:
    """How an inverted file is built and searched.

    Attributes:
        lists: how many lists the vectors are spread over, or None for four times the square
            root of their number.
        probed: how many lists are searched for a probe.
    """

    lists: int | None = None
    probed: int = 32

    def lists_for(self, count: int) -> int:
        """The number of lists for so many vectors; there are never more lists than vectors."""
        return min(self.lists or round(4 * count**0.5), count)


class FaissSource:
    """A FAISS index over vectors, with what is known of its scores."""

    def __init__(
        self,
        index: Any,
        *,
        size: int,
        place: FaissPlace,
        memory: int,
        exact: bool = True,
        error: float | None = None,
        parameters: Callable[[int], Any] = lambda _: None,
    ) -> None:
        """Take a filled index.

        Args:
            index: the index, whose numbers are places.
            size: how many vectors it holds.
            place: where it was made.
            memory: how many bytes its vectors take there.
            exact: whether it scores every vector.
            error: how far its scores may be off, or None for float32's rounding.
            parameters: how FAISS is to search for so many results.
        """
        self._index = index
        self.size = size
        self.reach = size if place.reach is None else place.reach
        self.exact = exact
        self._error = rounding_error(int(index.d)) if error is None else error
        self._spare = FEW_SPARE if error is None else _HALF_SPARE
        self._parameters = parameters
        self.memory = (
            MemoryUse(gpu=memory + place.temporary) if place.on_gpu else MemoryUse(host=memory)
        )

    def spare(self, probes: int) -> int:  # noqa: ARG002 - the same for any batch
        """See CandidateSource."""
        return self._spare

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        with _tuned(probes.shape[1]), translated("be searched"):
            scores, places = self._index.search(
                np.ascontiguousarray(probes), count, params=self._parameters(count)
            )
        scores[places < 0] = -np.inf
        return Proposals(places, scores, np.full(len(probes), self._error))


class CodedSource:
    """Vectors in eight bits: four times fewer bytes to read than float32, for single probes.

    Codes and probe are whole numbers, and so are their products, without any rounding; what is
    lost is the distance of the vectors and of the probe from their codes.
    """

    exact = True

    def __init__(self, vectors: Stored) -> None:
        """Code the vectors (N, D).

        Raises:
            IndexFailed: If FAISS is not installed or memory runs out.
        """
        _faiss()  # is it there, before memory is taken
        self.size = self.reach = len(vectors)
        with translated("be made"):
            self._codes = np.empty(vectors.shape, np.uint8)
            self._residual = 0.0
            end = 0
            for block in coded(vectors):
                begin, end = end, end + len(block.codes)
                np.add(block.codes, ZERO_CODE, out=self._codes[begin:end], casting="unsafe")
                self._scale = block.scale
                self._residual = max(self._residual, block.residual)
            self._index = index_over(self._codes)
        self.memory = MemoryUse(host=vectors.size)

    def spare(self, probes: int) -> int:  # noqa: ARG002 - the same for any batch
        """See CandidateSource."""
        return _CODES_SPARE

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """See CandidateSource."""
        # FAISS keeps a probe in bytes too.
        scale = 127.0 / np.abs(probes).max(axis=1, keepdims=True).astype(np.float64)
        codes = np.rint(probes * scale)
        with _tuned(probes.shape[1]), translated("be searched"):
            products, places = self._index.search(codes.astype(np.float32), count)
        scores = (products / (scale * self._scale)).astype(np.float32)
        off = np.linalg.norm(codes / scale - probes, axis=1)
        # |q v - r w| is at most |q - r| |w| + |q| |v - w|, for the codes r of q and w of v.
        longest = 1.0 + UNIT_NORM_TOLERANCE
        errors = off * (longest + self._residual) + longest * self._residual
        return Proposals(places, scores, errors + rounding_error(probes.shape[1]))


def index_over(codes: npt.NDArray[np.uint8]) -> Any:
    """FAISS's index of eight-bit codes (N, D) that looks at these, and doesn't keep them.

    NumPy asks the system for large pages for them; FAISS's own memory has small ones, and reading
    that takes up to twice as long.
    """
    faiss = _faiss()
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    index = faiss.IndexScalarQuantizer(codes.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    nobody = faiss.MaybeOwnedVectorUInt8().owner
    view = faiss.MaybeOwnedVectorUInt8.create_view(faiss.swig_ptr(codes), codes.size, nobody)
    index.codes = view
    index.ntotal = len(codes)
    return index


def flat_source(vectors: Stored, place: FaissPlace, *, half: bool = False) -> FaissSource:
    """A flat index over vectors (N, D).

    Args:
        vectors: (N, D).
        place: where.
        half: whether 16 bits a component suffice; on a GPU alone.

    Raises:
        IndexFailed: If memory runs out.
    """
    with translated("be made"):
        index = place.flat(vectors.shape[1], half=half)
        for start in range(0, len(vectors), BLOCK):
            index.add(widened(vectors[start : start + BLOCK]))
    return FaissSource(
        index,
        size=len(vectors),
        place=place,
        memory=vectors.size * (2 if half else 4),
        error=HALF_ERROR if half else None,
    )


def inverted_source(vectors: Stored, place: FaissPlace, inverted: Inverted) -> FaissSource:
    """An inverted file over vectors (N, D): not exact.

    Raises:
        IndexFailed: If more lists are to be probed than the place allows, or memory runs out.
    """
    check_probed(inverted, place.reach)
    count, dimension = vectors.shape
    lists = inverted.lists_for(count)
    with translated("be made"):
        index = place.inverted(dimension, lists)
        sample = np.linspace(0, count - 1, min(count, _TRAINING * lists)).astype(np.int64)
        index.train(widened(vectors[sample]))
        for start in range(0, count, BLOCK):
            index.add(widened(vectors[start : start + BLOCK]))
        index.nprobe = min(inverted.probed, lists)
    memory = 4 * (vectors.size + lists * dimension) + 8 * count
    return FaissSource(index, size=count, place=place, memory=memory, exact=False)


def check_probed(inverted: Inverted, most: int | None) -> None:
    """Make sure that a place can search so many lists.

    Raises:
        IndexFailed: If it can't.
    """
    if inverted.probed < 1 or (inverted.lists is not None and inverted.lists < 1):
        raise IndexFailed(
            f"{inverted.probed} of {inverted.lists} lists can't be searched: ask for 1 or more"
        )
    if most is not None and inverted.probed > most:
        raise IndexFailed(
            f"a GPU searches at most {most} lists for a probe, not {inverted.probed}: ask for fewer"
        )


def graph_source(vectors: Stored, place: FaissPlace) -> FaissSource:
    """A graph of neighbours over vectors (N, D): CAGRA on a GPU; not exact.

    Raises:
        IndexFailed: If memory runs out.
    """
    with translated("be made"):
        index = place.graph(vectors.shape[1])
        # All at once: for a graph, adding is training.
        index.train(widened(vectors))
    memory = 4 * (vectors.size + _GRAPH_DEGREE * len(vectors))
    return FaissSource(
        index,
        size=len(vectors),
        place=place,
        memory=memory,
        exact=False,
        parameters=place.graph_search,
    )


class Processor:
    """FAISS on the CPU; see FaissPlace."""

    reach = None
    temporary = 0
    on_gpu = False

    def flat(self, dimension: int, *, half: bool) -> Any:  # noqa: ARG002 - of 32 bits always
        """See FaissPlace."""
        return _faiss().IndexFlatIP(dimension)

    def inverted(self, dimension: int, lists: int) -> Any:
        """See FaissPlace."""
        faiss = _faiss()
        coarse = faiss.IndexFlatIP(dimension)
        return faiss.IndexIVFFlat(coarse, dimension, lists, faiss.METRIC_INNER_PRODUCT)

    def graph(self, dimension: int) -> Any:  # noqa: ARG002 - there is none
        """See FaissPlace.

        Raises:
            IndexFailed: Always.
        """
        raise IndexFailed("CAGRA needs a GPU: use another kind of index")

    def graph_search(self, count: int) -> Any:  # noqa: ARG002
        """See FaissPlace."""
        return None


@dataclass(frozen=True)
class Gpu:
    """FAISS on one GPU; see FaissPlace. To be used in that GPU's thread alone.

    Attributes:
        number: which GPU.
    """

    number: int
    reach = GPU_REACH
    temporary = GPU_TEMPORARY_BYTES
    on_gpu = True

    def flat(self, dimension: int, *, half: bool) -> Any:
        """See FaissPlace."""
        faiss = _faiss()
        config = faiss.GpuIndexFlatConfig()
        config.useFloat16 = half
        return faiss.GpuIndexFlatIP(_resources(self.number), dimension, self._own(config))

    def inverted(self, dimension: int, lists: int) -> Any:
        """See FaissPlace."""
        faiss = _faiss()
        config = self._own(faiss.GpuIndexIVFFlatConfig())
        return faiss.GpuIndexIVFFlat(
            _resources(self.number), dimension, lists, faiss.METRIC_INNER_PRODUCT, config
        )

    def graph(self, dimension: int) -> Any:
        """See FaissPlace; only cuVS has CAGRA.

        Raises:
            IndexFailed: If FAISS was built without it.
        """
        faiss = _faiss()
        if not hasattr(faiss, "GpuIndexCagra"):
            raise IndexFailed("this FAISS was built without CAGRA: install faiss-gpu-cuvs")
        config = faiss.GpuIndexCagraConfig()
        config.device = self.number
        config.graph_degree = _GRAPH_DEGREE
        return faiss.GpuIndexCagra(
            _resources(self.number), dimension, faiss.METRIC_INNER_PRODUCT, config
        )

    def graph_search(self, count: int) -> Any:
        """See FaissPlace."""
        parameters = _faiss().SearchParametersCagra()
        # The list of candidates that a search works on: longer than what it returns.
        parameters.itopk_size = max(128, 64 * -(-count // 32))
        return parameters

    def _own(self, config: Any) -> Any:
        # FAISS's own kernels: their products are not reduced to TF32 and their reach is known.
        config.device = self.number
        config.use_cuvs = False
        return config


def gpu_count() -> int:
    """How many GPUs FAISS sees.

    Raises:
        IndexFailed: If FAISS is not installed.
    """
    faiss = _faiss()
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


def faiss_version() -> str | None:
    """The version of FAISS, or None where it is not installed."""
    try:
        return str(_faiss().__version__)
    except IndexFailed:
        return None


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what FAISS raises into IndexFailed: the index can't so-and-so."""
    try:
        yield
    except _FOREIGN as error:
        raise IndexFailed(
            f"the FAISS index can't {what}: {error}; free memory or use the device cpu"
        ) from error


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
def _resources(number: int) -> Any:  # noqa: ARG001 - one for each number
    """The one resources object of a GPU: each further one would take memory anew."""
    resources = _faiss().StandardGpuResources()
    resources.setTempMemory(GPU_TEMPORARY_BYTES)
    return resources


class _Threshold:
    """FAISS's process-wide threshold for matrix products, lowered while any search is at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._searches = 0
        self._before = 0

    def lower(self, dimension: int) -> None:
        with self._lock:
            variables = _faiss().cvar
            if self._searches == 0:
                self._before = variables.distance_compute_blas_threshold
            self._searches += 1
            variables.distance_compute_blas_threshold = _BLAS_FROM_PROBES * dimension

    def leave(self) -> None:
        with self._lock:
            self._searches -= 1
            if self._searches == 0:
                _faiss().cvar.distance_compute_blas_threshold = self._before


_threshold = _Threshold()


@contextmanager
def _tuned(dimension: int) -> Iterator[None]:
    """Search in one thread of FAISS, and with matrix products where they pay.

    Its own threads wait busily for each other: on two busy cores a batch of 64 took 27 times the
    processor time with two. OpenMP keeps the number for each calling thread apart.
    """
    faiss = _faiss()
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    _threshold.lower(dimension)
    try:
        yield
    finally:
        _threshold.leave()
        faiss.omp_set_num_threads(threads)
