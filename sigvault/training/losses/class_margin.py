"""Losses with a class for each group of genuine images; a forgery has no class."""

from __future__ import annotations

import torch
from pytorch_metric_learning.losses import ArcFaceLoss, SubCenterArcFaceLoss
from torch import Tensor, nn

from sigvault.training.losses import settings
from sigvault.training.losses.bounded_cosine import BoundedCosine
from sigvault.training.losses.value import LossValue, share
from sigvault.training.pairs import PairKinds


class ClassMarginLoss(nn.Module):
    """Genuine images against the centres of all groups; forgeries are left to the ranking term.

    Active are images that the margin puts behind another class.
    """

    def __init__(self, loss: ArcFaceLoss) -> None:
        """Take pytorch-metric-learning's, whose centres are trained along."""
        super().__init__()
        self._loss = loss

    def forward(self, vectors: Tensor, kinds: PairKinds) -> LossValue:
        """The loss of a batch of unit vectors (B, D)."""
        genuine = kinds.classes >= 0
        vectors, classes = vectors[genuine], kinds.classes[genuine]
        if not len(vectors):
            return LossValue(vectors.sum(), None)
        value = self._loss(vectors, classes)
        with torch.no_grad():
            cosines = self._loss.get_cosine(vectors)
            own = classes[:, None]
            behind = self._loss.modify_cosine_of_target_classes(cosines.gather(1, own))
            best = cosines.scatter(1, own, -2.0).amax(1, keepdim=True)
        return LossValue(value, share((best > behind).squeeze(1)))


def arcface(chosen: settings.ArcFace, classes: int, dimension: int) -> ClassMarginLoss:
    """One centre a group."""
    own = ArcFaceLoss(classes, dimension, chosen.margin, chosen.scale, distance=BoundedCosine())
    return ClassMarginLoss(own)


def sub_centre_arcface(
    chosen: settings.SubCentreArcFace, classes: int, dimension: int
) -> ClassMarginLoss:
    """Several centres a group, of which the nearest counts."""
    own = SubCenterArcFaceLoss(
        num_classes=classes,
        embedding_size=dimension,
        margin=chosen.margin,
        scale=chosen.scale,
        sub_centers=chosen.sub_centres,
        distance=BoundedCosine(),
    )
    return ClassMarginLoss(own)
