"""What an index holds, apart from how it searches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.ports import VectorIndex


@dataclass(frozen=True, eq=False)
class IndexContents:
    """All findable vectors of an index.

    Attributes:
        rows: int64 (N,): the numbers that the vectors go by, rising.
        vectors: float32 (N, D), unit norm, in the order of ``rows``.
    """

    rows: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


class StorableIndex(VectorIndex, Protocol):
    """An index whose vectors can be taken out again, to be kept in a snapshot."""

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""

    def contents(self) -> IndexContents:
        """Copy out all findable vectors; removed ones are not among them."""
