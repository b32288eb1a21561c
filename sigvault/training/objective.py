"""The whole loss of a batch, from the network's output and who is who."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sigvault.embedding.network import NetworkOutput
from sigvault.training.config import Loss
from sigvault.training.losses import GlobalLoss, LocalLoss
from sigvault.training.pairs import pair_kinds


@dataclass(frozen=True, eq=False)
class Value:
    """A batch's loss.

    Attributes:
        total: a number to derive from.
        active: the share of mined triplets that the loss still works on, or None.
    """

    total: Tensor
    active: float | None


class Objective(nn.Module):
    """The global and the local loss, with their own parameters."""

    def __init__(self, loss: Loss) -> None:
        """Take which losses, with which weights."""
        super().__init__()
        self._local_weight = loss.local_weight
        self.global_loss = GlobalLoss(loss)
        self.local_loss = LocalLoss()

    def forward(self, output: NetworkOutput, groups: Tensor, forged: Tensor) -> Value:
        """The loss of a whole batch.

        Args:
            output: of B images.
            groups: int64 (B,).
            forged: bool (B,).
        """
        kinds = pair_kinds(groups, forged)
        total = self.global_loss(output.vector, kinds)
        if self._local_weight > 0:
            local = self.local_loss(output.local, output.inked, kinds)
            total = total + self._local_weight * local
        with torch.no_grad():
            active = _active_share(output.vector, kinds.mated, kinds.skilled | kinds.random)
        return Value(total, active)


def _active_share(vectors: Tensor, mated: Tensor, others: Tensor) -> float | None:
    """The share of anchors whose hardest negative is nearer than their hardest mate."""
    cosines = vectors @ vectors.T
    hardest_mate = cosines.masked_fill(~mated, 2.0).amin(1)
    hardest_other = cosines.masked_fill(~others, -2.0).amax(1)
    anchors = mated.any(1) & others.any(1)
    if not bool(anchors.any()):
        return None
    return float((hardest_other > hardest_mate)[anchors].float().mean())
