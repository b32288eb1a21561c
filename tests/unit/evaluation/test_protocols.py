"""Who is compared with whom, and that fused scores are the domain's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.comparison import compare
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import DatasetError, GenerationMismatch
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.evaluation import protocols
from sigvault.evaluation.protocols import EvaluationSigner, Kind


def an_embedding(rng: np.random.Generator, model: str = "m-1") -> Embedding:
    vector = rng.normal(size=6)
    features = rng.normal(size=(2, 3, 4)).astype(np.float32)
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        pack_local(features, rng.random((2, 3)) < 0.7),
        ModelId(model),
    )


def a_signer(name: str, genuine: int = 5, forged: int = 3, model: str = "m-1") -> EvaluationSigner:
    rng = np.random.default_rng([*name.encode()])
    return EvaluationSigner(
        SignerId(name),
        tuple(an_embedding(rng, model) for _ in range(genuine)),
        tuple(an_embedding(rng, model) for _ in range(forged)),
    )


@cache
def four_signers() -> tuple[EvaluationSigner, ...]:
    return tuple(a_signer(name) for name in "abcd")


def expected_rows(signer: EvaluationSigner, others, references: int, draws: int, seed: int):  # type: ignore[no-untyped-def]
    """Every comparison of a signer, made one by one with the domain's own classes."""
    rng = np.random.default_rng(protocols._stable_seed(seed, signer.signer))
    randoms = [e for e, _, _ in protocols._random_forgeries(signer.signer, others, 4, seed)]
    for draw in range(draws):
        chosen = rng.permutation(len(signer.genuine))[:references]
        gallery = Gallery(
            signer.signer,
            GenerationId(1),
            tuple(Reference(ReferenceId(str(i)), signer.genuine[i]) for i in chosen),
        )
        remaining = [signer.genuine[i] for i in range(len(signer.genuine)) if i not in chosen]
        for kind, probes in (
            (Kind.MATED, remaining),
            (Kind.SKILLED, signer.forged),
            (Kind.RANDOM, randoms),
        ):
            for probe in probes:
                yield kind, draw, probe, gallery


@pytest.mark.parametrize("references", [1, 2, 4])
@pytest.mark.parametrize(
    "rule",
    [
        FusionRule(),
        FusionRule(1, 0.0, 0.0, 0.0),
        FusionRule(9, 1.0, 1.0, 1.0),
        FusionRule(2, 0.5, 1.0, 0.5, 0.5, 0.3, 0.2),
    ],
)
def test_fused_scores_are_those_of_the_domain(references: int, rule: FusionRule) -> None:
    signers = four_signers()
    pairs = protocols.compare_pairs(signers, random_forgeries=4, seed=7)
    scores = protocols.draw_comparisons(pairs, references, draws=3, seed=7)
    fused = protocols.apply_fusion(scores, rule)
    row = 0
    for place, signer in enumerate(signers):
        for kind, draw, probe, gallery in expected_rows(signer, signers, references, 3, 7):
            assert (scores.signer[row], scores.kind[row], scores.draw[row]) == (place, kind, draw)
            assert fused[row] == pytest.approx(compare(probe, gallery, rule).value, abs=1e-5)
            row += 1
    assert row == len(fused)


def test_counts_follow_the_protocol() -> None:
    pairs = protocols.compare_pairs(four_signers(), random_forgeries=8)
    scores = protocols.draw_comparisons(pairs, 2, draws=10)
    assert scores.count(Kind.MATED) == 4 * 10 * 3
    assert scores.count(Kind.SKILLED) == 4 * 10 * 3
    assert scores.count(Kind.RANDOM) == 4 * 10 * 8
    assert (scores.references, scores.draws) == (2, 10)


def test_there_are_no_more_random_forgeries_than_other_signers_have() -> None:
    pairs = protocols.compare_pairs([a_signer("a"), a_signer("b", genuine=3)], random_forgeries=40)
    assert [np.count_nonzero(own.kinds == Kind.RANDOM) for own in pairs] == [3, 5]


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_references_are_never_probes(seed: int, references: int) -> None:
    """A signature compared with itself has cosine 1; here no two others are that close."""
    pairs = protocols.compare_pairs(four_signers(), random_forgeries=8, seed=seed)
    scores = protocols.draw_comparisons(pairs, references, draws=3, seed=seed)
    assert scores.cosine.max() < 0.9999


def test_random_forgeries_are_never_the_signer_s_own() -> None:
    signers = four_signers()
    for signer in signers:
        randoms = [e for e, _, _ in protocols._random_forgeries(signer.signer, signers, 100, 0)]
        assert len(randoms) == 15
        assert not {id(e) for e in randoms} & {id(e) for e in signer.genuine + signer.forged}


def test_adding_a_signer_changes_no_other_s_draw() -> None:
    few, more = four_signers(), (*four_signers(), a_signer("new"))
    draws = [
        protocols.draw_comparisons(protocols.compare_pairs(signers, random_forgeries=0), 2)
        for signers in (few, more)
    ]
    np.testing.assert_array_equal(draws[0].cosine, draws[1].cosine[draws[1].signer < len(few)])


def test_an_added_signer_only_displaces_random_forgeries_by_its_own() -> None:
    few, more = four_signers(), (*four_signers(), a_signer("new"))
    for signer in few:
        before = {id(e) for e, _, _ in protocols._random_forgeries(signer.signer, few, 8, 0)}
        after = {id(e) for e, _, _ in protocols._random_forgeries(signer.signer, more, 8, 0)}
        assert after - before <= {id(e) for e in more[-1].genuine}


def test_draws_repeat_with_the_seed_and_differ_without() -> None:
    pairs = protocols.compare_pairs(four_signers())
    one, same, other = (
        protocols.draw_comparisons(pairs, 2, seed=seed).cosine for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_fewer_references_are_among_the_more() -> None:
    pairs = protocols.compare_pairs(four_signers())
    drawn = [
        [
            set(chosen)
            for chosen in protocols.draw_references(pairs[0].signer, pairs[0].genuine, number, 5, 0)
        ]
        for number in (1, 2, 4)
    ]
    for fewer, more in pairwise(drawn):
        assert all(few <= many for few, many in zip(fewer, more, strict=True))


def test_signers_with_too_few_signatures_are_left_out_and_named() -> None:
    signers = [a_signer("a"), a_signer("b"), a_signer("small", genuine=2)]
    pairs = protocols.compare_pairs(signers)
    scores = protocols.draw_comparisons(pairs, 2)
    assert scores.signers == ("a", "b")
    assert scores.skipped == ("small",)
    assert protocols.draw_comparisons(pairs, 1).skipped == ()


def test_forgeries_without_genuine_signatures_are_left_out() -> None:
    signers = [a_signer("a"), a_signer("b"), a_signer("only forged", genuine=0)]
    assert [own.signer for own in protocols.compare_pairs(signers)] == ["a", "b"]


def test_too_little_data_is_a_clear_error() -> None:
    with pytest.raises(DatasetError, match="1 of 1 signers have genuine signatures"):
        protocols.compare_pairs([a_signer("a")])
    with pytest.raises(DatasetError, match="0 of 2 signers have genuine signatures"):
        protocols.compare_pairs([a_signer("a", genuine=0), a_signer("b", genuine=0)])
    with pytest.raises(DatasetError, match="listed twice"):
        protocols.compare_pairs([a_signer("a"), a_signer("a")])
    pairs = protocols.compare_pairs(four_signers())
    with pytest.raises(DatasetError, match="0 of 4 signers have the 6 genuine signatures"):
        protocols.draw_comparisons(pairs, 5)
    with pytest.raises(ValueError, match="at least 1 of each"):
        protocols.draw_comparisons(pairs, 0)


def test_two_models_don_t_mix() -> None:
    with pytest.raises(GenerationMismatch):
        protocols.compare_pairs([a_signer("a"), a_signer("b", model="m-2")])


def test_scores_by_signer_keeps_owners_and_kinds_apart() -> None:
    signers = [a_signer("a"), a_signer("b", forged=0), a_signer("c", genuine=4)]
    scores = protocols.draw_comparisons(protocols.compare_pairs(signers), 2, draws=3)
    fused = scores.signer + 10.0 * scores.kind
    by_signer = protocols.scores_by_signer(scores, fused, Kind.SKILLED)
    assert [sorted(set(own)) for own in by_signer.mated] == [[0.0], [1.0], [2.0]]
    assert [len(own) for own in by_signer.mated] == [9, 9, 6]
    assert [len(own) for own in by_signer.non_mated] == [9, 0, 9]
    assert set(by_signer.all_non_mated) == {20.0, 22.0}
    assert by_signer.draws == 3


def test_pooling_parts_keeps_every_signer_s_scores() -> None:
    halves = [four_signers()[:2], four_signers()[2:]]
    parts = [protocols.draw_comparisons(protocols.compare_pairs(half), 2) for half in halves]
    pooled = protocols.concatenate(parts)
    assert pooled.signers == ("a", "b", "c", "d")
    for part in parts:
        again = pooled.only(part.signers)
        np.testing.assert_array_equal(again.cosine, part.cosine)
        np.testing.assert_array_equal(again.signer, part.signer)


def test_whoever_is_left_out_has_no_part_in_the_rest() -> None:
    pairs = protocols.compare_pairs(four_signers(), random_forgeries=10)
    scores = protocols.draw_comparisons(pairs, 2, draws=3)
    traced = protocols.trace_probes(pairs, 2, draws=3)
    rest = scores.without(["a", "c"])  # type: ignore[list-item]
    strangers = {own.signer: own.owners for own in pairs}
    kept = [
        row
        for row, (place, column) in enumerate(zip(scores.signer, traced.probe, strict=True))
        if {scores.signers[place], strangers[scores.signers[place]][column]} <= {"b", "d"}
    ]
    assert rest.signers == ("b", "d")
    np.testing.assert_array_equal(rest.cosine, scores.cosine[kept])
    np.testing.assert_array_equal(rest.signer, scores.signer[kept] // 2)
    assert rest.count(Kind.MATED) == scores.only(rest.signers).count(Kind.MATED)
    assert 0 < rest.count(Kind.RANDOM) < scores.only(rest.signers).count(Kind.RANDOM)


def test_whoever_is_left_out_of_a_pool_has_no_part_in_the_rest() -> None:
    halves = [four_signers()[:2], four_signers()[2:]]
    parts = [protocols.draw_comparisons(protocols.compare_pairs(half), 2) for half in halves]
    rest = protocols.concatenate(parts).without(["c"])  # type: ignore[list-item]
    assert rest.signers == ("a", "b", "d")
    assert rest.count(Kind.RANDOM) == parts[0].count(Kind.RANDOM)


def test_nobody_is_left_out_where_probes_have_no_names() -> None:
    scores = protocols.draw_comparisons(protocols.compare_pairs(four_signers()), 2)
    nameless = replace(scores, owners=(), owner=None)
    with pytest.raises(ValueError, match="unknown"):
        nameless.without(["a"])  # type: ignore[list-item]
    assert protocols.concatenate([nameless]).owner is None


def test_parts_must_fit_together() -> None:
    pairs = protocols.compare_pairs(four_signers())
    one, two = protocols.draw_comparisons(pairs, 1), protocols.draw_comparisons(pairs, 2)
    with pytest.raises(ValueError, match="appears in two parts"):
        protocols.concatenate([one, one])
    with pytest.raises(ValueError, match="don't pool"):
        protocols.concatenate([one.only(["a", "b"]), two.only(["c", "d"])])  # type: ignore[list-item]
