"""Which FAISS is installed, and whether it is the only one."""

from __future__ import annotations

from importlib.metadata import distributions

from sigvault.domain.diagnosis import Finding, Severity
from sigvault.domain.errors import IndexFailed
from sigvault.indexing.choice import SearchOptions, choose_kind
from sigvault.indexing.faiss_index import faiss_version
from sigvault.indexing.hardware import detect_hardware, usable_gpus

MODULE = "faiss"


def faiss_distributions() -> tuple[str, ...]:
    """Name and version of each installed distribution that brings the module faiss, in order."""
    found = {
        f"{one.metadata['Name']} {one.version}"
        for one in distributions()
        if one.metadata["Name"].lower().startswith(MODULE)
    }
    return tuple(sorted(found))


def examine_faiss() -> list[Finding]:
    """Versions and builds of FAISS, and where it searches."""
    return judge_faiss(faiss_distributions())


def examine_choice(count: int, dimension: int, options: SearchOptions) -> Finding:
    """What so many vectors are searched with, why, and whether memory suffices."""
    try:
        choice = choose_kind(count, dimension, detect_hardware(options.device), options)
    except IndexFailed as error:
        return Finding("search", Severity.PROBLEM, str(error), "set SIGVAULT_DEVICE")
    free = "unknown" if choice.available is None else f"{choice.available / 1e9:.2f} GB"
    found = (
        f"{count:,} vectors with {choice.kind.value} on "
        f"{f'{len(choice.gpus)} GPUs' if choice.gpus else 'the CPU'}: {choice.reason}; takes "
        f"{choice.needed / 1e9:.3f} GB, free {free}"
    )
    if choice.available is not None and choice.needed > choice.available:
        return Finding("search", Severity.WARNING, found, "free memory, or use another machine")
    return Finding("search", Severity.FINE, found)


def judge_faiss(installed: tuple[str, ...]) -> list[Finding]:
    """The findings for these distributions.

    Args:
        installed: name and version of each.
    """
    if len(installed) > 1:
        return [
            Finding(
                "FAISS",
                Severity.PROBLEM,
                f"{len(installed)} distributions bring one module: {', '.join(installed)}; which "
                "of their files are used is chance",
                "uninstall all of them, and then install one",
            )
        ]
    if not installed or faiss_version() is None:
        named = f"{installed[0]} is installed but can't be imported" if installed else "none"
        return [
            Finding(
                "FAISS",
                Severity.PROBLEM if installed else Severity.WARNING,
                f"{named}; torch searches instead",
                "install faiss-gpu-cuvs (Linux, CUDA 13) or faiss-cpu",
            )
        ]
    try:
        device = "cuda" if usable_gpus("auto") else "cpu"
    except IndexFailed as error:
        return [Finding("FAISS", Severity.PROBLEM, f"{installed[0]}: {error}", "reinstall it")]
    return [Finding("FAISS", Severity.FINE, f"{installed[0]}, searching on the {device}")]
