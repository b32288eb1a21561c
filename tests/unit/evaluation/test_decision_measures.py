"""Decisions at a fixed threshold, against scikit-learn and pooling the drawn signers."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from naive_bootstrap import ends, interval_by_hand, make_scores, resample_by_hand, widen_by_hand
from sigvault.domain.comparison import Rate
from sigvault.evaluation.binary_measures import COSTS, DetectionCost
from sigvault.evaluation.decision_measures import (
    ConfusionMatrix,
    DecisionMeasures,
    decide_at,
    measure_decisions,
)
from sigvault.evaluation.error_rates import SignerScores

TIED = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)
EXACT = 1e-12
UNEQUAL = DetectionCost(miss=2.0, false_alarm=5.0, prior=0.3)


def labels_and_answers(
    mated: np.ndarray, non_mated: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.r_[np.ones(len(mated), int), np.zeros(len(non_mated), int)]
    return labels, (np.r_[mated, non_mated] >= threshold).astype(int)


def figures_by_hand(mated: np.ndarray, non_mated: np.ndarray, threshold: float) -> list[float]:
    """Accuracy, balanced accuracy, precision, recall, F1 and a cost, by a peer."""
    labels, answers = labels_and_answers(mated, non_mated, threshold)
    missed = 1.0 - recall_score(labels, answers, zero_division=0.0)
    fooled = 1.0 - recall_score(1 - labels, 1 - answers, zero_division=0.0)
    expected = UNEQUAL.miss * UNEQUAL.prior * missed
    expected += UNEQUAL.false_alarm * (1 - UNEQUAL.prior) * fooled
    return [
        accuracy_score(labels, answers),
        balanced_accuracy_score(labels, answers),
        precision_score(labels, answers, zero_division=math.nan) if answers.any() else math.nan,
        recall_score(labels, answers),
        f1_score(labels, answers, zero_division=0.0),
        expected / min(UNEQUAL.miss * UNEQUAL.prior, UNEQUAL.false_alarm * (1 - UNEQUAL.prior)),
    ]


def rates_of(found: DecisionMeasures) -> list[Rate | None]:
    (cost,) = found.costs
    assert cost.cost == UNEQUAL
    return [
        found.accuracy,
        found.balanced_accuracy,
        found.precision,
        found.recall,
        found.f1,
        cost.actual,
    ]


@settings(max_examples=60)
@given(TIED, TIED, st.integers(-5, 5).map(float))
def test_figures_are_those_of_a_peer(
    mated: list[float], non_mated: list[float], threshold: float
) -> None:
    """Thresholds fall on scores, which pass."""
    one, other = np.array(mated), np.array(non_mated)
    found = decide_at(SignerScores((one,), (other,)), threshold, costs=[UNEQUAL], bootstraps=2)
    labels, answers = labels_and_answers(one, other, threshold)
    (tn, fp), (fn, tp) = confusion_matrix(labels, answers, labels=[0, 1])
    assert found.confusion == ConfusionMatrix(tp, fn, fp, tn)
    assert found.threshold == threshold
    for rate, value in zip(rates_of(found), figures_by_hand(one, other, threshold), strict=True):
        if rate is None:
            assert math.isnan(value)
        else:
            assert rate.value == pytest.approx(value, abs=EXACT)


@pytest.mark.parametrize("draws", [1, 2])
@pytest.mark.parametrize("threshold", [-9.0, 0.5, 1.6, 9.0])
def test_intervals_are_those_of_pooling_the_drawn_signers(threshold: float, draws: int) -> None:
    """Some signers have no forgeries; thresholds outside all scores give shares of 0 and 1."""
    scores = make_scores(6, draws=draws)
    found = decide_at(scores, threshold, costs=[UNEQUAL], bootstraps=60, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = resample_by_hand(
            lambda mated, non_mated: figures_by_hand(mated, non_mated, threshold),
            scores,
            bootstraps=60,
            seed=3,
        )
    values = figures_by_hand(scores.all_mated, scores.all_non_mated, threshold)
    genuine, forged = len(scores.all_mated), len(scores.all_non_mated)
    passed = int(np.sum(np.r_[scores.all_mated, scores.all_non_mated] >= threshold))
    fewer = min(genuine, forged)
    probes = [genuine + forged, fewer, passed, genuine, fewer, None]
    assert (found.precision is None) == (passed == 0)
    for place, rate in enumerate(rates_of(found)):
        if rate is None:
            continue
        by_hand = interval_by_hand(values[place], rows[:, place])
        count = probes[place]
        if count is not None:
            by_hand = widen_by_hand(by_hand, count / draws)
        assert ends(rate) == pytest.approx(ends(by_hand), abs=EXACT)


def test_resamplings_without_forgeries_say_nothing() -> None:
    """Two signers, one without forgeries: drawn twice, everything that passes is genuine."""
    scores = SignerScores(
        (np.array([1.0, -1.0]), np.array([1.0, -1.0])), (np.array([1.0]), np.empty(0))
    )
    found = decide_at(scores, 0.0, costs=[UNEQUAL], bootstraps=200)
    assert found.precision is not None
    assert ends(found.precision) == pytest.approx((2 / 3, 0.5, 2 / 3))
    assert ends(found.accuracy) == pytest.approx((2 / 5, 1 / 3, 2 / 5))
    assert ends(found.f1) == pytest.approx((4 / 7, 0.5, 4 / 7))


def test_nothing_passes_above_all_scores() -> None:
    found = decide_at(make_scores(2), 99.0, bootstraps=10)
    assert found.precision is None
    assert found.confusion.genuine_passed == found.confusion.forged_passed == 0
    assert (found.recall.value, found.f1.value) == (0.0, 0.0)
    assert found.recall.high > 0.0
    assert [cost.actual.value for cost in found.costs] == pytest.approx([1.0, 1.0])
    assert [cost.cost for cost in found.costs] == list(COSTS)


def test_kinds_are_decided_apart() -> None:
    random, skilled = make_scores(1), make_scores(1, apart=0.2)
    both = measure_decisions(random, skilled, 0.4, costs=[UNEQUAL], bootstraps=9, seed=2)
    assert both.random == decide_at(random, 0.4, costs=[UNEQUAL], bootstraps=9, seed=2)
    assert both.skilled == decide_at(skilled, 0.4, costs=[UNEQUAL], bootstraps=9, seed=2)
    assert measure_decisions(random, None, 0.4, bootstraps=9).skilled is None
