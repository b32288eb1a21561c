"""Which images of a batch are mated, which are not: a forgery is never mated with anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PairKinds:
    """Three disjoint kinds of ordered pairs, bool (B, B) each; rows are genuine throughout.

    Losses are given this, and nothing else that says who is who.

    Attributes:
        mated: two genuine images of one group.
        skilled: a genuine image and a forgery of the same group.
        random: two genuine images of two groups.
        classes: int64 (B,), the group of a genuine image; -1 for a forgery, which has none.
    """

    mated: Tensor
    skilled: Tensor
    random: Tensor
    classes: Tensor


def pair_kinds(groups: Tensor, forged: Tensor) -> PairKinds:
    """Sort the pairs of a batch.

    Args:
        groups: int64 (B,), the group of each image.
        forged: bool (B,), whether it is a forgery of its group's signer.
    """
    same = groups[:, None] == groups[None, :]
    genuine = ~forged
    both = genuine[:, None] & genuine[None, :]
    oneself = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    return PairKinds(
        mated=same & both & ~oneself,
        skilled=same & genuine[:, None] & forged[None, :],
        random=~same & both,
        classes=groups.masked_fill(forged, -1),
    )


def as_indices(kinds: PairKinds) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Anchors and positives, anchors and negatives, as pytorch-metric-learning takes them."""
    positive = kinds.mated.nonzero(as_tuple=True)
    negative = (kinds.skilled | kinds.random).nonzero(as_tuple=True)
    return positive[0], positive[1], negative[0], negative[1]
