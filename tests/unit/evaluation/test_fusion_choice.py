"""The grid of fusion rules and the choice among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.fusion_choice import REVIEW_COST, SPREAD_PRIOR, choose_fusion, fusion_grid
from sigvault.evaluation.protocols import ComparisonScores, Kind


def comparisons(
    references: int, *, cosine_tells: float, local_tells: float, skilled: bool = True
) -> ComparisonScores:
    """Scores in which each stage tells genuine from forged as well as it is told to."""
    rng = np.random.default_rng(references)
    kinds = np.repeat([Kind.MATED, Kind.RANDOM, Kind.SKILLED], 300)
    if not skilled:
        kinds = kinds[kinds != Kind.SKILLED]
    mated = (kinds == Kind.MATED)[:, None]
    noise = rng.normal(size=(2, len(kinds), references))
    return ComparisonScores(
        signers=(SignerId("a"), SignerId("b")),
        skipped=(),
        signer=np.tile([0, 1], len(kinds) // 2).astype(np.int32),
        kind=kinds.astype(np.int8),
        draw=np.zeros(len(kinds), np.int16),
        cosine=mated * cosine_tells + noise[0],
        local=mated * local_tells + noise[1],
        cosine_spread=np.zeros(len(kinds)),
        local_spread=np.zeros(len(kinds)),
    )


def test_the_stage_that_tells_is_chosen() -> None:
    for cosine, local, weight in ((4.0, 0.0, 0.0), (0.0, 4.0, 1.0)):
        scores = {
            number: comparisons(number, cosine_tells=cosine, local_tells=local) for number in (1, 3)
        }
        rules = [FusionRule(1, w, 0.0, 0.0) for w in (0.0, 0.5, 1.0)]
        assert choose_fusion(scores, rules).rule.local_weight == weight


def test_nothing_is_chosen_without_random_forgeries() -> None:
    scores = comparisons(1, cosine_tells=4.0, local_tells=0.0)
    genuine = replace(scores, kind=np.full_like(scores.kind, Kind.MATED))
    with pytest.raises(DatasetError, match="no random forgeries"):
        choose_fusion({1: genuine})


def test_both_stages_are_chosen_where_both_tell() -> None:
    scores = {1: comparisons(1, cosine_tells=1.5, local_tells=1.5)}
    choice = choose_fusion(scores)
    assert 0.0 < choice.rule.local_weight < 1.0
    assert choice.trials[0].criterion <= choice.trials[-1].criterion


def test_of_rules_as_good_the_simplest_is_chosen() -> None:
    """With no spread to subtract, subtracting it changes nothing."""
    scores = {3: comparisons(3, cosine_tells=2.0, local_tells=0.0)}
    rules = [FusionRule(3, 0.0, 1.0, 0.0), FusionRule(3, 0.0, 0.5, 0.0), FusionRule(3, 0.0, 0, 0)]
    assert choose_fusion(scores, rules).rule == rules[-1]


def test_criterion_is_mean_errors_plus_the_cost_of_reviews() -> None:
    scores = {number: comparisons(number, cosine_tells=1.0, local_tells=1.0) for number in (1, 3)}
    for trial in choose_fusion(scores, [FusionRule(), FusionRule(top=1)]).trials:
        skilled, random = trial.skilled_eer, trial.random_eer
        assert trial.criterion == pytest.approx(
            (skilled[1] + skilled[3]) / 2
            + (random[1] + random[3]) / 2
            + REVIEW_COST * (trial.not_accepted[1] + trial.not_accepted[3]) / 2
        )


def test_what_is_not_accepted_lies_below_where_both_kinds_of_forgeries_meet_their_aims() -> None:
    scores = comparisons(1, cosine_tells=3.0, local_tells=0.0)
    (trial,) = choose_fusion({1: scores}, [FusionRule(1, 0.0, 0.0, 0.0)]).trials
    cosine = scores.cosine[:, 0]
    mated, random, forged = (np.sort(cosine[scores.kind == kind]) for kind in Kind)
    accept = max(np.nextafter(random[-1], np.inf), forged[-6])  # 0.1 % of 300 is none, 2 % six
    assert trial.not_accepted == {1: pytest.approx((mated < accept).mean())}


def test_without_skilled_forgeries_random_ones_decide() -> None:
    scores = {1: comparisons(1, cosine_tells=3.0, local_tells=0.0, skilled=False)}
    choice = choose_fusion(scores)
    assert choice.rule.local_weight < 0.5
    assert choice.trials[0].skilled_eer == {}


def test_grid_holds_no_two_rules_that_do_the_same() -> None:
    one = fusion_grid(1)
    assert {(rule.top, rule.cosine_spread, rule.local_spread) for rule in one} == {(1, 0.0, 0.0)}
    five = fusion_grid(5)
    assert {rule.top for rule in five} == {1, 2, 3, 5}
    assert len(set(five)) == len(five)
    assert all(rule.cosine_spread == 0.0 for rule in five if rule.local_weight == 1.0)
    assert all(rule.local_spread == 0.0 for rule in five if rule.local_weight == 0.0)


def test_floors_are_the_galleries_own_and_only_where_a_spread_is_subtracted() -> None:
    one, three = (comparisons(n, cosine_tells=2.0, local_tells=2.0) for n in (1, 3))
    mated = three.kind == Kind.MATED
    three.cosine_spread[mated] = np.linspace(0.0, 1.0, mated.sum())
    three.local_spread[mated] = np.linspace(-1.0, 1.0, mated.sum())
    for trial in choose_fusion({1: one, 3: three}).trials:
        rule = trial.rule
        assert rule.cosine_floor == pytest.approx(0.05 if rule.cosine_spread else -1.0)
        assert rule.local_floor == pytest.approx(-0.9 if rule.local_spread else -1.0)
        assert rule.spread_prior == SPREAD_PRIOR


def test_table_begins_with_the_chosen_rule() -> None:
    scores = {1: comparisons(1, cosine_tells=1.5, local_tells=1.5)}
    choice = choose_fusion(scores)
    table = choice.table(3)
    assert 3 <= len(table) <= 4
    assert table[0]["local_weight"] == round(choice.rule.local_weight, 4)
    assert table[0]["skilled EER R=1"] == pytest.approx(
        100 * min(trial.skilled_eer[1] for trial in choice.trials), abs=0.2
    )


def test_nothing_to_choose_by_is_a_clear_error() -> None:
    with pytest.raises(DatasetError, match="no comparisons"):
        choose_fusion({})
