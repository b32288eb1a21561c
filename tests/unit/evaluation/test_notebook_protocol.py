"""The notebook's evaluation, flaws and all, against a loop and scikit-learn."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.notebook_protocol import (
    area_under_curve,
    draw_triplets,
    nearest_rates,
    notebook_split,
    run_notebook_protocol,
)
from sigvault.evaluation.protocols import EvaluationSigner


def near(rng, centre, spread: float) -> Embedding:
    vector = centre + spread * rng.normal(size=len(centre))
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Embedding(unit, np.zeros((1, 1, 1), np.int8), ModelId("m"))


@cache
def some_signers(spread: float = 0.3, forgery: float = 0.0) -> tuple[EvaluationSigner, ...]:
    """Clusters; ``forgery`` moves forgeries away from the signer that they imitate."""
    rng = np.random.default_rng(1)
    signers = []
    for number in range(8):
        centre = rng.normal(size=16)
        off = forgery * rng.normal(size=16)
        signers.append(
            EvaluationSigner(
                SignerId(str(number)),
                tuple(near(rng, centre, spread) for _ in range(6)),
                tuple(near(rng, centre + off, spread) for _ in range(5)),
            )
        )
    return tuple(signers)


def all_pairs(seed: int):
    drawn = draw_triplets(some_signers(), seed=seed)
    positive = np.concatenate([own.positive for own in drawn])
    negative = np.concatenate([own.negative for own in drawn])
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    return positive, negative, labels, -np.concatenate([positive, negative])


def test_the_split_is_scikit_learn_s_of_sorted_whole_numbers() -> None:
    names = [SignerId(str(n)) for n in (10, 9, 2, 33, 1, 7, 21, 8, 5, 3)]
    training, test = notebook_split(names)
    expected = train_test_split(sorted(int(n) for n in names), test_size=0.2, random_state=42)
    assert [int(n) for n in training] == sorted(expected[0])
    assert [int(n) for n in test] == sorted(expected[1])
    assert not set(training) & set(test)


def test_the_split_of_all_55_signers_is_the_notebook_s() -> None:
    _, test = notebook_split([SignerId(str(n)) for n in range(1, 56)])
    assert [int(n) for n in test] == [6, 13, 14, 20, 27, 32, 33, 42, 44, 50, 53]


@pytest.mark.parametrize("names", [["a", "1"], ["1"], []])
def test_the_split_takes_numbers(names: list[str]) -> None:
    with pytest.raises(DatasetError, match="whole numbers"):
        notebook_split([SignerId(name) for name in names])


def test_triplets_are_those_of_a_plain_loop() -> None:
    signers = some_signers()
    rng = np.random.default_rng(5)
    images = [
        (number, forged, embedding.vector.astype(float))
        for number, own in enumerate(signers)
        for forged, pool in ((False, own.genuine), (True, own.forged))
        for embedding in pool
    ]
    for number, drawn in enumerate(draw_triplets(signers, seed=5)):
        mine = [k for k, image in enumerate(images) if image[0] == number]
        apart = [k for k, image in enumerate(images) if image[0] != number or image[1]]
        picks = [rng.choice([k for k in mine if k != anchor]) for anchor in mine]
        others = [rng.choice([k for k in apart if k != anchor]) for anchor in mine]
        assert drawn.forged_positives == sum(images[k][1] for k in picks)
        for place, anchor in enumerate(mine):
            own = images[anchor][2]
            positive = np.sqrt(((own - images[picks[place]][2]) ** 2).sum())
            negative = np.sqrt(((own - images[others[place]][2]) ** 2).sum())
            assert drawn.positive[place] == pytest.approx(positive, abs=1e-6)
            assert drawn.negative[place] == pytest.approx(negative, abs=1e-6)


def test_the_figures_are_those_of_scikit_learn() -> None:
    result = run_notebook_protocol(some_signers(), seed=2, bootstraps=20)
    positive, negative, labels, scores = all_pairs(seed=2)
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    nearest = int(np.argmin(np.abs(fpr - (1 - tpr))))
    passed = scores >= thresholds[nearest]
    assert result.eer.value == pytest.approx((fpr[nearest] + 1 - tpr[nearest]) / 2)
    assert result.threshold == pytest.approx(-thresholds[nearest])
    assert result.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert result.accuracy.value == pytest.approx(accuracy_score(labels, passed))
    assert result.precision.value == pytest.approx(precision_score(labels, passed))
    assert result.recall.value == pytest.approx(recall_score(labels, passed))
    hinge = [max(0.0, p - n + 0.5) for p, n in zip(positive, negative, strict=True)]
    assert result.loss.value == pytest.approx(np.mean(hinge))
    assert result.positive_distance.value == pytest.approx(positive.mean())
    assert result.negative_distance.value == pytest.approx(negative.mean())
    assert result.triplets == len(positive) == 8 * 11


def test_every_interval_holds_its_figure_and_the_result_is_marked() -> None:
    result = run_notebook_protocol(some_signers(), bootstraps=50)
    for name in ("loss", "auc", "eer", "accuracy", "precision", "recall", "positive_distance"):
        rate = getattr(result, name)
        assert rate.low <= rate.value <= rate.high
    assert result.replica
    assert "positives include skilled forgeries" in result.caveat
    assert json.loads(json.dumps(asdict(result)))["forged_positives"] == result.forged_positives > 0


def test_it_repeats_from_its_seed() -> None:
    one = run_notebook_protocol(some_signers(), seed=3, bootstraps=20)
    assert one == run_notebook_protocol(some_signers(), seed=3, bootstraps=20)
    assert one.loss != run_notebook_protocol(some_signers(), seed=4, bootstraps=20).loss


def test_a_system_that_rejects_every_forgery_is_punished_for_it() -> None:
    """The flaw: with perfect knowledge of the forgeries, its error is far from nothing."""
    perfect = some_signers(spread=0.01, forgery=5.0)
    assert run_notebook_protocol(perfect, bootstraps=20).eer.value > 0.1
    genuine_alone = [replace(own, forged=()) for own in perfect]
    assert run_notebook_protocol(genuine_alone, bootstraps=20).eer.value == 0.0


def test_noise_is_a_coin_toss() -> None:
    result = run_notebook_protocol(some_signers(spread=1e6), bootstraps=20)
    assert result.auc.value == pytest.approx(0.5, abs=0.12)


def test_nothing_accepted_has_no_precision() -> None:
    mated, others = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    assert nearest_rates(mated, others).rate == pytest.approx(0.5, abs=0.5)
    assert area_under_curve(mated, others) == 0.0


def test_one_signer_is_too_few() -> None:
    with pytest.raises(DatasetError, match="at least two such"):
        run_notebook_protocol(some_signers()[:1])
