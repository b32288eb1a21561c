"""Which index a vault of some size searches with."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import StrEnum

from sigvault.indexing.contents import StorableIndex
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import FaissIndex
from sigvault.indexing.torch_exact import TorchExactIndex

EXACT_UP_TO = 5_000
"""Up to so many vectors NumPy answers in a few milliseconds, less than FAISS takes to load."""


class IndexKind(StrEnum):
    """The kinds of index."""

    EXACT = "exact"
    TORCH = "torch"
    FAISS = "faiss"


@dataclass(frozen=True)
class SearchOptions:
    """How an index searches, where the user has a say.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
        threads: how many threads a FAISS search uses, or None for one; torch has one setting
            for the whole process.
        kind: the kind of index, or None for the one that fits the number of vectors.
    """

    device: str = "auto"
    threads: int | None = None
    kind: IndexKind | None = None


def choose_kind(count: int) -> IndexKind:
    """The kind for so many vectors.

    NumPy for up to ``EXACT_UP_TO``; beyond that FAISS, or torch where FAISS is not installed.
    All find the same: the choice is about time alone.
    """
    if count <= EXACT_UP_TO:
        return IndexKind.EXACT
    return IndexKind.FAISS if importlib.util.find_spec("faiss") else IndexKind.TORCH


def choose_index(dimension: int, count: int, options: SearchOptions | None = None) -> StorableIndex:
    """Make an empty index for a vault of some size.

    Args:
        dimension: D, the length of the vectors.
        count: how many vectors it is going to hold, about.
        options: how it searches.

    Raises:
        IndexFailed: If the kind or the device can't be had.
    """
    options = options or SearchOptions()
    match options.kind or choose_kind(count):
        case IndexKind.EXACT:
            return ExactIndex(dimension)
        case IndexKind.TORCH:
            return TorchExactIndex(dimension, device=options.device)
        case IndexKind.FAISS:
            return FaissIndex(dimension, device=options.device, threads=options.threads or 1)
