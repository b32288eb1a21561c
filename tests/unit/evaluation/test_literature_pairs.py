"""Single pairs as the literature draws them, against plain loops."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.local_matching import match_local
from sigvault.evaluation.literature_pairs import (
    last_tenth,
    pair_scores_by_signer,
    run_literature_pairs,
)
from sigvault.evaluation.protocols import EvaluationSigner

COSINE = FusionRule(1, 0.0, 0.0, 0.0)


def near(rng, centre, spread: float) -> Embedding:
    vector = centre + spread * rng.normal(size=len(centre))
    local = pack_local(rng.normal(size=(2, 3, 4)).astype(np.float32), np.ones((2, 3), bool))
    return Embedding((vector / np.linalg.norm(vector)).astype(np.float32), local, ModelId("m"))


@cache
def some_signers(
    spread: float = 0.4, forgery: float = 1.0, genuine: int = 6, forged: int = 6
) -> tuple[EvaluationSigner, ...]:
    rng = np.random.default_rng(8)
    signers = []
    for number in range(6):
        centre = rng.normal(size=12)
        off = forgery * rng.normal(size=12)
        signers.append(
            EvaluationSigner(
                SignerId(str(number + 7)),
                tuple(near(rng, centre, spread) for _ in range(genuine)),
                tuple(near(rng, centre + off, spread) for _ in range(forged)),
            )
        )
    return tuple(signers)


@pytest.mark.parametrize("weight", [0.0, 0.6])
def test_pairs_are_those_of_a_plain_loop(weight: float) -> None:
    rule = FusionRule(3, weight, 0.5, 0.5)
    scores = pair_scores_by_signer(some_signers(), rule, seed=4)

    def score(one: Embedding, other: Embedding) -> float:
        cosine = float(one.vector @ other.vector)
        return (1 - weight) * cosine + weight * match_local(one.local, other.local).score

    for place, own in enumerate(some_signers()):
        genuine = [score(one, other) for one, other in combinations(own.genuine, 2)]
        forged = [score(one, other) for one, other in product(own.genuine, own.forged)]
        assert scores.mated[place] == pytest.approx(sorted(genuine), abs=1e-5)
        assert len(scores.non_mated[place]) == len(genuine) == 15
        for found in scores.non_mated[place]:
            assert np.min(np.abs(np.array(forged) - found)) < 1e-5
        assert len(np.unique(scores.non_mated[place])) == 15


def test_24_and_24_signatures_give_276_pairs_of_each_kind() -> None:
    signers = some_signers(genuine=24, forged=24)[:2]
    result = run_literature_pairs(signers, COSINE, bootstraps=5)
    assert (result.genuine_pairs, result.forged_pairs) == (2 * 276, 2 * 276)


def test_with_fewer_forged_pairs_all_of_them_are_taken() -> None:
    result = run_literature_pairs(some_signers(forged=1), COSINE, bootstraps=5)
    assert (result.genuine_pairs, result.forged_pairs) == (6 * 15, 6 * 6)


def test_figures_are_those_of_a_search_over_all_thresholds() -> None:
    result = run_literature_pairs(some_signers(), COSINE, 0.8, seed=4, bootstraps=20)
    scores = pair_scores_by_signer(some_signers(), COSINE, seed=4)
    mated, forged = scores.all_mated, scores.all_non_mated

    def accuracy(threshold: float) -> float:
        right = sum(s >= threshold for s in mated) + sum(s < threshold for s in forged)
        return float(right / (len(mated) + len(forged)))

    assert result.best_accuracy.value == pytest.approx(
        max(accuracy(t) for t in [*mated, *forged, np.inf])
    )
    assert accuracy(result.best_threshold) == pytest.approx(result.best_accuracy.value)
    assert result.frozen_accuracy is not None
    assert result.frozen_accuracy.value == pytest.approx(accuracy(0.8))
    assert result.frozen_accuracy.value <= result.best_accuracy.value
    labels = np.repeat([1, 0], [len(mated), len(forged)])
    assert result.auc.value == pytest.approx(roc_auc_score(labels, np.r_[mated, forged]))


def test_a_threshold_of_nothing_is_a_threshold() -> None:
    result = run_literature_pairs(some_signers(), COSINE, 0.0, bootstraps=5)
    assert result.frozen_threshold == 0.0
    assert result.frozen_accuracy is not None
    without = run_literature_pairs(some_signers(), COSINE, bootstraps=5)
    assert (without.frozen_threshold, without.frozen_accuracy) == (None, None)


def test_a_perfect_system_makes_no_error_and_a_useless_one_guesses() -> None:
    perfect = run_literature_pairs(some_signers(0.01, 5.0), COSINE, bootstraps=20)
    assert perfect.eer.rate.value == 0.0
    assert (perfect.best_accuracy.value, perfect.auc.value) == (1.0, 1.0)
    useless = run_literature_pairs(
        some_signers(0.4, 0.0, genuine=16, forged=16), COSINE, bootstraps=20
    )
    assert useless.eer.rate.value == pytest.approx(0.5, abs=0.08)
    assert useless.auc.low <= useless.auc.value <= useless.auc.high


def test_it_repeats_from_its_seed_and_a_draw_depends_on_no_other_signer() -> None:
    signers = some_signers()
    one = run_literature_pairs(signers, COSINE, seed=1, bootstraps=5)
    assert one == run_literature_pairs(signers[::-1], COSINE, seed=1, bootstraps=5)
    whole = pair_scores_by_signer(signers, COSINE, seed=1)
    alone = pair_scores_by_signer(signers[2:3], COSINE, seed=1)
    assert alone.non_mated[0] == pytest.approx(whole.non_mated[2])
    other = pair_scores_by_signer(signers, COSINE, seed=2)
    assert not np.array_equal(other.non_mated[0], whole.non_mated[0])


def test_the_result_is_marked_and_json_ready() -> None:
    result = run_literature_pairs(some_signers(), COSINE, bootstraps=5)
    assert result.replica
    assert "chosen on the test pairs" in json.loads(json.dumps(asdict(result)))["caveat"]


def test_signers_without_both_kinds_are_left_out_and_named() -> None:
    first, *others = some_signers()
    result = run_literature_pairs([replace(first, forged=()), *others], COSINE, bootstraps=5)
    assert result.skipped == (first.signer,)
    with pytest.raises(DatasetError, match="give skilled forgeries"):
        run_literature_pairs([replace(own, forged=()) for own in others], COSINE)


def test_the_last_tenth_goes_by_number() -> None:
    signers = [EvaluationSigner(SignerId(str(n)), ()) for n in range(1, 56)]
    assert [own.signer for own in last_tenth(signers[::-1])] == ["51", "52", "53", "54", "55"]
    assert len(last_tenth(signers[:5])) == 2
    assert last_tenth([EvaluationSigner(SignerId("x"), ()), *signers[:20]])[-1].signer == "x"
