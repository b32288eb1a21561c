from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.indexing.ranking import (
    best_first,
    exact_search,
    inner_products,
    rounding_error,
)


def unit(rng, *shape):
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


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


@pytest.mark.parametrize("dimension", [8, 256])
def test_float32_products_stay_within_the_stated_error(dimension):
    rng = np.random.default_rng(3)
    vectors, probes = unit(rng, 400, dimension), unit(rng, 40, dimension)
    products = probes @ vectors.T
    exact = np.stack([inner_products(vectors, probe) for probe in probes])
    assert np.abs(products - exact).max() <= rounding_error(dimension)


class CoarseSource:
    """Proposes by rounded scores: honest about its error, and of short reach if so wished.

    Attributes:
        asked: how many candidates each call of `nearest` asked for.
    """

    def __init__(self, vectors, rows, reach=10**9, digits=1):
        self.vectors, self.rows, self.digits = vectors, rows, digits
        self.size, self.reach = len(vectors), reach
        self.score_error = 0.5 * 10.0**-digits + rounding_error(vectors.shape[1])
        self.asked = []

    def nearest(self, probes, count):
        assert 1 <= count <= min(self.reach, self.size)
        self.asked.append(count)
        scores = np.round(probes @ self.vectors.T, self.digits)
        places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        return places, np.take_along_axis(scores, places, axis=1)

    def rows_at(self, places):
        return self.rows[places]

    def vectors_at(self, places):
        return self.vectors[places]


def expected_of(source, probe, k):
    found = [
        (-float(np.float32(true_product(vector, probe))), row)
        for vector, row in zip(source.vectors, source.rows.tolist(), strict=True)
        if row >= 0
    ]
    return [row for _, row in sorted(found)][:k]


@pytest.mark.parametrize("reach", [10**9, 40, 1])
@pytest.mark.parametrize("k", [1, 7, 60, 500])
def test_a_coarse_source_still_gives_the_exact_result(reach, k):
    rng = np.random.default_rng(4)
    rows = rng.permutation(300)
    rows[rng.random(300) < 0.3] = -1
    source = CoarseSource(unit(rng, 300, 16), rows, reach)
    probes = unit(rng, 5, 16)
    result = exact_search(source, probes, k)
    for number, probe in enumerate(probes):
        expected = expected_of(source, probe, k)
        assert result.rows[number].tolist() == expected + [-1] * (k - len(expected))
        assert np.isneginf(result.scores[number, len(expected) :]).all()


def on_a_half_circle(count):
    angles = np.linspace(0.0, np.pi, count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def test_candidates_are_fetched_again_only_while_one_could_be_missing():
    vectors = on_a_half_circle(1000)
    source = CoarseSource(vectors, np.arange(1000))
    exact_search(source, vectors[:1], 1)
    assert source.asked == [17, 136]
    precise = CoarseSource(vectors, np.arange(1000), digits=6)
    exact_search(precise, vectors[:1], 1)
    assert precise.asked == [17]
