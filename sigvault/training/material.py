"""The images of a run, split by signer and grouped for the sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sigvault.datasets import read_layout
from sigvault.domain.errors import DatasetError
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training.config import TrainingConfig
from sigvault.training.datasets import InkSet, load_ink
from sigvault.training.sampling import TrainingGroup
from sigvault.training.splits import SignerSplit, split_signers


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that a run sees, and who it must not see.

    Attributes:
        ink: uint8 (N, H, W), training and validation images of all data sets.
        training: groups to draw batches from; rows of ``ink``.
        validation: groups to watch the training with; rows of ``ink``.
        splits: the signers' split, by the data set's path.
        digests: SHA-256 of every image in ``ink``'s files.
        failed: files that could not be used, with the reason.
    """

    ink: npt.NDArray[np.uint8]
    training: tuple[TrainingGroup, ...]
    validation: tuple[TrainingGroup, ...]
    splits: dict[str, SignerSplit]
    digests: frozenset[str]
    failed: tuple[str, ...]


def gather(
    config: TrainingConfig,
    preprocessing: Preprocessing,
    data_root: Path,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Read, harmonise and split every data set of a configuration.

    Raises:
        DatasetError: If a folder can't be read, or holds too little to train on.
    """
    ink: list[npt.NDArray[np.uint8]] = []
    training: list[TrainingGroup] = []
    validation: list[TrainingGroup] = []
    splits: dict[str, SignerSplit] = {}
    digests: set[str] = set()
    failed: list[str] = []
    for source in config.data:
        dataset = read_layout(data_root / source.path, source.layout)
        loaded = load_ink(dataset, preprocessing, cache, progress)
        split = splits[source.path] = split_signers(dataset.signers, config.split)
        seen = {*split.training, *split.validation}
        used = loaded.where(np.array([entry.signer in seen for entry in loaded.specimens]))
        first = sum(map(len, ink))
        training += _group(used, set(split.training), first)
        validation += _group(used, set(split.validation), first)
        ink.append(used.ink)
        digests.update(used.digests)
        failed += loaded.failed
    if len(training) < config.batch.signers:
        raise DatasetError(
            f"{len(training)} signers with two genuine signatures or more are left to train on, "
            f"but a batch takes {config.batch.signers}: add signers, or lower batch.signers"
        )
    return Material(
        np.concatenate(ink),
        tuple(training),
        tuple(validation),
        splits,
        frozenset(digests),
        tuple(failed),
    )


def _group(ink_set: InkSet, signers: set[str], first: int) -> list[TrainingGroup]:
    """Groups with at least two genuine images, identical files counted once."""
    rows: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
    seen: set[tuple[str, str]] = set()
    for row, (specimen, digest) in enumerate(zip(ink_set.specimens, ink_set.digests, strict=True)):
        if specimen.signer not in signers or (specimen.signer, digest) in seen:
            continue
        seen.add((specimen.signer, digest))
        genuine, forged = rows.setdefault((specimen.signer, specimen.text), ([], []))
        (genuine if specimen.genuine else forged).append(first + row)
    return [
        TrainingGroup(np.array(genuine, np.int64), np.array(forged, np.int64), text)
        for (_, text), (genuine, forged) in rows.items()
        if len(genuine) >= 2
    ]
