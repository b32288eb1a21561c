from __future__ import annotations

import importlib.util

import pytest

from sigvault.indexing.choice import (
    EXACT_UP_TO,
    IndexKind,
    SearchOptions,
    choose_index,
    choose_kind,
)
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import FaissIndex
from sigvault.indexing.torch_exact import TorchExactIndex


def test_small_vaults_are_searched_in_numpy_and_larger_ones_in_faiss():
    assert choose_kind(0) == choose_kind(EXACT_UP_TO) == IndexKind.EXACT
    assert choose_kind(EXACT_UP_TO + 1) == IndexKind.FAISS


def test_torch_stands_in_for_faiss_where_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert choose_kind(EXACT_UP_TO) == IndexKind.EXACT
    assert choose_kind(EXACT_UP_TO + 1) == IndexKind.TORCH


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (IndexKind.EXACT, ExactIndex),
        (IndexKind.TORCH, TorchExactIndex),
        (IndexKind.FAISS, FaissIndex),
    ],
)
def test_a_kind_can_be_asked_for(kind, made):
    index = choose_index(8, 10**6, SearchOptions(device="cpu", threads=1, kind=kind))
    assert isinstance(index, made)
    assert (index.dimension, len(index)) == (8, 0)


def test_without_options_the_size_decides():
    assert isinstance(choose_index(8, 10), ExactIndex)
