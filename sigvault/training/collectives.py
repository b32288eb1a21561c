"""Sums and collections over all processes that gradients find their way back through.

torch's own are deprecated, and what is to follow them is private.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


class _Sum(Function):
    @staticmethod
    def forward(_context: Any, part: Tensor) -> Tensor:  # noqa: ANN401  # torch's, untyped
        whole = part.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        whole = gradient.clone()
        dist.all_reduce(whole)
        return whole


class _Collection(Function):
    @staticmethod
    def forward(_context: Any, part: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        part = part.contiguous()
        parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, part)
        return tuple(parts)

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        whole = torch.stack(gradients)
        dist.all_reduce(whole)
        return whole[dist.get_rank()]


def sum_up(part: Tensor) -> Tensor:
    """The sum over all processes; each gets it, and the sum of all gradients back."""
    whole: Tensor = _Sum.apply(part)
    return whole


def collect(part: Tensor) -> tuple[Tensor, ...]:
    """Every process's part, in order of rank; each part gets the sum of its gradients back."""
    parts: tuple[Tensor, ...] = _Collection.apply(part)
    return parts
