"""Distances and triplet losses, against naive loops and pytorch-metric-learning."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer

from naive_bootstrap import ends, interval_by_hand
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.distance_measures import measure_distances
from sigvault.evaluation.error_rates import resample_signers
from sigvault.evaluation.protocols import ComparisonScores, Kind

EXACT = 1e-12
DIMENSION = 6


class Drawn:
    """Unit vectors: for each signer and draw, references and probes of each kind.

    Attributes:
        galleries: by (signer, draw), the references float64 (R, D) and each kind's probes
            float64 (n, D).
        scores: their comparisons, in a shuffled order.
    """

    def __init__(self, seed: int, *, skilled: bool = True, references: int = 2) -> None:
        """Draw them; signer 1 has no skilled forgeries, and kinds differ in number."""
        rng = np.random.default_rng(seed)
        self.galleries = {}
        rows = []
        for signer in range(4):
            centre = rng.normal(size=DIMENSION)
            for draw in range(2):
                counts = {Kind.MATED: 2 + signer % 2, Kind.RANDOM: 3 + (signer + draw) % 2}
                if skilled:
                    counts[Kind.SKILLED] = 0 if signer == 1 else 1 + signer
                own = _unit(centre + 0.4 * rng.normal(size=(references, DIMENSION)))
                near = {Kind.MATED: 0.4, Kind.RANDOM: 3.0, Kind.SKILLED: 0.8}
                probes = {
                    kind: _unit(centre + near[kind] * rng.normal(size=(count, DIMENSION)))
                    for kind, count in counts.items()
                }
                self.galleries[signer, draw] = own, probes
                rows += [
                    (signer, kind, draw, probe @ own.T)
                    for kind, each in probes.items()
                    for probe in each
                ]
        shuffled = [rows[place] for place in rng.permutation(len(rows))]
        signers, kinds, draws, cosine = zip(*shuffled, strict=True)
        self.scores = ComparisonScores(
            signers=tuple(SignerId(f"s{place}") for place in range(4)),
            skipped=(),
            signer=np.array(signers, np.int32),
            kind=np.array(kinds, np.int8),
            draw=np.array(draws, np.int16),
            cosine=np.array(cosine),
            local=rng.normal(size=(len(rows), references)),
            cosine_spread=np.zeros(len(rows)),
            local_spread=np.zeros(len(rows)),
        )

    def distances(self, signer: int, kind: Kind) -> list[float]:
        return [
            math.dist(reference, probe)
            for draw in range(2)
            for reference in self.galleries[signer, draw][0]
            for probe in self.galleries[signer, draw][1].get(kind, ())
        ]

    def losses(self, signer: int, kind: Kind, margin: float) -> list[float]:
        """The loss of each triplet, one after the other."""
        found = []
        for draw in range(2):
            references, probes = self.galleries[signer, draw]
            for reference in references:
                for genuine in probes[Kind.MATED]:
                    for forgery in probes.get(kind, ()):
                        gap = math.dist(reference, genuine) - math.dist(reference, forgery)
                        found.append(max(0.0, gap + margin))
        return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_means_and_losses_are_those_of_loops(seed: int, margin: float) -> None:
    """With the intervals, from the lists of the signers drawn, one of whom has no forgeries."""
    drawn = Drawn(seed)
    found = measure_distances(drawn.scores, margin, bootstraps=40, seed=seed)
    weights = resample_signers(4, 40, seed)
    assert found.margin == margin
    assert found.skilled is not None
    assert found.skilled_triplets is not None
    for rate, values in [
        (found.mated, [drawn.distances(k, Kind.MATED) for k in range(4)]),
        (found.random, [drawn.distances(k, Kind.RANDOM) for k in range(4)]),
        (found.skilled, [drawn.distances(k, Kind.SKILLED) for k in range(4)]),
        (found.random_triplets.loss, [drawn.losses(k, Kind.RANDOM, margin) for k in range(4)]),
        (found.skilled_triplets.loss, [drawn.losses(k, Kind.SKILLED, margin) for k in range(4)]),
        (
            found.random_triplets.active,
            [[float(x > 0) for x in drawn.losses(k, Kind.RANDOM, margin)] for k in range(4)],
        ),
        (
            found.skilled_triplets.active,
            [[float(x > 0) for x in drawn.losses(k, Kind.SKILLED, margin)] for k in range(4)],
        ),
    ]:
        resampled = []
        for times in weights:
            pooled = [x for k in range(4) for _ in range(times[k]) for x in values[k]]
            resampled.append(sum(pooled) / len(pooled) if pooled else math.nan)
        everybody = [x for own in values for x in own]
        by_hand = interval_by_hand(sum(everybody) / len(everybody), resampled)
        assert ends(rate) == pytest.approx(ends(by_hand), abs=EXACT)


@pytest.mark.parametrize("kind", [Kind.RANDOM, Kind.SKILLED])
@pytest.mark.parametrize("margin", [0.2, 0.7])
def test_losses_are_those_of_the_library_that_training_uses(kind: Kind, margin: float) -> None:
    drawn = Drawn(7)
    criterion = TripletMarginLoss(
        margin=margin,
        distance=LpDistance(normalize_embeddings=True, p=2, power=1),
        reducer=MeanReducer(),
    )
    total, triplets = 0.0, 0
    for references, probes in drawn.galleries.values():
        forged, genuine = probes[kind], probes[Kind.MATED]
        embeddings = torch.tensor(np.concatenate([references, genuine, forged]))
        starts = len(references), len(references) + len(genuine), len(embeddings)
        places = torch.cartesian_prod(
            torch.arange(starts[0]),
            torch.arange(starts[0], starts[1]),
            torch.arange(starts[1], starts[2]),
        )
        if not len(places):
            continue
        labels = torch.arange(len(embeddings))  # unused: the triplets are given
        loss = criterion(embeddings, labels, indices_tuple=tuple(places.T))
        total += float(loss) * len(places)
        triplets += len(places)
    found = measure_distances(drawn.scores, margin, bootstraps=2)
    chosen = found.random_triplets if kind is Kind.RANDOM else found.skilled_triplets
    assert chosen is not None
    assert chosen.loss.value == pytest.approx(total / triplets, rel=1e-9)


def test_a_triplet_that_just_keeps_the_margin_costs_nothing() -> None:
    """Distances of 1 and 2 with a margin of exactly 1."""
    scores = known([0.5, -1.0])
    at = measure_distances(scores, 1.0, bootstraps=2).random_triplets
    assert (at.loss.value, at.active.value) == (0.0, 0.0)
    beyond = measure_distances(scores, 1.25, bootstraps=2).random_triplets
    assert beyond.loss.value == pytest.approx(0.25)
    assert beyond.active.value == 1.0


def known(cosines: list[float]) -> ComparisonScores:
    """One signer, one reference: a mated probe and a random forgery."""
    return ComparisonScores(
        signers=(SignerId("a"),),
        skipped=(),
        signer=np.zeros(2, np.int32),
        kind=np.array([Kind.MATED, Kind.RANDOM], np.int8),
        draw=np.zeros(2, np.int16),
        cosine=np.array(cosines)[:, None],
        local=np.zeros((2, 1)),
        cosine_spread=np.full(2, np.nan),
        local_spread=np.full(2, np.nan),
    )


def test_a_cosine_above_one_by_rounding_is_no_distance() -> None:
    found = measure_distances(known([1.0 + 1e-15, 0.0]), 0.2, bootstraps=2)
    assert found.mated.value == 0.0
    assert found.random.value == pytest.approx(math.sqrt(2.0))


def test_without_skilled_forgeries_nothing_is_said_of_them() -> None:
    found = measure_distances(Drawn(3, skilled=False).scores, 0.2, bootstraps=3)
    assert found.skilled is None
    assert found.skilled_triplets is None
