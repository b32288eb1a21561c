"""What is torch's own; that it agrees with the oracle is in congruence/."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
import torch
from search_stand_ins import halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import torch_exact
from sigvault.indexing.candidates import MemoryUse, rounding_error
from sigvault.indexing.torch_exact import TorchSource, tensor, torch_devices, work_alone

VECTORS = halved(unit(np.random.default_rng(0), 700, 8))
PROBES = unit(np.random.default_rng(1), 40, 8)


def best_places(probes, count):
    return np.argsort(-(probes @ VECTORS.T), axis=1, kind="stable")[:, :count]


def test_a_device_that_can_not_be_had_is_refused():
    with pytest.raises(IndexFailed, match="use the device cpu"):
        TorchSource(VECTORS, device="abacus")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("probes", [1, 3, 15, 16, 40])
@pytest.mark.parametrize(
    ("block", "maxima", "numbers"),
    [(4096, 2**24, 2**24), (64, 2**24, 2**24), (64, 200, 2**24), (8, 2**24, 100)],
)
def test_any_division_of_the_work_gives_the_same(
    monkeypatch, dtype, probes, block, maxima, numbers
):
    monkeypatch.setattr(torch_exact, "_BLOCK", dict.fromkeys(torch_exact._BLOCK, block))
    monkeypatch.setattr(torch_exact, "_MAXIMA_AT_ONCE", maxima)
    monkeypatch.setattr(torch_exact, "_NUMBERS_AT_ONCE", numbers)
    source = TorchSource(VECTORS.astype(dtype), narrow_from=sys.maxsize)
    for count in (1, 9, 700):
        found = source.nearest(PROBES[:probes], count)
        np.testing.assert_array_equal(found.places, best_places(PROBES[:probes], count))
        expected = np.take_along_axis(PROBES[:probes] @ VECTORS.T, found.places, axis=1)
        assert np.abs(found.scores - expected).max() <= 2 * rounding_error(8)
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("size", [1, 7, 8, 9, 65])
def test_groups_that_are_not_full_have_no_members_beyond_the_end(size, monkeypatch):
    monkeypatch.setattr(torch_exact, "_BLOCK", dict.fromkeys(torch_exact._BLOCK, 16))
    source = TorchSource(-np.abs(VECTORS[:size]))  # scores below 0, which an empty place has
    found = source.nearest(np.abs(PROBES[:3]), size)
    assert np.sort(found.places, axis=1).tolist() == [list(range(size))] * 3


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_reduced_products_are_allowed_for(monkeypatch, precision):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: precision)
    allowed = torch_exact._REDUCED_PRECISION[precision]
    (error,) = TorchSource(VECTORS).nearest(PROBES[:1], 700).errors
    assert error >= 2 * (rounding_error(8) + allowed)
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "highest")
    (unreduced,) = TorchSource(VECTORS).nearest(PROBES[:1], 700).errors
    assert error - unreduced == pytest.approx(2 * allowed)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("count", [1, 5, 60, 88, 700])
@pytest.mark.parametrize("dimension", [8, 64])
@pytest.mark.parametrize("spread", [1.0, 0.05, 0.003])
def test_no_vector_that_was_not_proposed_scores_more_than_it_says(narrow, count, dimension, spread):
    """Vectors about one another, so that their scores differ by less than bfloat16 can tell."""
    rng = np.random.default_rng(count)
    middle = unit(rng, 1, dimension)
    vectors = middle + spread * unit(rng, 700, dimension)
    vectors = halved((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    probes = middle + spread * unit(rng, 40, dimension)
    probes = (probes / np.linalg.norm(probes, axis=1, keepdims=True)).astype(np.float32)
    source = TorchSource(vectors, narrow_from=1 if narrow else None)
    found = source.nearest(probes, count)
    true = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    np.put_along_axis(true, found.places, -np.inf, axis=1)
    assert (true.max(axis=1) <= found.scores[:, -1] + found.errors).all()
    if narrow and spread < 1.0 and count == 5:
        best = np.argsort(-(probes @ vectors.T), axis=1)[:, :count]
        assert (np.sort(found.places) != np.sort(best)).any(), "bfloat16 told all of them apart"


def test_large_batches_alone_are_multiplied_in_bfloat16(monkeypatch):
    source = TorchSource(VECTORS, narrow_from=9)
    assert source.spare(8) < source.spare(9)
    kinds = set()
    original = torch.mm

    def watched(first, *args, **kwargs):
        kinds.add(first.dtype)
        return original(first, *args, **kwargs)

    monkeypatch.setattr(torch, "mm", watched)
    source.nearest(PROBES[:8], 5)
    assert kinds == {torch.float32}
    source.nearest(PROBES[:9], 5)
    assert kinds == {torch.float32, torch.bfloat16}


def test_what_torch_raises_becomes_index_failed(monkeypatch):
    def exhausted(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    source = TorchSource(VECTORS)
    monkeypatch.setattr(torch, "mm", exhausted)
    with pytest.raises(IndexFailed, match="CUDA out of memory; use the device cpu"):
        source.nearest(PROBES, 1)


def test_on_the_cpu_it_takes_no_memory_of_its_own():
    assert TorchSource(VECTORS).memory == MemoryUse()


def test_arrays_are_shared_where_they_can_be_written_to():
    own = VECTORS.copy()
    assert tensor(own).data_ptr() == own.ctypes.data
    own.flags.writeable = False
    assert tensor(own).data_ptr() != own.ctypes.data


def test_a_thread_works_alone_and_leaves_the_others_as_they_were():
    def threads_in(prepare):
        seen = []

        def look():
            prepare()
            seen.append(torch.get_num_threads())

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return seen[0]

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert threads_in(work_alone) == 1
        assert torch.get_num_threads() == 3
        assert threads_in(lambda: None) == 3
    finally:
        torch.set_num_threads(before)


def test_devices_are_those_of_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_devices() == ()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (10 + number, 100))
    assert torch_devices() == ((10, 100), (11, 100))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_gpu_finds_the_same_and_says_what_it_takes(dtype):
    source = TorchSource(VECTORS.astype(dtype), device="cuda:0")
    found = source.nearest(PROBES, 5)
    np.testing.assert_array_equal(found.places, best_places(PROBES, 5))
    assert source.memory.gpu >= VECTORS.astype(dtype).nbytes
