"""Writes what an image without a GPU installs, out of requirements.lock.

``python docker/cpu_requirements.py requirements.lock FOLDER`` writes ``pinned.txt``, which is the
lock without CUDA and with the CPU's FAISS, hashes and all, and ``torch.txt``: torch and
torchvision of the same versions, whose CPU builds come from PyTorch's own index and therefore have
other hashes than those in the lock.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_ENTRY = re.compile(r"^(?=[a-zA-Z0-9])", re.MULTILINE)
_CUDA = re.compile(r"(nvidia-|cuda-|triton==|faiss-gpu|lib(cuvs|raft|rmm)-|rapids-logger==)")
_TORCH = re.compile(r"torch(vision)?==")


def for_cpus(lock: str) -> tuple[str, str]:
    """The pinned requirements with hashes, and torch's without.

    Raises:
        ValueError: If the lock has no FAISS or no torch, since it isn't what it was then.
    """
    _, *entries = _ENTRY.split(lock)
    torch = [re.split(r"[ ;\\]", entry)[0] for entry in entries if _TORCH.match(entry)]
    pinned = [entry for entry in entries if not _TORCH.match(entry) and not _CUDA.match(entry)]
    for place, entry in enumerate(pinned):
        if entry.startswith("faiss-cpu=="):
            pinned[place] = re.sub(r" ;[^\\]*", " ", entry, count=1)
            break
    else:
        raise ValueError("requirements.lock pins no faiss-cpu: correct docker/cpu_requirements.py")
    if len(torch) != 2:
        raise ValueError("requirements.lock pins no torch: correct docker/cpu_requirements.py")
    return "".join(pinned), "".join(f"{line}\n" for line in torch)


def main(lock: str, folder: str) -> None:
    """Write both files."""
    pinned, torch = for_cpus(Path(lock).read_text("utf-8"))
    Path(folder, "pinned.txt").write_text(pinned, "utf-8")
    Path(folder, "torch.txt").write_text(torch, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
