"""What every store has to do in the comparison; the standard library and NumPy alone.

A store's own file imports the store and this, so that it runs in the store's own environment.
Reference number ``i`` belongs to signer ``i // EACH``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

EACH = 10
"""References of a signer."""
K = 10
"""Nearest references that an identification asks for."""
DIMENSION = 256

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What has to be known of a store to read its figures.

    Attributes:
        search: how it searches, and with which parameters.
        exact: whether it finds the nearest by design.
        verify: how it compares with one signer's references.
        durable: what it has done when an enrollment returns.
        audit: what it records of a decision.
        threads: how many threads it uses.
    """

    search: str
    exact: bool
    verify: str
    durable: str
    audit: str = "no audit record"
    threads: str = "its own choice"


class Peer(ABC):
    """A store in one folder. Made by `create`, and opened again by `open` in a new process."""

    facts: ClassVar[Facts]

    def __init__(self, folder: Path) -> None:
        """Name the folder, which is there."""
        self.folder = folder

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of what it consists of."""

    @abstractmethod
    def create(self, vectors: Vectors) -> None:
        """Take all references (N, D), number 0 first, so that a power cut loses none."""

    def build(self) -> None:  # noqa: B027 - most need nothing
        """Make what searches need beside the references, and keep it."""

    @abstractmethod
    def open(self) -> None:
        """Open what `create` and `build` left behind."""

    def settle(self) -> None:  # noqa: B027
        """Finish what goes on beside the first searches."""

    @abstractmethod
    def search(self, probes: Vectors) -> Numbers:
        """The numbers int64 (P, K) of the nearest references, best first; -1 for none."""

    @abstractmethod
    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores float32 (R,) of a probe (D,) against one signer's references."""

    @abstractmethod
    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Enroll one reference, to be found by the next search."""

    @abstractmethod
    def erase(self, signer: int, numbers: list[int]) -> None:
        """Erase a signer, so that the next search doesn't find any of these references."""

    def save(self) -> None:  # noqa: B027
        """Make what `add` or `erase` did durable, where they didn't."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    def server_processes(self) -> list[int]:
        """Processes that serve beside this one."""
        return []

    def stop_left_over(self) -> None:  # noqa: B027
        """End what an interrupted run left running."""


class Recording(ABC):
    """What a store may offer beyond: decisions with a durable audit record."""

    @abstractmethod
    def verify_recorded(self, signer: int, probe: Vectors) -> None:
        """Compare, decide and commit a record of it."""


class Deciding(ABC):
    """A whole vault: it says which signer, and records it."""

    @abstractmethod
    def identify_recorded(self, probe: Vectors) -> int:
        """The best signer for a probe, with a committed record of the search."""

    @abstractmethod
    def search_alone(self, probes: Vectors) -> Numbers:
        """What the index alone finds, without a look at the database."""


def flush_file(path: Path) -> None:
    """Wait until the disk has a file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def padded(rows: list[list[int]]) -> Numbers:
    """Lists of numbers as an array (P, K), with -1 where there are too few."""
    found = np.full((len(rows), K), -1, np.int64)
    for place, row in enumerate(rows):
        found[place, : min(K, len(row))] = row[:K]
    return found
