"""Where a run computes: device, precision and processes, all by Lightning Fabric.

Several processes share a batch and gather its embeddings, so that the loss sees the whole batch;
batch normalisation is shared too (`sigvault.training.distributed_norm`).
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from sigvault.domain.errors import ConfigurationError

PRECISIONS: dict[str, Any] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}
"""Fabric's names."""


class Device(StrEnum):
    """Where to compute; ``AUTO`` takes CUDA where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def open_fabric(precision: str, device: Device = Device.AUTO) -> Fabric:
    """Choose device, precision and processes; ``torchrun`` says how many processes there are.

    Raises:
        ConfigurationError: If CUDA is asked for and missing, or the device can't do the precision.
    """
    if device is Device.CUDA and not torch.cuda.is_available():
        raise ConfigurationError("there is no CUDA device here: use --device cpu or auto")
    on_cuda = device is not Device.CPU and torch.cuda.is_available()
    if precision == "float16" and not on_cuda:
        raise ConfigurationError(
            "optimisation.precision: float16 takes a CUDA device; use bfloat16 or float32 here"
        )
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // here
    together = here * nodes > 1
    backend = "nccl" if on_cuda else "gloo"
    # Buffers are equal already: normalisation is shared, and every process settles it alike.
    shared = DDPStrategy(process_group_backend=backend, broadcast_buffers=False)
    fabric = Fabric(
        accelerator="cuda" if on_cuda else "cpu",
        devices=here,
        num_nodes=nodes,
        strategy=shared if together else "auto",
        precision=PRECISIONS[precision],
    )
    fabric.launch()
    return fabric


def own_places(count: int, rank: int, processes: int) -> Tensor:
    """The places of a batch of ``count`` that one process embeds, int64."""
    return torch.arange(rank, count, processes)


def gather_batch(part: Tensor, count: int, processes: int) -> Tensor:
    """Every process's part of a batch, in the batch's order; gradients find their way back.

    Args:
        part: (N, ...), this process's images, as `own_places` dealt them.
        count: how many images the batch has.
        processes: how many share it.
    """
    if processes == 1:
        return part
    most = -(-count // processes)
    missing = part.new_zeros((most - len(part), *part.shape[1:]))
    padded = torch.cat([part, missing]).contiguous()
    if part.requires_grad:
        parts = differentiable.all_gather(padded)  # type: ignore[no-untyped-call]
    else:
        parts = [torch.empty_like(padded) for _ in range(processes)]
        dist.all_gather(parts, padded)
    # Process r holds places r, r + processes, ...: stacking beside each other restores the order.
    return torch.stack(list(parts), dim=1).flatten(0, 1)[:count]


def any_process(flag: bool, fabric: Fabric) -> bool:
    """Whether one process at least says so."""
    if fabric.world_size == 1:
        return flag
    told = torch.tensor(int(flag), device=fabric.device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return bool(told.item())


__all__ = ["PRECISIONS", "Device", "any_process", "gather_batch", "open_fabric", "own_places"]
