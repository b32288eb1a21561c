"""The oracle against plain Python; what it shares with the others is in congruence/."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.indexing.exact import ExactIndex


def unit(rng, *shape):
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@given(seed=st.integers(0, 2**16), count=st.integers(0, 12), k=st.integers(1, 15))
def test_search_is_a_sort_of_exact_products(seed, count, k):
    rng = np.random.default_rng(seed)
    few = unit(rng, 4, 3)  # so that equal scores are common
    vectors = few[rng.integers(0, 4, count)]
    rows = rng.permutation(count + 5)[:count]
    index = ExactIndex(3)
    index.add(rows, vectors)
    probe = few[0]
    scored = [
        (
            -float(
                np.float32(math.fsum(float(a) * float(b) for a, b in zip(v, probe, strict=True)))
            ),
            r,
        )
        for v, r in zip(vectors, rows.tolist(), strict=True)
    ]
    best = sorted(scored)[:k]
    result = index.search(probe[None], k)
    assert result.rows[0].tolist() == [row for _, row in best] + [-1] * (k - len(best))
    assert (-result.scores[0, : len(best)]).tolist() == [score for score, _ in best]
    assert np.isneginf(result.scores[0, len(best) :]).all()


def test_known_angles_give_their_cosines():
    index = ExactIndex(2)
    angles = np.radians([0.0, 60.0, 90.0, 180.0])
    index.add(np.array([7, 8, 9, 10]), np.stack((np.cos(angles), np.sin(angles)), 1).astype("f4"))
    result = index.search(np.array([[1.0, 0.0]], np.float32), 4)
    assert result.rows.tolist() == [[7, 8, 9, 10]]
    assert result.scores[0] == pytest.approx([1.0, 0.5, 0.0, -1.0], abs=1e-7)


def test_what_was_copied_out_is_not_the_index():
    index = ExactIndex(2)
    index.add(np.array([1]), np.array([[1.0, 0.0]], np.float32))
    contents = index.contents()
    contents.vectors[:] = 0.0
    contents.rows[:] = 5
    assert index.rows().tolist() == [1]
    assert index.search(np.array([[1.0, 0.0]], np.float32), 1).scores[0, 0] == 1.0


def test_memory_is_that_of_rows_and_vectors():
    index = ExactIndex(3)
    index.add(np.arange(4), np.repeat(np.eye(1, 3, dtype=np.float32), 4, axis=0))
    assert index.memory.host == 4 * 8 + 4 * 3 * 4
    assert index.exact
