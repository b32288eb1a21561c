"""What an index is made of: sources that propose candidates from vectors that never change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE

Stored = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""Unit vectors (N, D); 16 bits are used only where they lose nothing."""

FEW_SPARE = 16
"""Candidates fetched beyond those wanted where scores are off by rounding alone."""
UNIT_ROUNDOFF = 2.0**-24
"""Of float32 rounded to nearest."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """The candidates for each probe.

    Attributes:
        places: int64 (Q, count): where the vectors lie in what the source was made from; -1 for
            none.
        scores: float32 (Q, count): about their inner products, falling; -inf beside -1.
        errors: float64 (Q,): how far above the last of these scores the true inner product of a
            vector may lie that was not proposed.
    """

    places: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    errors: npt.NDArray[np.float64]


@dataclass(frozen=True)
class MemoryUse:
    """Bytes that a source or an index takes, besides what other parts hold.

    Attributes:
        host: ordinary memory.
        mapped: files mapped into memory, which the system can take back and read again.
        gpu: memory of GPUs, their temporary memory among it.
    """

    host: int = 0
    mapped: int = 0
    gpu: int = 0

    def __add__(self, other: MemoryUse) -> MemoryUse:
        return MemoryUse(self.host + other.host, self.mapped + other.mapped, self.gpu + other.gpu)


class CandidateSource(Protocol):
    """A fast way of finding vectors among those that it was made from, by their places there.

    Safe for threads.

    Attributes:
        size: how many vectors there are.
        reach: the most candidates for a probe that one call of ``nearest`` can give.
        exact: whether every vector that is not proposed scores at most as much as the last
            proposed, within the error; otherwise vectors may be missed.
        memory: what it takes, the vectors that it was made from apart.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def reach(self) -> int: ...  # noqa: D102
    @property
    def exact(self) -> bool: ...  # noqa: D102
    @property
    def memory(self) -> MemoryUse: ...  # noqa: D102

    def spare(self, probes: int) -> int:
        """How many candidates beyond those wanted nearly always suffice in a batch so large."""

    def nearest(self, probes: npt.NDArray[np.float32], count: int) -> Proposals:
        """Propose ``count`` vectors, at most ``reach`` and ``size``, for each of (Q, D).

        Raises:
            IndexFailed: If memory or a device fails.
        """


class MakeSource(Protocol):
    """Makes a source from vectors."""

    def __call__(self, vectors: Stored, /) -> CandidateSource:
        """A source over these vectors (N, D), N at least 1, which are kept and not copied.

        Raises:
            IndexFailed: If it can't be made.
        """


def rounding_error(dimension: int) -> float:
    """How far a float32 inner product of two unit vectors may lie from the true one.

    A sum of d products in float32 is off by at most ``d u / (1 - d u)`` times the norms, with
    u = 2**-24 (Higham: Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
    eq. 3.5).
    """
    # The vectors' norms may exceed 1 by the tolerance, and one rounding is the exact score's own.
    terms = (dimension + 1) * UNIT_ROUNDOFF
    return terms / (1.0 - terms) * (1.0 + UNIT_NORM_TOLERANCE) ** 2
