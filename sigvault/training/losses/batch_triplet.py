"""Triplets mined in the batch: each anchor's farthest mate against a near negative."""

from __future__ import annotations

import torch
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor, nn
from torch.nn import functional

from sigvault.training.losses import settings
from sigvault.training.losses.value import LossValue, share
from sigvault.training.pairs import PairKinds


class BatchTripletLoss(nn.Module):
    """The mean over mined triplets; 0 where there are none.

    Active are triplets that miss the margin; with the soft margin, which none ever meets, those
    whose negative is nearer than the mate.
    """

    def __init__(self, chosen: settings.BatchTriplet) -> None:
        """Take mining, distance and margin."""
        super().__init__()
        self._chosen = chosen
        self._margin = 0.0 if chosen.soft_margin else chosen.margin
        # Its own normalisation would be in the p-norm.
        self._distance = (
            LpDistance(normalize_embeddings=False, p=chosen.p)
            if chosen.distance == "euclidean"
            else CosineSimilarity()
        )
        self._loss = TripletMarginLoss(
            self._margin,
            smooth_loss=chosen.soft_margin,
            distance=self._distance,
            reducer=MeanReducer(),
        )

    def forward(self, vectors: Tensor, kinds: PairKinds) -> LossValue:
        """The loss of a batch of vectors (B, D)."""
        if self._chosen.normalise:
            vectors = functional.normalize(vectors, dim=1)
        with torch.no_grad():
            distances = self._distance(vectors)
            if self._distance.is_inverted:
                distances = 1.0 - distances
            semi_hard = self._chosen.mining == "batch-semi-hard"
            triplets = mine(distances, kinds, self._chosen.margin if semi_hard else None)
            anchors, mates, others = triplets
            excess = distances[anchors, mates] - distances[anchors, others]
        value = self._loss(vectors, indices_tuple=triplets)
        return LossValue(value, share(excess + self._margin > 0))


def mine(
    distances: Tensor, kinds: PairKinds, within: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Each anchor with its farthest mate and one negative; int64 (A,) three times.

    pytorch-metric-learning's miners take labels, which can't say that a forgery is a negative of
    the signer whom it imitates and of nobody else; and none falls back on the nearest negative.

    Args:
        distances: (B, B).
        kinds: which pairs are mated, and which are negatives.
        within: None for the nearest negative; or the margin past the mate within which a
            negative is preferred to a nearer one.
    """
    others = kinds.skilled | kinds.random
    anchors = (kinds.mated.any(1) & others.any(1)).nonzero().squeeze(1)
    farthest, mates = distances.masked_fill(~kinds.mated, -torch.inf).max(1)
    barred = distances.masked_fill(~others, torch.inf)
    if within is not None:
        start = farthest[:, None]
        preferred = others & (distances > start) & (distances < start + within)
        chosen = preferred | ~preferred.any(1, keepdim=True)
        barred = barred.masked_fill(~chosen, torch.inf)
    return anchors, mates[anchors], barred.argmin(1)[anchors]
