"""Vectors in the shortest form that loses nothing, and in eight bits for a first look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.errors import IndexFailed
from sigvault.indexing.candidates import Stored
from sigvault.indexing.torch_exact import tensor

BLOCK = 8192
"""Vectors copied at a time: 8 MB of float32 at D = 256."""
_WORKED_ON = 2048
"""Vectors worked on at a time, in a processor's cache."""
LEVELS = 127
"""Of each sign that eight bits hold."""


@dataclass(frozen=True, eq=False)
class Codes:
    """Vectors in eight bits.

    Attributes:
        scale: what a component was multiplied with before it was rounded.
        codes: float32 (N, D): whole numbers in [-127, 127].
        residual: the largest distance of one of these vectors from its code over the scale.
    """

    scale: float
    codes: npt.NDArray[np.float32]
    residual: float


def packed(parts: Sequence[Stored], dimension: int) -> Stored:
    """Vectors one after another: 16 bits wide if that loses nothing, else 32.

    Args:
        parts: vectors (N, D).
        dimension: D.

    Returns:
        The vectors (total N, D); the one part that has any, as it is, if it is 16 bits wide.
    """
    parts = [part for part in parts if len(part)]
    if len(parts) == 1 and parts[0].dtype == np.float16:
        return parts[0]
    halves = np.empty((sum(map(len, parts)), dimension), np.float16)
    end = 0
    for block in _blocks(parts):
        narrow = block if block.dtype == np.float16 else tensor(block).half().numpy()
        if narrow is not block and not np.array_equal(widened(narrow), block):
            return np.concatenate([np.empty((0, dimension), np.float32), *map(widened, parts)])
        halves[end : end + len(block)] = narrow
        end += len(block)
    return halves


def widened(vectors: Stored) -> npt.NDArray[np.float32]:
    """The vectors as float32; NumPy takes ten times as long from 16 bits."""
    if vectors.dtype == np.float32:
        return vectors.astype(np.float32, copy=False)
    wide: npt.NDArray[np.float32] = tensor(vectors).float().numpy()
    return wide


def check_norms(vectors: Stored) -> None:
    """Make sure that all vectors (N, D) are of unit norm.

    Raises:
        IndexFailed: If one is not finite or not of norm 1 within ``UNIT_NORM_TOLERANCE``.
    """
    room = tensor(_room(vectors))
    for block in _blocks([vectors], _WORKED_ON):
        squares = room[: len(block)].copy_(tensor(block)).square_().sum(dim=1).numpy()
        # Written so that a norm that is not a number counts as wrong; float32 rounds a little.
        if not np.all(np.abs(np.sqrt(squares) - 1.0) <= UNIT_NORM_TOLERANCE + 1e-5):
            raise IndexFailed("a vector's norm is not 1: the index has to be built anew")


def coded(vectors: Stored) -> Iterator[Codes]:
    """Vectors (N, D) in eight bits, block by block, all on the scale of the largest component.

    The arrays of one block are written over by the next.
    """
    largest = max(float(tensor(block).abs().max()) for block in _blocks([vectors], _WORKED_ON))
    scale = LEVELS / largest
    room, codes_room = tensor(_room(vectors)), tensor(_room(vectors))
    for block in _blocks([vectors], _WORKED_ON):
        wide = room[: len(block)].copy_(tensor(block)).mul_(scale)
        codes = codes_room[: len(block)].copy_(wide).round_().clamp_(-LEVELS, LEVELS)
        squares = wide.sub_(codes).square_().sum(dim=1)
        yield Codes(scale, codes.numpy(), float(squares.max()) ** 0.5 / scale)


def _room(vectors: Stored) -> npt.NDArray[np.float32]:
    """Room to work in: a new array for each block would cost as much as the work."""
    return np.empty((_WORKED_ON, vectors.shape[1]), np.float32)


def _blocks(parts: Sequence[Stored], size: int = BLOCK) -> Iterator[Stored]:
    for part in parts:
        for start in range(0, len(part), size):
            yield part[start : start + size]
