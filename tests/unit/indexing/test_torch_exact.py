"""What is torch's own; what it shares with the other indexes is in congruence/."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import torch_exact
from sigvault.indexing.torch_exact import TorchExactIndex

VECTORS = np.eye(4, dtype=np.float32)


def test_a_device_that_can_not_be_had_is_refused():
    with pytest.raises(IndexFailed, match="use the device cpu"):
        TorchExactIndex(4, device="abacus")


def test_auto_is_cuda_where_there_is_a_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert TorchExactIndex(4).device == "cpu"


def test_many_blocks_find_what_one_block_finds(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((700, 8), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = TorchExactIndex(8, device="cpu")
    index.add(np.arange(700), vectors)
    whole = index.search(vectors[:5], 9)
    monkeypatch.setattr(torch_exact, "_SCORES_AT_ONCE", 64)
    blocked = index.search(vectors[:5], 9)
    np.testing.assert_array_equal(blocked.rows, whole.rows)
    np.testing.assert_array_equal(blocked.scores, whole.scores)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_reduced_products_are_allowed_for(monkeypatch, precision):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: precision)
    index = TorchExactIndex(4, device="cpu")
    index.add(np.arange(4), VECTORS)
    assert index.search(VECTORS, 1).rows[:, 0].tolist() == [0, 1, 2, 3]


def test_what_torch_raises_becomes_index_failed(monkeypatch):
    def exhausted(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    index = TorchExactIndex(4, device="cpu")
    monkeypatch.setattr(index._store, "append", exhausted)
    with pytest.raises(IndexFailed, match="can't take more vectors"):
        index.add(np.arange(4), VECTORS)
    assert len(index) == 0
    monkeypatch.undo()
    index.add(np.arange(4), VECTORS)
    monkeypatch.setattr(index._store, "nearest", exhausted)
    with pytest.raises(IndexFailed, match="can't be searched"):
        index.search(VECTORS, 1)


def test_a_failed_compaction_loses_nothing(monkeypatch):
    def exhausted():
        raise torch.OutOfMemoryError("CUDA out of memory")

    index = TorchExactIndex(4, device="cpu")
    index.add(np.arange(400), np.repeat(VECTORS, 100, axis=0))
    monkeypatch.setattr(index._store, "compacted", exhausted)
    with pytest.raises(IndexFailed, match="can't be compacted"):
        index.remove(np.arange(300))
    assert index.search(VECTORS[3:], 1).rows.tolist() == [[300]]
