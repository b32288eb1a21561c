from __future__ import annotations

import math

import numpy as np
import pytest
from search_stand_ins import unit

from sigvault.domain.errors import IndexFailed
from sigvault.domain.exact_scoring import inner_products
from sigvault.domain.ports import SearchResult
from sigvault.indexing.candidates import Proposals, rounding_error
from sigvault.indexing.ranking import (
    Layer,
    merged,
    search_layer,
)


def true_product(one, other):
    return math.fsum(float(a) * float(b) for a, b in zip(one, other, strict=True))


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

    def __init__(self, vectors, reach=10**9, digits=1, *, exact=True):
        self.vectors, self.digits, self.exact = vectors, digits, exact
        self.size, self.reach = len(vectors), reach
        self.error = 0.5 * 10.0**-digits + rounding_error(vectors.shape[1])
        self.asked = []

    def spare(self, probes):
        return 16

    def nearest(self, probes, count):
        assert 1 <= count <= min(self.reach, self.size)
        self.asked.append(count)
        scores = np.round(probes @ self.vectors.T, self.digits)
        places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(scores, places, axis=1)
        return Proposals(places, best, np.full(len(probes), self.error))


def layer_over(source, rows=None, gone=None):
    count = source.size
    return Layer(
        np.arange(count) if rows is None else rows,
        source.vectors,
        np.zeros(count, np.bool_) if gone is None else gone,
        source,
    )


def expected_of(layer, probe, k):
    found = [
        (-float(np.float32(true_product(vector, probe))), row)
        for vector, row, gone in zip(layer.vectors, layer.rows.tolist(), layer.gone, strict=True)
        if not gone
    ]
    return [row for _, row in sorted(found)][:k]


@pytest.mark.parametrize("reach", [10**9, 40, 1])
@pytest.mark.parametrize("k", [1, 7, 60, 500])
def test_a_coarse_source_still_gives_the_exact_result(reach, k):
    rng = np.random.default_rng(4)
    rows = rng.permutation(300)
    layer = layer_over(CoarseSource(unit(rng, 300, 16), reach), rows, rng.random(300) < 0.3)
    probes = unit(rng, 5, 16)
    result = search_layer(layer, probes, k)
    for number, probe in enumerate(probes):
        expected = expected_of(layer, probe, k)
        assert result.rows[number].tolist() == expected + [-1] * (k - len(expected))
        assert np.isneginf(result.scores[number, len(expected) :]).all()


def on_a_half_circle(count):
    angles = np.linspace(0.0, np.pi, count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def test_candidates_are_fetched_again_only_while_one_could_be_missing():
    vectors = on_a_half_circle(1000)
    source = CoarseSource(vectors)
    search_layer(layer_over(source), vectors[:1], 1)
    assert source.asked == [17, 136]
    precise = CoarseSource(vectors, digits=6)
    search_layer(layer_over(precise), vectors[:1], 1)
    assert precise.asked == [17]


def test_a_source_that_is_not_exact_is_asked_again_only_where_too_few_remain():
    vectors = on_a_half_circle(1000)
    source = CoarseSource(vectors, exact=False)
    search_layer(layer_over(source), vectors[:1], 1)
    assert source.asked == [17]
    source.asked.clear()
    gone = np.zeros(1000, np.bool_)
    gone[:100] = True
    found = search_layer(layer_over(source, gone=gone), vectors[:1], 1)
    assert source.asked == [17, 136]
    assert found.rows.tolist() == [[100]]


def test_what_a_source_that_is_not_exact_misses_stays_missing():
    vectors = on_a_half_circle(100)

    class Blind(CoarseSource):
        def nearest(self, probes, count):
            found = super().nearest(probes, count)
            found.places[:, 1:] = -1
            found.scores[:, 1:] = -np.inf
            return found

    source = Blind(vectors, reach=40, digits=6, exact=False)
    found = search_layer(layer_over(source), vectors[:1], 3)
    assert found.rows.tolist() == [[0, -1, -1]]
    assert source.asked == [19, 40]


def test_more_than_the_reach_of_a_source_that_is_not_exact_is_refused():
    source = CoarseSource(on_a_half_circle(100), reach=40, exact=False)
    search_layer(layer_over(source), source.vectors[:1], 40)
    with pytest.raises(IndexFailed, match="at most 40 vectors for a probe, not 41"):
        search_layer(layer_over(source), source.vectors[:1], 41)


def test_two_results_become_one_in_the_one_order():
    one = SearchResult(np.array([[4, 7, -1]]), np.array([[0.9, 0.5, -np.inf]], np.float32))
    other = SearchResult(np.array([[2, 6, 1]]), np.array([[0.9, 0.6, 0.5]], np.float32))
    both = merged(one, other)
    assert both.rows.tolist() == [[2, 4, 6]]
    np.testing.assert_array_equal(both.scores, np.array([[0.9, 0.9, 0.6]], np.float32))
