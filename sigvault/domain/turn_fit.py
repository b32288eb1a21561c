"""By how much a probe lies turned against a reference, told by which of their cells go together.

The local score looks for each cell's best counterpart nearby. Where one picture is the other one
turned, all counterparts lie where one turn about one place brings the cells; between two signatures
of a hand they lie here and there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.local_blocks import reach_barrier, scalar_products
from sigvault.domain.local_matching import inked_cells

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.complex128]

_ROUNDS = 8
"""Weights settle within so many."""

_FEWEST = 8
"""Cells that have to go together for a turn to be told."""

SHORT = 1.0
"""Degrees that a turn falls short by, mostly: cells that move by less than half their size find
themselves again."""

_FLAT = 1e-6
"""Curvature of a peak below which it has no top."""


@dataclass(frozen=True)
class TurnFit:
    """The turn that brings a probe's cells nearest to their counterparts.

    Attributes:
        degrees: by how much the probe would have to be turned, anticlockwise positive as a reader
            sees it; too little by about a degree, see `told`.
        residual: the median distance of a counterpart from where the turn brings the cell, in
            cells.
    """

    degrees: float
    residual: float

    @property
    def told(self) -> float:
        """Degrees to turn the probe by: those of the fit, and what they fall short by."""
        return self.degrees + math.copysign(SHORT, self.degrees)


def fit_turn(
    probe: npt.NDArray[np.int8], reference: npt.NDArray[np.int8], radius: float | None = None
) -> TurnFit | None:
    """Find the turn between two grids, with a shift and one scale for both directions.

    Args:
        probe: int8 (rows, columns, C), zero where there is no ink.
        reference: int8 of the same shape; one view.
        radius: the largest displacement, in cells; `default_radius` if None.

    Returns:
        The turn; None where too few cells go together to tell one.

    Raises:
        ValueError: If the shapes differ.
    """
    if probe.shape != reference.shape:
        raise ValueError(f"local features of {probe.shape} and {reference.shape} don't compare")
    (here, own), (there, others) = inked_cells(probe), inked_cells(reference)
    if not len(here) or not len(there):
        return None
    cosine = scalar_products(own, others)
    columns = probe.shape[1]
    numbers = (cells[:, 0] * columns + cells[:, 1] for cells in (here, there))
    reached = cosine + reach_barrier(len(probe), columns, radius)[np.ix_(*numbers)]
    forward = _counterparts(here, there, cosine, reached)
    backward = _counterparts(there, here, cosine.T, reached.T)
    if len(forward.cells) + len(backward.cells) < _FEWEST:
        return None
    turn, residuals = _fit(
        np.concatenate([forward.cells, backward.found]),
        np.concatenate([forward.found, backward.cells]),
        np.concatenate([forward.cosines, backward.cosines]),
    )
    # Rows grow downwards, so that an anticlockwise turn is a negative angle here.
    return TurnFit(-math.degrees(np.angle(turn)), float(np.median(residuals)))


class _Counterparts(NamedTuple):
    """Cells of one grid that have something near them in the other.

    Attributes:
        cells: complex128 (n,): where they lie, column + i row.
        found: complex128 (n,): where the other grid is most like them, between its cells.
        cosines: float64 (n,): how like.
    """

    cells: Places
    found: Places
    cosines: Floats


def _counterparts(
    cells: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    cosine: npt.NDArray[np.float32],
    reached: npt.NDArray[np.float32],
) -> _Counterparts:
    """Each cell's best counterpart, at the top of the parabola through it and its neighbours.

    Args:
        cells: int64 (n, 2): row and column of the one grid's.
        others: int64 (m, 2): of the other's.
        cosine: float32 (n, m).
        reached: float32 (n, m): the same, minus infinity where they lie too far apart.
    """
    best = reached.argmax(axis=1)
    rows = np.flatnonzero(np.isfinite(reached[np.arange(len(cells)), best]))
    best = best[rows]
    # Which of the others lies where, in a frame of none.
    numbers = np.full(others.max(axis=0) + 3, -1)
    numbers[others[:, 0] + 1, others[:, 1] + 1] = np.arange(len(others))
    found = others[best]
    row, column = found[:, 0] + 1, found[:, 1] + 1

    def beside(down: int, right: int) -> Floats:
        """The cosines with the cells next to those found; not a number where there is none."""
        number = numbers[row + down, column + right]
        return np.where(number < 0, np.nan, cosine[rows, number])

    top = beside(0, 0)
    down = _peak(beside(-1, 0), top, beside(1, 0))
    right = _peak(beside(0, -1), top, beside(0, 1))
    places = cells[rows]
    return _Counterparts(
        places[:, 1] + 1j * places[:, 0],
        found[:, 1] + right + 1j * (found[:, 0] + down),
        top,
    )


def _peak(before: Floats, top: Floats, after: Floats) -> Floats:
    """Where the parabola through three neighbours is highest, from -0.5 to 0.5 of the middle.

    0 where a neighbour is missing.
    """
    curvature = before - 2.0 * top + after
    curved = curvature < -_FLAT  # not so where one is missing
    offset = np.zeros_like(top)
    np.divide(before - after, 2.0 * curvature, out=offset, where=curved)
    return np.clip(offset, -0.5, 0.5)


def _fit(cells: Places, found: Places, cosines: Floats) -> tuple[complex, Floats]:
    """The turn and scale as one number, and each counterpart's distance from where it brings it.

    Least squares (Umeyama, IEEE TPAMI 13(4), 1991, eq. 40 to 42, in the plane), again and again
    with Cauchy's weights at one cell (Holland, Welsch, Communications in Statistics A6(9), 1977),
    so that cells that found something else don't count.
    """
    weights = cosines = np.maximum(cosines, 0.0) + np.finfo(np.float64).tiny
    turn, residuals = 1.0 + 0.0j, np.zeros(len(cells))
    for _ in range(_ROUNDS):
        share = weights / weights.sum()
        own, other = cells - share @ cells, found - share @ found
        spread = float(share @ (own.real**2 + own.imag**2))
        if spread <= 0.0:
            break  # all in one place
        turn = complex((share * own.conj()) @ other) / spread
        residuals = np.abs(other - turn * own)
        weights = cosines / (1.0 + residuals * residuals)
    return turn, residuals
