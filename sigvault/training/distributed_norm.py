"""Batch normalisation over all processes' images, on any device.

torch's SyncBatchNorm takes CUDA alone. This one takes gloo as well, and unequal parts of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sigvault.training.collectives import sum_up


class _Shared:
    """What `SharedBatchNorm1d` and `SharedBatchNorm2d` have in common."""

    shared = True

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, H, W) by the statistics of all processes' values."""
        assert isinstance(self, nn.BatchNorm1d | nn.BatchNorm2d)  # noqa: S101  # for mypy
        if not (self.training and self.shared and dist.is_initialized()):
            return nn.BatchNorm2d.forward(self, values)  # the same code
        return _normalise(self, values)


class SharedBatchNorm1d(_Shared, nn.BatchNorm1d):
    """Batch normalisation of (N, C)."""


class SharedBatchNorm2d(_Shared, nn.BatchNorm2d):
    """Batch normalisation of (N, C, H, W)."""


def share_batch_norm(network: nn.Module) -> None:
    """Make every batch normalisation of a network see all processes' images; names stay."""
    for layer in network.modules():
        if type(layer) is nn.BatchNorm1d:
            layer.__class__ = SharedBatchNorm1d
        elif type(layer) is nn.BatchNorm2d:
            layer.__class__ = SharedBatchNorm2d


@contextmanager
def each_alone(network: nn.Module) -> Iterator[None]:
    """For work that every process does whole: its own images are all there are."""
    layers = [layer for layer in network.modules() if isinstance(layer, _Shared)]
    for layer in layers:
        layer.shared = False
    try:
        yield
    finally:
        for layer in layers:
            layer.shared = True


def _normalise(layer: nn.BatchNorm1d | nn.BatchNorm2d, values: Tensor) -> Tensor:
    exact = values.float()
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1, *[1] * (values.ndim - 2)]
    count = exact.new_tensor([values.numel() / values.shape[1]])
    dist.all_reduce(count)
    mean = sum_up(exact.sum(axes)) / count
    centred = exact - mean.view(shape)
    variance = sum_up(centred.square().sum(axes)) / count
    _note_running(layer, mean.detach(), variance.detach() * (count / (count - 1)))
    scaled = centred * (variance + layer.eps).rsqrt().view(shape)
    moved: Tensor = scaled * layer.weight.view(shape) + layer.bias.view(shape)
    return moved.to(values.dtype)


@torch.no_grad()
def _note_running(layer: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    momentum = layer.momentum
    if momentum is None:
        momentum = 1.0 / float(layer.num_batches_tracked or 1)
    for statistic, value in ((layer.running_mean, mean), (layer.running_var, variance)):
        if statistic is not None:
            statistic.lerp_(value, momentum)
