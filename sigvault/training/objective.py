"""The whole loss of a batch, from the network's output and who is who."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from sigvault.embedding.network import NetworkOutput
from sigvault.training.losses.choice import build_loss
from sigvault.training.losses.diversity import diversity
from sigvault.training.losses.local import LocalLoss
from sigvault.training.losses.ranking import rank_forgeries
from sigvault.training.losses.settings import Loss
from sigvault.training.pairs import pair_kinds


@dataclass(frozen=True, eq=False)
class Value:
    """A batch's loss.

    Attributes:
        total: a number to derive from.
        active: the share of what the loss of the vectors works on that isn't settled yet (of
            mined triplets, for one that mines), or None.
    """

    total: Tensor
    active: float | None


class Objective(nn.Module):
    """The losses of vectors and local features, with their own parameters."""

    def __init__(self, loss: Loss, classes: int, dimension: int) -> None:
        """Build the losses.

        Args:
            loss: which, with which weights.
            classes: how many groups of genuine images there are to train on.
            dimension: D, the length of the vectors.
        """
        super().__init__()
        self._chosen = loss
        self.global_loss = build_loss(loss, classes, dimension)
        self.local_loss = LocalLoss()

    def forward(self, output: NetworkOutput, groups: Tensor, forged: Tensor) -> Value:
        """The loss of a whole batch.

        Args:
            output: of B images.
            groups: int64 (B,), below the number of classes.
            forged: bool (B,).
        """
        chosen = self._chosen
        kinds = pair_kinds(groups, forged)
        found = self.global_loss(output.vector, kinds)
        total = found.value
        if chosen.diversity > 0:
            total = total + chosen.diversity * diversity(output.vector)
        if chosen.forgeries.skilled > 0 or chosen.forgeries.random > 0:
            total = total + rank_forgeries(output.vector, kinds, chosen.forgeries)
        if chosen.local_weight > 0:
            local = self.local_loss(output.local, output.inked, kinds)
            total = total + chosen.local_weight * local
        return Value(total, found.active)
