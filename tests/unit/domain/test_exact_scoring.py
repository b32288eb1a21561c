from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.exact_scoring import best_first, inner_products


def unit(rng, *shape):
    vectors = rng.standard_normal(shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def true_product(one, other):
    return math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dimension", [1, 3, 64, 256])
def test_inner_products_are_those_of_exact_arithmetic(dimension):
    rng = np.random.default_rng(1)
    vectors, probe = unit(rng, 50, dimension), unit(rng, dimension)
    expected = np.array([true_product(vector, probe) for vector in vectors], np.float32)
    np.testing.assert_array_equal(inner_products(vectors, probe), expected)


def test_equal_vectors_score_equally_wherever_they_stand():
    rng = np.random.default_rng(2)
    probe = unit(rng, 256)
    vectors = np.repeat(unit(rng, 1, 256), 9001, axis=0)
    assert len(set(inner_products(vectors, probe).tolist())) == 1
    assert inner_products(vectors[:1], probe) == inner_products(vectors, probe)[-1]


@given(
    scores=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), max_size=12),
    k=st.integers(1, 15),
)
def test_best_first_sorts_by_falling_score_then_rising_row(scores, k):
    rows = np.random.default_rng(len(scores)).permutation(len(scores))
    expected = sorted(zip(rows.tolist(), scores, strict=True), key=lambda each: (-each[1], each[0]))
    got_rows, got_scores = best_first(rows, np.array(scores, np.float32), k)
    assert list(zip(got_rows.tolist(), got_scores.tolist(), strict=True)) == expected[:k]
