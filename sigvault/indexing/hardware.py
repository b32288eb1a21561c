"""What there is to search with."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.faiss_index import Gpu, gpu_count, translated
from sigvault.indexing.gpu_worker import gpu_worker
from sigvault.indexing.torch_exact import torch_devices

_MEMORY_INFO = Path("/proc/meminfo")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """What an index can use.

    Attributes:
        cores: processor cores.
        memory: bytes of memory that are free, or None where the system doesn't say.
        gpus: free bytes of each GPU that can be used.
        faiss: whether FAISS is installed.
    """

    cores: int
    memory: int | None
    gpus: tuple[int, ...]
    faiss: bool


def detect_hardware(device: str) -> Hardware:
    """Look at this computer.

    Args:
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for GPUs where there are any that work.

    Raises:
        IndexFailed: If the device is unknown, or ``"cuda"`` is asked for and can't be had.
    """
    return Hardware(
        cores=os.cpu_count() or 1,
        memory=free_memory(),
        gpus=usable_gpus(device),
        faiss=importlib.util.find_spec("faiss") is not None,
    )


def free_memory(source: Path = _MEMORY_INFO) -> int | None:
    """Bytes of memory that can be had without pressing others, or None if it isn't known."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB$", source.read_text("ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return None
    return None if found is None else int(found[1]) * 1024


def usable_gpus(device: str) -> tuple[int, ...]:
    """Free bytes of each GPU that searches may use; none for ``"cpu"``.

    Raises:
        IndexFailed: If the device is unknown, or ``"cuda"`` is asked for and can't be had.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise IndexFailed(f"FAISS knows no device {device}: use auto, cpu or cuda")
    if device == "cpu":
        return ()
    try:
        _try_gpu()
        return tuple(free for free, _ in torch_devices())[: gpu_count()]
    except IndexFailed as error:
        if device == "cuda":
            raise
        level = logging.WARNING if _has_gpu() else logging.INFO
        _log.log(level, "searches run on the CPU: %s", error)
        return ()


def _has_gpu() -> bool:
    try:
        return gpu_count() > 0
    except IndexFailed:
        return False


def _try_gpu() -> None:
    """Make an index on the first GPU: only that shows whether it serves.

    Raises:
        IndexFailed: If there is none, or it does not.
    """
    if not gpu_count():
        raise IndexFailed("FAISS sees no GPU, or was built without: use the device cpu")

    def make() -> None:
        with translated("be made on a GPU"):
            Gpu(0).flat(1, half=False)

    gpu_worker(0).run(make)
