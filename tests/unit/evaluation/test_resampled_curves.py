"""Curves under resampled signers against concatenating the drawn scores, and against peers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from naive_bootstrap import interval_by_hand, make_scores, resample_by_hand
from sigvault.evaluation.error_rates import DetCurve, SignerScores, det_curve
from sigvault.evaluation.resampled_curves import (
    Resampled,
    area,
    fnmr_at_fmr,
    place_at_fmr,
    resample_curve,
    resample_sums,
)

TIED = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
EXACT = 1e-12


def curve_of(mated: list[float], non_mated: list[float]) -> DetCurve:
    return det_curve(np.array(mated), np.array(non_mated))


def naive_area(mated: np.ndarray, non_mated: np.ndarray) -> float:
    """The share of pairs in the right order."""
    right = [(one > other) + 0.5 * (one == other) for one in mated for other in non_mated]
    return sum(right) / len(right)


def naive_fnmr_at_fmr(mated: np.ndarray, non_mated: np.ndarray, aim: float) -> float:
    """Walk up the thresholds until few enough forgeries pass."""
    for threshold in [*sorted({*mated, *non_mated}), math.inf]:
        if sum(score >= threshold for score in non_mated) <= aim * len(non_mated) + 1e-9:
            return sum(score < threshold for score in mated) / len(mated)
    raise AssertionError("at infinity nothing passes")


@given(TIED, TIED)
def test_area_is_that_of_two_peers(mated: list[float], non_mated: list[float]) -> None:
    found = area(curve_of(mated, non_mated))
    labels = [1] * len(mated) + [0] * len(non_mated)
    assert found == pytest.approx(roc_auc_score(labels, mated + non_mated), abs=EXACT)
    assert found == pytest.approx(naive_area(np.array(mated), np.array(non_mated)), abs=EXACT)
    assert 0.0 <= found <= 1.0


@given(TIED, TIED)
def test_area_is_symmetric(mated: list[float], non_mated: list[float]) -> None:
    """Seen from the other side it is the same, and with the kinds swapped the remainder."""
    found = area(curve_of(mated, non_mated))
    negated = [-score for score in non_mated], [-score for score in mated]
    assert area(curve_of(*negated)) == pytest.approx(found, abs=EXACT)
    assert area(curve_of(non_mated, mated)) == pytest.approx(1.0 - found, abs=EXACT)


def test_area_of_known_cases() -> None:
    assert area(curve_of([2.0, 3.0], [0.0, 1.0])) == 1.0
    assert area(curve_of([0.0], [1.0])) == 0.0
    assert area(curve_of([1.0, 1.0], [1.0])) == 0.5


@given(TIED, TIED, st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=5))
def test_fnmr_at_fmr_walks_up_the_thresholds(
    mated: list[float], non_mated: list[float], aims: list[float]
) -> None:
    found = fnmr_at_fmr(curve_of(mated, non_mated), aims)
    by_hand = [naive_fnmr_at_fmr(np.array(mated), np.array(non_mated), aim) for aim in aims]
    assert found == pytest.approx(by_hand, abs=EXACT)


@given(TIED, TIED, st.floats(0, 1))
def test_the_laxest_place_that_keeps_an_fmr_is_taken(
    mated: list[float], non_mated: list[float], aim: float
) -> None:
    curve = curve_of(mated, non_mated)
    (place,) = place_at_fmr(curve, [aim])
    assert curve.fmr[place] <= aim + EXACT
    assert place == 0 or curve.fmr[place - 1] > aim


@pytest.mark.parametrize("size", [3, 7, 10, 49, 100, 300])
def test_an_aim_that_can_be_met_exactly_is_met(size: int) -> None:
    """1 - (n - k) / n is not quite k / n in floating point."""
    curve = det_curve(np.array([0.5]), np.arange(size, dtype=float))
    aims = np.arange(size + 1) / size
    assert curve.fmr[place_at_fmr(curve, aims)] == pytest.approx(aims, abs=EXACT)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(0, 5), st.sampled_from([0, 1, 2]))
def test_resampled_statistics_equal_pooling_the_drawn_scores(
    made: int, seed: int, decimals: int
) -> None:
    """Curves of weighted scores, among them signers without forgeries, against concatenation."""
    scores = make_scores(made, decimals=decimals)
    aims = (0.0, 0.07, 0.3, 1.0)
    fast = resample_curve(
        lambda curve: np.array([area(curve), *fnmr_at_fmr(curve, aims)]),
        scores,
        bootstraps=12,
        seed=seed,
    )
    slow = resample_by_hand(
        lambda mated, non_mated: [
            naive_area(mated, non_mated),
            *(naive_fnmr_at_fmr(mated, non_mated, aim) for aim in aims),
        ],
        scores,
        bootstraps=12,
        seed=seed,
    )
    np.testing.assert_allclose(fast.resampled, slow, rtol=0, atol=EXACT)
    everybody = naive_area(scores.all_mated, scores.all_non_mated)
    assert fast.value[0] == pytest.approx(everybody, abs=EXACT)


def test_one_number_is_as_good_as_an_array() -> None:
    scores = make_scores(1)
    one = resample_curve(lambda curve: np.float64(area(curve)), scores, bootstraps=5)  # type: ignore[arg-type,return-value]
    assert one.value.shape == (1,)
    assert one.resampled.shape == (5, 1)


def test_resamplings_without_a_kind_are_marked_and_left_out() -> None:
    """One of two signers has forgeries: a quarter of the resamplings draws none."""
    scores = SignerScores(
        (np.array([0.1, 0.9]), np.array([0.5])), (np.array([0.2, 0.6]), np.empty(0))
    )
    found = resample_curve(lambda curve: np.array([area(curve)]), scores, bootstraps=400)
    share = np.isnan(found.resampled).mean()
    assert 0.15 < share < 0.35
    usable = found.resampled[np.isfinite(found.resampled)]
    assert found.rate() == interval_by_hand(found.value[0], usable)
    mirrored = SignerScores(
        tuple(-own for own in scores.non_mated), tuple(-own for own in scores.mated)
    )
    other = resample_curve(lambda curve: np.array([area(curve)]), mirrored, bootstraps=400)
    np.testing.assert_allclose(other.resampled, found.resampled, atol=EXACT)


def test_sums_equal_summing_over_the_drawn_signers() -> None:
    scores = make_scores(2)
    sums = np.array([[own.sum(), len(own)] for own in scores.non_mated])
    fast = resample_sums(lambda s: s[..., :1] / s[..., 1:], sums, bootstraps=60, seed=3)
    slow = resample_by_hand(lambda _, non_mated: [non_mated.mean()], scores, bootstraps=60, seed=3)
    np.testing.assert_allclose(fast.resampled, slow, rtol=0, atol=EXACT)
    assert fast.rates() == (fast.rate(0),)
    by_hand = interval_by_hand(float(scores.all_non_mated.mean()), slow[:, 0])
    found = fast.rate()
    assert (found.value, found.low, found.high) == pytest.approx(
        (by_hand.value, by_hand.low, by_hand.high), abs=EXACT
    )


def test_sums_of_signers_with_nothing_are_no_number_and_no_warning() -> None:
    sums = np.array([[1.0, 2.0], [0.0, 0.0]])
    found = resample_sums(lambda s: s[..., :1] / s[..., 1:], sums, bootstraps=50)
    assert np.isnan(found.resampled).any()
    assert found.rate() == interval_by_hand(0.5, [0.5])


def test_differences_are_paired() -> None:
    """The same signers are drawn for both, so a constant lead has no width."""
    scores = make_scores(3, without_forgeries=())
    ahead = SignerScores(tuple(own + 100.0 for own in scores.mated), scores.non_mated)

    def mean(curve: DetCurve) -> np.ndarray:
        return np.array([area(curve), fnmr_at_fmr(curve, [0.3])[0]])

    one, other = (resample_curve(mean, who, bootstraps=40, seed=8) for who in (ahead, scores))
    gain = one.minus(other)
    assert isinstance(gain, Resampled)
    np.testing.assert_array_equal(gain.value, one.value - other.value)
    np.testing.assert_array_equal(gain.resampled, one.resampled - other.resampled)
    nothing = one.minus(one).rate()
    assert (nothing.low, nothing.value, nothing.high) == (0.0, 0.0, 0.0)
