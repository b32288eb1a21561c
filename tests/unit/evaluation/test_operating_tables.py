"""The table of operating points, and the choice of the map to likelihood ratios."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.domain.errors import DatasetError
from sigvault.evaluation.error_rates import SignerScores, fmr_rate
from sigvault.evaluation.likelihood import cllr
from sigvault.evaluation.likelihood_choice import (
    KNOTS,
    METHODS,
    apply_ratio,
    choose_likelihood_ratio,
    fit_ratio,
)
from sigvault.evaluation.operating_points import AIMS, measure_points


def normal(signers: int = 20, *, seed: int = 0, wide: float = 1.0) -> SignerScores:
    rng = np.random.default_rng(seed)
    mated = tuple(rng.normal(1.0, 1.0, 60) for _ in range(signers))
    return SignerScores(mated, tuple(rng.normal(-1.0, wide, 100) for _ in range(signers)))


def test_points_hold_the_rates_counted_there():
    scores = normal()
    points = measure_points(scores, scores, bootstraps=20)
    assert [point.score for point in points] == sorted({point.score for point in points})
    for point in points[::7]:
        counted = fmr_rate(scores, point.score, bootstraps=20)
        assert point.rates.fmr.value == pytest.approx(counted.value, abs=1e-5)
        assert point.rates.fmr.high == pytest.approx(counted.high, abs=1e-5)
    for aim in AIMS:
        assert any(aim - 0.0006 < point.rates.fmr.value <= aim + 1e-9 for point in points)


def test_equal_error_points_are_named():
    points = measure_points(normal(), normal(seed=1), bootstraps=20)
    named = {point.name: point for point in points if point.name}
    assert set(named) == {"eer_random", "eer_skilled"}
    rates = named["eer_random"].rates
    assert rates.fmr.value == pytest.approx(rates.fnmr.value, abs=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_true_ratio_of_normal_scores(method):
    """Between N(1, 1) and N(-1, 1) the natural log-likelihood ratio is twice the score."""
    scores = normal(100)
    ratio = fit_ratio(scores.all_mated, scores.all_non_mated, method)
    assert ratio.method == method
    assert len(ratio.scores) <= KNOTS
    for score in (-1.0, -0.5, 0.0, 0.5, 1.0):
        assert ratio.llr(score) == pytest.approx(2.0 * score / np.log(10.0), abs=0.15)
    grid = np.linspace(-6.0, 6.0, 500)
    llrs = apply_ratio(ratio, grid)
    assert np.all(np.diff(llrs) >= 0.0)
    assert llrs.min() >= ratio.lower
    assert llrs.max() <= ratio.upper
    assert [ratio.llr(float(score)) for score in grid] == pytest.approx(llrs.tolist(), abs=1e-12)


def test_the_line_is_taken_where_it_is_true():
    choice = choose_likelihood_ratio(normal(), bootstraps=200)
    assert choice.ratio.method == "logistic"
    assert set(choice.held_out) == set(METHODS)
    assert "held-out signers: logistic" in choice.describe()


def test_another_method_is_taken_where_the_line_is_plainly_wrong():
    rng = np.random.default_rng(3)
    mated = tuple(np.r_[rng.normal(2.0, 0.5, 60), rng.normal(-2.0, 0.5, 15)] for _ in range(20))
    other = tuple(rng.normal(-2.0, 0.5, 60) for _ in range(20))
    scores = SignerScores(mated, other)
    choice = choose_likelihood_ratio(scores, bootstraps=200)
    assert choice.ratio.method != "logistic"
    assert choice.held_out[choice.ratio.method] < choice.held_out["logistic"]
    fitted = [
        cllr(apply_ratio(ratio, scores.all_mated), apply_ratio(ratio, scores.all_non_mated))
        for ratio in (
            choice.ratio,
            fit_ratio(scores.all_mated, scores.all_non_mated, "logistic"),
        )
    ]
    assert fitted[0] < fitted[1]


def test_few_signers_leave_no_choice():
    choice = choose_likelihood_ratio(normal(6), bootstraps=20)
    assert (choice.ratio.method, choice.held_out) == ("logistic", {})
    assert "too few signers" in choice.describe()


def test_scores_the_wrong_way_round_are_a_clear_error():
    with pytest.raises(DatasetError, match="mixed up"):
        fit_ratio(np.array([0.0, 0.1]), np.array([0.9, 1.0]), "kernel")
