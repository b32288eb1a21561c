"""The turn between two grids: against a slow fit, and against turns that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fakes import FakeEmbedder, draw_signature
from sigvault.domain.embedding import pack_local
from sigvault.domain.local_matching import default_radius
from sigvault.domain.turn_fit import fit_turn
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_ink
from sigvault.services.acquisition import acquire

SMALL = (5, 7, 6)


def draw_grid(seed: int, ink: float, shape: tuple[int, int, int] = SMALL) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=shape).astype(np.float32)
    return pack_local(features, rng.random(shape[:2]) < ink)


def slow_pairs(own: np.ndarray, other: np.ndarray, radius: float) -> list[tuple[float, ...]]:
    """Row, column, the counterpart's row and column between cells, and the cosine; cell by cell."""
    rows, columns = own.shape[:2]

    def cosine(one: tuple[int, int], two: tuple[int, int]) -> float | None:
        inside = 0 <= two[0] < rows and 0 <= two[1] < columns
        if not inside or not other[two].any():
            return None
        first, second = own[one].astype(float), other[two].astype(float)
        return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    found = []
    for cell in np.ndindex(rows, columns):
        if not own[cell].any():
            continue
        scored = [
            (cosine(cell, at), at)
            for at in np.ndindex(rows, columns)
            if math.dist(cell, at) <= radius and other[at].any()
        ]
        if not scored:
            continue
        top, (row, column) = max(scored, key=lambda one: one[0])
        shifts = []
        for down, right in ((1, 0), (0, 1)):
            before = cosine(cell, (row - down, column - right))
            after = cosine(cell, (row + down, column + right))
            shift = 0.0
            if before is not None and after is not None and before - 2 * top + after < -1e-6:
                shift = (before - after) / (2 * (before - 2 * top + after))
            shifts.append(min(0.5, max(-0.5, shift)))
        found.append((*cell, row + shifts[0], column + shifts[1], top))
    return found


def slow_fit(pairs: np.ndarray) -> tuple[float, float]:
    """Degrees and median residual: linear least squares in four unknowns, weighted again."""
    row, column, to_row, to_column, cosines = pairs.T
    count = len(pairs)
    zero, one = np.zeros(count), np.ones(count)
    # to_column = a column - b row + c, to_row = b column + a row + d
    design = np.vstack(
        [
            np.column_stack([column, -row, one, zero]),
            np.column_stack([row, column, zero, one]),
        ]
    )
    target = np.concatenate([to_column, to_row])
    cosines = np.maximum(cosines, 0.0)
    weights = cosines
    for _ in range(8):
        root = np.sqrt(np.tile(weights, 2))
        solved = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
        off = (design @ solved - target).reshape(2, count)
        residuals = np.hypot(*off)
        weights = cosines / (1.0 + residuals**2)
    return -math.degrees(math.atan2(solved[1], solved[0])), float(np.median(residuals))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 1.0]))
def test_it_equals_the_slow_fit(one: int, two: int, ink: float):
    probe, reference = draw_grid(one, ink), draw_grid(two, ink)
    radius = default_radius(SMALL[0])
    there = slow_pairs(probe, reference, radius)
    back = [(c, d, a, b, e) for a, b, c, d, e in slow_pairs(reference, probe, radius)]
    pairs = np.array(there + back)
    assume(len(pairs) >= 8)
    assume(np.sum(pairs[:, 4] > 0.05) >= 6)
    fit = fit_turn(probe, reference)
    assert fit is not None
    degrees, residual = slow_fit(pairs)
    assert fit.degrees == pytest.approx(degrees, abs=1e-3)
    assert fit.residual == pytest.approx(residual, abs=1e-4)


def test_a_grid_against_itself_is_not_turned():
    grid = draw_grid(3, 0.7)
    fit = fit_turn(grid, grid)
    assert fit is not None
    assert abs(fit.degrees) < 1.0
    assert fit.residual < 0.5


@pytest.mark.parametrize("degrees", [-5.0, -3.0, 3.0, 5.0])
def test_the_turn_of_a_picture_is_told_and_explains_it(degrees):
    picture, other = (
        acquire(draw_signature(signer, 1), DEFAULT_PREPROCESSING).prepared.ink.ink
        for signer in (3, 4)
    )
    reference, probe, unlike = (local(ink) for ink in (picture, turn_ink(picture, degrees), other))
    fit, no_fit = fit_turn(probe, reference), fit_turn(unlike, reference)
    assert fit is not None
    assert no_fit is not None
    assert fit.degrees * degrees < 0  # back
    assert fit.degrees == pytest.approx(-degrees, abs=3.0)
    assert fit.residual < 0.5 < no_fit.residual


def local(ink: np.ndarray) -> np.ndarray:
    return FakeEmbedder(wide=True)._embed(ink).level


def test_too_few_cells_tell_no_turn():
    empty = np.zeros(SMALL, np.int8)
    few = empty.copy()
    few[2, 3] = few[2, 4] = 40
    far = empty.copy()
    far[0, 0] = 40
    away = empty.copy()
    away[4, 6] = 40
    assert fit_turn(empty, few) is fit_turn(few, empty) is None
    assert fit_turn(few, few) is None
    assert fit_turn(far, away) is None


def test_grids_of_other_shapes_dont_compare():
    with pytest.raises(ValueError, match="don't compare"):
        fit_turn(np.zeros((5, 7, 6), np.int8), np.zeros((5, 6, 6), np.int8))
