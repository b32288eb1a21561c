"""Grids matched with each other at once, against matching them two by two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.embedding import pack_local
from sigvault.domain.local_blocks import match_local_pairs
from sigvault.domain.local_matching import match_local


def draw_grids(seed: int, inks: list[float], shape: tuple[int, int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        pack_local(rng.normal(size=shape).astype(np.float32), rng.random(shape[:2]) < ink)
        for ink in inks
    ]


def two_by_two(grids: list[np.ndarray], radius: float) -> list[float]:
    return [
        match_local(grids[one], grids[other], radius).score
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


def test_pairs_equal_matching_two_by_two_at_the_usual_size():
    grids = draw_grids(1, [0.5] * 7, (8, 13, 64))
    np.testing.assert_allclose(match_local_pairs(grids), two_by_two(grids, 2.3), atol=1e-6)


def test_shapes_do_not_mix():
    with pytest.raises(ValueError, match="2 shapes"):
        match_local_pairs([np.zeros((2, 2, 3), np.int8), np.zeros((2, 3, 3), np.int8)])
