"""Grids matched with each other at once, against matching them two by two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.embedding import pack_local
from sigvault.domain.local_blocks import match_local_block, match_local_pairs
from sigvault.domain.local_matching import TURN_MARGIN, default_radius, match_local


def draw_grids(seed: int, inks: list[float], shape: tuple[int, int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        pack_local(rng.normal(size=shape).astype(np.float32), rng.random(shape[:2]) < ink)
        for ink in inks
    ]


def best_view(probe: np.ndarray, views: np.ndarray, radius: float) -> float:
    """View by view, a turned one with its margin."""
    level, *turned = [match_local(probe, view, radius).score for view in views]
    return max(level, *(score - TURN_MARGIN for score in turned)) if turned else level


def two_by_two(grids: list[np.ndarray], radius: float) -> list[float]:
    levels = [grid if grid.ndim == 3 else grid[0] for grid in grids]
    return [
        match_local(levels[other], grids[one], radius).score
        for one, other in zip(*np.triu_indices(len(grids), 1), strict=True)
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=2, max_size=5),
    st.sampled_from([0.0, 1.0, 2.3, 9.0]),
)
def test_pairs_equal_matching_two_by_two(seed: int, inks: list[float], radius: float):
    grids = draw_grids(seed, inks, (4, 5, 3))
    np.testing.assert_allclose(
        match_local_pairs(grids, radius), two_by_two(grids, radius), atol=1e-5
    )


@pytest.mark.parametrize(("shape", "radius"), [((8, 13, 64), 2.3), ((16, 26, 64), 4.6)])
def test_pairs_equal_matching_two_by_two_at_the_usual_sizes(shape, radius):
    grids = draw_grids(1, [0.5] * 7, shape)
    np.testing.assert_allclose(match_local_pairs(grids), two_by_two(grids, radius), atol=1e-6)


def test_the_order_in_memory_makes_no_difference():
    grids = draw_grids(3, [0.5, 0.5, 0.7], (8, 13, 64))
    turned = [np.asfortranarray(grid) for grid in grids]
    assert np.array_equal(match_local_pairs(turned), match_local_pairs(grids))
    assert np.array_equal(
        match_local_block(turned[:1], turned), match_local_block(grids[:1], grids)
    )


@pytest.mark.parametrize(("rows", "reach"), [(2, 2), (8, 2), (16, 4), (32, 9)])
def test_a_finer_grid_reaches_as_far_over_the_canvas(rows: int, reach: int):
    def grid(column: int) -> np.ndarray:
        drawn = np.zeros((rows, 2 * rows, 8), np.int8)
        drawn[0, column] = 45
        return drawn

    assert int(default_radius(rows)) == reach
    for far, expected in ((reach, 1.0), (reach + 1, 0.0)):
        if far < 2 * rows:
            assert match_local(grid(0), grid(far)).score == pytest.approx(expected, abs=1e-6)
            assert match_local_block([grid(0)], [grid(far)])[0, 0] == pytest.approx(
                expected, abs=1e-6
            )


def test_shapes_do_not_mix():
    with pytest.raises(ValueError, match="2 shapes"):
        match_local_pairs([np.zeros((2, 2, 3), np.int8), np.zeros((2, 3, 3), np.int8)])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=2, max_size=4),
    st.integers(1, 6),
)
def test_of_several_views_the_best_counts(seed: int, inks: list[float], probes: int):
    stacks = [np.stack(draw_grids(seed + place, inks, (4, 5, 3))) for place in range(3)]
    # One reference has a view alone, another has its views first and last in memory.
    references = [stacks[0], stacks[1][0], np.asfortranarray(stacks[2])]
    others = draw_grids(seed + 9, [0.5] * probes, (4, 5, 3))
    expected = [
        [best_view(probe, reference, 2.3) for probe in others]
        for reference in (stacks[0], stacks[1][:1], stacks[2])
    ]
    np.testing.assert_allclose(match_local_block(references, others, 2.3), expected, atol=1e-5)
    np.testing.assert_allclose(
        match_local_pairs(references, 2.3), two_by_two(references, 2.3), atol=1e-5
    )


def test_a_match_tells_which_view_agrees():
    probe, *views = draw_grids(4, [0.5] * 4, (4, 5, 3))
    stack = np.stack([views[0], probe, views[1]])
    match = match_local(probe, stack)
    assert match.view == 1
    assert match.score == pytest.approx(1.0 - TURN_MARGIN, abs=1e-5)
    np.testing.assert_array_equal(np.isnan(match.probe_agreement), ~probe.any(axis=-1))
