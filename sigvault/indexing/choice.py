"""Which index a vault of some size searches with, and why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import CandidateSource, MakeSource, Stored
from sigvault.indexing.combining import (
    SHARD,
    BySize,
    Improving,
    Replicas,
    Shards,
    in_shards,
    searching_threads,
)
from sigvault.indexing.contents import IndexContents, StorableIndex
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
from sigvault.indexing.hardware import Hardware, detect_hardware
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.packing import widened
from sigvault.indexing.torch_exact import TorchSource

EXACT_UP_TO = 5_000
"""Up to so many vectors NumPy answers in a few milliseconds, less than FAISS takes to load."""
_OUTGROWN_FROM = EXACT_UP_TO * 6 // 5
"""From so many vectors on an index that began smaller is made anew: later than it would have been
chosen so, so that a vault about as large as the limit doesn't take the trouble."""
BATCH_FROM = 10
"""The smallest batch that matrix products of all vectors answer sooner than eight-bit codes."""

_GPU_SHARE = 0.8
"""How much of a GPU's free memory an index may take: the embedder needs some, too."""
_MEMORY_SHARE = 0.7
"""How much of the free memory an index may take."""


class IndexKind(StrEnum):
    """The kinds of index; the last two are not exact, and used only where asked for."""

    EXACT = "exact"
    TORCH = "torch"
    FLAT = "flat"
    CODES = "codes"
    INVERTED = "ivf"
    GRAPH = "cagra"


@dataclass(frozen=True)
class SearchOptions:
    """How an index searches, where the user has a say.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for GPUs where there are any.
        threads: how many threads a search uses, or None for one a core.
        kind: the kind of index, or None for the one that fits.
        half: whether a GPU may hold 16 bits a component; results are the same.
        shard: whether several GPUs hold a part each instead of all holding everything, or None
            for what fits.
        inverted: how an inverted file is built and searched.
    """

    device: str = "auto"
    threads: int | None = None
    kind: IndexKind | None = None
    half: bool = True
    shard: bool | None = None
    inverted: Inverted = field(default_factory=Inverted)


@dataclass(frozen=True)
class Choice:
    """What is searched with.

    Attributes:
        kind: the kind of index.
        gpus: the numbers of the GPUs that it lies on; none for the CPU.
        shard: whether each of them holds a part.
        reason: why, for people.
        needed: bytes of memory that it takes, of each GPU or of the host.
        available: bytes that are free there, or None where the system doesn't say.
    """

    kind: IndexKind
    gpus: tuple[int, ...]
    shard: bool
    reason: str
    needed: int
    available: int | None


def needed_bytes(
    kind: IndexKind, count: int, dimension: int, *, on_gpu: bool = False, half: bool = True
) -> int:
    """About how many bytes an index takes, of the host's memory or of all GPUs together.

    On the host that includes the vectors themselves, in 16 bits.
    """
    components = count * dimension
    if on_gpu:
        graph = 256 * count if kind is IndexKind.GRAPH else 0
        width = 2 if half and kind is IndexKind.FLAT else 4
        return width * components + graph + GPU_TEMPORARY_BYTES
    if kind is IndexKind.EXACT:
        return 4 * components
    beside = {IndexKind.TORCH: 0, IndexKind.CODES: 1, IndexKind.FLAT: 4}
    return (2 + beside.get(kind, 4)) * components


def choose_kind(
    count: int, dimension: int, hardware: Hardware, options: SearchOptions | None = None
) -> Choice:
    """The index for so many vectors.

    A kind that is asked for is taken. Otherwise: NumPy for up to ``EXACT_UP_TO``; a flat index on
    GPUs that hold it, in parts where one alone doesn't; on the CPU eight-bit codes for single
    probes and matrix products for batches; and products alone where memory is short or FAISS
    is not installed. All of these are exact: the choice is about time alone.

    Args:
        count: how many vectors it is going to hold, about.
        dimension: D, their length.
        hardware: what there is.
        options: what the user wants.
    """
    options = options or SearchOptions()
    kind = options.kind or IndexKind.FLAT
    if options.kind is None and count <= EXACT_UP_TO:
        kind, reason = IndexKind.EXACT, f"NumPy is quick enough up to {EXACT_UP_TO:,} vectors"
        return _on_host(kind, count, dimension, hardware, reason)
    if hardware.gpus and kind not in {IndexKind.EXACT, IndexKind.CODES}:
        choice = _on_gpus(kind, count, dimension, hardware, options)
        if options.kind is not None or choice.needed <= (choice.available or 0):
            return choice
    if options.kind is not None:
        return _on_host(kind, count, dimension, hardware, "it was asked for")
    codes = needed_bytes(IndexKind.CODES, count, dimension)
    if not hardware.faiss:
        reason = "FAISS is not installed"
    elif hardware.memory is not None and codes > _MEMORY_SHARE * hardware.memory:
        reason = "memory is too short for eight-bit codes beside the vectors"
    else:
        reason = "eight-bit codes are quickest for single probes, and exact with re-ranking"
        return _on_host(IndexKind.CODES, count, dimension, hardware, reason)
    return _on_host(IndexKind.TORCH, count, dimension, hardware, reason)


def _on_host(
    kind: IndexKind, count: int, dimension: int, hardware: Hardware, reason: str
) -> Choice:
    needed = needed_bytes(kind, count, dimension)
    return Choice(kind, (), False, reason, needed, hardware.memory)


def _on_gpus(
    kind: IndexKind, count: int, dimension: int, hardware: Hardware, options: SearchOptions
) -> Choice:
    whole = needed_bytes(kind, count, dimension, on_gpu=True, half=options.half)
    free = int(_GPU_SHARE * min(hardware.gpus))
    several = len(hardware.gpus) > 1
    shard = several and (whole > free if options.shard is None else options.shard)
    part = (whole - GPU_TEMPORARY_BYTES) // len(hardware.gpus) + GPU_TEMPORARY_BYTES
    places = f"{len(hardware.gpus)} GPUs hold " if several else "the GPU holds "
    reason = places + ("a part each" if shard else "everything each" if several else "it")
    gpus = tuple(range(len(hardware.gpus)))
    return Choice(kind, gpus, shard, reason, part if shard else whole, free)


def choose_index(
    dimension: int,
    count: int,
    options: SearchOptions | None = None,
    contents: IndexContents | None = None,
) -> StorableIndex:
    """Make an index for a vault of some size.

    Args:
        dimension: D, the length of the vectors.
        count: how many vectors it is going to hold, about.
        options: how it searches.
        contents: what it holds from the beginning; kept and not copied where that is possible.

    Raises:
        IndexFailed: If the kind or the device can't be had.
    """
    options = options or SearchOptions()
    if count <= EXACT_UP_TO and options.kind is None:
        # Without a look at the hardware, which would load FAISS.
        choice = choose_kind(count, dimension, Hardware(1, None, (), faiss=False), options)
    else:
        choice = choose_kind(count, dimension, detect_hardware(options.device), options)
    if choice.kind is IndexKind.EXACT:
        index = ExactIndex(dimension)
        if contents is not None:
            index.add(contents.rows, widened(contents.vectors))
        return index
    return LayeredIndex(
        dimension,
        source_maker(choice, options),
        contents,
        make_first=_improving(choice, options),
    )


def has_outgrown(index: StorableIndex, options: SearchOptions | None = None) -> bool:
    """Whether an index has grown so large that another kind is to be chosen for it.

    Only NumPy's is ever outgrown, which the rule takes for few vectors alone; the other kinds are
    left when the vault is opened again. A kind that was asked for stays.
    """
    asked_for = options is not None and options.kind is not None
    return isinstance(index, ExactIndex) and not asked_for and len(index) >= _OUTGROWN_FROM


def source_maker(choice: Choice, options: SearchOptions) -> MakeSource:
    """What makes the sources of a choice.

    Raises:
        IndexFailed: If the kind can't be had there.
    """
    if choice.kind is IndexKind.INVERTED:
        check_probed(options.inverted, GPU_REACH if choice.gpus else None)
    if choice.kind is IndexKind.GRAPH and not choice.gpus:
        raise IndexFailed("CAGRA needs a GPU: use another kind of index, or the device cuda")
    if choice.gpus:
        return functools.partial(_on_gpu_places, choice, options)
    threads = options.threads or searching_threads()
    match choice.kind:
        case IndexKind.TORCH:
            return lambda vectors: _products(vectors, threads)
        case IndexKind.FLAT:
            return lambda vectors: in_shards(
                lambda part: flat_source(part, Processor()), vectors, threads, SHARD
            )
        case IndexKind.INVERTED:
            return lambda vectors: inverted_source(vectors, Processor(), options.inverted)
        case _:
            return lambda vectors: _codes(vectors, _products(vectors, threads), threads)


def _products(vectors: Stored, threads: int) -> CandidateSource:
    """Matrix products on the CPU: nothing has to be made."""
    return in_shards(TorchSource, vectors, threads, SHARD)


def _codes(vectors: Stored, products: CandidateSource, threads: int) -> CandidateSource:
    """Eight-bit codes for few probes, and products for batches."""
    return BySize(in_shards(CodedSource, vectors, threads, SHARD), products, BATCH_FROM)


def _improving(choice: Choice, options: SearchOptions) -> MakeSource | None:
    """What makes a source that is there at once, if those of the choice take their time."""
    if choice.kind is not IndexKind.CODES:
        return None
    threads = options.threads or searching_threads()

    def make(vectors: Stored) -> CandidateSource:
        products = _products(vectors, threads)
        return Improving(products, lambda: _codes(vectors, products, threads))

    return make


def _on_gpu_places(choice: Choice, options: SearchOptions, vectors: Stored) -> CandidateSource:
    """The source on its GPUs: one, or one on each, of parts or of everything."""

    def make(number: int, part: Stored) -> Callable[[], CandidateSource]:
        return lambda: _on_one_gpu(choice.kind, options, number, part)

    def on(number: int, part: Stored) -> CandidateSource:
        return OnGpu(gpu_worker(number), make(number, part))

    if choice.shard:
        return Shards.split(on, vectors, choice.gpus[: len(vectors)])
    copies = [on(number, vectors) for number in choice.gpus]
    return copies[0] if len(copies) == 1 else Replicas(copies)


def _on_one_gpu(
    kind: IndexKind, options: SearchOptions, number: int, vectors: Stored
) -> CandidateSource:
    match kind:
        case IndexKind.TORCH:
            return TorchSource(vectors, device=f"cuda:{number}")
        case IndexKind.INVERTED:
            return inverted_source(vectors, Gpu(number), options.inverted)
        case IndexKind.GRAPH:
            return graph_source(vectors, Gpu(number))
        case _:
            return flat_source(vectors, Gpu(number), half=options.half)
