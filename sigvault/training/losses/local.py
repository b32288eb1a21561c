"""Mated against other pairs on the local score."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from sigvault.domain.local_matching import default_radius
from sigvault.training.pairs import PairKinds

NOTHING_NEAR = -2.0
"""Stands for the cosine with a cell that may not match; below any cosine."""

MOST_RANDOM = 256
"""Pairs of two signers that are compared of a batch: there are thousands, and most are settled."""


class LocalLoss(nn.Module):
    """Logistic regression of mated against other pairs on the local score.

    Scale and offset are learnt along, as in the sigmoid loss of Zhai et al. (ICCV 2023, eq. 1);
    the three kinds of pairs count alike, however many there are of each. Of the pairs of two
    signers `MOST_RANDOM` are drawn from torch's own generator: as many as keep the mean steady.
    """

    def __init__(self, scale: float = 10.0, offset: float = -6.0) -> None:
        """Start with a scale and an offset; those given suit cosines around 0.6."""
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, local: Tensor, inked: Tensor, kinds: PairKinds) -> Tensor:
        """The loss of a batch.

        Args:
            local: (B, rows, columns, C), unit norm in inked cells, zero elsewhere.
            inked: bool (B, rows, columns).
            kinds: which pairs are mated.
        """
        # The score is symmetric, so of two orders of a pair one is enough.
        random = kinds.random.triu().nonzero()
        random = random[torch.randperm(len(random))[:MOST_RANDOM].to(random.device)]
        groups = (kinds.mated.triu().nonzero(), kinds.skilled.nonzero(), random)
        first, second = torch.cat(groups).unbind(1)
        logits = self.scale * local_scores(local, inked, first, second) + self.offset
        mated, *others = torch.split(logits, [len(group) for group in groups])
        parts = [functional.softplus(-mated), *(functional.softplus(other) for other in others)]
        means = [part.mean() for part in parts if part.numel()]
        return torch.stack(means).mean() if means else self.scale * local.sum() * 0.0


def local_scores(
    local: Tensor, inked: Tensor, first: Tensor, second: Tensor, radius: float | None = None
) -> Tensor:
    """Some pairs' local scores: `sigvault.domain.local_matching.match_local` in torch.

    Args:
        local: (B, rows, columns, C), unit norm in inked cells, zero elsewhere.
        inked: bool (B, rows, columns).
        first: int64 (N,), one side of each pair.
        second: int64 (N,), the other.
        radius: the largest displacement, in cells; `default_radius` if None.

    Returns:
        (N,), each in [-1, 1].
    """
    _, rows, columns, _ = local.shape
    cells, ink = local.flatten(1, 2), inked.flatten(1)
    near = _near(rows, columns, default_radius(rows) if radius is None else radius)
    cosines = cells[first] @ cells[second].transpose(1, 2)
    barred = ~(near.to(ink.device) & ink[first][:, :, None] & ink[second][:, None, :])
    cosines = cosines.masked_fill(barred, NOTHING_NEAR)
    forward = _mean_of_best(cosines.amax(dim=2), ink[first])
    return 0.5 * (forward + _mean_of_best(cosines.amax(dim=1), ink[second]))


@lru_cache(maxsize=4)
def _near(rows: int, columns: int, radius: float) -> Tensor:
    """Which cells may match, bool (cells, cells)."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    apart = places[:, None] - places[None]
    return (apart * apart).sum(-1) <= radius * radius


def _mean_of_best(best: Tensor, ink: Tensor) -> Tensor:
    """The mean over inked cells, (N,); a cell with nothing near it agrees with nothing."""
    best = torch.where(best == NOTHING_NEAR, 0.0, best)
    return (best * ink).sum(1) / ink.sum(1).clamp(min=1)
