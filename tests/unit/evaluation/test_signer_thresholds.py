"""Offsets known at enrollment: what they are made of, and that no probe is in them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from sigvault.domain.comparison import Rate
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Spread
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation import gallery_offsets, protocols
from sigvault.evaluation.error_rates import equal_error, threshold_at_fmr
from sigvault.evaluation.gallery_offsets import (
    Candidate,
    Enrolled,
    Galleries,
    OffsetRule,
    SignatureScores,
    ThresholdPlan,
    enrol,
    learn_offsets,
    score_signatures,
    signer_pairs,
)
from sigvault.evaluation.pair_scores import PairScores, score_pairs
from sigvault.evaluation.protocols import ComparisonScores, EvaluationSigner, Kind
from sigvault.evaluation.signer_thresholds import (
    STRENGTHS,
    FrozenPoint,
    choose_rule,
    compare_thresholds,
    freeze,
    gallery_thresholds,
    helps,
    own_thresholds,
)

NO_SPREAD = FusionRule(3, 0.5, 0.0, 0.0)
PLAN = ThresholdPlan(
    folds=2,
    inner_folds=2,
    cohort=2,
    draws=2,
    random_forgeries=6,
    rules=(NO_SPREAD, FusionRule(3, 0.25, 0.5, 0.5), FusionRule(1, 0.0, 1.0, 0.0)),
    bootstraps=60,
    seed=3,
)
ONCE = replace(PLAN, draws=1)


def an_embedding(rng: np.random.Generator) -> Embedding:
    vector = rng.normal(size=6)
    features = rng.normal(size=(2, 3, 4)).astype(np.float32)
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        pack_local(features, rng.random((2, 3)) < 0.7),
        ModelId("m-1"),
    )


@cache
def embedded() -> tuple[EvaluationSigner, ...]:
    rng = np.random.default_rng(1)
    return tuple(
        EvaluationSigner(
            SignerId(name),
            tuple(an_embedding(rng) for _ in range(6)),
            tuple(an_embedding(rng) for _ in range(3)),
        )
        for name in "abcde"
    )


@cache
def world(signers: int = 12, level: float = 0.2, each: int = 9, seed: int = 0) -> SignatureScores:
    """Signers on levels of their own: everything scores higher against some than against others.

    Mated pairs score about 0.7, skilled forgeries 0.5 and strangers 0.2, all plus the level.
    """
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(signers), each)
    levels = level * rng.normal(size=signers)
    means = np.where(owner[:, None] == owner, 0.7, 0.2) + levels[owner][:, None]

    def noisy(mean: np.ndarray) -> np.ndarray:
        return mean + 0.05 * rng.normal(size=mean.shape)

    def both(mean: np.ndarray) -> PairScores:
        return PairScores(noisy(mean), noisy(mean))

    skilled = tuple(both(np.full((each, 7), 0.5 + own)) for own in levels)
    return SignatureScores(
        tuple(SignerId(f"s{place}") for place in range(signers)), owner, both(means), skilled
    )


def drawn(scores: SignatureScores, place: int, references: int, draw: int, seed: int) -> list[int]:
    """The references of a draw, places among the signer's own signatures."""
    rng = np.random.default_rng(protocols._stable_seed(seed, scores.signers[place]))
    count = int(np.sum(scores.owner == place))
    return [rng.permutation(count)[:references].tolist() for _ in range(draw + 1)][draw]


def naive_gallery(place: int, draw: int, cohort: list[int], rule: FusionRule):
    """(among, cohort, allowance) of one gallery, score by score with the domain's own rule."""
    signers = embedded()
    chosen = drawn(score_signatures(signers), place, 3, draw, PLAN.seed)
    references = [signers[place].genuine[k] for k in chosen]

    def plain(gallery: list[Embedding], probe: Embedding) -> float:
        pairs = score_pairs(gallery, [probe])
        return rule.fuse(pairs.cosine[:, 0].tolist(), pairs.local[:, 0].tolist(), None)

    among = [plain([other for other in references if other is not one], one) for one in references]
    strangers = [
        [plain(references, signers[other].genuine[k]) for k in range(PLAN.cohort)]
        for other in cohort
        if other != place
    ]
    inside = [score_pairs([one], [other]) for one, other in combinations(references, 2)]
    spread = Spread(
        float(np.mean([pair.cosine for pair in inside])),
        float(np.mean([pair.local for pair in inside])),
    )
    same = [0.5] * 3, [0.5] * 3
    return among, strangers, rule.fuse(*same, None) - rule.fuse(*same, spread)


@pytest.mark.parametrize(
    "rule", [FusionRule(), FusionRule(1, 0.25, 1.0, 0.0), FusionRule(9, 1.0, 0.0, 1.0)]
)
@pytest.mark.parametrize(("signers", "cohort"), [([4, 3], [0, 2]), ([0, 2], [0, 1, 2])])
def test_a_gallery_is_scored_by_the_domain_s_rule(
    rule: FusionRule, signers: list[int], cohort: list[int]
) -> None:
    scores = score_signatures(embedded())
    found = enrol(scores, signers, cohort, 3, rule, PLAN)
    row = 0
    for place in signers:
        for draw in range(PLAN.draws):
            among, strangers, allowance = naive_gallery(place, draw, cohort, rule)
            assert found.galleries.among[row] == pytest.approx(np.array(among), abs=1e-6)
            assert found.galleries.cohort[row] == pytest.approx(np.array(strangers), abs=1e-6)
            assert found.galleries.allowance[row] == pytest.approx(allowance, abs=1e-6)
            row += 1
    assert row == len(found.galleries.among)


def test_traits_are_means_extremes_and_deviations() -> None:
    galleries = Galleries(
        np.array([[0.7, 0.4, 0.7]]), np.array([[[0.0, 0.1], [0.2, 0.3]]]), np.zeros(1)
    )
    upper = 0.2 + 0.1 * (0.95 * 3 - 2)
    expected = [0.6, 0.4, math.sqrt(0.02), 0.15, upper, math.sqrt(0.0125)]
    assert galleries.traits[0] == pytest.approx(expected)


def test_comparisons_are_numbered_by_their_gallery() -> None:
    found = enrol(world(), [2, 5, 7], [0, 1], 3, NO_SPREAD, PLAN)
    for number in range(6):
        own = found.gallery == number
        assert set(found.comparisons.signer[own]) == {number // 2}
        assert set(found.comparisons.draw[own]) == {number % 2}
    assert len(found.galleries.among) == 6


def test_random_forgeries_are_by_other_signers_of_the_part_and_never_in_a_cohort() -> None:
    """Scores that name their columns say who the random forgers are."""
    scores = world()
    named = np.tile(np.arange(len(scores.owner), dtype=np.float64), (len(scores.owner), 1))
    naming = replace(scores, genuine=PairScores(named, named))
    for place, own in zip([1, 4, 6], signer_pairs(naming, [1, 4, 6], PLAN), strict=True):
        columns = own.pairs.cosine[0, own.kinds == Kind.RANDOM].astype(int)
        assert len(set(columns)) == PLAN.random_forgeries
        assert set(scores.owner[columns]) <= {1, 4, 6} - {place}
        assert np.all(columns % 9 >= PLAN.cohort)
        assert np.array_equal(own.pairs.local[0, : own.genuine], scores.rows_of([place]))


def poisoned(scores: SignatureScores, rows: np.ndarray, signers: list[int]) -> SignatureScores:
    """Not a number wherever some genuine signatures or forgeries of some signers take part."""
    cosine, local = scores.genuine.cosine.copy(), scores.genuine.local.copy()
    for kind in (cosine, local):
        kind[rows] = np.nan
        kind[:, rows] = np.nan
    skilled = list(scores.skilled)
    for place in signers:
        nothing = np.full_like(skilled[place].cosine, np.nan)
        skilled[place] = PairScores(nothing, nothing)
    return replace(scores, genuine=PairScores(cosine, local), skilled=tuple(skilled))


@pytest.mark.parametrize("candidate", list(Candidate))
def test_nothing_of_a_test_signer_reaches_what_is_fixed_beforehand(candidate: Candidate) -> None:
    tested, development = [0, 4, 9], [1, 2, 3, 5, 6, 7, 8, 10, 11]
    spoilt = poisoned(world(), world().rows_of(tested), tested)
    rules = [choose_rule(scores, development, ONCE) for scores in (world(), spoilt)]
    assert rules[0] == rules[1]
    points = [
        freeze(candidate, enrol(scores, development, development, 4, rules[0], ONCE), ONCE)
        for scores in (world(), spoilt)
    ]
    assert points[0] == points[1]
    assert math.isfinite(points[0].accept)


@pytest.mark.parametrize("candidate", list(Candidate))
def test_a_test_signer_s_probes_change_nothing_in_that_signer_s_threshold(
    candidate: Candidate,
) -> None:
    tested, development = [0, 4, 9], [1, 2, 3, 5, 6, 7, 8, 10, 11]
    point = a_point(candidate, development)
    references = np.concatenate(
        [world().rows_of([place])[drawn(world(), place, 4, 0, ONCE.seed)] for place in tested]
    )
    probes = np.setdiff1d(world().rows_of(tested), references)
    spoilt = poisoned(world(), probes, tested)
    before, after = (
        enrol(scores, tested, development, 4, NO_SPREAD, ONCE) for scores in (world(), spoilt)
    )
    assert np.isnan(after.fused[after.comparisons.kind == Kind.MATED]).all()
    assert np.isnan(after.fused[after.comparisons.kind == Kind.SKILLED]).all()
    assert own_thresholds(point, before) == own_thresholds(point, after)
    assert all(math.isfinite(own.standard_error) for own in own_thresholds(point, after))


@pytest.mark.parametrize("candidate", [one for one in Candidate if one is not Candidate.NONE])
def test_a_test_signer_s_references_do_change_that_signer_s_threshold(
    candidate: Candidate,
) -> None:
    tested, development = [0, 4, 9], [1, 2, 3, 5, 6, 7, 8, 10, 11]
    point = a_point(candidate, development)
    other = world(seed=1)
    rows = world().rows_of([4])
    cosine = world().genuine.cosine.copy()
    cosine[rows] = other.genuine.cosine[rows]
    changed = replace(world(), genuine=PairScores(cosine, world().genuine.local))
    before, after = (
        own_thresholds(point, enrol(scores, tested, development, 4, NO_SPREAD, ONCE))
        for scores in (world(), changed)
    )
    assert before[1].value != after[1].value
    assert (before[0], before[2].value) == (after[0], after[2].value)


def a_point(candidate: Candidate, development: list[int]) -> FrozenPoint:
    learnt = enrol(world(), development, development, 4, NO_SPREAD, ONCE)
    return freeze(candidate, learnt, ONCE)


def test_a_gallery_s_own_threshold_decides_as_the_adjusted_score_does() -> None:
    tested, development = [0, 4, 9], [1, 2, 3, 5, 6, 7, 8, 10, 11]
    held_out = enrol(world(), tested, development, 4, FusionRule(), PLAN)
    learnt = enrol(world(), development, development, 4, FusionRule(), PLAN)
    for candidate in Candidate:
        point = freeze(candidate, learnt, PLAN)
        own = own_thresholds(point, held_out)
        assert [(each.signer, each.draw) for each in own] == [
            (f"s{place}", draw) for place in tested for draw in (0, 1)
        ]
        values = np.array([each.value for each in own])
        passed = held_out.fused >= values[held_out.gallery]
        adjusted = point.rule.adjust(held_out) >= point.accept
        assert np.array_equal(passed, adjusted)
        assert 0 < np.count_nonzero(passed) < len(passed)
        for each in own:
            assert each.low <= each.value <= each.high
            assert (each.standard_error > 1e-9) == (candidate is not Candidate.NONE)


def test_an_interval_is_that_of_redrawn_references_and_cohort() -> None:
    """With the cohort's mean alone it is the mean's bootstrap over cohort signers."""
    rng = np.random.default_rng(5)
    held_out = enrol(world(), [0, 4], [1, 2, 3, 5], 4, NO_SPREAD, ONCE)
    point = FrozenPoint(OffsetRule(Candidate.COHORT_MEAN), 0.1, 0.0)
    own = own_thresholds(point, held_out, bootstraps=4000)[1]
    cohort = held_out.galleries.cohort[1]
    means = [cohort[rng.integers(0, 4, 4)].mean() for _ in range(4000)]
    assert own.value == pytest.approx(cohort.mean() + 0.1)
    assert own.standard_error == pytest.approx(np.std(means), rel=0.1)
    assert own.low == pytest.approx(np.percentile(means, 2.5) + 0.1, abs=0.003)
    assert own.high == pytest.approx(np.percentile(means, 97.5) + 0.1, abs=0.003)


@pytest.mark.parametrize("candidate", list(gallery_offsets.LEARNT))
def test_learnt_weights_are_those_of_ridge_regression_s_formula(candidate: Candidate) -> None:
    rng = np.random.default_rng(0)
    traits = rng.normal(2.0, 3.0, (20, 6))
    targets, rows = rng.normal(size=20), np.arange(20) < 15
    rule = learn_offsets(candidate, traits, targets, rows, 10.0)
    used = list(gallery_offsets.LEARNT[candidate])
    own = traits[rows][:, used]
    standard = (own - own.mean(axis=0)) / own.std(axis=0)
    goal = targets[rows] - targets[rows].mean()
    weights = np.linalg.solve(standard.T @ standard + 10.0 * np.eye(len(used)), standard.T @ goal)
    assert np.array(rule.weights)[used] == pytest.approx(weights)
    assert np.count_nonzero(rule.weights) == len(used)
    offset, unit = rule.place(traits, np.full(20, 7.0))
    expected = (traits[:, used] - own.mean(axis=0)) / own.std(axis=0) @ weights
    assert offset == pytest.approx(expected)
    assert np.all(unit == 1.0)


def test_an_infinite_penalty_leaves_no_offset() -> None:
    rng = np.random.default_rng(0)
    rule = learn_offsets(
        Candidate.BOTH, rng.normal(size=(9, 6)), rng.normal(size=9), np.ones(9, bool), math.inf
    )
    assert not np.any(rule.place(rng.normal(size=(4, 6)), np.ones(4))[0])


def test_norms_take_the_cohort_s_mean_of_what_a_probe_would_score() -> None:
    traits = np.array([[0.0, 0.0, 0.0, 0.3, 0.4, 0.05]])
    whole = OffsetRule(Candidate.COHORT_MEAN).place(traits, np.array([0.1]))
    divided = OffsetRule(Candidate.COHORT_DIVIDED).place(traits, np.array([0.1]))
    assert (whole[0][0], whole[1][0]) == pytest.approx((0.2, 1.0))
    assert (divided[0][0], divided[1][0]) == pytest.approx((0.2, 0.05))


@pytest.mark.parametrize(
    ("mated", "skilled", "expected"),
    [
        ([0.8, 0.9], [0.2, 0.4], 0.6),  # apart: the middle of the gap
        ([0.3, 0.7, 0.9], [0.2, 0.5, 0.6], 0.55),  # one of three each, between 0.5 and 0.6
        ([0.5], [0.5], 0.5),  # nothing lies beyond
    ],
)
def test_a_gallery_s_own_threshold_lies_where_its_rates_meet(
    mated: list[float], skilled: list[float], expected: float
) -> None:
    kinds = [Kind.MATED] * len(mated) + [Kind.SKILLED] * len(skilled)
    count = len(kinds)
    comparisons = ComparisonScores(
        signers=(SignerId("a"),),
        skipped=(),
        signer=np.zeros(count, np.int32),
        kind=np.array(kinds, np.int8),
        draw=np.zeros(count, np.int16),
        cosine=np.zeros((count, 2)),
        local=np.zeros((count, 2)),
        cosine_spread=np.zeros(count),
        local_spread=np.zeros(count),
    )
    galleries = Galleries(np.zeros((1, 2)), np.zeros((1, 1, 1)), np.zeros(1))
    enrolled = Enrolled(galleries, comparisons, np.array([*mated, *skilled]))
    assert gallery_thresholds(enrolled) == pytest.approx([expected])


def naive_cross_fit(candidate: Candidate, learnt: Enrolled, strength: float) -> np.ndarray:
    """Adjusted scores, one comparison at a time, each by a rule learnt without its signer."""
    targets, signers = gallery_thresholds(learnt), len(learnt.comparisons.signers)
    order = np.random.default_rng(PLAN.seed).permutation(signers)
    folds = [set(part) for part in np.array_split(order, PLAN.inner_folds)]
    rules = []
    for fold in folds:
        rows = np.array([gallery // PLAN.draws not in fold for gallery in range(len(targets))])
        rules.append(learn_offsets(candidate, learnt.galleries.traits, targets, rows, strength))
    adjusted = []
    for row, fused in enumerate(learnt.fused):
        signer = learnt.comparisons.signer[row]
        rule = next(rule for rule, fold in zip(rules, folds, strict=True) if signer in fold)
        gallery = signer * PLAN.draws + learnt.comparisons.draw[row]
        adjusted.append(fused - rule.place(learnt.galleries.traits[[gallery]], np.zeros(1))[0][0])
    return np.array(adjusted)


def test_strength_and_points_come_from_signers_that_the_rule_was_not_fitted_on() -> None:
    development = [0, 1, 2, 3, 4, 5]
    learnt = enrol(world(), development, development, 4, NO_SPREAD, PLAN)
    point = freeze(Candidate.COHORT, learnt, PLAN)
    kind = learnt.comparisons.kind
    mated, skilled, random = (kind == one for one in (Kind.MATED, Kind.SKILLED, Kind.RANDOM))
    tried = [naive_cross_fit(Candidate.COHORT, learnt, strength) for strength in STRENGTHS]
    errors = [equal_error(each[mated], each[skilled]).rate for each in tried]
    best = next(k for k, error in enumerate(errors) if error <= min(errors) + 0.0005)
    assert point.rule.strength == STRENGTHS[best]
    assert errors[best] < errors[0] - 0.02
    accept = max(
        threshold_at_fmr(tried[best][skilled], 0.02), threshold_at_fmr(tried[best][random], 0.001)
    )
    assert point.accept == pytest.approx(accept)
    equal = equal_error(tried[best][mated], tried[best][skilled]).threshold
    assert point.equal == pytest.approx(equal)


@cache
def compared(level: float = 0.2):
    return compare_thresholds(world(20, level), (3, 5), replace(PLAN, rules=(NO_SPREAD,)))


def test_where_signers_lie_on_levels_offsets_find_them_and_help() -> None:
    """Levels show among the references and in the cohort, and no spread is subtracted here."""
    for comparison in compared():
        none, *others = comparison.results
        assert [none.candidate, *(result.candidate for result in others)] == list(Candidate)
        assert none.skilled_eer.value > 0.15
        assert comparison.oracle_skilled_eer < 0.05
        for result in others:
            assert result.skilled_difference.high < 0.0
            assert result.skilled_eer.value < 0.1
            assert result.fnmr.value < none.fnmr.value
            assert result.deviation > 2.0 * result.standard_error > 0.0


def test_where_there_are_no_levels_learnt_offsets_do_next_to_nothing() -> None:
    for comparison in compared(0.0):
        for result in comparison.results:
            if result.candidate in gallery_offsets.LEARNT:
                assert result.skilled_difference.value == pytest.approx(0.0, abs=0.01)


def test_each_signer_is_held_out_once_and_the_baseline_differs_from_itself_by_nothing() -> None:
    assert [comparison.references for comparison in compared()] == [3, 5]
    for comparison in compared():
        assert comparison.signers == 20
        none = comparison.results[0]
        assert none.skilled_difference == none.random_difference == Rate(0.0, 0.0, 0.0)
        assert (none.deviation, none.standard_error) == pytest.approx((0.0, 0.0), abs=1e-12)
        for result in comparison.results:
            assert len(result.strengths) == 2 * (result.candidate in gallery_offsets.LEARNT)
            assert result.skilled_eer.low <= result.skilled_eer.value <= result.skilled_eer.high
            assert 0.0 <= result.skilled_fmr.value < 0.2


def test_differences_are_those_of_the_rates() -> None:
    for comparison in compared():
        none = comparison.results[0]
        for result in comparison.results:
            for one, base, difference in (
                (result.skilled_eer, none.skilled_eer, result.skilled_difference),
                (result.random_eer, none.random_eer, result.random_difference),
            ):
                assert difference.value == pytest.approx(one.value - base.value)


def test_a_comparison_is_plain_data() -> None:
    plain = json.loads(json.dumps(asdict(compared()[0])))
    assert plain["results"][1]["candidate"] == "references"


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"a": Rate(-0.02, -0.03, -0.01), "b": Rate(-0.01, -0.02, 0.01)}, True),
        ({"a": Rate(-0.02, -0.03, -0.01), "b": Rate(0.0, 0.0, 0.0)}, True),
        ({"a": Rate(-0.02, -0.03, -0.01), "b": Rate(0.001, -0.02, 0.02)}, False),
        ({"a": Rate(-0.02, -0.03, 0.0), "b": Rate(-0.01, -0.02, 0.01)}, False),
    ],
)
def test_it_helps_if_it_plainly_does_somewhere_and_is_worse_nowhere(
    differences: dict[str, Rate], expected: bool
) -> None:
    assert helps(differences) is expected


def test_signers_without_forgeries_are_left_out() -> None:
    one, two, *rest = embedded()
    scores = score_signatures([replace(one, forged=()), replace(two, genuine=()), *rest])
    assert scores.signers == ("c", "d", "e")
    assert scores.owner.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    expected = score_pairs(rest[1].genuine, rest[1].forged)
    assert np.array_equal(scores.skilled[1].local, expected.local)
    with pytest.raises(DatasetError, match="no signer has both"):
        score_signatures([replace(one, forged=())])
    with pytest.raises(DatasetError, match="listed twice"):
        score_signatures([one, one])


def test_too_little_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="1 references"):
        compare_thresholds(world(), (1, 3), PLAN)
    with pytest.raises(DatasetError, match="0 of 12 signers have more than 9"):
        compare_thresholds(world(), (3, 9), PLAN)
    with pytest.raises(DatasetError, match="12 of 12 signers have more than 5"):
        compare_thresholds(world(), (3, 5), replace(PLAN, folds=7))
