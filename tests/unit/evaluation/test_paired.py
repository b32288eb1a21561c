"""Paired differences against resampling by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import made_up_scores
from sigvault.domain.fusion import FusionRule
from sigvault.evaluation.error_rates import paired_difference
from sigvault.evaluation.paired import MEASURES, compare_systems
from sigvault.evaluation.protocols import Kind, apply_fusion, scores_by_signer

RULE = FusionRule(2, 0.5, 0.0, 0.0)


def test_a_system_does_not_differ_from_itself() -> None:
    scores = made_up_scores(0)
    found = compare_systems((scores, RULE), (scores, RULE), bootstraps=30)
    assert [(one.forgeries, one.measure) for one in found] == [
        (kind, measure) for kind in ("skilled", "random") for measure in MEASURES
    ]
    for one in found:
        assert (one.difference.value, one.difference.low, one.difference.high) == (0.0, 0.0, 0.0)
        assert one.one == one.other
        assert not one.certain
        assert one.references == 2


def test_equal_errors_agree_with_the_other_implementation() -> None:
    scores, worse = made_up_scores(0), made_up_scores(1)
    worse = replace(worse, cosine=worse.cosine + np.random.default_rng(2).normal(0, 0.3, (1, 2)))
    found = compare_systems((scores, RULE), (worse, RULE), bootstraps=50, seed=3)
    for kind in (Kind.SKILLED, Kind.RANDOM):
        (one,) = [d for d in found if d.measure == "EER" and d.forgeries == kind.name.lower()]
        sides = [scores_by_signer(s, apply_fusion(s, RULE), kind) for s in (scores, worse)]
        expected = paired_difference(*sides, bootstraps=50, seed=3)
        assert one.difference.value == pytest.approx(expected.value, abs=1e-12)
        assert one.difference.low == pytest.approx(expected.low, abs=1e-12)
        assert one.difference.high == pytest.approx(expected.high, abs=1e-12)


def test_a_clear_difference_is_certain_and_has_its_sign() -> None:
    scores = made_up_scores(0, skilled=False)
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.6, scores.cosine.shape)
    worse = replace(scores, cosine=scores.cosine + noise, local=scores.local + noise)
    found = {one.measure: one for one in compare_systems((scores, RULE), (worse, RULE))}
    assert {one.forgeries for one in found.values()} == {"random"}
    assert found["EER"].difference.high < 0.0
    assert found["EER"].certain
    assert found["AUC"].difference.low > 0.0
    assert found["AUC"].certain


def test_other_signers_do_not_compare() -> None:
    scores = made_up_scores(0)
    with pytest.raises(ValueError, match="same signers"):
        compare_systems((scores, RULE), (scores.only(scores.signers[:4]), RULE))
