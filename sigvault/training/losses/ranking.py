"""Each genuine anchor's forgeries below its mated pairs: a term beside any loss.

For anchor a, mate p and forgery n of one kind (skilled, or random), with margin m and scale g:

    R(kind) = mean over (a, p, n) of softplus(g (cos(a, n) - cos(a, p) + m)) / g

and the term is skilled R(skilled) + random R(random). The parts are known: the logistic ranking of
two scores (RankNet: Burges et al., ICML 2005) and the triplet margin (Schroff et al., CVPR 2015).
Averaging the kinds apart, so that a few skilled forgeries don't drown among many random ones, is
our own.
"""

from __future__ import annotations

from pytorch_metric_learning.utils.loss_and_miner_utils import convert_to_triplets
from torch import Tensor
from torch.nn import functional

from sigvault.training.losses.settings import ForgeryRanking
from sigvault.training.pairs import PairKinds


def rank_forgeries(vectors: Tensor, kinds: PairKinds, chosen: ForgeryRanking) -> Tensor:
    """The term for a batch of unit vectors (B, D); 0 where there is no triplet.

    pytorch-metric-learning's soft triplet loss has no scale, and without one the softplus is
    nearly straight between two cosines.
    """
    cosines = vectors @ vectors.T
    total = vectors.sum() * 0.0
    mated = kinds.mated.nonzero(as_tuple=True)
    for weight, kind in ((chosen.skilled, kinds.skilled), (chosen.random, kinds.random)):
        forged = kind.nonzero(as_tuple=True)
        anchors, mates, others = convert_to_triplets((*mated, *forged), None)
        if weight and len(anchors):
            excess = cosines[anchors, others] - cosines[anchors, mates] + chosen.margin
            ranked = functional.softplus(chosen.scale * excess).mean() / chosen.scale
            total = total + weight * ranked
    return total
