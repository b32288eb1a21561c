"""What the network computes on: torch, its build, the GPU's driver and OpenMP."""

from __future__ import annotations

import os
import warnings
from importlib.metadata import version
from pathlib import Path

from sigvault.domain.diagnosis import Finding, Severity

DRIVER = Path("/proc/driver/nvidia/version")
"""There where Linux has loaded NVIDIA's driver."""


def examine_torch() -> list[Finding]:
    """Versions of torch and torchvision, whether they fit, and what they compute on."""
    try:
        import torch  # noqa: PLC0415 - slow to import
        import torchvision  # noqa: PLC0415, F401 - fails here if it doesn't fit torch
    except (ImportError, RuntimeError, OSError) as error:
        return [
            Finding(
                "torch",
                Severity.PROBLEM,
                f"torch and torchvision can't be imported together: {error}",
                "install both from one index, in the versions of requirements.lock",
            )
        ]
    built = f"torch {torch.__version__}, torchvision {version('torchvision')}"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    if there:
        return [_gpu(built)]
    return [_no_gpu(built, torch.version.cuda, [str(each.message) for each in said])]


def _gpu(built: str) -> Finding:
    import torch  # noqa: PLC0415

    name, (major, minor) = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0)
    known = torch.cuda.get_arch_list()
    if runs_on(major, minor, known):
        return Finding("torch", Severity.FINE, f"{built}, on {name} (sm_{major}{minor})")
    return Finding(
        "torch",
        Severity.PROBLEM,
        f"{built} has no code for {name} (sm_{major}{minor}), only for {', '.join(known)}",
        "install a build of torch for this GPU, or set SIGVAULT_DEVICE=cpu",
    )


def runs_on(major: int, minor: int, architectures: list[str]) -> bool:
    """Whether code for these architectures runs on a GPU.

    Machine code (sm_) runs on GPUs of the same major and no lower minor capability; PTX
    (compute_) is compiled for any that is not older (CUDA C++ Programming Guide, 3.1).

    Args:
        major: of the GPU's compute capability.
        minor: of it.
        architectures: such as ``"sm_90"`` or ``"compute_90"``.
    """
    for each in architectures:
        kind, _, number = each.partition("_")
        digits = "".join(filter(str.isdigit, number))
        own = int(digits[:-1]), int(digits[-1])
        if kind == "sm" and own[0] == major and own[1] <= minor:
            return True
        if kind == "compute" and own <= (major, minor):
            return True
    return False


def _no_gpu(built: str, cuda: str | None, said: list[str]) -> Finding:
    if not DRIVER.exists():
        return Finding("torch", Severity.FINE, f"{built}, on the CPU: there is no NVIDIA driver")
    if cuda is None:
        return Finding(
            "torch",
            Severity.WARNING,
            f"{built} is built for the CPU alone, but there is an NVIDIA GPU",
            "install a CUDA build of torch to use it",
        )
    why = f" ({said[0].splitlines()[0]})" if said else ""
    return Finding(
        "torch",
        Severity.WARNING,
        f"{built} is built for CUDA {cuda}, but can't use the NVIDIA GPU{why}",
        "update the driver to one for that CUDA version, or install a torch for an older one",
    )


def examine_openmp() -> list[Finding]:
    """Which OpenMP runtimes are loaded, and whether their threads wait busily for each other.

    To be called when torch, scikit-learn and FAISS are imported, since each may bring its own.
    """
    from threadpoolctl import threadpool_info  # noqa: PLC0415 - what it asks for is loaded by then

    runtimes = [one for one in threadpool_info() if one["user_api"] == "openmp"]
    names = ", ".join(f"{one['internal_api']} ({one['num_threads']} threads)" for one in runtimes)
    kinds = {one["internal_api"] for one in runtimes}
    if {"libomp", "libiomp"} <= kinds:
        return [
            Finding(
                "OpenMP",
                Severity.PROBLEM,
                f"two runtimes that can't live in one process: {names}",
                "install torch and FAISS from wheels of one kind; see requirements.lock",
            )
        ]
    passive = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    if len(runtimes) > 1 and not passive:
        return [
            Finding(
                "OpenMP",
                Severity.NOTE,
                f"{len(runtimes)} runtimes: {names}; their threads wait busily for each other",
                "where other programs need the processor too, set OMP_WAIT_POLICY=PASSIVE",
            )
        ]
    return [Finding("OpenMP", Severity.FINE, names or "none loaded")]
