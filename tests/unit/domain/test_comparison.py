"""Scores, thresholds, decisions and their evidence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.comparison import (
    TRACE_MARGIN,
    Decision,
    ErrorRates,
    Evidence,
    LikelihoodRatio,
    Origin,
    Rate,
    ReferenceScore,
    Score,
    Threshold,
    compare,
    select_threshold,
)
from sigvault.domain.embedding import LOCAL_SCALE, Embedding, pack_local
from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference, Spread
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.domain.local_matching import match_local
from sigvault.domain.threshold_fit import describe_fit
from sigvault.domain.verbal_scale import VERBAL_SCALE, describe_llr

MODEL = ModelId("m-0123456789ab")
SCORES = st.floats(-1.0, 1.0)
SEEDS = st.integers(0, 2**31)
RATE = Rate(0.1, 0.05, 0.2)
THRESHOLD = Threshold(
    references=3,
    accept=0.6,
    refuse=0.4,
    accept_rates=ErrorRates(RATE, RATE, RATE),
    refuse_rates=ErrorRates(RATE, RATE, None),
    likelihood_ratio=LikelihoodRatio(slope=10.0, intercept=-5.0, lower=-2.0, upper=1.5),
    fusion=FusionRule(),
    origin=Origin("made up", "none", 9, 10, 10, 10, 1, 0, MODEL, "p-1"),
)


def _embedding(seed: int, model: ModelId = MODEL) -> Embedding:
    generator = np.random.default_rng(seed)
    vector = generator.normal(size=8).astype(np.float32)
    features = generator.normal(size=(3, 4, 5)).astype(np.float32)
    inked = generator.random((3, 4)) < 0.6
    return Embedding(vector / np.linalg.norm(vector), pack_local(features, inked), model)


def _gallery(*seeds: int) -> Gallery:
    references = tuple(Reference(ReferenceId(f"r{n}"), _embedding(n)) for n in seeds)
    return Gallery(SignerId("53"), GenerationId(1), references)


def _naive_local(one: np.ndarray, other: np.ndarray, radius: float) -> float:
    """Cell by cell: best cosine nearby, averaged each way."""

    def directed(a: np.ndarray, b: np.ndarray) -> list[float]:
        found = []
        for i, j in np.ndindex(a.shape[:2]):
            if not a[i, j].any():
                continue
            best = -math.inf
            for k, m in np.ndindex(b.shape[:2]):
                if b[k, m].any() and (i - k) ** 2 + (j - m) ** 2 <= radius**2:
                    x, y = a[i, j].astype(float), b[k, m].astype(float)
                    best = max(best, float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)))
            found.append(0.0 if best == -math.inf else best)
        return found

    ways = directed(one, other), directed(other, one)
    return float(np.mean([np.mean(way) for way in ways])) if all(ways) else 0.0


@given(SEEDS, SEEDS, st.sampled_from([0.5, 1.0, 2.3]))
def test_local_score_equals_the_naive_loop_and_is_symmetric(a: int, b: int, radius: float):
    one, other = _embedding(a).local, _embedding(b).local
    match = match_local(one, other, radius)
    assert match.score == pytest.approx(_naive_local(one, other, radius), abs=1e-5)
    assert match_local(other, one, radius).score == pytest.approx(match.score, abs=1e-6)
    assert -1.0 <= match.score <= 1.0
    np.testing.assert_array_equal(np.isnan(match.probe_agreement), ~one.any(axis=-1))
    np.testing.assert_array_equal(np.isnan(match.reference_agreement), ~other.any(axis=-1))


def test_a_signature_agrees_with_itself_and_not_with_an_empty_page():
    grid = _embedding(1).local
    assert match_local(grid, grid).score == pytest.approx(1.0, abs=1e-5)
    assert match_local(grid, np.zeros_like(grid)).score == 0.0
    with pytest.raises(ValueError, match="don't compare"):
        match_local(grid, grid[:2])


def test_packed_cells_have_the_stated_norm_and_paper_is_zero():
    local = _embedding(4).local.astype(float)
    norms = np.linalg.norm(local, axis=-1)
    inked = norms > 0
    assert np.abs(norms[inked] - LOCAL_SCALE).max() < 1.5
    assert pack_local(np.zeros((1, 1, 3), np.float32), np.ones((1, 1), bool)).sum() == 0


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=6), st.integers(1, 6))
def test_fusion_is_between_the_extremes_and_ignores_order(
    scores: list[tuple[float, float]], top: int
):
    rule = FusionRule(top=top, local_weight=0.3)
    cosines, locals_ = [c for c, _ in scores], [m for _, m in scores]
    fused = rule.fuse(cosines, locals_, None)
    assert min(cosines + locals_) - 1e-9 <= fused <= max(cosines + locals_) + 1e-9
    turned = rule.fuse(cosines[::-1], locals_[::-1], None)
    assert turned == pytest.approx(fused)


@given(st.lists(SCORES, min_size=1, max_size=20), st.integers(1, 20))
def test_the_best_scores_are_averaged_as_numpy_does_to_the_last_bit(scores: list[float], top: int):
    rule = FusionRule(top=top, local_weight=1.0, cosine_spread=0.0, local_spread=0.0)
    expected = float(np.mean(sorted(scores, reverse=True)[:top]))
    assert rule.fuse([0.0] * len(scores), scores, None) == expected


def test_fusion_by_hand():
    rule = FusionRule(top=2, local_weight=0.25, cosine_spread=0.5, local_spread=1.0)
    fused = rule.fuse([0.9, 0.1, 0.5], [0.2, 0.4, 0.0], Spread(cosine=0.6, local=0.1))
    assert fused == pytest.approx(0.75 * (0.7 - 0.3) + 0.25 * (0.3 - 0.1))


def test_the_spread_of_few_pairs_is_trusted_less():
    rule = FusionRule(top=3, local_weight=1.0, local_spread=1.0, spread_prior=0.5)
    assert [rule.trust(references) for references in (1, 2, 3, 5)] == [
        0.0,
        pytest.approx(1 / 1.5),
        pytest.approx(3 / 3.5),
        pytest.approx(10 / 10.5),
    ]
    assert FusionRule(spread_prior=0.0).trust(2) == 1.0
    spread = Spread(cosine=0.0, local=0.6)
    assert rule.fuse([0.0] * 2, [0.9] * 2, spread) == pytest.approx(0.9 - 0.6 / 1.5)


def test_a_gallery_that_hardly_holds_together_counts_as_one_at_the_floor():
    rule = FusionRule(
        top=1,
        local_weight=0.5,
        cosine_spread=1.0,
        local_spread=1.0,
        cosine_floor=0.3,
        local_floor=0.5,
    )
    loose = rule.fuse([0.4] * 3, [0.4] * 3, Spread(cosine=-0.2, local=0.1))
    assert loose == pytest.approx(0.5 * (0.4 - 0.3) + 0.5 * (0.4 - 0.5))
    tight = rule.fuse([0.4] * 3, [0.4] * 3, Spread(cosine=0.6, local=0.7))
    assert tight == pytest.approx(0.5 * (0.4 - 0.6) + 0.5 * (0.4 - 0.7))


@pytest.mark.parametrize(
    "wrong",
    [
        {"top": 0},
        {"local_weight": 1.1},
        {"cosine_spread": -0.1},
        {"spread_prior": -1.0},
        {"spread_prior": math.inf},
        {"local_floor": 1.5},
    ],
)
def test_a_fusion_rule_out_of_range_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FusionRule(**wrong)  # type: ignore[arg-type]


def test_scores_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="don't fuse"):
        FusionRule().fuse([0.1], [], None)
    with pytest.raises(ValueError, match="don't fuse"):
        FusionRule().fuse([], [], None)


@given(SEEDS)
def test_comparing_gives_one_entry_a_reference_and_a_true_distance(seed: int):
    probe, gallery = _embedding(seed), _gallery(1, 2, 3)
    score = compare(probe, gallery, FusionRule())
    assert [entry.reference for entry in score.per_reference] == ["r1", "r2", "r3"]
    for entry, reference in zip(score.per_reference, gallery.references, strict=True):
        apart = np.linalg.norm(probe.vector - reference.embedding.vector)
        assert entry.distance == pytest.approx(float(apart), abs=1e-3)
        assert -1.0 <= entry.cosine <= 1.0
    assert score.spread == gallery.spread


def test_two_models_are_never_compared():
    other = ModelId("other-0123456789")
    with pytest.raises(GenerationMismatch, match="own model"):
        compare(_embedding(1, other), _gallery(2), FusionRule())
    mixed = (
        Reference(ReferenceId("a"), _embedding(1)),
        Reference(ReferenceId("b"), _embedding(2, other)),
    )
    with pytest.raises(GenerationMismatch, match="mixes the models"):
        Gallery(SignerId("53"), GenerationId(1), mixed)


def test_spread_needs_two_references_and_a_gallery_one():
    assert _gallery(1).spread is None
    one, two = _embedding(1), _embedding(2)
    spread = _gallery(1, 2).spread
    assert spread is not None
    assert spread.cosine == pytest.approx(float(one.vector @ two.vector), abs=1e-6)
    assert spread.local == pytest.approx(match_local(one.local, two.local).score)
    with pytest.raises(ValueError, match="at least one"):
        Gallery(SignerId("53"), GenerationId(1), ())


@given(st.floats(allow_nan=True))
def test_the_three_answers(score: float):
    decision = THRESHOLD.decide(score)
    if score >= 0.6:
        assert decision is Decision.ACCEPT
    elif score >= 0.4:
        assert decision is Decision.REVIEW
    else:
        assert decision is Decision.REFUSE


@given(SCORES, SCORES)
def test_a_higher_score_is_never_answered_worse(one: float, other: float):
    order = [Decision.REFUSE, Decision.REVIEW, Decision.ACCEPT]
    low, high = sorted((one, other))
    assert order.index(THRESHOLD.decide(low)) <= order.index(THRESHOLD.decide(high))


@pytest.mark.parametrize(("accept", "refuse"), [(0.1, 0.2), (math.nan, 0.0), (math.inf, 0.0)])
def test_operating_points_in_the_wrong_order_are_refused(accept: float, refuse: float):
    with pytest.raises(ValueError, match=r"operating points|above accept"):
        replace(THRESHOLD, accept=accept, refuse=refuse)


@given(SEEDS)
def test_replaying_evidence_gives_the_same_answer(seed: int):
    score = compare(_embedding(seed), _gallery(1, 2, 3), FusionRule())
    evidence = Evidence(
        signer=SignerId("53"),
        probe_digest="00" * 32,
        decision=THRESHOLD.decide(score.value),
        score=score,
        llr=THRESHOLD.likelihood_ratio.llr(score.value),
        threshold=THRESHOLD,
        findings=(),
        model=MODEL,
        preprocessing="p-1",
        generation=GenerationId(1),
    )
    assert evidence.replay() is evidence.decision


@given(st.lists(SCORES, min_size=1, max_size=4), SCORES, SCORES)
def test_a_copy_is_never_accepted_and_never_judged_better(
    locals_: list[float], value: float, limit: float
):
    entries = tuple(
        ReferenceScore(ReferenceId(f"r{n}"), 0.5, 1.0, local) for n, local in enumerate(locals_)
    )
    score = Score(value, entries, None, FusionRule())
    plain, watchful = THRESHOLD, replace(THRESHOLD, copy_limit=limit)
    assert plain.copied(score) is None
    assert plain.judge(score) is plain.decide(value)
    copied = watchful.copied(score)
    assert (copied is not None) == (max(locals_) >= limit)
    if copied is None:
        assert watchful.judge(score) is watchful.decide(value)
    else:
        assert copied.local == max(locals_)
        expected = Decision.REFUSE if watchful.decide(value) is Decision.REFUSE else Decision.REVIEW
        assert watchful.judge(score) is expected


@given(
    *(st.lists(SCORES, min_size=1, max_size=4), SCORES, SCORES),
    *(SCORES | st.none(), SCORES | st.none()),
)
def test_a_tracing_is_never_accepted_either(
    locals_: list[float],
    value: float,
    limit: float,
    copy_limit: float | None,
    alike: float | None,
):
    entries = tuple(
        ReferenceScore(ReferenceId(f"r{n}"), 0.5, 1.0, local) for n, local in enumerate(locals_)
    )
    spread = None if alike is None else Spread(0.5, alike)
    score = Score(value, entries, spread, FusionRule())
    watchful = replace(THRESHOLD, copy_limit=copy_limit, trace_limit=limit)
    copied, traced = watchful.copied(score), watchful.traced(score)
    assert traced is None or copied is None
    near = max(locals_) >= (limit if alike is None else max(limit, alike + TRACE_MARGIN))
    assert (traced is not None) == (near and copied is None)
    if near and watchful.decide(value) is Decision.ACCEPT:
        assert watchful.judge(score) is Decision.REVIEW
    elif copied is None:
        assert watchful.judge(score) is watchful.decide(value)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_likelihood_ratio_rises_with_the_score_within_its_bounds(one: float, other: float):
    ratio = THRESHOLD.likelihood_ratio
    low, high = sorted((one, other))
    assert -2.0 <= ratio.llr(low) <= ratio.llr(high) <= 1.5


def test_between_two_calibrated_numbers_the_larger_ones_threshold_serves():
    """Scores rise with more references: the smaller number's lets more forgeries pass."""
    three = THRESHOLD
    five = replace(THRESHOLD, references=5, accept=0.65)
    ten = replace(THRESHOLD, references=10, accept=0.65)
    assert select_threshold((ten, five, three), 2) is None
    assert select_threshold((ten, five, three), 4) is five
    assert select_threshold((three, five, ten), 5) is five
    for between in (6, 7, 8, 9):
        assert select_threshold((three, five, ten), between) is ten
    assert select_threshold((three, five, ten), 50) is ten
    assert select_threshold((), 5) is None


def test_between_two_calibrated_numbers_the_smaller_ones_serves_where_it_is_stricter():
    """With the first few references the spread takes more off, so that scores fall."""
    three = replace(THRESHOLD, references=3, accept=0.7)
    five = replace(THRESHOLD, references=5, accept=0.65)
    assert select_threshold((three, five), 4) is three


def test_beyond_what_the_rule_averages_a_laxer_threshold_for_more_references_is_not_taken():
    """It was measured on those signers alone who have so many signatures."""
    measured = {3: 0.7, 5: 0.65, 10: 0.69, 12: 0.68, 20: 0.71}
    thresholds = tuple(
        replace(THRESHOLD, references=number, accept=accept, fusion=FusionRule(top=5))
        for number, accept in measured.items()
    )
    chosen = {held: select_threshold(thresholds, held) for held in (3, 5, 10, 11, 12, 14, 20, 30)}
    assert {held: each.references for held, each in chosen.items() if each} == {
        3: 3,
        5: 5,
        10: 10,
        11: 10,
        12: 10,
        14: 20,
        20: 20,
        30: 20,
    }


def test_another_number_of_references_than_was_measured_is_said():
    assert describe_fit(THRESHOLD, THRESHOLD.references) == ""
    assert describe_fit(replace(THRESHOLD, references=10), 14).startswith(
        "measured with 10, while the signer has 14: scores rise with more references"
    )
    assert "the 11 that the signer has" in describe_fit(replace(THRESHOLD, references=12), 11)


def test_words_for_likelihood_ratios():
    assert [least for least, _ in VERBAL_SCALE] == sorted(
        (least for least, _ in VERBAL_SCALE), reverse=True
    )
    assert describe_llr(0.0) == "no support either way"
    assert describe_llr(1.2) == "moderate support that the claimed signer wrote it"
    assert describe_llr(-1.2) == "moderate support that somebody else wrote it"
    assert describe_llr(7.0).startswith("extremely strong support")


@pytest.mark.parametrize(
    ("vector", "local"),
    [
        (np.ones(4, np.float32), np.zeros((1, 1, 2), np.int8)),
        (np.full(4, 0.5, np.float64), np.zeros((1, 1, 2), np.int8)),
        (np.full(4, 0.5, np.float32), np.zeros((1, 2), np.int8)),
        (np.full(4, 0.5, np.float32), np.zeros((1, 1, 2), np.float32)),
        (np.full(4, np.nan, np.float32), np.zeros((1, 1, 2), np.int8)),
    ],
)
def test_an_embedding_that_is_none_is_refused(vector: np.ndarray, local: np.ndarray):
    with pytest.raises(ValueError, match=r"vector|local"):
        Embedding(vector, local, MODEL)


def test_a_references_views_count_and_a_probes_do_not():
    level, turned, probe = (_embedding(seed) for seed in (1, 2, 3))
    both = Embedding(level.vector, np.stack([level.local, turned.local]), level.model)
    gallery = Gallery(SignerId("53"), GenerationId(1), (Reference(ReferenceId("a"), both),))
    expected = match_local(probe.local, both.local).score
    looked_at = Embedding(probe.vector, np.stack([probe.local, level.local]), probe.model)
    for one in (probe, looked_at):
        (score,) = compare(one, gallery, FusionRule()).per_reference
        assert score.local == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(both.level, level.local)
    assert level.level is level.local


def test_in_a_spread_the_earlier_reference_is_the_one_with_views():
    level, turned, other = (_embedding(seed) for seed in (1, 2, 3))
    both = Embedding(level.vector, np.stack([level.local, turned.local]), level.model)
    references = (
        Reference(ReferenceId("a"), both),
        Reference(ReferenceId("b"), Embedding(other.vector, other.local[None], other.model)),
    )
    spread = Gallery(SignerId("53"), GenerationId(1), references).spread
    assert spread is not None
    expected = match_local(other.local, both.local).score
    assert spread.local == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(8,), (3, 4), (0, 3, 4, 5), (1, 1, 3, 4, 5)])
def test_local_features_of_another_shape_are_refused(shape: tuple[int, ...]):
    one = _embedding(1)
    with pytest.raises(ValueError, match="views, rows, columns, C"):
        Embedding(one.vector, np.zeros(shape, np.int8), one.model)


def test_thresholds_that_are_equal_have_one_hash_and_are_freed_of_points_once():
    same = replace(THRESHOLD, origin=replace(THRESHOLD.origin))
    other = replace(THRESHOLD, origin=replace(THRESHOLD.origin, data="other"))
    assert (same, hash(same)) == (THRESHOLD, hash(THRESHOLD))
    assert other != THRESHOLD
    assert len({THRESHOLD, same, other}) == 2
    assert THRESHOLD.without_points is THRESHOLD.without_points
    assert THRESHOLD.without_points == replace(THRESHOLD, points=())
