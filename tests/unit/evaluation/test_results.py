"""The figures of a report against counting."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from made_up import made_up_scores
from sigvault.domain.comparison import Decision, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.evaluation.error_rates import equal_error
from sigvault.evaluation.likelihood import cllr
from sigvault.evaluation.protocols import Kind, apply_fusion
from sigvault.evaluation.report import EvaluationReport

RULE = FusionRule(2, 0.5, 0.0, 0.0)
Make = Callable[..., EvaluationReport]


def test_figures_are_those_of_the_scores(make_report: Make) -> None:
    scores = made_up_scores(0)
    fused = apply_fusion(scores, RULE)
    mated, random, skilled = (fused[scores.kind == kind] for kind in Kind)
    result = make_report().results[0]
    assert (result.mated, result.random, result.skilled) == (180, 180, 180)
    assert (result.references, result.signers, result.draws) == (2, 6, 2)
    assert result.skipped == ("few",)
    assert result.skilled_eer is not None
    assert result.skilled_eer.rate.value == equal_error(mated, skilled).rate
    assert result.random_eer.rate.value == equal_error(mated, random).rate
    assert result.acquisition.failed == 6


def test_frozen_thresholds_are_applied_as_in_verification(
    make_report: Make, threshold: Threshold
) -> None:
    scores = made_up_scores(0)
    fused = apply_fusion(scores, threshold.fusion)
    frozen = make_report().results[0].frozen
    assert frozen is not None
    assert frozen.skilled is not None
    assert (frozen.accept, frozen.refuse) == (threshold.accept, threshold.refuse)
    for kind, shares in (
        (Kind.MATED, frozen.mated),
        (Kind.RANDOM, frozen.random),
        (Kind.SKILLED, frozen.skilled),
    ):
        decisions = [threshold.decide(float(score)) for score in fused[scores.kind == kind]]
        assert shares.accept.value == decisions.count(Decision.ACCEPT) / len(decisions)
        assert shares.review.value == decisions.count(Decision.REVIEW) / len(decisions)
        assert shares.refuse.value == decisions.count(Decision.REFUSE) / len(decisions)
        assert shares.accept.low <= shares.accept.value <= shares.accept.high
    assert frozen.accept_rates.fnmr.value == pytest.approx(1.0 - frozen.mated.accept.value)
    assert frozen.refuse_rates.fnmr.value == pytest.approx(frozen.mated.refuse.value)
    assert frozen.accept_rates.skilled_fmr is not None
    assert frozen.accept_rates.skilled_fmr.value == pytest.approx(frozen.skilled.accept.value)
    passed = frozen.at_accept.random.confusion.genuine_passed
    assert passed == np.sum(fused[scores.kind == Kind.MATED] >= threshold.accept)
    llr = threshold.likelihood_ratio.llr
    llrs = [
        np.array([llr(float(score)) for score in fused[scores.kind == kind]])
        for kind in (Kind.MATED, Kind.SKILLED)
    ]
    assert frozen.ratios.cllr.value == pytest.approx(cllr(*llrs))


def test_signers_are_told_apart(make_report: Make, threshold: Threshold) -> None:
    scores = made_up_scores(0)
    fused = apply_fusion(scores, RULE)
    result = make_report().results[0]
    assert [one.signer for one in result.per_signer] == [f"s{number}" for number in range(6)]
    assert result.skilled_eer is not None
    mean = np.mean([one.fnmr for one in result.per_signer])
    assert mean == pytest.approx(result.skilled_eer.rate.value, abs=0.02)
    for place, one in enumerate(result.per_signer):
        own = scores.signer == place
        mated, skilled = (fused[own & (scores.kind == k)] for k in (Kind.MATED, Kind.SKILLED))
        assert one.genuine == 30
        assert one.eer == equal_error(mated, skilled).rate
        assert one.frozen_fnmr == np.mean(mated < threshold.accept)
        assert one.frozen_skilled_fmr == np.mean(skilled >= threshold.accept)


def test_the_histogram_holds_every_comparison(make_report: Make) -> None:
    histogram = make_report().results[0].histogram
    assert histogram.skilled is not None
    for counts in (histogram.mated, histogram.random, histogram.skilled):
        assert sum(counts) == 180
        assert len(counts) == len(histogram.edges) - 1
    middles = np.array(histogram.edges[1:]) + np.array(histogram.edges[:-1])
    assert middles @ histogram.mated > middles @ histogram.skilled > middles @ histogram.random


def test_without_skilled_forgeries_nothing_is_made_up(make_report: Make) -> None:
    result = make_report(skilled=False).results[0]
    assert result.skilled_eer is None
    assert result.skilled == 0
    assert all(point.skilled_fmr is None for point in result.binary.fixed)
    assert result.frozen is not None
    assert result.frozen.skilled is None
    assert result.histogram.skilled is None
    for one in result.per_signer:
        assert one.skilled_fmr is None
        assert one.frozen_skilled_fmr is None
        assert one.eer is not None


def test_without_thresholds_nothing_is_decided(make_report: Make) -> None:
    result = make_report(decided=False).results[0]
    assert result.frozen is None
    assert all(one.frozen_fnmr is None for one in result.per_signer)
    assert all(one.frozen_skilled_fmr is None for one in result.per_signer)


def test_data_form_is_json_and_complete(make_report: Make) -> None:
    content = json.loads(json.dumps(make_report().to_dict(), allow_nan=False))
    assert content["subject"]["left_out"] == ["seen"]
    (result,) = content["results"]
    assert set(result["skilled_eer"]["rate"]) == {"value", "low", "high"}
    assert result["frozen"]["accept_rates"]["skilled_fmr"]["value"] >= 0.0
    assert content["subject"]["rules"][0]["top"] == 2
    assert content["gates"]["passed"] is True
