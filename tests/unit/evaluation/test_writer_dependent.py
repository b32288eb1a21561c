"""A classifier for each signer: who teaches, who is tested, and what comes out."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from sklearn.svm import SVC

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.error_rates import equal_error
from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.evaluation.writer_dependent import (
    Fold,
    Gamma,
    WriterDependent,
    deal_folds,
    development_threshold,
    exploit,
    run_writer_dependent,
)

QUICK = WriterDependent(
    references=4, tests=3, negatives=3, random_forgeries=6, folds=2, draws=2, seed=5
)


def near(rng, centre, spread: float) -> Embedding:
    vector = centre + spread * rng.normal(size=len(centre))
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Embedding(unit, np.zeros((1, 1, 1), np.int8), ModelId("m"))


@cache
def some_signers(
    spread: float = 0.3, forgery: float = 1.0, count: int = 8
) -> tuple[EvaluationSigner, ...]:
    rng = np.random.default_rng(2)
    signers = []
    for number in range(count):
        centre = rng.normal(size=16)
        off = forgery * rng.normal(size=16)
        signers.append(
            EvaluationSigner(
                SignerId(f"s{number}"),
                tuple(near(rng, centre, spread) for _ in range(9)),
                tuple(near(rng, centre + off, spread) for _ in range(4)),
            )
        )
    return tuple(signers)


@pytest.mark.parametrize("seed", range(5))
def test_every_signer_is_exploited_once_and_never_teaches_in_that_fold(seed: int) -> None:
    folds = deal_folds(some_signers(), replace(QUICK, folds=3, seed=seed))
    tested = [own.signer for fold in folds for own in fold.exploitation]
    assert sorted(tested) == sorted(own.signer for own in some_signers())
    for fold in folds:
        development = {own.signer for own in fold.development}
        assert development.isdisjoint(own.signer for own in fold.exploitation)
        assert len(development) + len(fold.exploitation) == 8


def test_a_fold_with_a_signer_on_both_sides_cannot_be_made() -> None:
    one, other = some_signers()[:2]
    with pytest.raises(ValueError, match="development and exploitation: s0"):
        Fold((one, other), (one,))


def test_thresholds_are_set_without_a_look_at_the_exploited_signers() -> None:
    fold = deal_folds(some_signers(), QUICK)[0]
    strangers = some_signers(spread=2.0, forgery=0.0)
    swapped = tuple(o for o in strangers if o.signer in {e.signer for e in fold.exploitation})
    assert development_threshold(fold, QUICK) == development_threshold(
        Fold(fold.development, swapped), QUICK
    )


def test_a_classifier_never_learns_forgeries_or_other_exploited_signers() -> None:
    fold = deal_folds(some_signers(), QUICK)[0]
    changed = {own.signer: own for own in some_signers(spread=2.0, forgery=0.0)}
    first, *others = fold.exploitation
    other_world = Fold(
        tuple(replace(own, forged=changed[own.signer].forged) for own in fold.development),
        (
            replace(first, forged=changed[first.signer].forged),
            *(changed[own.signer] for own in others),
        ),
    )
    before = next(exploit(fold, QUICK, draws=1))
    after = next(exploit(other_world, QUICK, draws=1))
    assert np.array_equal(before.mated, after.mated)
    assert not np.array_equal(before.skilled, after.skilled)
    assert not np.array_equal(before.random, after.random)


@pytest.mark.parametrize("gamma", list(Gamma))
def test_scores_are_those_of_a_plain_loop(gamma: Gamma) -> None:
    protocol = replace(QUICK, gamma=gamma)
    fold = deal_folds(some_signers(), protocol)[1]
    found = list(exploit(fold, protocol, draws=2))
    assert [one.signer for one in found] == [o.signer for o in fold.exploitation for _ in range(2)]
    own, draw = fold.exploitation[1], 1
    rng = np.random.default_rng([5, draw, *own.signer.encode()])
    order = rng.permutation(9)
    taught = [own.genuine[k].vector for k in order[:4]]
    for other in fold.development:
        taught += [other.genuine[k].vector for k in rng.permutation(9)[:3]]
    taught = np.array(taught, float)
    negatives = len(taught) - 4
    width = 2.0**-11 if gamma is Gamma.LITERAL else 1.0 / 16
    deviation = taught.std(axis=0)
    machine = SVC(C=1.0, gamma=width, class_weight={1: negatives / 4})
    machine.fit(taught / deviation, [1] * 4 + [-1] * negatives)
    tested = np.array([own.genuine[k].vector for k in order[4:7]], float)
    forged = np.array([one.vector for one in own.forged], float)
    assert found[3].mated == pytest.approx(machine.decision_function(tested / deviation))
    assert found[3].skilled == pytest.approx(machine.decision_function(forged / deviation))


def test_counts_and_the_oracle_follow_the_protocol() -> None:
    result = run_writer_dependent(some_signers(), QUICK)
    assert result.mated == 8 * 2 * 3
    assert result.skilled == 8 * 2 * 4
    assert result.random == 8 * 2 * 6
    scores = [
        one for fold in deal_folds(some_signers(), QUICK) for one in exploit(fold, QUICK, draws=2)
    ]
    rates = [equal_error(one.mated, one.skilled).rate for one in scores]
    assert result.oracle_skilled_eer.value == pytest.approx(np.mean(rates))
    thresholds = [development_threshold(fold, QUICK) for fold in deal_folds(some_signers(), QUICK)]
    assert result.thresholds == tuple(thresholds)
    limits = np.repeat(thresholds, len(scores) // 2)
    failed = [np.sum(one.mated < t) for one, t in zip(scores, limits, strict=True)]
    passed = [np.sum(one.skilled >= t) for one, t in zip(scores, limits, strict=True)]
    assert result.frozen_fnmr.value == pytest.approx(sum(failed) / result.mated)
    assert result.frozen_skilled_fmr.value == pytest.approx(sum(passed) / result.skilled)


def test_a_perfect_system_makes_no_error() -> None:
    result = run_writer_dependent(some_signers(spread=0.01, forgery=5.0), QUICK)
    assert result.skilled_eer.rate.value == 0.0
    assert result.random_eer.rate.value == 0.0
    assert result.oracle_skilled_eer.value == 0.0


def test_a_useless_system_guesses() -> None:
    """Vectors that are noise: had references been tested too, they would stand out."""
    result = run_writer_dependent(some_signers(spread=1e6, forgery=0.0, count=16), QUICK)
    assert result.skilled_eer.rate.value == pytest.approx(0.5, abs=0.12)
    assert result.random_eer.rate.value == pytest.approx(0.5, abs=0.12)
    assert result.oracle_skilled_eer.value <= result.skilled_eer.rate.value + 0.05


def test_it_repeats_from_its_seed_and_is_marked() -> None:
    result = run_writer_dependent(some_signers(), QUICK)
    assert result == run_writer_dependent(some_signers(), QUICK)
    assert (
        result.skilled_eer
        != run_writer_dependent(some_signers(), replace(QUICK, seed=6)).skilled_eer
    )
    document = json.loads(json.dumps(asdict(result)))
    assert document["protocol"]["gamma"] == "scale"
    assert document["replica"] is True
    assert "an oracle" in document["caveat"]


def test_signers_with_too_little_are_left_out_and_named() -> None:
    first, second, *others = some_signers()
    few = [replace(first, forged=()), replace(second, genuine=second.genuine[:4]), *others]
    assert run_writer_dependent(few, QUICK).skipped == (first.signer, second.signer)


def test_too_few_signers_and_twins_are_refused() -> None:
    with pytest.raises(DatasetError, match="fewer references or folds"):
        deal_folds(some_signers()[:3], QUICK)
    with pytest.raises(DatasetError, match="listed twice"):
        deal_folds([*some_signers(), some_signers()[0]], QUICK)


@pytest.mark.parametrize("change", [{"references": 0}, {"draws": 0}, {"folds": 1}])
def test_numbers_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="or more"):
        WriterDependent(**change)
