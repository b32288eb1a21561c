"""Where a run computes: device, precision and processes, all by Lightning Fabric.

Several processes share a batch and gather its embeddings, so that the loss sees the whole batch;
batch normalisation is shared too (`sigvault.training.distributed_norm`).
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from sigvault.domain.errors import ConfigurationError
from sigvault.indexing.torch_exact import has_amx
from sigvault.training.collectives import collect
from sigvault.training.equipment import Device

PRECISIONS: dict[str, Any] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}
"""Fabric's names."""


def open_fabric(
    precision: str, device: Device = Device.AUTO, cpu_precision: str = "float32"
) -> Fabric:
    """Choose device, precision and processes; ``torchrun`` says how many processes there are.

    Args:
        precision: of `PRECISIONS`, on CUDA.
        device: where to compute.
        cpu_precision: of `PRECISIONS`, on a CPU.

    Raises:
        ConfigurationError: If CUDA is asked for and missing, or bfloat16 of a CPU that has no
            instructions for it: there it takes ten times as long as float32.
    """
    if device is Device.CUDA and not torch.cuda.is_available():
        raise ConfigurationError("there is no CUDA device here: use --device cpu or auto")
    on_cuda = device is not Device.CPU and torch.cuda.is_available()
    if not on_cuda and cpu_precision == "bfloat16" and not has_amx():
        raise ConfigurationError(
            "this processor multiplies no matrices in bfloat16 (it has no AMX), which would take "
            "ten times as long as float32: set optimisation.cpu_precision to float32"
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
        precision=PRECISIONS[precision if on_cuda else cpu_precision],
    )
    fabric.launch()
    return fabric


def wrap_network(fabric: Fabric, network: nn.Module) -> Any:  # noqa: ANN401  # Fabric's, untyped
    """The network in mixed precision, its gradients shared between processes."""
    with warnings.catch_warnings():
        # The successor of what `open_fabric` asks for is only in the newest torch.
        warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
        return fabric.setup_module(network)


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
    padded = torch.cat([part, missing])
    # Process r holds places r, r + processes, ...: stacking beside each other restores the order.
    return torch.stack(collect(padded), dim=1).flatten(0, 1)[:count]


def any_process(flag: bool, fabric: Fabric) -> bool:
    """Whether one process at least says so."""
    if fabric.world_size == 1:
        return flag
    told = torch.tensor(int(flag), device=fabric.device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return bool(told.item())


__all__ = [
    "PRECISIONS",
    "Device",
    "any_process",
    "gather_batch",
    "open_fabric",
    "own_places",
    "wrap_network",
]
