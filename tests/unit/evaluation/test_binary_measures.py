"""Areas, costs, curves and errors at fixed rates, against naive loops and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from naive_bootstrap import ends, interval_by_hand, make_scores, resample_by_hand, widen_by_hand
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.binary_measures import (
    BAND_POINTS,
    COSTS,
    CURVE_POINTS,
    CurvePoints,
    DetectionCost,
    discriminate,
    fix_fmr,
    fmr_grid,
    measure_binary,
    resample_thresholds,
    split_kinds,
)
from sigvault.evaluation.error_rates import (
    DetCurve,
    SignerScores,
    det_curve,
    fmr_at,
    fnmr_at,
    resample_signers,
    threshold_at_fmr,
)
from sigvault.evaluation.protocols import ComparisonScores, Kind

TIED = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
EXACT = 1e-12
UNEQUAL = DetectionCost(miss=2.0, false_alarm=5.0, prior=0.3)


def one_signer(mated: list[float], non_mated: list[float], draws: int = 1) -> SignerScores:
    return SignerScores((np.array(mated),), (np.array(non_mated),), draws)


def naive_cost(fnmr: float, fmr: float, cost: DetectionCost) -> float:
    """NIST SRE 2016 evaluation plan, equations 1 to 3."""
    expected = cost.miss * fnmr * cost.prior + cost.false_alarm * fmr * (1 - cost.prior)
    return expected / min(cost.miss * cost.prior, cost.false_alarm * (1 - cost.prior))


def naive_minimum_cost(mated: np.ndarray, non_mated: np.ndarray, cost: DetectionCost) -> float:
    """Try every threshold."""
    tried = []
    for threshold in [-math.inf, *mated, *non_mated, math.inf]:
        fnmr = sum(score < threshold for score in mated) / len(mated)
        fmr = sum(score >= threshold for score in non_mated) / len(non_mated)
        tried.append(naive_cost(fnmr, fmr, cost))
    return min(tried)


def naive_threshold(non_mated: np.ndarray, aim: float) -> float:
    """The least number, among the scores and just above them, where few enough pass."""
    above = [math.nextafter(score, math.inf) for score in non_mated]
    return min(
        threshold
        for threshold in [*non_mated, *above]
        if sum(score >= threshold for score in non_mated) <= aim * len(non_mated) + 1e-9
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((0.0, 1.0, 0.5), "must be above 0"),
        ((1.0, 0.0, 0.5), "must be above 0"),
        ((1.0, math.nan, 0.5), "must be above 0"),
        ((1.0, 1.0, 0.0), r"not in \(0, 1\)"),
        ((1.0, 1.0, 1.0), r"not in \(0, 1\)"),
        ((1.0, 1.0, math.nan), r"not in \(0, 1\)"),
    ],
)
def test_costs_and_prior_are_checked(fields: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionCost(*fields)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([*COSTS, UNEQUAL]))
def test_a_cost_is_that_of_the_evaluation_plan(
    fnmr: float, fmr: float, cost: DetectionCost
) -> None:
    found = cost.of(np.array([fnmr]), np.array([fmr]))
    assert found == pytest.approx(naive_cost(fnmr, fmr, cost), rel=EXACT, abs=EXACT)


@pytest.mark.parametrize("cost", [*COSTS, UNEQUAL])
def test_the_better_blind_decision_costs_one(cost: DetectionCost) -> None:
    everything, nothing = cost.of(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert min(everything, nothing) == pytest.approx(1.0)


@settings(max_examples=50)
@given(TIED, TIED, st.sampled_from([*COSTS, UNEQUAL]))
def test_the_minimum_cost_is_that_of_the_best_threshold(
    mated: list[float], non_mated: list[float], cost: DetectionCost
) -> None:
    scores = one_signer(mated, non_mated)
    (least,) = discriminate(scores, costs=[cost], bootstraps=1).costs
    by_hand = naive_minimum_cost(np.array(mated), np.array(non_mated), cost)
    assert least.cost == cost
    assert least.minimum.value == pytest.approx(by_hand, abs=EXACT)
    assert least.minimum.value <= 1.0
    assert math.isfinite(least.threshold)
    there = naive_cost(
        fnmr_at(np.array(mated), least.threshold),
        fmr_at(np.array(non_mated), least.threshold),
        cost,
    )
    assert there == pytest.approx(by_hand, abs=EXACT)


@settings(max_examples=50)
@given(TIED, TIED)
def test_the_area_is_that_of_a_peer(mated: list[float], non_mated: list[float]) -> None:
    found = discriminate(one_signer(mated, non_mated), bootstraps=1)
    labels = [1] * len(mated) + [0] * len(non_mated)
    assert found.auc.value == pytest.approx(roc_auc_score(labels, mated + non_mated), abs=EXACT)
    assert (found.mated, found.non_mated) == (len(mated), len(non_mated))


@settings(max_examples=50)
@given(TIED, TIED)
def test_points_of_short_curves_are_a_peer_s_and_keep_the_area(
    mated: list[float], non_mated: list[float]
) -> None:
    found = discriminate(one_signer(mated, non_mated), bootstraps=1)
    labels, values = [1] * len(mated) + [0] * len(non_mated), mated + non_mated
    peer_fmr, peer_tpr, _ = roc_curve(labels, values, drop_intermediate=False)
    peer = {(round(x, 9), round(1 - y, 9)) for x, y in zip(peer_fmr, peer_tpr, strict=True)}
    for points in (found.roc, found.det):
        assert set(rounded(points)) <= peer
        assert rounded(points)[0] == (1.0, 0.0)
        assert rounded(points)[-1] == (0.0, 1.0)
    assert area_of(found.roc) == pytest.approx(found.auc.value, abs=EXACT)


def rounded(points: CurvePoints) -> list[tuple[float, float]]:
    return [(round(x, 9), round(y, 9)) for x, y in zip(points.fmr, points.fnmr, strict=True)]


def area_of(points: CurvePoints) -> float:
    """Under straight lines between the points, from right to left."""
    rates = list(zip(points.fmr, points.fnmr, strict=True))
    return sum(
        (x - further) * (1 - 0.5 * (y + higher)) for (x, y), (further, higher) in pairwise(rates)
    )


def test_points_of_a_long_curve_are_few_true_and_spread_along_it() -> None:
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(2.0, 1.0, 5000), rng.normal(0.0, 1.0, 8000)
    found = discriminate(SignerScores((mated,), (non_mated,)), bootstraps=1)
    for points in (found.roc, found.det):
        assert CURVE_POINTS // 2 < len(points.thresholds) <= CURVE_POINTS
        assert (np.diff(points.thresholds) > 0).all()
        assert (np.diff(points.fnmr) >= 0).all()
        assert (np.diff(points.fmr) <= 0).all()
        for threshold, fnmr, fmr in zip(points.thresholds, points.fnmr, points.fmr, strict=True):
            assert fnmr == pytest.approx(fnmr_at(mated, threshold), abs=EXACT)
            assert fmr == pytest.approx(fmr_at(non_mated, threshold), abs=EXACT)
    assert area_of(found.roc) == pytest.approx(found.auc.value, abs=1e-3)
    whole = det_curve(mated, non_mated)
    assert distance(whole, found.roc, lambda rates: rates) < 3.0 / CURVE_POINTS
    inner = 1e-3  # a few scores each lie beyond
    assert distance(whole, found.det, lambda rates: norm.ppf(np.clip(rates, inner, 1 - inner))) < (
        2.0 * 12.4 / CURVE_POINTS  # of what both axes span
    )


def distance(
    whole: DetCurve, drawn: CurvePoints, axis: Callable[[np.ndarray], np.ndarray]
) -> float:
    """How far a curve strays from straight lines between the points drawn, across the diagonal."""
    along, across = (
        [axis(curve.fnmr) + sign * axis(curve.fmr) for curve in (whole, arrays(drawn))]
        for sign in (-1.0, 1.0)
    )
    return float(np.abs(np.interp(along[0], along[1], across[1]) - across[0]).max())


def arrays(points: CurvePoints) -> DetCurve:
    return DetCurve(np.array(points.thresholds), np.array(points.fnmr), np.array(points.fmr))


def test_the_end_is_drawn_even_where_the_last_steps_are_too_short() -> None:
    """Many equal scores: rates of a thousandth lie beyond what two dozen points resolve."""
    mated, non_mated = [5.0] * 990 + [0.0] * 10, [0.0] * 999 + [9.0]
    found = discriminate(one_signer(mated, non_mated), bootstraps=1)
    for points in (found.det, found.roc):
        assert (points.fmr[0], points.fnmr[0]) == (1.0, 0.0)
        assert (points.fmr[-1], points.fnmr[-1]) == (0.0, 1.0)
        assert points.thresholds[-1] == math.nextafter(9.0, math.inf)


@given(st.integers(1, 10**6), st.integers(2, 60))
def test_the_grid_is_even_on_the_axis_of_a_det_plot(non_mated: int, points: int) -> None:
    grid = fmr_grid(non_mated, points)
    assert grid.shape == (points,)
    assert grid[0] == pytest.approx(max(1e-4, 1 / (non_mated + 1)))
    assert grid[-1] == pytest.approx(0.99)
    steps = np.diff(norm.ppf(grid))
    assert steps == pytest.approx(np.full(points - 1, steps[0]), abs=1e-9)
    assert steps[0] > 0


@pytest.mark.parametrize("draws", [1, 2])
def test_intervals_are_those_of_pooling_the_drawn_signers(draws: int) -> None:
    scores = make_scores(5, draws=draws)
    grid = fmr_grid(len(scores.all_non_mated))

    def by_hand(mated: np.ndarray, non_mated: np.ndarray) -> list[float]:
        labels = [1] * len(mated) + [0] * len(non_mated)
        return [
            roc_auc_score(labels, [*mated, *non_mated]),
            *(naive_minimum_cost(mated, non_mated, cost) for cost in (COSTS[1], UNEQUAL)),
            *(float(np.mean(mated < naive_threshold(non_mated, aim))) for aim in grid),
        ]

    found = discriminate(scores, costs=(COSTS[1], UNEQUAL), bootstraps=60, seed=4)
    value = by_hand(scores.all_mated, scores.all_non_mated)
    rows = resample_by_hand(by_hand, scores, bootstraps=60, seed=4)
    expected = [interval_by_hand(value[k], rows[:, k]) for k in range(len(value))]
    assert ends(found.auc) == pytest.approx(ends(expected[0]), abs=EXACT)
    for cost, rate in zip(found.costs, expected[1:3], strict=True):
        assert ends(cost.minimum) == pytest.approx(ends(rate), abs=EXACT)
    assert found.band.fmr == tuple(grid)
    assert len(grid) == BAND_POINTS
    probes = len(scores.all_mated) / draws
    band = [widen_by_hand(rate, probes) for rate in expected[3:]]
    assert any(rate.value == 0.0 for rate in band)
    assert found.band.fnmr == pytest.approx([rate.value for rate in band], abs=EXACT)
    assert found.band.low == pytest.approx([rate.low for rate in band], abs=EXACT)
    assert found.band.high == pytest.approx([rate.high for rate in band], abs=EXACT)


@settings(max_examples=40)
@given(TIED, TIED, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]))
def test_errors_at_a_fixed_fmr_are_counted_at_the_lowest_threshold(
    mated: list[float], non_mated: list[float], aim: float
) -> None:
    skilled = one_signer(mated, [score + 1.0 for score in non_mated])
    (point,) = fix_fmr(one_signer(mated, non_mated), skilled, [aim], bootstraps=2)
    threshold = naive_threshold(np.array(non_mated), aim)
    assert (point.aim, point.threshold.value) == (aim, threshold)
    assert point.fnmr.value == sum(score < threshold for score in mated) / len(mated)
    assert point.skilled_fmr is not None
    passing = sum(score + 1.0 >= threshold for score in non_mated)
    assert point.skilled_fmr.value == passing / len(non_mated)
    # One signer: every resampling is the data, and what stays uncertain is a clean result.
    assert ends(point.threshold) == (threshold, threshold, threshold)


@pytest.mark.parametrize("seed", range(5))
def test_intervals_at_a_fixed_fmr_find_the_threshold_anew(seed: int) -> None:
    """Resampled by hand: draw signers, set the threshold on their forgeries, count."""
    random = make_scores(seed, apart=1.5, draws=2)
    skilled = SignerScores(random.mated, tuple(own + 0.4 for own in random.non_mated), 2)
    aims = (0.0, 0.1, 0.4, 1.0)
    found = fix_fmr(random, skilled, aims, bootstraps=50, seed=seed)
    weights = resample_signers(len(random.mated), 50, seed)
    for point in found:
        rows = []
        for drawn in weights:
            picked = np.repeat(np.arange(len(drawn)), drawn)
            forgeries = np.concatenate([random.non_mated[place] for place in picked])
            if not len(forgeries):
                continue
            threshold = naive_threshold(forgeries, point.aim)
            mated = np.concatenate([random.mated[place] for place in picked])
            others = np.concatenate([skilled.non_mated[place] for place in picked])
            rows.append((threshold, np.mean(mated < threshold), np.mean(others >= threshold)))
        columns = np.array(rows).T
        threshold = naive_threshold(random.all_non_mated, point.aim)
        fnmr = float(np.mean(random.all_mated < threshold))
        passing = float(np.mean(skilled.all_non_mated >= threshold))
        assert ends(point.threshold) == pytest.approx(
            ends(interval_by_hand(threshold, columns[0])), abs=EXACT
        )
        by_hand = widen_by_hand(interval_by_hand(fnmr, columns[1]), len(random.all_mated) / 2)
        assert ends(point.fnmr) == pytest.approx(ends(by_hand), abs=EXACT)
        by_hand = widen_by_hand(
            interval_by_hand(passing, columns[2]), len(skilled.all_non_mated) / 2
        )
        assert point.skilled_fmr is not None
        assert ends(point.skilled_fmr) == pytest.approx(ends(by_hand), abs=EXACT)


def test_a_resampling_without_forgeries_has_no_threshold_and_no_fnmr() -> None:
    """Once taken for a threshold that nothing passes, and so for an FNMR of 1."""
    scores = SignerScores((np.full(50, 2.0), np.full(50, 3.0)), (np.array([0.0, 1.0]), np.empty(0)))
    thresholds = resample_thresholds(scores, [0.5], bootstraps=40)
    assert np.isnan(thresholds.resampled).any()
    (point,) = fix_fmr(scores, None, [0.5], bootstraps=40)
    assert point.fnmr.value == 0.0
    assert point.fnmr.high == pytest.approx(1 - 0.05 ** (1 / 100))


def test_where_everything_may_pass_the_threshold_is_the_lowest_forgery() -> None:
    """Not the lowest score, which may be a genuine signature's, in the resamplings either."""
    scores = make_scores(9, apart=-3.0, without_forgeries=())
    thresholds = resample_thresholds(scores, [1.0], bootstraps=30, seed=1)
    lowest = resample_by_hand(lambda _, non_mated: [non_mated.min()], scores, bootstraps=30, seed=1)
    np.testing.assert_array_equal(thresholds.resampled, lowest)
    assert thresholds.value == [scores.all_non_mated.min()]
    assert scores.all_mated.min() < scores.all_non_mated.min()


@given(TIED, TIED, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_thresholds_of_the_curve_are_those_of_the_scores(
    mated: list[float], non_mated: list[float], aims: list[float]
) -> None:
    """With one signer each resampling is the data themselves."""
    found = resample_thresholds(one_signer(mated, non_mated), aims, bootstraps=1)
    expected = [threshold_at_fmr(np.array(non_mated), aim) for aim in aims]
    assert found.value.tolist() == found.resampled[0].tolist() == expected


@pytest.mark.parametrize(
    ("forgeries", "draws", "aim", "supported"),
    [
        (300, 1, 0.01, True),
        (299, 1, 0.01, False),
        (3000, 10, 0.01, True),
        (2990, 10, 0.01, False),
        (47, 1, 3 / 47, True),  # 47 times 3 / 47 is less than 3 in floating point
        (47, 1, 0.0, False),
    ],
)
def test_support_is_the_rule_of_three_over_distinct_forgeries(
    forgeries: int, draws: int, aim: float, *, supported: bool
) -> None:
    scores = one_signer([1.0] * draws, [0.0] * forgeries, draws)
    (point,) = fix_fmr(scores, None, [aim], bootstraps=2)
    assert point.supported is supported
    assert point.skilled_fmr is None


def test_kinds_are_measured_apart() -> None:
    random, skilled = make_scores(1), make_scores(1, apart=0.2)
    both = measure_binary(random, skilled, aims=(0.2,), costs=(UNEQUAL,), bootstraps=9, seed=2)
    assert both.random == discriminate(random, costs=(UNEQUAL,), bootstraps=9, seed=2)
    assert both.skilled == discriminate(skilled, costs=(UNEQUAL,), bootstraps=9, seed=2)
    assert both.fixed == fix_fmr(random, skilled, (0.2,), bootstraps=9, seed=2)


def test_without_skilled_forgeries_nothing_is_said_of_them() -> None:
    alone = measure_binary(make_scores(1), None, bootstraps=5)
    assert alone.skilled is None
    assert [point.aim for point in alone.fixed] == [0.01, 0.001]
    assert all(point.skilled_fmr is None for point in alone.fixed)
    assert [cost.cost for cost in alone.random.costs] == list(COSTS)


def comparisons(kinds: list[Kind]) -> ComparisonScores:
    """Two signers in turn, one reference, scores unused."""
    count = len(kinds)
    return ComparisonScores(
        signers=(SignerId("a"), SignerId("b")),
        skipped=(),
        signer=np.arange(count, dtype=np.int32) % 2,
        kind=np.array(kinds, np.int8),
        draw=np.arange(count, dtype=np.int16) // 6,
        cosine=np.zeros((count, 1)),
        local=np.zeros((count, 1)),
        cosine_spread=np.full(count, np.nan),
        local_spread=np.full(count, np.nan),
    )


def test_fused_scores_are_split_by_kind_and_signer() -> None:
    rows = comparisons([Kind.MATED] * 4 + [Kind.RANDOM] * 3 + [Kind.SKILLED] * 3)
    random, skilled = split_kinds(rows, np.arange(10.0))
    assert skilled is not None
    assert [own.tolist() for own in random.mated] == [[0.0, 2.0], [1.0, 3.0]]
    assert [own.tolist() for own in random.non_mated] == [[4.0, 6.0], [5.0]]
    assert [own.tolist() for own in skilled.mated] == [[0.0, 2.0], [1.0, 3.0]]
    assert [own.tolist() for own in skilled.non_mated] == [[8.0], [7.0, 9.0]]
    assert random.draws == skilled.draws == 2


def test_comparisons_without_skilled_forgeries_split_into_one_kind() -> None:
    random, skilled = split_kinds(
        comparisons([Kind.MATED, Kind.RANDOM, Kind.MATED, Kind.RANDOM]), np.arange(4.0)
    )
    assert skilled is None
    assert random.all_non_mated.tolist() == [1.0, 3.0]


def test_every_point_of_a_curve_lies_on_the_curve_of_all_scores() -> None:
    scores = make_scores(3, signers=40, decimals=2)
    whole = det_curve(scores.all_mated, scores.all_non_mated)
    found = discriminate(scores, bootstraps=1)
    known = set(zip(whole.fmr.tolist(), whole.fnmr.tolist(), strict=True))
    assert set(zip(found.det.fmr, found.det.fnmr, strict=True)) <= known
