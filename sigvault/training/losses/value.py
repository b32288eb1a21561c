"""What a loss says of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sigvault.training.pairs import PairKinds


@dataclass(frozen=True, eq=False)
class LossValue:
    """A batch's loss.

    Attributes:
        value: a number to derive from.
        active: the share of what the loss works on that isn't settled yet, in [0, 1]; each loss
            says what that is. None where there is nothing to work on.
    """

    value: Tensor
    active: float | None


def share(flags: Tensor) -> float | None:
    """The share of true ones, bool (N,); None of none."""
    return float(flags.float().mean()) if flags.numel() else None


@torch.no_grad()
def share_misordered(vectors: Tensor, kinds: PairKinds) -> float | None:
    """The share of anchors whose hardest negative is nearer than their hardest mate, by cosine."""
    cosines = vectors @ vectors.T
    others = kinds.skilled | kinds.random
    hardest_mate = cosines.masked_fill(~kinds.mated, 2.0).amin(1)
    hardest_other = cosines.masked_fill(~others, -2.0).amax(1)
    anchors = kinds.mated.any(1) & others.any(1)
    return share((hardest_other > hardest_mate)[anchors])
