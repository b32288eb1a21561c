"""What every index asks of its arguments, refused with one set of messages."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import UNIT_NORM_TOLERANCE
from sigvault.domain.errors import IndexFailed


def check_dimension(dimension: int) -> int:
    """Return the dimension if it is at least 1.

    Raises:
        IndexFailed: If it is not.
    """
    if dimension < 1:
        raise IndexFailed(f"an index of dimension {dimension} can't be: use the model's dimension")
    return dimension


def check_vectors(vectors: npt.NDArray[np.float32], dimension: int) -> npt.NDArray[np.float32]:
    """Return the vectors, contiguous, if they are float32 (N, D) of unit norm.

    Raises:
        IndexFailed: If the type or shape differs, or a vector is not finite or not of norm 1
            within ``UNIT_NORM_TOLERANCE``.
    """
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise IndexFailed(
            f"the vectors are {vectors.dtype} {vectors.shape}, not float32 (N, {dimension}): "
            "hand in the embeddings of this generation's model"
        )
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    # Written so that a norm that is not a number counts as wrong.
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_NORM_TOLERANCE))
    if wrong.size:
        raise IndexFailed(
            f"vector {wrong[0]} of {len(vectors)} has the norm {norms[wrong[0]]:.6g}, not 1: "
            "normalise embeddings before they are indexed"
        )
    return np.ascontiguousarray(vectors)


def check_rows(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the row numbers if they are int64 (N,).

    Raises:
        IndexFailed: If the type or shape differs.
    """
    if rows.dtype != np.int64 or rows.ndim != 1:
        raise IndexFailed(f"the rows are {rows.dtype} {rows.shape}, not int64 (N,)")
    return rows


def check_new_rows(rows: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the row numbers if they can name ``count`` new vectors.

    Raises:
        IndexFailed: If they are not int64 (count,), not negative and all different.
    """
    check_rows(rows)
    if len(rows) != count:
        raise IndexFailed(f"{len(rows)} rows can't name {count} vectors: one row for each vector")
    if len(rows) and rows.min() < 0:
        raise IndexFailed(f"row {rows.min()} is negative: rows are numbers of the database")
    if len(np.unique(rows)) != len(rows):
        raise IndexFailed("the same row is given twice: add each vector once")
    return rows


def refuse_taken(taken: npt.NDArray[np.int64]) -> None:
    """Make sure that none of the numbers of new vectors is taken.

    Args:
        taken: those that are, int64 (N,).

    Raises:
        IndexFailed: If there are any.
    """
    if taken.size:
        raise IndexFailed(
            f"row {taken[0]} is in the index already: remove it first, or rebuild the index"
        )


def check_k(k: SupportsIndex) -> int:
    """Return k as an int if it is at least 1.

    Raises:
        IndexFailed: If it is not.
    """
    number = operator.index(k)
    if number < 1:
        raise IndexFailed(f"the {number} nearest vectors can't be searched: ask for 1 or more")
    return number
