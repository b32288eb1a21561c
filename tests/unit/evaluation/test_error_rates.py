"""Error rates against naive loops, known cases and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import det_curve as peer_det_curve
from sklearn.metrics import roc_curve

from naive_bootstrap import ends, interval_by_hand, make_scores, resample_by_hand, widen_by_hand
from sigvault.domain.comparison import Rate
from sigvault.evaluation import error_rates
from sigvault.evaluation.error_rates import SignerScores

# Few distinct values, so that ties within and between the kinds are the rule.
TIED = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
SIGNERS = st.lists(st.tuples(TIED, TIED), min_size=1, max_size=5)


def naive_rates(
    mated: list[float], non_mated: list[float], threshold: float
) -> tuple[float, float]:
    """(fnmr, fmr) by counting."""
    return (
        sum(score < threshold for score in mated) / len(mated),
        sum(score >= threshold for score in non_mated) / len(non_mated),
    )


def naive_equal_error(mated: list[float], non_mated: list[float]) -> float:
    """Walk up the thresholds and interpolate where the rates pass each other."""
    previous: tuple[float, float] | None = None
    for threshold in [*sorted({*mated, *non_mated}), math.inf]:
        fnmr, fmr = naive_rates(mated, non_mated, threshold)
        if fnmr == fmr:
            return fnmr
        if fnmr > fmr:
            assert previous is not None
            gap_before, gap_after = previous[1] - previous[0], fnmr - fmr
            return previous[0] + (fnmr - previous[0]) * gap_before / (gap_before + gap_after)
        previous = fnmr, fmr
    raise AssertionError("at infinity nothing passes")


def scores_of(signers: list[tuple[list[float], list[float]]], draws: int = 1) -> SignerScores:
    return SignerScores(
        tuple(np.array(mated) for mated, _ in signers),
        tuple(np.array(non_mated) for _, non_mated in signers),
        draws,
    )


@given(TIED, TIED)
def test_det_curve_counts_like_a_loop(mated: list[float], non_mated: list[float]) -> None:
    curve = error_rates.det_curve(np.array(mated), np.array(non_mated))
    for threshold, fnmr, fmr in zip(curve.thresholds, curve.fnmr, curve.fmr, strict=True):
        assert (fnmr, fmr) == pytest.approx(naive_rates(mated, non_mated, threshold))
    assert (curve.fnmr[0], curve.fmr[0]) == (0.0, 1.0)
    assert (curve.fnmr[-1], curve.fmr[-1]) == (1.0, 0.0)


@given(TIED, TIED)
def test_fmr_falls_and_fnmr_rises_with_the_threshold(
    mated: list[float], non_mated: list[float]
) -> None:
    curve = error_rates.det_curve(np.array(mated), np.array(non_mated))
    assert (np.diff(curve.fmr) <= 0).all()
    assert (np.diff(curve.fnmr) >= 0).all()


@given(TIED, TIED, st.floats(-5, 5))
def test_rates_at_a_threshold_count_like_a_loop(
    mated: list[float], non_mated: list[float], threshold: float
) -> None:
    fnmr, fmr = naive_rates(mated, non_mated, threshold)
    assert error_rates.fnmr_at(np.array(mated), threshold) == pytest.approx(fnmr)
    assert error_rates.fmr_at(np.array(non_mated), threshold) == pytest.approx(fmr)


@given(TIED, TIED)
def test_equal_error_agrees_with_a_loop(mated: list[float], non_mated: list[float]) -> None:
    found = error_rates.equal_error(np.array(mated), np.array(non_mated))
    assert found.rate == pytest.approx(naive_equal_error(mated, non_mated), abs=1e-12)


@given(TIED, TIED, st.sampled_from([np.exp, np.arctan, lambda x: 3 * x - 7, lambda x: x**3]))
def test_equal_error_ignores_monotone_maps(mated, non_mated, warp) -> None:  # type: ignore[no-untyped-def]
    plain = error_rates.equal_error(np.array(mated), np.array(non_mated))
    mapped = error_rates.equal_error(warp(np.array(mated)), warp(np.array(non_mated)))
    assert mapped.rate == pytest.approx(plain.rate, abs=1e-12)
    assert mapped.threshold == pytest.approx(float(warp(np.array([plain.threshold]))[0]))


@given(TIED, TIED)
def test_equal_error_is_the_same_seen_from_either_side(
    mated: list[float], non_mated: list[float]
) -> None:
    one = error_rates.equal_error(np.array(mated), np.array(non_mated))
    other = error_rates.equal_error(-np.array(non_mated), -np.array(mated))
    assert one.rate == pytest.approx(other.rate, abs=1e-12)


def test_equal_error_of_known_cases() -> None:
    apart = error_rates.equal_error(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert apart == (0.0, 2.0)
    assert error_rates.equal_error(np.array([0.0]), np.array([1.0])).rate == 1.0
    assert error_rates.equal_error(np.ones(3), np.ones(5)).rate == 0.5
    # One of four on each side is wrong: both rates are exactly a quarter in between.
    quarter = error_rates.equal_error(np.array([1.0, 5, 6, 7]), np.array([0.0, 0, 0, 2]))
    assert quarter == (0.25, 2.0)


def test_scores_must_be_there_and_finite() -> None:
    with pytest.raises(ValueError, match="there are no non-mated"):
        error_rates.equal_error(np.ones(2), np.empty(0))
    with pytest.raises(ValueError, match="not finite"):
        SignerScores((np.array([np.nan]),), (np.ones(1),))
    with pytest.raises(ValueError, match="mated scores of 2 signers"):
        SignerScores((np.ones(1), np.ones(1)), (np.ones(1),))
    with pytest.raises(ValueError, match="0 draws"):
        SignerScores((np.ones(1),), (np.ones(1),), draws=0)


@settings(max_examples=30)
@given(SIGNERS, st.integers(0, 3))
def test_bootstrap_agrees_with_resampling_by_hand(
    signers: list[tuple[list[float], list[float]]], seed: int
) -> None:
    """The bisection over weighted counts equals pooling the drawn signers' scores."""
    scores = scores_of(signers)
    fast = error_rates.equal_error_rate(scores, bootstraps=40, seed=seed)
    slow = error_rates.bootstrap_statistic(
        lambda mated, non_mated: naive_equal_error(list(mated), list(non_mated)),
        scores,
        bootstraps=40,
        seed=seed,
    )
    assert fast.rate.value == pytest.approx(slow.value, abs=1e-12)
    assert fast.rate.low == pytest.approx(slow.low, abs=1e-12)
    assert fast.rate.high == pytest.approx(slow.high, abs=1e-12)


@settings(max_examples=30)
@given(SIGNERS, st.sampled_from([-1.0, 0.0, 1.0]))
def test_rates_with_intervals_agree_with_resampling_by_hand(
    signers: list[tuple[list[float], list[float]]], threshold: float
) -> None:
    scores = scores_of(signers)
    pairs = [
        (error_rates.fnmr_rate(scores, threshold, bootstraps=40), 0),
        (error_rates.fmr_rate(scores, threshold, bootstraps=40), 1),
    ]
    for rate, which in pairs:
        slow = error_rates.bootstrap_statistic(
            lambda mated, non_mated, which=which: naive_rates(  # type: ignore[misc]
                list(mated), list(non_mated), threshold
            )[which],
            scores,
            bootstraps=40,
        )
        assert rate.value == pytest.approx(slow.value)
        if 0.0 < slow.value < 1.0:
            assert (rate.low, rate.high) == pytest.approx((slow.low, slow.high))


@given(SIGNERS)
def test_intervals_hold_the_value(signers: list[tuple[list[float], list[float]]]) -> None:
    scores = scores_of(signers)
    for rate in (
        error_rates.equal_error_rate(scores, bootstraps=20).rate,
        error_rates.fnmr_rate(scores, 0.0, bootstraps=20),
        error_rates.fmr_rate(scores, 0.0, bootstraps=20),
    ):
        assert 0.0 <= rate.low <= rate.value <= rate.high <= 1.0


def test_a_clean_result_is_bounded_by_the_rule_of_three() -> None:
    """300 distinct probes without an error: below 1 % with 95 % confidence, however often drawn."""
    once = scores_of([([1.0] * 30, [0.0] * 30)] * 10)
    assert error_rates.fmr_rate(once, 0.5).high == pytest.approx(3 / 300, rel=0.01)
    assert error_rates.fmr_rate(once, -1.0).low == pytest.approx(1 - 3 / 300, rel=0.01)
    redrawn = scores_of([([1.0] * 300, [0.0] * 300)] * 10, draws=10)
    assert error_rates.fmr_rate(redrawn, 0.5) == error_rates.fmr_rate(once, 0.5)


def test_intervals_know_that_signers_differ() -> None:
    """The same number of errors says less if they all come from two signers."""
    even = scores_of([([0.0] + [1.0] * 9, [-1.0])] * 20)
    uneven = scores_of([([0.0] * 10, [-1.0])] * 2 + [([1.0] * 10, [-1.0])] * 18)
    flat, wide = (error_rates.fnmr_rate(scores, 0.5) for scores in (even, uneven))
    assert flat.value == wide.value == pytest.approx(0.1)
    assert flat.high - flat.low == pytest.approx(0.0)
    assert wide.high - wide.low > 0.15


def test_intervals_cover_the_truth() -> None:
    """Of 100 experiments with signers of their own difficulty, about 95 intervals are right."""
    rng = np.random.default_rng(4)
    right = 0
    for trial in range(100):
        chances = rng.beta(2, 8, size=40)
        failed = [(rng.random(20) >= chance).astype(float) for chance in chances]
        rate = error_rates.fnmr_rate(
            SignerScores(tuple(failed), (np.zeros(1),) * 40), 0.5, bootstraps=300, seed=trial
        )
        right += rate.low <= 0.2 <= rate.high
    assert 88 <= right <= 100


@given(TIED, st.floats(0, 1))
def test_threshold_at_fmr_is_the_lowest_that_holds(non_mated: list[float], rate: float) -> None:
    scores = np.array(non_mated)
    threshold = error_rates.threshold_at_fmr(scores, rate)
    assert error_rates.fmr_at(scores, threshold) <= rate + 1e-9
    below = scores[scores < threshold]
    if len(below):
        assert error_rates.fmr_at(scores, below.max()) > rate - 1e-9


@given(TIED, st.floats(0, 1))
def test_threshold_at_fnmr_is_the_highest_that_holds(mated: list[float], rate: float) -> None:
    scores = np.array(mated)
    threshold = error_rates.threshold_at_fnmr(scores, rate)
    assert error_rates.fnmr_at(scores, threshold) <= rate + 1e-9
    if rate < 1.0:
        higher = float(np.nextafter(threshold, np.inf))
        assert error_rates.fnmr_at(scores, higher) > rate - 1e-9


def test_signers_without_forgeries_take_part_with_what_they_have() -> None:
    scores = SignerScores((np.ones(3), np.ones(3)), (np.zeros(2), np.empty(0)))
    assert error_rates.equal_error_rate(scores, bootstraps=50).rate.value == 0.0
    assert error_rates.fmr_rate(scores, 0.0, bootstraps=50).value == 1.0


def test_paired_difference_is_sharper_than_two_intervals() -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 1, 30)
    mated = [rng.normal(shift + 2.0, 1, 50) for shift in hard]
    non_mated = [rng.normal(shift, 1, 50) for shift in hard]
    one = SignerScores(tuple(mated), tuple(non_mated))
    better = SignerScores(tuple(scores + 0.3 for scores in mated), tuple(non_mated))
    gain = error_rates.paired_difference(one, better)
    assert gain.value > 0
    assert gain.low > 0
    alone = error_rates.equal_error_rate(one).rate
    assert gain.high - gain.low < alone.high - alone.low
    same = error_rates.paired_difference(one, one)
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_paired_difference_needs_the_same_signers() -> None:
    two, one = scores_of([([1.0], [0.0])] * 2), scores_of([([1.0], [0.0])])
    with pytest.raises(ValueError, match="don't pair up"):
        error_rates.paired_difference(two, one)


def test_everything_may_pass_at_a_rate_of_one() -> None:
    assert error_rates.threshold_at_fmr(np.array([0.3, 0.1, 0.2]), 1.0) == 0.1


def test_resamplings_without_a_single_forgery_are_left_out() -> None:
    scores = SignerScores((np.ones(2), np.ones(2)), (np.zeros(2), np.empty(0)))
    assert error_rates.bootstrap_statistic(naive_fmr, scores, bootstraps=30) == Rate(0, 0, 0)


def naive_fmr(mated: np.ndarray, non_mated: np.ndarray) -> float:
    assert len(mated)
    return sum(non_mated >= 0.5) / len(non_mated)


@given(TIED, TIED)
def test_a_curve_is_two_of_a_peer_s(mated: list[float], non_mated: list[float]) -> None:
    """scikit-learn's ROC curve falls from infinity; its DET curve leaves out flat ends."""
    curve = error_rates.det_curve(np.array(mated), np.array(non_mated))
    labels, values = [1] * len(mated) + [0] * len(non_mated), mated + non_mated
    fmr, passing, thresholds = roc_curve(labels, values, drop_intermediate=False)
    np.testing.assert_array_equal(curve.thresholds[::-1], thresholds)
    np.testing.assert_allclose(curve.fmr[::-1], fmr, atol=1e-12)
    np.testing.assert_allclose(1.0 - curve.fnmr[::-1], passing, atol=1e-12)
    fmr, fnmr, thresholds = peer_det_curve(labels, values, drop_intermediate=False)
    places = np.searchsorted(curve.thresholds, thresholds)
    np.testing.assert_array_equal(curve.thresholds[places], thresholds)
    np.testing.assert_allclose(curve.fmr[places], fmr, atol=1e-12)
    np.testing.assert_allclose(curve.fnmr[places], fnmr, atol=1e-12)


@given(TIED, TIED)
def test_the_equal_error_threshold_has_the_nearest_rates(
    mated: list[float], non_mated: list[float]
) -> None:
    found = error_rates.equal_error(np.array(mated), np.array(non_mated))
    gaps = {
        threshold: abs(np.subtract(*naive_rates(mated, non_mated, threshold)))
        for threshold in {*mated, *non_mated, math.inf}
    }
    assert gaps[found.threshold] == pytest.approx(min(gaps.values()))
    rates = sorted(naive_rates(mated, non_mated, found.threshold))
    assert rates[0] - 1e-12 <= found.rate <= rates[1] + 1e-12
    assert math.isfinite(found.threshold)


@settings(max_examples=30)
@given(st.integers(0, 500), st.lists(st.floats(-2, 3), min_size=6, max_size=6))
def test_rates_of_resamplings_equal_pooling_the_drawn_scores(
    made: int, thresholds: list[float]
) -> None:
    """A threshold a resampling, among them none at all and infinite ones."""
    scores = make_scores(made)
    each = np.array([*thresholds, math.inf, -math.inf, math.nan])
    weights = error_rates.resample_signers(len(scores.mated), len(each), made)
    weights[2] = 0
    weights[2, 1] = 7  # of the signer without forgeries alone
    fnmr, fmr = error_rates.rates_of_resamplings(scores, each, weights)
    for row, (drawn, threshold) in enumerate(zip(weights, each, strict=True)):
        picked = np.repeat(np.arange(len(drawn)), drawn)
        mated = np.concatenate([scores.mated[signer] for signer in picked])
        others = np.concatenate([scores.non_mated[signer] for signer in picked])
        if math.isnan(threshold):
            expected = (math.nan, math.nan)
        elif len(others):
            expected = naive_rates(list(mated), list(others), threshold)
        else:
            expected = (float(np.mean(mated < threshold)), math.nan)
        assert (fnmr[row], fmr[row]) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_shares_resample_signers_of_whom_some_have_no_forgeries(seed: int, draws: int) -> None:
    """Both rates at thresholds inside and outside the scores, with the rule of three."""
    scores = make_scores(seed, draws=draws)
    for threshold in (-9.0, 0.3, 1.1, 9.0):
        rows = resample_by_hand(
            lambda mated, non_mated, t=threshold: naive_rates(list(mated), list(non_mated), t),
            scores,
            bootstraps=50,
            seed=seed,
        )
        values = naive_rates(list(scores.all_mated), list(scores.all_non_mated), threshold)
        fmr = error_rates.fmr_rate(scores, threshold, bootstraps=50, seed=seed)
        by_hand = widen_by_hand(
            interval_by_hand(values[1], rows[:, 1]), len(scores.all_non_mated) / draws
        )
        assert ends(fmr) == pytest.approx(ends(by_hand), abs=1e-12)
        fnmr = error_rates.fnmr_rate(scores, threshold, bootstraps=50, seed=seed)
        drawn = np.isfinite(rows[:, 0])
        assert drawn.all()  # so that the rate without forgeries needs no rows of its own
        by_hand = widen_by_hand(
            interval_by_hand(values[0], rows[:, 0]), len(scores.all_mated) / draws
        )
        assert ends(fnmr) == pytest.approx(ends(by_hand), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_equal_error_intervals_resample_signers_of_whom_some_have_no_forgeries(seed: int) -> None:
    """Three signers, one with forgeries: some resamplings draw none, and are left out."""
    for scores in (make_scores(seed), make_scores(seed, signers=3, without_forgeries=(0, 2))):
        found = error_rates.equal_error_rate(scores, bootstraps=60, seed=seed)
        rows = resample_by_hand(
            lambda mated, non_mated: [naive_equal_error(list(mated), list(non_mated))],
            scores,
            bootstraps=60,
            seed=seed,
        )
        value = naive_equal_error(list(scores.all_mated), list(scores.all_non_mated))
        by_hand = interval_by_hand(value, rows[:, 0])
        assert ends(found.rate) == pytest.approx(ends(by_hand), abs=1e-12)
    assert np.isnan(rows).any()


def test_a_paired_difference_resamples_both_alike() -> None:
    one, other = make_scores(1, apart=1.5), make_scores(2)
    found = error_rates.paired_difference(one, other, bootstraps=50, seed=6)

    def rate(mated: np.ndarray, non_mated: np.ndarray) -> list[float]:
        return [naive_equal_error(list(mated), list(non_mated))]

    rows = [resample_by_hand(rate, scores, bootstraps=50, seed=6) for scores in (one, other)]
    values = [rate(scores.all_mated, scores.all_non_mated)[0] for scores in (one, other)]
    by_hand = interval_by_hand(values[0] - values[1], (rows[0] - rows[1])[:, 0])
    assert ends(found) == pytest.approx(ends(by_hand), abs=1e-12)


@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 9))
def test_signers_are_drawn_with_replacement(signers: int, bootstraps: int, seed: int) -> None:
    weights = error_rates.resample_signers(signers, bootstraps, seed)
    assert weights.shape == (bootstraps, signers)
    assert (weights.sum(axis=1) == signers).all()
    np.testing.assert_array_equal(weights, error_rates.resample_signers(signers, bootstraps, seed))


def test_an_interval_leaves_out_what_is_no_number_and_holds_the_value() -> None:
    values = np.array([0.2, np.nan, 0.4, np.inf, 0.3])
    assert error_rates.percentile_interval(0.3, values) == Rate(
        0.3, pytest.approx(0.205), pytest.approx(0.395)
    )
    assert error_rates.percentile_interval(0.1, values).low == 0.1
    assert error_rates.percentile_interval(0.9, values).high == 0.9
    assert error_rates.percentile_interval(0.5, np.array([np.nan])) == Rate(0.5, 0.5, 0.5)


def test_scores_of_nobody_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="there are no mated scores"):
        SignerScores((), ())
