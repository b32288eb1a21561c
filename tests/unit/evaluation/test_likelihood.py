"""Costs, calibration and bounds of likelihood ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lir.algorithms.bayeserror import elub
from lir.algorithms.isotonic_regression import IsotonicCalibrator
from lir.data.models import LLRData
from lir.metrics import cllr as peer_cllr
from lir.metrics import cllr_min as peer_minimum_cllr

from sigvault.domain.errors import DatasetError
from sigvault.evaluation.likelihood import (
    cllr,
    empirical_bounds,
    fit_likelihood_ratio,
    fit_line,
    minimum_cllr,
)

SCORES = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=10)

PEER = [
    # mated, non-mated, separation; then lower, upper (elub), cllr, cllr_min of lir 1.3.1, the
    # Netherlands Forensic Institute's package, on the llrs that `peer_llrs` makes.
    (100, 300, 2.0, -1.38, 1.37, 0.5319579039475176, 0.4771615436668628),
    (50, 50, 1.0, -0.26, 0.39, 1.0395290890099436, 0.8069580328653031),
    (30, 400, 4.0, -1.30, 2.19, 0.12116165392279887, 0.04480703210785683),
    (500, 20, 0.5, -0.19, 0.15, 1.1851846177142948, 0.8467752149318555),
    (20, 20, 8.0, -1.30, 1.30, 0.0024527364702714434, 0.0),
]


def peer_llrs(mated: int, non_mated: int, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Miscalibrated ratios, rounded so that there are ties."""
    rng = np.random.default_rng([mated, non_mated])
    one = np.round(rng.normal(separation / 2, 1, mated), 2)
    other = np.round(rng.normal(-separation / 2, 1, non_mated), 2)
    return one * 0.9 + 0.1, other * 0.9 + 0.1


@pytest.mark.parametrize(("n", "m", "apart", "lower", "upper", "cost", "least"), PEER)
def test_figures_are_those_of_a_peer(n, m, apart, lower, upper, cost, least) -> None:  # type: ignore[no-untyped-def]
    mated, non_mated = peer_llrs(n, m, apart)
    assert empirical_bounds(mated, non_mated) == pytest.approx((lower, upper), abs=1e-9)
    assert cllr(mated, non_mated) == pytest.approx(cost)
    assert minimum_cllr(mated, non_mated) == pytest.approx(least, abs=1e-12)


def labelled(mated: np.ndarray, non_mated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.r_[mated, non_mated], np.r_[np.ones(len(mated)), np.zeros(len(non_mated))]


@settings(max_examples=40)
@given(SCORES, SCORES)
def test_costs_are_those_of_a_peer_that_runs_beside(
    mated: list[float], non_mated: list[float]
) -> None:
    """The Netherlands Forensic Institute's package, with ties within and between the kinds."""
    one, other = np.array(mated), np.array(non_mated)
    llrs, labels = labelled(one, other)
    data = LLRData(features=llrs, labels=labels)
    assert cllr(one, other) == pytest.approx(peer_cllr(data), abs=1e-12)
    assert minimum_cllr(one, other) == pytest.approx(peer_minimum_cllr(data), abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_bounds_are_those_of_a_peer_that_runs_beside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(5, 200, 2)
    one = np.round(rng.normal(rng.uniform(0, 2), 1, sizes[0]), 3)
    other = np.round(rng.normal(-rng.uniform(0, 2), 1, sizes[1]), 3)
    peer = elub(*labelled(one, other))
    assert empirical_bounds(one, other) == pytest.approx(peer, abs=1e-9)


def test_the_minimum_keeps_close_scores_apart() -> None:
    """Scores nearer to each other than isotonic regression resolves; the peer's takes them for
    one, so it is given their ranks."""
    one, other = 0.5 + 1e-17 * np.arange(3), np.full(2, 0.5) - 1e-16 * np.array([1, 2])
    scores, labels = labelled(one, other)
    ranks = np.unique(scores, return_inverse=True)[1].astype(float)
    pooled = LLRData(features=IsotonicCalibrator().fit_transform(ranks, labels), labels=labels)
    assert minimum_cllr(one, other) == pytest.approx(peer_cllr(pooled), abs=1e-12) == 0.0


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 0.7, -1.0])
@pytest.mark.parametrize("count", [1, 3, 30, 107])
def test_constant_scores_are_no_line(value: float, count: int) -> None:
    """Their deviation is not always exactly 0, which must not make a slope of rounding errors."""
    with pytest.raises(DatasetError, match="don't score higher"):
        fit_line(np.full(count, value), np.full(2 * count + 1, value))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e4])
def test_the_line_follows_the_unit_of_the_scores(factor: float) -> None:
    rng = np.random.default_rng(6)
    mated, non_mated = rng.normal(3, 1, 60), rng.normal(1, 1, 200)
    plain, scaled = (
        fit_line(mated, non_mated),
        fit_line(factor * mated + 5.0, factor * non_mated + 5.0),
    )
    assert scaled.slope * factor == pytest.approx(plain.slope, rel=1e-4)
    assert scaled.intercept + 5.0 * scaled.slope == pytest.approx(plain.intercept, rel=1e-3)


def test_the_line_is_that_of_even_priors() -> None:
    """Ten times as many forgeries of the same kind change nothing: the prior drops out."""
    rng = np.random.default_rng(7)
    mated, non_mated = rng.normal(3, 1, 300), rng.normal(1, 1, 300)
    few, many = fit_line(mated, non_mated), fit_line(mated, np.tile(non_mated, 10))
    assert many.slope == pytest.approx(few.slope, rel=2e-3)
    assert many.intercept == pytest.approx(few.intercept, rel=2e-3)
    fitted = fit_likelihood_ratio(mated, non_mated)
    assert (fitted.slope, fitted.intercept) == few
    assert (fitted.method, fitted.scores) == ("logistic", ())


def naive_cllr(mated: list[float], non_mated: list[float]) -> float:
    one = sum(math.log2(1 + 10**-llr) for llr in mated) / len(mated)
    other = sum(math.log2(1 + 10**llr) for llr in non_mated) / len(non_mated)
    return (one + other) / 2


def naive_minimum_cllr(mated: list[float], non_mated: list[float]) -> float:
    """Pool adjacent violators over the distinct scores, by hand."""
    blocks: list[list[float]] = []
    for value in sorted({*mated, *non_mated}):
        blocks.append([mated.count(value) / len(mated), non_mated.count(value) / len(non_mated)])
        while len(blocks) > 1 and blocks[-2][0] * sum(blocks[-1]) >= blocks[-1][0] * sum(
            blocks[-2]
        ):
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    cost = 0.0
    for one, other in blocks:
        if one:
            cost += one * math.log2(1 + other / one) / 2
        if other:
            cost += other * math.log2(1 + one / other) / 2
    return cost


@given(SCORES, SCORES)
def test_costs_agree_with_loops(mated: list[float], non_mated: list[float]) -> None:
    one, other = np.array(mated), np.array(non_mated)
    assert cllr(one, other) == pytest.approx(naive_cllr(mated, non_mated))
    assert minimum_cllr(one, other) == pytest.approx(
        naive_minimum_cllr(mated, non_mated), abs=1e-12
    )


@given(SCORES, SCORES)
def test_minimum_is_below_what_any_calibration_costs(
    mated: list[float], non_mated: list[float]
) -> None:
    one, other = np.array(mated), np.array(non_mated)
    least = minimum_cllr(one, other)
    assert -1e-12 <= least <= 1.0 + 1e-12
    assert least <= cllr(one, other) + 1e-12
    assert minimum_cllr(np.exp(one), np.exp(other)) == pytest.approx(least, abs=1e-12)


def test_saying_nothing_costs_one_bit() -> None:
    assert cllr(np.zeros(3), np.zeros(5)) == pytest.approx(1.0)
    assert cllr(np.array([np.inf]), np.array([-np.inf])) == 0.0


def test_fit_recovers_gaussian_ratios() -> None:
    """Two Gaussians of one width have the natural log ratio d (x - middle) / variance."""
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(0.7, 0.1, 40_000), rng.normal(0.5, 0.1, 20_000)
    fitted = fit_likelihood_ratio(mated, non_mated)
    assert fitted.slope * math.log(10) == pytest.approx(0.2 / 0.01, rel=0.03)
    assert -fitted.intercept / fitted.slope == pytest.approx(0.6, abs=0.003)


def test_fitted_ratios_are_calibrated() -> None:
    rng = np.random.default_rng(1)
    mated, non_mated = rng.normal(0.7, 0.1, 5000), rng.normal(0.5, 0.1, 5000)
    fitted = fit_likelihood_ratio(mated, non_mated)
    llrs = [np.array([fitted.llr(score) for score in own]) for own in (mated, non_mated)]
    assert cllr(*llrs) - minimum_cllr(mated, non_mated) < 0.02


def test_the_number_of_draws_changes_no_slope_and_widens_no_bound() -> None:
    """Ten draws of the same probes carry no more evidence than one."""
    rng = np.random.default_rng(2)
    mated, non_mated = rng.normal(3, 1, 40), rng.normal(0, 1, 40)
    once = fit_likelihood_ratio(mated, non_mated)
    tenfold = fit_likelihood_ratio(np.repeat(mated, 10), np.repeat(non_mated, 10), draws=10)
    assert tenfold.slope == pytest.approx(once.slope, rel=1e-3)
    assert (tenfold.lower, tenfold.upper) == pytest.approx((once.lower, once.upper), abs=0.02)


def test_separable_scores_claim_no_more_than_their_number_supports() -> None:
    rng = np.random.default_rng(3)
    fitted = fit_likelihood_ratio(rng.uniform(0.8, 1, 99), rng.uniform(0, 0.2, 999))
    assert math.isfinite(fitted.slope)
    assert 0 < fitted.upper <= math.log10(1000)
    assert -math.log10(100) <= fitted.lower < 0
    assert fitted.llr(1e6) == fitted.upper
    assert fitted.llr(-1e6) == fitted.lower


@given(SCORES, SCORES)
def test_bounds_stay_within_the_numbers(mated: list[float], non_mated: list[float]) -> None:
    lower, upper = empirical_bounds(np.array(mated), np.array(non_mated))
    assert -math.log10(len(mated) + 1) - 1e-9 <= lower <= 0.0
    assert 0.0 <= upper <= math.log10(len(non_mated) + 1) + 1e-9


def test_worthless_ratios_claim_nothing() -> None:
    assert empirical_bounds(np.full(50, -2.0), np.full(50, 2.0)) == (0.0, 0.0)


def test_scores_upside_down_are_a_clear_error() -> None:
    with pytest.raises(DatasetError, match="mixed up"):
        fit_likelihood_ratio(np.array([0.0, 0.1]), np.array([0.9, 1.0]))
    with pytest.raises(DatasetError, match="don't score higher"):
        fit_likelihood_ratio(np.ones(4), np.ones(4))
