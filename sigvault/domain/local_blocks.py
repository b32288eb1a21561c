"""The second stage for many signatures at once: `local_matching` without its maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.local_matching import TURN_MARGIN, default_radius

Floats = npt.NDArray[np.float64]


class ScoredView(NamedTuple):
    """One view of a reference, compared with a probe.

    Attributes:
        number: which of the reference's; 0 is the ink as it is.
        grid: int8 (rows, columns, C).
        score: the local score, less the margin of a turned view.
    """

    number: int
    grid: npt.NDArray[np.int8]
    score: float


def match_local_block(
    references: Sequence[npt.NDArray[np.int8]],
    probes: Sequence[npt.NDArray[np.int8]],
    radius: float | None = None,
) -> Floats:
    """The local score of every reference with every probe, as ``match_local`` gives it.

    Args:
        references: int8 (rows, columns, C) each, zero where there is no ink; or (views, rows,
            columns, C), of which the best view counts.
        probes: int8 (rows, columns, C) each.
        radius: the largest displacement, in cells; `default_radius` if None.

    Returns:
        float64 (references, probes), in [-1, 1]; 0 where a side has no ink.

    Raises:
        ValueError: If the shapes differ.
    """
    views = [_views(reference) for reference in references]
    grids = [grid for own in views for grid in own]
    rows, columns = _shape((*grids, *probes))
    enrolled, inked = _pack(grids), _pack(probes)
    barrier = reach_barrier(rows, columns, radius)
    # Of two grids either can come first: one with many at a time, as few times as can be.
    if len(probes) <= len(grids):
        scores = _match_each(inked, enrolled, barrier).T
    else:
        scores = _match_each(enrolled, inked, barrier)
    if len(grids) > len(views):
        firsts = np.cumsum([0, *(len(own) for own in views[:-1])])
        turned = np.delete(np.arange(len(grids)), firsts)
        scores[turned] -= TURN_MARGIN
        scores = np.maximum.reduceat(scores, firsts, axis=0)
    return np.clip(scores, -1.0, 1.0)


def match_views(
    references: Sequence[npt.NDArray[np.int8]], probe: npt.NDArray[np.int8]
) -> list[ScoredView]:
    """The local score of each view of some references with a probe, in their order.

    Args:
        references: int8 (rows, columns, C) each, or (views, rows, columns, C); at least one.
        probe: int8 (rows, columns, C).

    Raises:
        ValueError: If the shapes differ.
    """
    views = [(number, view) for own in references for number, view in enumerate(_views(own))]
    scores = match_local_block([view for _, view in views], [probe])[:, 0].tolist()
    return [
        ScoredView(number, view, score - (TURN_MARGIN if number else 0.0))
        for (number, view), score in zip(views, scores, strict=True)
    ]


def match_local_pairs(grids: Sequence[npt.NDArray[np.int8]], radius: float | None = None) -> Floats:
    """The local score of every grid, as the reference, with each later one, as the probe.

    Where grids have one view each, it is also that of the later with the earlier.

    Args:
        grids: int8 (rows, columns, C) each, zero where there is no ink, or (views, rows, columns,
            C); two or more.
        radius: the largest displacement, in cells; `default_radius` if None.

    Returns:
        float64 (pairs,), in the order of ``numpy.triu_indices(len(grids), 1)``.

    Raises:
        ValueError: If the shapes differ.
    """
    views = [_views(grid) for grid in grids]
    rows, columns = _shape([grid for own in views for grid in own])
    packed = _pack([own[0] for own in views])
    barrier = reach_barrier(rows, columns, radius)
    ends = np.cumsum(packed.counts)
    parts = []
    for number, own in enumerate(packed.split()):
        later = _Packed(
            packed.cells[ends[number] :],
            packed.unit[ends[number] :],
            packed.counts[number + 1 :],
        )
        turned = list(_pack(views[number][1:]).split()) if len(views[number]) > 1 else []
        scores = [_match_one(view, later, barrier) - TURN_MARGIN for view in turned]
        parts.append(np.maximum.reduce([_match_one(own, later, barrier), *scores]))
    pairs: Floats = np.concatenate(parts)
    return np.clip(pairs, -1.0, 1.0)


def _views(grid: npt.NDArray[np.int8]) -> Sequence[npt.NDArray[np.int8]]:
    """The grids of a reference: one, or those of its views."""
    return [grid] if grid.ndim == 3 else list(grid)


def _shape(grids: Sequence[npt.NDArray[np.int8]]) -> tuple[int, int]:
    """The rows and columns of all grids."""
    shapes = {grid.shape for grid in grids}
    if len(shapes) > 1:
        raise ValueError(f"local features of {len(shapes)} shapes don't compare: {sorted(shapes)}")
    ((rows, columns, _),) = shapes
    return rows, columns


@dataclass(frozen=True, eq=False)
class _Packed:
    """The inked cells of several grids, one grid after the other.

    Attributes:
        cells: int64 (n,): the cells' numbers, row by row.
        unit: float32 (n, C): their unit descriptors.
        counts: int64 (grids,): how many inked cells each grid has.
    """

    cells: npt.NDArray[np.int64]
    unit: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]

    def split(self) -> Iterator[_Packed]:
        """Each grid's cells alone."""
        ends = np.cumsum(self.counts).tolist()
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            yield _Packed(self.cells[start:end], self.unit[start:end], np.array([end - start]))


def _pack(grids: Sequence[npt.NDArray[np.int8]]) -> _Packed:
    joined = np.concatenate([grid.reshape(-1, grid.shape[-1]) for grid in grids])
    flat = np.ascontiguousarray(joined)  # a single grid keeps the order that it has in memory
    # Eight channels at a time, where they can be divided so.
    inked = (flat.view(np.uint64) if flat.shape[-1] % 8 == 0 else flat).any(axis=-1)
    places = np.flatnonzero(inked)
    unit = flat[places].astype(np.float32)
    unit /= np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]
    cells = len(flat) // len(grids)
    return _Packed(places % cells, unit, np.bincount(places // cells, minlength=len(grids)))


@lru_cache(maxsize=8)
def reach_barrier(rows: int, columns: int, radius: float | None) -> npt.NDArray[np.float32]:
    """float32 (cells, cells): 0 between cells within the radius, minus infinity further apart."""
    radius = default_radius(rows) if radius is None else radius
    places = np.stack(np.unravel_index(np.arange(rows * columns), (rows, columns)), axis=-1)
    apart = places[:, None, :] - places[None, :, :]
    near = (apart * apart).sum(axis=-1) <= radius * radius
    barrier = np.where(near, np.float32(0.0), np.float32(-np.inf))
    barrier.setflags(write=False)  # it is kept
    return barrier


def _match_each(few: _Packed, many: _Packed, barrier: npt.NDArray[np.float32]) -> Floats:
    """The local score of each of some grids with each of others, float64 (few, many)."""
    return np.stack([_match_one(own, many, barrier) for own in few.split()])


def _match_one(own: _Packed, others: _Packed, barrier: npt.NDArray[np.float32]) -> Floats:
    """The local score of one grid with each of several, float64 (grids,); 0 without ink."""
    if not len(own.cells) or not len(others.cells):
        return np.zeros(len(others.counts))
    cosine = scalar_products(own.unit, others.unit)
    cosine += np.take(barrier[own.cells], others.cells, axis=1)
    filled = np.flatnonzero(others.counts)
    starts = (np.cumsum(others.counts) - others.counts)[filled]
    forward = _reachable(np.maximum.reduceat(cosine, starts, axis=1)).mean(axis=0)
    backward = np.add.reduceat(_reachable(cosine.max(axis=0)), starts) / others.counts[filled]
    scores = np.zeros(len(others.counts))
    scores[filled] = 0.5 * (forward + backward)
    return scores


def scalar_products(
    rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """All scalar products, float32 (rows, columns), on the calling thread alone.

    Waking other threads for so little takes longer than it saves, on a busy machine a hundred
    times as long, so the product is cut into pieces that OpenBLAS doesn't share out.
    """
    width = max(1, _ONE_THREAD // rows.size)
    if len(columns) <= width:
        return rows @ columns.T
    products = np.empty((len(rows), len(columns)), np.float32)
    for start in range(0, len(columns), width):
        piece = columns[start : start + width]
        np.matmul(rows, piece.T, out=products[:, start : start + width])
    return products


_ONE_THREAD = 262_144
"""Multiplications up to which OpenBLAS stays on one thread (its ``interface/gemm.c``)."""


def _reachable(best: npt.NDArray[np.float32]) -> Floats:
    """The best cosines, 0 where no cell was near enough."""
    return np.where(np.isneginf(best), 0.0, best).astype(np.float64)
