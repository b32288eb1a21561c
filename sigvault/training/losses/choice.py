"""From a loss's name and parameters to the loss."""

from __future__ import annotations

from torch import nn

from sigvault.training.losses import settings
from sigvault.training.losses.batch_triplet import BatchTripletLoss
from sigvault.training.losses.class_margin import arcface, sub_centre_arcface
from sigvault.training.losses.pairwise import (
    EveryTriplet,
    multi_similarity,
    supervised_contrastive,
    tuplet_margin,
)


def build_loss(chosen: settings.Loss, classes: int, dimension: int) -> nn.Module:
    """The loss of the vectors: takes (B, D) and `PairKinds`, gives a `LossValue`.

    Args:
        chosen: which, with its parameters.
        classes: how many groups of genuine images there are.
        dimension: D.
    """
    match chosen:
        case settings.MultiSimilarity():
            return multi_similarity(chosen)
        case settings.TripletMargin():
            return EveryTriplet(chosen.margin)
        case settings.BatchTriplet():
            return BatchTripletLoss(chosen)
        case settings.SupervisedContrastive():
            return supervised_contrastive(chosen)
        case settings.TupletMargin():
            return tuplet_margin(chosen)
        case settings.ArcFace():
            return arcface(chosen, classes, dimension)
        case settings.SubCentreArcFace():
            return sub_centre_arcface(chosen, classes, dimension)
