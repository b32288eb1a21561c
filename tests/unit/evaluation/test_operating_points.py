"""The operating points that a threshold offers: where they are laid and what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from naive_bootstrap import ends, make_scores
from sigvault.evaluation.error_rates import (
    SignerScores,
    equal_error,
    fmr_at,
    fmr_rate,
    fnmr_at,
    fnmr_rate,
)
from sigvault.evaluation.operating_points import AIMS, measure_points, rates_at


def naive_lowest(non_mated: np.ndarray, aim: float) -> float:
    """The least number, among the scores and just above them, where few enough pass."""
    above = [math.nextafter(score, math.inf) for score in non_mated]
    return min(
        threshold
        for threshold in [*non_mated, *above]
        if sum(score >= threshold for score in non_mated) <= aim * len(non_mated) + 1e-9
    )


def naive_highest(mated: np.ndarray, aim: float) -> float:
    """The greatest score below which few enough lie."""
    return max(
        threshold
        for threshold in mated
        if sum(score < threshold for score in mated) <= aim * len(mated) + 1e-9
    )


@pytest.mark.parametrize("draws", [1, 3])
def test_all_rates_are_those_measured_apart(draws: int) -> None:
    random, skilled = make_scores(1, draws=draws), make_scores(1, apart=0.3, draws=draws)
    found = rates_at(random, skilled, 0.4, bootstraps=20, seed=3)
    assert found.fnmr == fnmr_rate(random, 0.4, bootstraps=20, seed=3)
    assert found.fmr == fmr_rate(random, 0.4, bootstraps=20, seed=3)
    assert found.skilled_fmr == fmr_rate(skilled, 0.4, bootstraps=20, seed=3)
    assert rates_at(random, None, 0.4, bootstraps=20).skilled_fmr is None


@pytest.mark.parametrize("seed", range(3))
def test_points_lie_where_each_rate_meets_each_aim(seed: int) -> None:
    random = make_scores(seed, signers=12, decimals=2)
    skilled = SignerScores(random.mated, tuple(own + 0.37 for own in random.non_mated))
    wanted = {naive_lowest(random.all_non_mated, aim) for aim in AIMS}
    wanted |= {naive_highest(random.all_mated, aim) for aim in AIMS}
    wanted.add(equal_error(random.all_mated, random.all_non_mated).threshold)
    alone = measure_points(random, None, bootstraps=3)
    assert [point.score for point in alone] == sorted(wanted)
    assert all(point.rates.skilled_fmr is None for point in alone)
    wanted |= {naive_lowest(skilled.all_non_mated, aim) for aim in AIMS}
    wanted.add(equal_error(skilled.all_mated, skilled.all_non_mated).threshold)
    both = measure_points(random, skilled, bootstraps=3)
    assert [point.score for point in both] == sorted(wanted)
    assert all(point.rates.skilled_fmr is not None for point in both)


def test_points_hold_rounded_rates_that_never_rise_where_they_must_fall() -> None:
    random, skilled = make_scores(4, signers=12), make_scores(5, signers=12)
    points = measure_points(random, skilled, bootstraps=10, seed=2)
    for point in points:
        exact = rates_at(random, skilled, point.score, bootstraps=10, seed=2)
        for name in ("fnmr", "fmr", "skilled_fmr"):
            found = ends(getattr(point.rates, name))
            assert found == tuple(round(end, 5) for end in ends(getattr(exact, name)))
    assert points[0].rates.fmr.value == pytest.approx(
        fmr_at(random.all_non_mated, points[0].score), abs=1e-5
    )
    assert points[-1].rates.fnmr.value == pytest.approx(
        fnmr_at(random.all_mated, points[-1].score), abs=1e-5
    )
    fnmrs = [point.rates.fnmr.value for point in points]
    assert fnmrs == sorted(fnmrs)
    for name in ("fmr", "skilled_fmr"):
        falling = [getattr(point.rates, name).value for point in points]
        assert falling == sorted(falling, reverse=True)


def test_one_point_bears_both_names_where_both_kinds_meet_there() -> None:
    random = make_scores(6)
    named = {point.score: point.name for point in measure_points(random, random, bootstraps=3)}
    place = equal_error(random.all_mated, random.all_non_mated).threshold
    assert named.pop(place) == "eer_random eer_skilled"
    assert set(named.values()) == {""}
    alone = [point.name for point in measure_points(random, None, bootstraps=3) if point.name]
    assert alone == ["eer_random"]


def test_scores_all_alike_offer_no_more_than_two_points() -> None:
    """All pass, or none does."""
    scores = SignerScores((np.full(3, 0.5),), (np.full(4, 0.5),))
    points = measure_points(scores, None, bootstraps=2)
    assert [point.score for point in points] == [0.5, math.nextafter(0.5, math.inf)]
    assert [(p.rates.fnmr.value, p.rates.fmr.value) for p in points] == [(0.0, 1.0), (1.0, 0.0)]
