"""The errors that a system is surest of, against sorting by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.answers import Answers, Choice, Verdicts, answer
from sigvault.evaluation.hardest_errors import find_hardest
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    Kind,
    SignerPairs,
    compare_pairs,
    draw_comparisons,
    trace_probes,
)

RULE = FusionRule(1, 0.0, 0.0, 0.0)


def a_signer(number: int) -> EvaluationSigner:
    rng = np.random.default_rng(number)
    centre = rng.normal(size=8)

    def embed(count: int, spread: float) -> tuple[Embedding, ...]:
        found = []
        for _ in range(count):
            vector = centre + spread * rng.normal(size=8)
            unit = (vector / np.linalg.norm(vector)).astype(np.float32)
            grid = rng.integers(-9, 9, (2, 2, 3)).astype(np.int8)
            found.append(Embedding(unit, grid, ModelId("m-1")))
        return tuple(found)

    return EvaluationSigner(
        SignerId(str(number)),
        embed(5, 0.4),
        embed(3, 0.7),
        tuple(f"{number}/g{place}.png" for place in range(5)),
        tuple(f"{number}/f{place}.png" for place in range(3)),
    )


@pytest.fixture(scope="module")
def pairs() -> tuple[SignerPairs, ...]:
    return compare_pairs([a_signer(number) for number in range(4)], random_forgeries=6)


def answers_of(pairs: tuple[SignerPairs, ...]) -> Answers:
    return answer(draw_comparisons(pairs, 2, draws=3, seed=1), [Choice(None, RULE, None)])


def test_the_worst_of_each_kind_come_once_and_in_order(pairs: tuple[SignerPairs, ...]) -> None:
    found = answers_of(pairs)
    drawn = trace_probes(pairs, 2, draws=3, seed=1)
    errors = find_hardest(found, pairs, drawn, shown=3)
    scores = found.comparisons
    by_kind: dict[str, list[float]] = {}
    for error in errors:
        by_kind.setdefault(error.kind, []).append(error.score)
        assert error.wrong is None
    assert {kind: len(own) for kind, own in by_kind.items()} == {
        "mated": 3,
        "random": 3,
        "skilled": 3,
    }
    assert by_kind["mated"] == sorted(by_kind["mated"])
    assert by_kind["mated"][0] == found.score[scores.kind == Kind.MATED].min()
    for kind in (Kind.RANDOM, Kind.SKILLED):
        own = by_kind[kind.name.lower()]
        assert own == sorted(own, reverse=True)
        assert own[0] == found.score[scores.kind == kind].max()
    assert len({(error.signer, error.probe) for error in errors}) == 9


def test_files_name_the_pictures_that_really_score_so(pairs: tuple[SignerPairs, ...]) -> None:
    signers = {str(number): a_signer(number) for number in range(4)}
    by_file = {
        file: embedding
        for own in signers.values()
        for embedding, file in (
            *zip(own.genuine, own.genuine_files, strict=True),
            *zip(own.forged, own.forged_files, strict=True),
        )
    }
    found = answers_of(pairs)
    for error in find_hardest(found, pairs, trace_probes(pairs, 2, draws=3, seed=1)):
        probe, nearest = by_file[error.probe], by_file[error.nearest]
        assert float(probe.vector @ nearest.vector) == pytest.approx(error.score, abs=1e-6)
        assert error.nearest.startswith(f"{error.signer}/g")
        assert error.probe.startswith(f"{error.signer}/") == (error.kind != "random")
        assert ("/f" in error.probe) == (error.kind == "skilled")


def test_the_frozen_threshold_says_what_was_wrong(pairs: tuple[SignerPairs, ...]) -> None:
    found = answers_of(pairs)
    margin = found.score - 0.9
    nothing = np.zeros(len(margin))
    verdicts = Verdicts(margin, margin, np.zeros(len(margin), np.int8), nothing)
    drawn = trace_probes(pairs, 2, draws=3, seed=1)
    for error in find_hardest(replace(found, verdicts=verdicts), pairs, drawn):
        assert error.wrong is ((error.score >= 0.9) is not (error.kind == "mated"))


def test_nothing_is_found_without_files(pairs: tuple[SignerPairs, ...]) -> None:
    nameless = tuple(replace(own, files=()) for own in pairs)
    drawn = trace_probes(pairs, 2, draws=3, seed=1)
    assert find_hardest(answers_of(pairs), nameless, drawn) == ()
