"""Distances of unit embeddings, and the triplet loss that they would have cost in training.

They compare a model with what its training printed, on signers that it has never seen. They are
no error rates, and the local scores have no part in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Rate
from sigvault.evaluation.error_rates import BOOTSTRAPS, Floats
from sigvault.evaluation.protocols import ComparisonScores, Kind
from sigvault.evaluation.resampled_curves import resample_sums


@dataclass(frozen=True)
class TripletMeasures:
    """Triplets of a reference, a genuine probe and a forgery of one kind: all of each draw.

    Attributes:
        loss: the mean of max(0, d(reference, genuine) - d(reference, forgery) + margin).
        active: the share of triplets that cost anything.
    """

    loss: Rate
    active: Rate


@dataclass(frozen=True)
class DistanceMeasures:
    """Mean Euclidean distances of a reference and a probe, sqrt(2 - 2 cosine), in [0, 2].

    Attributes:
        mated: to genuine probes.
        random: to random forgeries.
        skilled: to skilled forgeries; None without such data.
        margin: of the triplet loss, a distance.
        random_triplets: with random forgeries as negatives.
        skilled_triplets: with skilled forgeries as negatives; None without such data.
    """

    mated: Rate
    random: Rate
    skilled: Rate | None
    margin: float
    random_triplets: TripletMeasures
    skilled_triplets: TripletMeasures | None


def measure_distances(
    scores: ComparisonScores, margin: float, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> DistanceMeasures:
    """Measure distances and triplet losses on comparisons of unseen signers.

    Args:
        scores: the comparisons, with random forgeries among them.
        margin: of the triplet loss, a distance above 0.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    distances = np.sqrt(np.maximum(2.0 - 2.0 * scores.cosine, 0.0))

    def mean(kind: Kind) -> Rate:
        sums = _sum_by_signer(scores, distances, kind)
        return resample_sums(_ratio, sums, bootstraps=bootstraps, seed=seed).rate()

    def triplets(kind: Kind) -> TripletMeasures:
        sums = _triplets_by_signer(scores, distances, kind, margin)
        found = resample_sums(_ratios, sums, bootstraps=bootstraps, seed=seed)
        return TripletMeasures(loss=found.rate(0), active=found.rate(1))

    with_skilled = scores.count(Kind.SKILLED) > 0
    return DistanceMeasures(
        mated=mean(Kind.MATED),
        random=mean(Kind.RANDOM),
        skilled=mean(Kind.SKILLED) if with_skilled else None,
        margin=margin,
        random_triplets=triplets(Kind.RANDOM),
        skilled_triplets=triplets(Kind.SKILLED) if with_skilled else None,
    )


def _ratio(sums: Floats) -> Floats:
    return sums[..., :1] / sums[..., 1:]


def _ratios(sums: Floats) -> Floats:
    """(loss, active share) from (loss, active triplets, triplets)."""
    return sums[..., :2] / sums[..., 2:]


def _sum_by_signer(scores: ComparisonScores, distances: Floats, kind: Kind) -> Floats:
    """float64 (signers, 2): each signer's sum of distances and their number."""
    rows = scores.kind == kind
    owner, signers = scores.signer[rows], len(scores.signers)
    totals = np.bincount(owner, distances[rows].sum(axis=1), signers)
    return np.column_stack([totals, scores.references * np.bincount(owner, minlength=signers)])


def _triplets_by_signer(
    scores: ComparisonScores, distances: Floats, kind: Kind, margin: float
) -> Floats:
    """float64 (signers, 3): each signer's total loss, active triplets and triplets."""
    sums = np.zeros((len(scores.signers), 3))
    for signer, rows in _galleries(scores):
        kinds = scores.kind[rows]
        genuine = distances[rows[kinds == Kind.MATED]]
        forged = distances[rows[kinds == kind]]
        losses = genuine[:, None, :] - forged[None, :, :] + margin
        active = losses > 0.0
        sums[signer] += losses[active].sum(), active.sum(), active.size
    return sums


def _galleries(scores: ComparisonScores) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(place of the signer, rows) of each signer's comparisons with one draw of references."""
    key = scores.signer.astype(np.int64) * scores.draws + scores.draw
    order = np.argsort(key, kind="stable")
    _, starts = np.unique(key[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        yield int(scores.signer[rows[0]]), rows
