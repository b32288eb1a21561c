from __future__ import annotations

import functools

import numpy as np
import pytest
from search_stand_ins import GpuLike, halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import choice as choice_module
from sigvault.indexing.choice import (
    EXACT_UP_TO,
    IndexKind,
    SearchOptions,
    choose_index,
    choose_kind,
    needed_bytes,
)
from sigvault.indexing.combining import BySize, Improving, Replicas, Shards
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import GPU_TEMPORARY_BYTES, FaissSource, Inverted
from sigvault.indexing.gpu_worker import OnGpu
from sigvault.indexing.hardware import Hardware
from sigvault.indexing.torch_exact import TorchSource

GIB = 2**30
MILLION = 10**6
COMPUTER = Hardware(cores=2, memory=16 * GIB, gpus=(), faiss=True)
VECTORS = halved(unit(np.random.default_rng(0), 60, 8))


def with_gpus(*free):
    return Hardware(8, 64 * GIB, free, faiss=True)


@pytest.mark.parametrize(
    ("count", "hardware", "kind", "reason"),
    [
        (0, COMPUTER, IndexKind.EXACT, "NumPy"),
        (EXACT_UP_TO, with_gpus(80 * GIB), IndexKind.EXACT, "NumPy"),
        (EXACT_UP_TO + 1, COMPUTER, IndexKind.CODES, "eight-bit"),
        (MILLION, COMPUTER, IndexKind.CODES, "eight-bit"),
        (MILLION, Hardware(2, None, (), faiss=True), IndexKind.CODES, "eight-bit"),
        (MILLION, Hardware(2, 10**9, (), faiss=True), IndexKind.TORCH, "memory is too short"),
        (MILLION, Hardware(2, 16 * GIB, (), faiss=False), IndexKind.TORCH, "not installed"),
        (MILLION, with_gpus(80 * GIB), IndexKind.FLAT, "the GPU holds it"),
        (60 * MILLION, with_gpus(20 * GIB), IndexKind.CODES, "eight-bit"),
        (100 * MILLION, with_gpus(20 * GIB), IndexKind.TORCH, "memory is too short"),
    ],
)
def test_size_memory_and_hardware_decide(count, hardware, kind, reason):
    choice = choose_kind(count, 256, hardware)
    assert choice.kind is kind
    assert reason in choice.reason
    assert bool(choice.gpus) == (kind is IndexKind.FLAT)
    if kind is not IndexKind.TORCH:
        assert choice.available is None or choice.needed <= choice.available


def test_several_gpus_hold_everything_each_or_a_part_each():
    hold = 10 * MILLION * 256 * 2 + GPU_TEMPORARY_BYTES
    each = choose_kind(10 * MILLION, 256, with_gpus(20 * GIB, 40 * GIB))
    assert (each.kind, each.gpus, each.shard) == (IndexKind.FLAT, (0, 1), False)
    assert (each.needed, each.available) == (hold, 16 * GIB)
    parts = choose_kind(10 * MILLION, 256, with_gpus(5 * GIB, 5 * GIB))
    assert (parts.gpus, parts.shard) == ((0, 1), True)
    assert parts.needed == 10 * MILLION * 256 + GPU_TEMPORARY_BYTES
    assert "a part each" in parts.reason
    asked = choose_kind(MILLION, 256, with_gpus(80 * GIB, 80 * GIB), SearchOptions(shard=True))
    assert asked.shard
    whole = choose_kind(10 * MILLION, 256, with_gpus(5 * GIB, 5 * GIB), SearchOptions(shard=False))
    assert whole.kind is IndexKind.CODES
    one = choose_kind(MILLION, 256, with_gpus(80 * GIB), SearchOptions(shard=True))
    assert not one.shard


@pytest.mark.parametrize("kind", IndexKind)
def test_a_kind_that_is_asked_for_is_taken(kind):
    for hardware in (COMPUTER, with_gpus(GIB, GIB)):
        choice = choose_kind(30 * MILLION, 256, hardware, SearchOptions(kind=kind))
        assert choice.kind is kind
        on_gpu = bool(hardware.gpus) and kind not in {IndexKind.EXACT, IndexKind.CODES}
        assert bool(choice.gpus) == on_gpu


def test_what_is_not_exact_is_never_chosen_unasked():
    for count in (1, 10**4, MILLION, 10**8, 10**10):
        for hardware in (COMPUTER, with_gpus(GIB), with_gpus(80 * GIB, 80 * GIB)):
            kind = choose_kind(count, 256, hardware).kind
            assert kind not in {IndexKind.INVERTED, IndexKind.GRAPH}


def test_needed_bytes_grow_with_what_is_held():
    components = 1000 * 64
    host = {kind: needed_bytes(kind, 1000, 64) / components for kind in IndexKind}
    assert host == {"exact": 4, "torch": 2, "codes": 3, "flat": 6, "ivf": 6, "cagra": 6}
    on_gpu = functools.partial(needed_bytes, count=1000, dimension=64, on_gpu=True)
    assert on_gpu(IndexKind.FLAT) == 2 * components + GPU_TEMPORARY_BYTES
    assert on_gpu(IndexKind.FLAT, half=False) == 4 * components + GPU_TEMPORARY_BYTES
    assert on_gpu(IndexKind.GRAPH) == 4 * components + 256_000 + GPU_TEMPORARY_BYTES


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (IndexKind.TORCH, TorchSource),
        (IndexKind.FLAT, FaissSource),
        (IndexKind.CODES, BySize),
        (IndexKind.INVERTED, FaissSource),
    ],
)
def test_the_index_is_of_the_kind_and_holds_what_it_is_given(kind, source):
    contents = IndexContents(np.arange(60), VECTORS.astype(np.float16))
    options = SearchOptions("cpu", 1, kind, inverted=Inverted(lists=4, probed=4))
    index = choose_index(8, 60, options, contents)
    assert isinstance(index._state.source, Improving if source is BySize else source)
    index.compact()
    assert isinstance(index._state.source, source)
    assert (index.dimension, len(index)) == (8, 60)
    oracle = choose_index(8, 60, None, contents)
    assert isinstance(oracle, ExactIndex)
    found, expected = index.search(VECTORS[:7], 5), oracle.search(VECTORS[:7], 5)
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_codes_are_made_beside_the_searches_and_change_nothing():
    contents = IndexContents(np.arange(60), VECTORS.astype(np.float16))
    options = SearchOptions("cpu", 1, IndexKind.CODES)
    index, oracle = choose_index(8, 60, options, contents), choose_index(8, 60, None, contents)
    before = index.memory.host
    for _ in range(4):
        found, expected = index.search(VECTORS[:3], 5), oracle.search(VECTORS[:3], 5)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.scores, expected.scores)
        index._state.source.wait()
    assert index.memory.host == before + VECTORS.size


def test_small_indexes_are_made_without_a_look_at_the_hardware(monkeypatch):
    def look(_):
        raise AssertionError

    monkeypatch.setattr(choice_module, "detect_hardware", look)
    assert isinstance(choose_index(8, EXACT_UP_TO), ExactIndex)
    with pytest.raises(AssertionError):
        choose_index(8, EXACT_UP_TO + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SearchOptions("cpu", kind=IndexKind.GRAPH), "CAGRA needs a GPU"),
        (SearchOptions("cpu", kind=IndexKind.INVERTED, inverted=Inverted(probed=0)), "1 or more"),
        (SearchOptions("abacus", kind=IndexKind.FLAT), "no device abacus"),
    ],
)
def test_what_can_not_be_had_is_an_error(options, message):
    with pytest.raises(IndexFailed, match=message):
        choose_index(8, MILLION, options)


@pytest.fixture
def gpus(monkeypatch):
    """Stand-ins for GPUs: to be called with how many there are."""
    numbers = []

    class Place(GpuLike):
        def __init__(self, number):
            numbers.append(number)

    def some(count):
        monkeypatch.setattr(choice_module, "Gpu", Place)
        free = (GIB,) * count
        monkeypatch.setattr(choice_module, "detect_hardware", lambda _: with_gpus(*free))
        return numbers

    return some


@pytest.mark.parametrize("kind", [IndexKind.FLAT, IndexKind.INVERTED, IndexKind.GRAPH])
@pytest.mark.parametrize(
    ("count", "shard", "source"), [(1, False, OnGpu), (2, False, Replicas), (3, True, Shards)]
)
def test_an_index_lies_on_the_gpus_that_there_are(gpus, kind, count, shard, source):
    numbers = gpus(count)
    options = SearchOptions(kind=kind, shard=shard, inverted=Inverted(lists=4, probed=4))
    contents = IndexContents(np.arange(60), VECTORS.astype(np.float16))
    index = choose_index(8, 60, options, contents)
    assert isinstance(index._state.source, source)
    assert sorted(numbers) == list(range(count))
    parts = 1 if shard else count
    assert index.memory.gpu >= parts * 60 * 8 * 2 + count * GpuLike.temporary
    found = index.search(VECTORS[:5], 1)
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_torch_on_gpus_is_told_which(gpus, monkeypatch):
    made = []

    def make(vectors, *, device="cpu"):
        made.append(device)
        return TorchSource(vectors)

    gpus(2)
    monkeypatch.setattr(choice_module, "TorchSource", make)
    contents = IndexContents(np.arange(60), VECTORS)
    index = choose_index(8, 60, SearchOptions(kind=IndexKind.TORCH, shard=True), contents)
    assert sorted(made) == ["cuda:0", "cuda:1"]
    assert index.search(VECTORS[:1], 1).rows.tolist() == [[0]]


def test_more_lists_than_a_gpu_searches_are_refused(gpus):
    gpus(1)
    options = SearchOptions(kind=IndexKind.INVERTED, inverted=Inverted(probed=2049))
    with pytest.raises(IndexFailed, match="at most 2048 lists"):
        choose_index(8, 60, options)
