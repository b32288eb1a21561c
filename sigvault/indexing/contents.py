"""What an index holds, apart from how it searches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.ports import VectorIndex
from sigvault.indexing.candidates import MemoryUse, Stored


@dataclass(frozen=True, eq=False)
class IndexContents:
    """All findable vectors of an index.

    Attributes:
        rows: int64 (N,): the numbers that the vectors go by, rising.
        vectors: (N, D), unit norm, in the order of ``rows``.
    """

    rows: npt.NDArray[np.int64]
    vectors: Stored


class StorableIndex(VectorIndex, Protocol):
    """An index whose vectors can be taken out again, to be kept in a snapshot."""

    @property
    def exact(self) -> bool:
        """Whether searches find all there is to find."""

    @property
    def memory(self) -> MemoryUse:
        """The bytes that the index takes."""

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""

    def contents(self) -> IndexContents:
        """All findable vectors, not to be written to; removed ones are not among them."""

    def frozen(self) -> Callable[[], IndexContents]:
        """What `contents` would give now, whatever changes until it is called."""
