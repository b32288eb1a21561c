"""Dropout whose masks hang on the picture's place in the batch, not on who computes it, or where.

torch's own draws by the shape that it is given, and on the device: of half a batch other masks
than of the whole, and in every process the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PlacedDropout(nn.Dropout):
    """Dropout with a seed for each picture.

    Attributes:
        seeds: of the masks, one for each picture of the pass to come.
    """

    seeds: Sequence[int] = ()

    def forward(self, values: Tensor) -> Tensor:
        """Drop features of (B, ...) in training, and strengthen the others.

        Raises:
            ValueError: If there is not one seed a picture.
        """
        if not self.training or self.p == 0:
            return values
        # Drawn on the CPU: another device's generator gives other numbers.
        draws = torch.empty(values.shape)
        for own, seed in zip(draws, self.seeds, strict=True):
            own.uniform_(generator=torch.Generator().manual_seed(seed))
        kept = (draws >= self.p).to(values.device)
        return values * kept * (1.0 / (1.0 - self.p) if self.p < 1 else 0.0)


def place_dropout(network: nn.Module) -> None:
    """Make every dropout of a network draw by place; names and weights stay."""
    for layer in network.modules():
        if type(layer) is nn.Dropout:
            layer.__class__ = PlacedDropout


def seed_dropout(network: nn.Module, seeds: Sequence[int]) -> None:
    """Say what the masks of the next pass are drawn from, a seed for each picture."""
    for layer in network.modules():
        if isinstance(layer, PlacedDropout):
            layer.seeds = seeds


__all__ = ["PlacedDropout", "place_dropout", "seed_dropout"]
