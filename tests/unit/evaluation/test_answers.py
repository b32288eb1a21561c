"""Frozen choices, applied to the signers that had no part in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import made_up_scores
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.answers import (
    ACCEPT,
    REFUSE,
    REVIEW,
    Choice,
    answer,
    choose_by_folds,
    deal_signers,
)
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion

RULE = FusionRule(2, 0.5, 0.0, 0.0)
PROVENANCE = Provenance("others", ModelId("m-1"), "p-1")
NUMBERS = {Decision.REFUSE: REFUSE, Decision.REVIEW: REVIEW, Decision.ACCEPT: ACCEPT}


def test_one_choice_answers_as_verification_does() -> None:
    scores = made_up_scores(0)
    threshold = calibrate(made_up_scores(9), RULE, PROVENANCE, bootstraps=5)
    found = answer(scores, [Choice(None, RULE, threshold)])
    fused = apply_fusion(scores, RULE)
    assert found.verdicts is not None
    np.testing.assert_array_equal(found.score, fused)
    for row in range(0, len(fused), 17):
        score = float(fused[row])
        assert found.verdicts.decision[row] == NUMBERS[threshold.decide(score)]
        assert found.verdicts.llr[row] == pytest.approx(threshold.likelihood_ratio.llr(score))
        assert (found.verdicts.margin[row] >= 0) == (score >= threshold.accept)
        assert (found.verdicts.refuse_margin[row] >= 0) == (score >= threshold.refuse)
    assert set(found.verdicts.decision.tolist()) == {REFUSE, REVIEW, ACCEPT}


def test_without_a_threshold_there_are_scores_and_no_verdicts() -> None:
    scores = made_up_scores(0, skilled=False)
    found = answer(scores, [Choice(None, RULE, None)])
    np.testing.assert_array_equal(found.score, apply_fusion(scores, RULE))
    assert found.verdicts is None
    assert not found.has_skilled
    assert found.both_kinds()[1] is None


def test_folds_share_a_scale_that_keeps_each_fold_s_order() -> None:
    scores = made_up_scores(0, signers=12)
    choices = choose_by_folds({2: scores}, PROVENANCE, folds=3, seed=1)[2]
    found = answer(scores, choices)
    assert found.verdicts is not None
    for choice in choices:
        assert choice.threshold is not None
        assert choice.signers is not None
        rows = np.isin(np.array(scores.signers)[scores.signer], list(choice.signers))
        fused = apply_fusion(scores, choice.rule)[rows]
        ratio = choice.threshold.likelihood_ratio
        expected = ratio.slope * fused + ratio.intercept
        np.testing.assert_allclose(found.score[rows], expected)
        np.testing.assert_array_equal(
            found.verdicts.margin[rows] >= 0, fused >= choice.threshold.accept
        )


def test_a_fold_s_choice_ignores_its_own_signers() -> None:
    """Turning a fold's scores upside down must change nothing that is applied to it."""
    scores = made_up_scores(0, signers=12)
    choices = choose_by_folds({2: scores}, PROVENANCE, folds=3, seed=1)[2]
    for number, choice in enumerate(choices):
        assert choice.signers is not None
        own = np.isin(np.array(scores.signers)[scores.signer], list(choice.signers))
        spoilt = replace(scores, cosine=np.where(own[:, None], -scores.cosine, scores.cosine))
        again = choose_by_folds({2: spoilt}, PROVENANCE, folds=3, seed=1)[2]
        assert again[number] == choice
        assert any(one != other for one, other in zip(again, choices, strict=True))


def test_a_fold_s_choice_ignores_its_signers_where_they_are_others_random_forgeries() -> None:
    """What a tested signer wrote must not move the point at which the others accept."""
    scores = made_up_scores(0, signers=12)
    assert scores.owner is not None
    choices = choose_by_folds({2: scores}, PROVENANCE, folds=3, seed=1)[2]
    for number, choice in enumerate(choices):
        assert choice.signers is not None
        own = np.isin(np.array(scores.owners)[scores.owner], list(choice.signers))
        stranger = own & (scores.kind == Kind.RANDOM)
        spoilt = replace(scores, local=np.where(stranger[:, None], 1.0, scores.local))
        again = choose_by_folds({2: spoilt}, PROVENANCE, folds=3, seed=1)[2]
        assert again[number] == choice
        assert choice.threshold is not None
        learnt = scores.without(choice.signers)
        assert choice.threshold.origin.random_forgeries == learnt.count(Kind.RANDOM)


def test_every_signer_is_dealt_once_and_rich_ones_to_every_fold() -> None:
    many = made_up_scores(0, signers=13)
    few = many.only(many.signers[:6])
    dealt = deal_signers({2: many, 5: few}, 3, 0)
    assert sorted(signer for fold in dealt for signer in fold) == sorted(many.signers)
    assert all(len(fold & set(few.signers)) == 2 for fold in dealt)
    assert dealt == deal_signers({2: many, 5: few}, 3, 0)
    assert dealt != deal_signers({2: many, 5: few}, 3, 1)


def test_a_few_poor_signers_are_dealt_one_by_one() -> None:
    many = made_up_scores(0, signers=8)
    dealt = deal_signers({2: many, 5: many.only(many.signers[:6])}, 3, 0)
    assert sorted(map(len, dealt)) == [2, 3, 3]


def test_too_few_signers_for_the_folds() -> None:
    scores = made_up_scores(0, signers=5)
    with pytest.raises(DatasetError, match="3 folds take 6 such signers"):
        deal_signers({2: scores}, 3, 0)


def test_a_signer_with_two_choices_or_none_is_refused() -> None:
    scores: ComparisonScores = made_up_scores(0)
    threshold = calibrate(made_up_scores(9), RULE, PROVENANCE, bootstraps=5)
    everybody = Choice(None, RULE, threshold)
    nobody = Choice(frozenset({SignerId("x")}), RULE, threshold)
    for choices in ([everybody, everybody], [nobody]):
        with pytest.raises(ValueError, match="one choice"):
            answer(scores, choices)


def test_folds_without_thresholds_have_no_scale() -> None:
    scores = made_up_scores(0)
    halves = (frozenset(scores.signers[:3]), frozenset(scores.signers[3:]))
    with pytest.raises(ValueError, match="no scale in common"):
        answer(scores, [Choice(half, RULE, None) for half in halves])


def test_values_are_sorted_by_signer() -> None:
    scores = made_up_scores(0)
    found = answer(scores, [Choice(None, RULE, None)])
    random, skilled = found.both_kinds()
    assert skilled is not None
    own = found.score[(scores.signer == 2) & (scores.kind == Kind.SKILLED)]
    np.testing.assert_array_equal(skilled.non_mated[2], np.sort(own))
    doubled = found.by_signer(Kind.RANDOM, 2 * found.score)
    np.testing.assert_allclose(doubled.mated[0], 2 * random.mated[0])
