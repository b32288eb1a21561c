"""The same picture more than once: what a run may take of it, and what it must not."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class Side(IntEnum):
    """Where the split puts a picture; of a picture on two sides, the higher one keeps it."""

    TRAINING = 0
    VALIDATION = 1
    HELD_OUT = 2


class CopyKind(StrEnum):
    """What is wrong with a picture that there is more than once.

    ``REPEATED``: of one signer, counted once. ``ACROSS_SPLIT``: on two sides of the split; the
    side that measures keeps it. ``TWO_SIGNERS``: under two signers, or two texts, or in two data
    sets: nobody knows whose it is, so nobody gets it. ``GENUINE_AND_FORGED``: both of one signer;
    likewise.
    """

    REPEATED = "repeated"
    ACROSS_SPLIT = "across the split"
    TWO_SIGNERS = "under two signers"
    GENUINE_AND_FORGED = "genuine and forged"


@dataclass(frozen=True)
class Picture:
    """One picture of a run's data.

    Attributes:
        path: its file.
        ink: digest of its ink, the same for the same picture however it was saved.
        group: data set, signer and text.
        genuine: False for a forgery.
        side: of the split.
    """

    path: Path
    ink: str
    group: tuple[str, str, str]
    genuine: bool
    side: Side


@dataclass(frozen=True)
class Copies:
    """One picture that there is more than once.

    Attributes:
        kind: what is wrong with it.
        kept: the file that is used, or none.
        dropped: the files that are not.
    """

    kind: CopyKind
    kept: Path | None
    dropped: tuple[Path, ...]

    def __str__(self) -> str:
        """A line that names the files."""
        kept = "none is used" if self.kept is None else f"{self.kept} is used"
        return f"{self.kind}: {', '.join(map(str, self.dropped))} left out, {kept}"


def ink_digest(ink: npt.NDArray[np.uint8]) -> str:
    """The digest of one picture's ink (H, W)."""
    return hashlib.sha256(np.ascontiguousarray(ink).data).hexdigest()


def drop_copies(
    pictures: Sequence[Picture],
) -> tuple[npt.NDArray[np.bool_], tuple[Copies, ...]]:
    """Which pictures may be used, bool (N,), and what there is more than once.

    A picture is used on one side of the split at most, and under one signer at most.
    """
    by_ink: defaultdict[str, list[int]] = defaultdict(list)
    for number, picture in enumerate(pictures):
        by_ink[picture.ink].append(number)
    usable = np.ones(len(pictures), np.bool_)
    found: list[Copies] = []
    for numbers in by_ink.values():
        if len(numbers) > 1:
            found += _settle(pictures, numbers, usable)
    return usable, tuple(found)


def _settle(
    pictures: Sequence[Picture], numbers: list[int], usable: npt.NDArray[np.bool_]
) -> Iterable[Copies]:
    """Decide about one picture's copies."""
    measured = max(pictures[number].side for number in numbers)
    left = [number for number in numbers if pictures[number].side == measured]
    labels = {(pictures[number].group, pictures[number].genuine) for number in left}
    kept = left[0] if len(labels) == 1 else None
    for number in numbers:
        usable[number] = number == kept
    crossing = [number for number in numbers if number not in left]
    others = [number for number in left if number != kept]
    groups = {group for group, _ in labels}
    if len(labels) == 1:
        kind = CopyKind.REPEATED
    else:
        kind = CopyKind.TWO_SIGNERS if len(groups) > 1 else CopyKind.GENUINE_AND_FORGED
    for own_kind, dropped in ((CopyKind.ACROSS_SPLIT, crossing), (kind, others)):
        if dropped:
            path = None if kept is None else pictures[kept].path
            yield Copies(own_kind, path, tuple(pictures[number].path for number in dropped))


def as_lines(copies: Sequence[Copies]) -> dict[str, Any]:
    """How many files each kind drops, and every case as a line; JSON-ready."""
    counts = {
        str(kind): sum(len(case.dropped) for case in copies if case.kind is kind)
        for kind in CopyKind
    }
    return {"dropped": counts, "cases": [str(case) for case in copies]}
