"""Teaching the projection of local features, with everything before it as it is.

What comes before the projection is computed once for each picture, so that a pass over many
batches takes minutes where training the network takes hours. And pictures are taken as they are:
whatever moves strokes about at random teaches cells to be alike that must be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from sigvault.domain.errors import TrainingDiverged
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.losses.local import LocalLoss
from sigvault.training.pairs import pair_kinds
from sigvault.training.sampling import BatchRows

SCALE = 18.0
OFFSET = -12.0
"""Where the logistic regression starts: a trained projection's cosines lie closely around 0.67."""

PASS = 64
"""Pictures that are looked at in one pass."""

REGRESSION_RATE = 100.0
"""How many times as fast scale and offset are learnt as the projection."""


def teach_local_projection(
    network: EmbeddingNetwork,
    pictures: Callable[[npt.NDArray[np.int64]], Tensor],
    batches: Sequence[BatchRows],
    learning_rate: float,
    tell: Callable[[int, int], None],
) -> None:
    """Learn the projection of the local features by the loss of the local scores alone.

    AdamW (Loshchilov, Hutter, ICLR 2019) with one cycle of the learning rate, see `LocalLoss`.

    Args:
        network: the network; its projection is where it starts. Left in evaluation mode.
        pictures: ink (B, 1, H, W) of the pictures of so many rows, on the network's device.
        batches: what to learn from, one step each.
        learning_rate: the highest.
        tell: told how many of how many passes and steps are done; may raise to stop, which leaves
            the projection as it was.

    Raises:
        TrainingDiverged: If a loss is not finite; the projection is left as it was.
    """
    network.eval()
    rows = np.unique(np.concatenate([batch.rows for batch in batches]))
    parts = np.array_split(rows, -(-len(rows) // PASS))
    total = len(parts) + len(batches)
    described: dict[int, _Described] = {}
    for number, part in enumerate(parts, start=1):
        described |= zip(part.tolist(), _describe(network, pictures(part)), strict=True)
        tell(number, total)
    weights = network.local_projection.weight.detach().flatten(1).clone().requires_grad_()
    loss = LocalLoss(SCALE, OFFSET).to(weights.device)
    learnt: list[dict[str, Any]] = [{"params": [weights]}, {"params": list(loss.parameters())}]
    optimiser = torch.optim.AdamW(learnt, weight_decay=0.01)
    rates = [learning_rate, REGRESSION_RATE * learning_rate]
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=len(batches), pct_start=0.1
    )
    for number, batch in enumerate(batches, start=len(parts) + 1):
        local, inked = _project(weights, [described[row] for row in batch.rows.tolist()])
        kinds = pair_kinds(torch.from_numpy(batch.groups), torch.from_numpy(batch.forged))
        optimiser.zero_grad()
        value = loss(local, inked, kinds)
        if not math.isfinite(float(value.detach())):
            raise TrainingDiverged(
                f"the loss is {float(value.detach())} at batch {number - len(parts)} of teaching "
                "the local features: lower local_projection.learning_rate; what was trained "
                "before is kept"
            )
        value.backward()
        optimiser.step()
        scheduler.step()
        tell(number, total)
    with torch.no_grad():
        network.local_projection.weight.copy_(weights[..., None, None])


@dataclass(frozen=True, eq=False)
class _Described:
    """What the projection is given of one picture.

    Attributes:
        descriptors: float16 (n, channels), of the inked cells.
        inked: bool (rows, columns).
    """

    descriptors: Tensor
    inked: Tensor


@torch.inference_mode()
def _describe(network: EmbeddingNetwork, ink: Tensor) -> list[_Described]:
    """What the projection is given of each picture of a batch."""
    inputs: list[Tensor] = []
    hook = network.local_projection.register_forward_pre_hook(
        lambda _, given: inputs.append(given[0])
    )
    try:
        _, inked = network.local_features(ink)
    finally:
        hook.remove()
    return [
        _Described(own[mask].half().cpu(), mask.cpu())
        for own, mask in zip(inputs.pop().permute(0, 2, 3, 1), inked, strict=True)
    ]


def _project(weights: Tensor, pictures: Sequence[_Described]) -> tuple[Tensor, Tensor]:
    """Local features (B, rows, columns, C), unit norm in inked cells, and which those are."""
    inked = torch.stack([picture.inked for picture in pictures]).to(weights.device)
    descriptors = torch.cat([picture.descriptors for picture in pictures]).to(weights)
    local = torch.zeros(*inked.shape, len(weights), device=weights.device)
    local[inked] = functional.normalize(descriptors @ weights.T, dim=-1)
    return local, inked
