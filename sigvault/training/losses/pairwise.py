"""The losses that pytorch-metric-learning has, over pairs that are given to it.

None of them ever sees a label. They average over a number of pairs that the batch alone settles:
an average over the active ones would fall when a forgery comes so near that it becomes active.
"""

from __future__ import annotations

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import (
    MultiSimilarityLoss,
    SupConLoss,
    TripletMarginLoss,
    TupletMarginLoss,
)
from pytorch_metric_learning.reducers import MeanReducer
from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets
from torch import Tensor, nn

from sigvault.training.losses import settings
from sigvault.training.losses.bounded_cosine import BoundedCosine
from sigvault.training.losses.value import LossValue, share, share_misordered
from sigvault.training.pairs import PairKinds, as_indices


class PairLoss(nn.Module):
    """A loss over all pairs of a batch.

    Active are anchors whose hardest negative is nearer than their hardest mate.
    """

    def __init__(self, loss: nn.Module) -> None:
        """Take pytorch-metric-learning's."""
        super().__init__()
        self._loss = loss

    def forward(self, vectors: Tensor, kinds: PairKinds) -> LossValue:
        """The loss of a batch of unit vectors (B, D)."""
        value = self._loss(vectors, indices_tuple=as_indices(kinds))
        return LossValue(value, share_misordered(vectors, kinds))


class ContrastiveLoss(PairLoss):
    """Supervised contrastive, the mean over the anchors that have a mate.

    Active as in `PairLoss`.
    """

    def forward(self, vectors: Tensor, kinds: PairKinds) -> LossValue:
        """The loss of a batch of unit vectors (B, D)."""
        anchors = kinds.mated.any(1)
        own = PairKinds(
            kinds.mated[anchors], kinds.skilled[anchors], kinds.random[anchors], kinds.classes
        )
        # Rows without a mate would count as nought.
        value = self._loss(vectors[anchors], indices_tuple=as_indices(own), ref_emb=vectors)
        return LossValue(value, share_misordered(vectors, kinds))


class EveryTriplet(nn.Module):
    """The mean over every triplet of the batch; active are those that miss the margin."""

    def __init__(self, margin: float) -> None:
        """Take the margin between cosines."""
        super().__init__()
        self._margin = margin
        self._loss = TripletMarginLoss(margin, distance=CosineSimilarity(), reducer=MeanReducer())

    def forward(self, vectors: Tensor, kinds: PairKinds) -> LossValue:
        """The loss of a batch of unit vectors (B, D)."""
        triplets = convert_to_triplets(as_indices(kinds), None)
        value = self._loss(vectors, indices_tuple=triplets)
        with torch.no_grad():
            cosines = vectors @ vectors.T
            anchors, mates, others = triplets
            missed = cosines[anchors, others] + self._margin > cosines[anchors, mates]
        return LossValue(value, share(missed))


def multi_similarity(chosen: settings.MultiSimilarity) -> PairLoss:
    """Multi-similarity, the mean over all rows of the batch; those without pairs count as 0."""
    own = MultiSimilarityLoss(chosen.alpha, chosen.beta, chosen.base, distance=CosineSimilarity())
    return PairLoss(own)


def supervised_contrastive(chosen: settings.SupervisedContrastive) -> ContrastiveLoss:
    """Supervised contrastive."""
    own = SupConLoss(chosen.temperature, distance=CosineSimilarity(), reducer=MeanReducer())
    return ContrastiveLoss(own)


def tuplet_margin(chosen: settings.TupletMargin) -> PairLoss:
    """Tuplet margin, the mean over mated pairs."""
    return PairLoss(TupletMarginLoss(chosen.margin, chosen.scale, distance=BoundedCosine()))
