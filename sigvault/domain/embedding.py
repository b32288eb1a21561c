"""What a network says of one signature: a unit vector, and a grid of local features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.identifiers import ModelId

UNIT_NORM_TOLERANCE = 1e-3
"""How far from 1 the norm of a vector may lie: 16-bit storage costs up to about 5e-4."""

LOCAL_SCALE = 127.0
"""The integer that stands for 1.0 in local features."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """One signature as one model sees it.

    Attributes:
        vector: float32 (D,), unit norm: the global embedding, for search and the first score.
        local: int8 (rows, columns, C): a grid of descriptors over the canvas, each of norm
            ``LOCAL_SCALE`` within rounding, or all zero where the cell holds no ink. Of a
            reference also (views, rows, columns, C): the first of the ink as it is, the others of
            the ink turned.
        model: the model that made both; embeddings of two models are never compared.
    """

    vector: npt.NDArray[np.float32]
    local: npt.NDArray[np.int8]
    model: ModelId

    def __post_init__(self) -> None:
        """Check shapes, types and the norm.

        Raises:
            ValueError: If an array is not what the class says.
        """
        if self.vector.ndim != 1 or self.vector.dtype != np.float32:
            raise ValueError(
                f"the vector is {self.vector.dtype} {self.vector.shape}, not float32 (D,)"
            )
        if self.local.ndim not in (3, 4) or self.local.dtype != np.int8 or not len(self.local):
            raise ValueError(
                f"local features are {self.local.dtype} {self.local.shape}, "
                "not int8 (rows, columns, C) or (views, rows, columns, C)"
            )
        norm = math.sqrt(float(np.dot(self.vector, self.vector)))
        if not abs(norm - 1.0) <= UNIT_NORM_TOLERANCE:
            raise ValueError(f"the vector's norm is {norm}, not 1")

    @classmethod
    def several(
        cls, vectors: npt.NDArray[np.float32], grids: npt.NDArray[np.int8], model: ModelId
    ) -> list[Embedding]:
        """Many at once, checked together: the same as one by one, and quicker.

        Args:
            vectors: float32 (N, D), unit norm.
            grids: int8 (N, rows, columns, C) or (N, views, rows, columns, C): their local features.
            model: the model that made all of them.

        Raises:
            ValueError: If an array is not what the class says, or there are not as many grids.
        """
        whole = vectors.ndim == 2 and vectors.dtype == np.float32 and len(vectors) == len(grids)
        fit = grids.ndim in (4, 5) and grids.dtype == np.int8 and grids.shape[1] > 0
        if not (whole and fit and _are_unit(vectors)):  # what is wrong with which of them
            return [cls(vector, grid, model) for vector, grid in zip(vectors, grids, strict=True)]
        made = []
        for vector, grid in zip(vectors, grids, strict=True):
            one = object.__new__(cls)
            one.__dict__.update(vector=vector, local=grid, model=model)
            made.append(one)
        return made

    @property
    def level(self) -> npt.NDArray[np.int8]:
        """int8 (rows, columns, C): the local features of the ink as it is, not turned."""
        return self.local if self.local.ndim == 3 else self.local[0]


def _are_unit(vectors: npt.NDArray[np.float32]) -> bool:
    # A number at a time from here on: each of NumPy's calls takes longer than all of it.
    norms = [math.sqrt(square) for square in np.vecdot(vectors, vectors).tolist()]
    return all(abs(norm - 1.0) <= UNIT_NORM_TOLERANCE for norm in norms)


def pack_local(
    features: npt.NDArray[np.float32], inked: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """Make local features compact: one byte a channel, zero where there is no ink.

    Args:
        features: float32 (rows, columns, C), any norm.
        inked: bool (rows, columns), True where the cell holds ink.

    Returns:
        int8 (rows, columns, C), each inked cell scaled to norm ``LOCAL_SCALE`` and rounded.
    """
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    unit = features / np.maximum(norms, np.finfo(np.float32).tiny)
    packed: npt.NDArray[np.int8] = np.rint(unit * LOCAL_SCALE * inked[..., None]).astype(np.int8)
    return packed
