"""Mated against other pairs on the local score."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sigvault.domain.local_matching import default_radius
from sigvault.training.pairs import PairKinds

NOTHING_NEAR = -2.0
"""Stands for the cosine with a cell that may not match; below any cosine."""


class LocalLoss(nn.Module):
    """Logistic regression of mated against other pairs on the local score.

    Scale and offset are learnt along, as in the sigmoid loss of Zhai et al. (ICCV 2023, eq. 1);
    the three kinds of pairs count alike, however many there are of each.
    """

    def __init__(self) -> None:
        """Start with a scale and an offset that suit cosines around 0.6."""
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.offset = nn.Parameter(torch.tensor(-6.0))

    def forward(self, local: Tensor, inked: Tensor, kinds: PairKinds) -> Tensor:
        """The loss of a batch.

        Args:
            local: (B, rows, columns, C), unit norm in inked cells, zero elsewhere.
            inked: bool (B, rows, columns).
            kinds: which pairs are mated.
        """
        logits = self.scale * local_scores(local, inked) + self.offset
        parts = [functional.softplus(-logits[kinds.mated])]
        parts += [functional.softplus(logits[kind]) for kind in (kinds.skilled, kinds.random)]
        means = [part.mean() for part in parts if part.numel()]
        return torch.stack(means).mean() if means else logits.sum() * 0.0


def local_scores(local: Tensor, inked: Tensor, radius: float | None = None) -> Tensor:
    """Every pair's local score, (B, B): `sigvault.domain.local_matching.match_local` in torch.

    Args:
        local: (B, rows, columns, C), unit norm in inked cells, zero elsewhere.
        inked: bool (B, rows, columns).
        radius: the largest displacement, in cells; `default_radius` if None.
    """
    count, rows, columns, _ = local.shape
    radius = default_radius(rows) if radius is None else radius
    reach = int(radius)
    padded = functional.pad(local, (0, 0, reach, reach, reach, reach))
    ink = functional.pad(inked, (reach, reach, reach, reach))
    own = local.flatten(1, 2).transpose(0, 1)
    cosines = []
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            if down * down + across * across > radius * radius:
                continue
            window = (
                slice(None),
                slice(reach + down, reach + down + rows),
                slice(reach + across, reach + across + columns),
            )
            theirs = padded[window].flatten(1, 2).permute(1, 2, 0)
            barred = ~ink[window].flatten(1).T[:, None, :]
            cosines.append((own @ theirs).masked_fill(barred, NOTHING_NEAR))
    best = torch.stack(cosines).amax(dim=0)
    best = torch.where(best == NOTHING_NEAR, 0.0, best)
    mask = inked.flatten(1).T[:, :, None].expand(rows * columns, count, count)
    forward = (best * mask).sum(0) / mask.sum(0).clamp(min=1)
    return 0.5 * (forward + forward.T)
