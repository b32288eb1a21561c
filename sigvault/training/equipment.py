"""How a run is computed. Free of torch, so that the command line can ask for it at no cost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum


class Device(StrEnum):
    """Where to compute; ``AUTO`` takes CUDA where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True)
class Equipment:
    """How a run is computed; none of it changes what comes out, but for rounding.

    Attributes:
        device: where to compute.
        workers: processes that make batches ahead; None for none on the CPU, which they would
            take from the trainer, and four beside a CUDA device.
        save_seconds: how often the state is kept within an epoch.
    """

    device: Device = Device.AUTO
    workers: int | None = None
    save_seconds: float = 300.0


def is_first_process() -> bool:
    """Whether this is the process that speaks: ``torchrun`` numbers those that share a run."""
    return os.environ.get("RANK", "0") == "0"
