"""The images of a run, split by signer and grouped for the sampler."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sigvault.datasets import Dataset, read_layout
from sigvault.domain.errors import DatasetError
from sigvault.imaging.preprocessing import Recipe
from sigvault.training.config import DataSource, TrainingConfig
from sigvault.training.copies import (
    Copies,
    CopyKind,
    Picture,
    Side,
    as_lines,
    drop_copies,
    ink_digest,
)
from sigvault.training.datasets import InkSet, load_ink
from sigvault.training.ink_pool import InkPool
from sigvault.training.sampling import TrainingGroup
from sigvault.training.splits import SignerSplit, split_source

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that a run sees, and who it must not see.

    Attributes:
        ink: uint8 (N, H, W), the training and validation images that are used, of all data sets.
        training: groups to draw batches from; rows of ``ink``.
        validation: groups to watch the training with; rows of ``ink``.
        splits: the signers' split, by the data set's path.
        digests: SHA-256 of the files of every image in ``ink``, copies of it included.
        failed: files that could not be used, with the reason.
        skipped: signers, or texts of theirs, that could not be used, with the reason.
        copies: pictures that there are more than once.
        names: file and signer of each image in ``ink``.
        files: SHA-256 of the file of each image in ``ink``.
    """

    ink: InkPool
    training: tuple[TrainingGroup, ...]
    validation: tuple[TrainingGroup, ...]
    splits: dict[str, SignerSplit]
    digests: frozenset[str]
    failed: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    copies: tuple[Copies, ...] = ()
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def training_rows(self) -> npt.NDArray[np.int64]:
        """int64, the rows of ``ink`` that weights and statistics may come from, ascending."""
        rows = [part for group in self.training for part in (group.genuine, group.forged)]
        return np.unique(np.concatenate(rows))

    def fingerprint(self) -> str:
        """SHA-256 over files, groups and split: of the same data alone, wherever they lie."""

        def rows(groups: Sequence[TrainingGroup]) -> list[Any]:
            return [[own.genuine.tolist(), own.forged.tolist(), own.text] for own in groups]

        content = {
            "files": self.files,
            "digests": sorted(self.digests),
            "training": rows(self.training),
            "validation": rows(self.validation),
            "splits": {path: asdict(split) for path, split in self.splits.items()},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def left_out(self) -> dict[str, Any]:
        """All that was there and isn't used, with the reasons; JSON-ready."""
        return {
            "files": list(self.failed),
            "signers": list(self.skipped),
            "copies": as_lines(self.copies),
        }


@dataclass(frozen=True, eq=False)
class _Source:
    """One data set as it was loaded.

    Attributes:
        path: as the configuration names it.
        ink_set: its pictures.
        split: of its signers.
    """

    path: str
    ink_set: InkSet
    split: SignerSplit

    def pictures(self) -> list[Picture]:
        """Every picture and its side of the split, parallel to the set."""
        sides = {
            signer: side
            for signers, side in (
                (self.split.training, Side.TRAINING),
                (self.split.validation, Side.VALIDATION),
                (self.split.held_out, Side.HELD_OUT),
            )
            for signer in signers
        }
        return [
            Picture(
                path=own.path,
                ink=ink_digest(ink),
                group=(self.path, own.signer, own.text),
                genuine=own.genuine,
                side=sides[own.signer],
            )
            for own, ink in zip(self.ink_set.specimens, self.ink_set.ink, strict=True)
        ]


def gather(
    config: TrainingConfig,
    preprocessing: Recipe,
    data_root: Path,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Read, harmonise and split every data set of a configuration.

    What can't be used is left out, told as a warning and listed in the material.

    Raises:
        DatasetError: If a folder can't be read, or holds too little to train on.
    """

    def ready(dataset: Dataset) -> InkSet:
        return load_ink(dataset, preprocessing, cache, progress)

    sources = [
        _load(source, read_layout(data_root / source.path, source.layout), config, ready)
        for source in config.data
    ]
    pictures = [picture for source in sources for picture in source.pictures()]
    usable, copies = drop_copies(pictures)
    grouped, skipped = _group(pictures, np.flatnonzero(usable).tolist())
    files = [digest for source in sources for digest in source.ink_set.digests]
    rows = sorted(row for _, genuine, forged in grouped for row in (*genuine, *forged))
    numbers = {row: number for number, row in enumerate(rows)}
    shares = {source.path: source.share for source in config.data}
    training, validation = (
        tuple(
            TrainingGroup(
                np.array([numbers[row] for row in genuine], np.int64),
                np.array([numbers[row] for row in forged], np.int64),
                first.group[2],
                shares[first.group[0]],
            )
            for first, genuine, forged in grouped
            if first.side is side
        )
        for side in (Side.TRAINING, Side.VALIDATION)
    )
    material = Material(
        ink=_pool(sources, rows),
        training=training,
        validation=validation,
        splits={source.path: source.split for source in sources},
        digests=_digests(files, pictures, rows),
        failed=tuple(reason for source in sources for reason in source.ink_set.failed),
        skipped=skipped,
        copies=copies,
        names=tuple(f"{pictures[row].path} (signer {pictures[row].group[1]})" for row in rows),
        files=tuple(files[row] for row in rows),
    )
    _warn(material)
    if len(training) < config.batch.signers:
        raise DatasetError(
            f"{len(training)} signers with two genuine signatures or more are left to train on, "
            f"but a batch takes {config.batch.signers}: add signers, or lower batch.signers"
        )
    return material


def _load(
    source: DataSource, dataset: Dataset, config: TrainingConfig, ready: Callable[[Dataset], InkSet]
) -> _Source:
    try:
        split = split_source(dataset.signers, source, config.split)
    except DatasetError as error:
        raise DatasetError(f"{dataset.root}: {error}") from error
    return _Source(source.path, ready(dataset), split)


_Grouped = tuple[Picture, list[int], list[int]]


def _group(
    pictures: Sequence[Picture], usable: Sequence[int]
) -> tuple[list[_Grouped], tuple[str, ...]]:
    """Groups with two genuine images at least (one of them, genuine rows, forged rows)."""
    found: dict[tuple[str, str, str], _Grouped] = {}
    for row in usable:
        picture = pictures[row]
        if picture.side is Side.HELD_OUT:
            continue
        _, genuine, forged = found.setdefault(picture.group, (picture, [], []))
        (genuine if picture.genuine else forged).append(row)
    skipped = tuple(
        f"signer {signer} of {path}{f', text {text}' if text else ''}: {len(genuine)} genuine and "
        f"{len(forged)} forged signatures can be used, but two genuine ones are needed"
        for (path, signer, text), (_, genuine, forged) in found.items()
        if len(genuine) < 2
    )
    return [group for group in found.values() if len(group[1]) >= 2], skipped


def _pool(sources: Sequence[_Source], rows: Sequence[int]) -> InkPool:
    """The pictures of the rows alone: nothing else can be reached."""
    ends = np.cumsum([len(source.ink_set.specimens) for source in sources])
    taken = np.array(rows, np.int64)
    parts = []
    for source, end in zip(sources, ends.tolist(), strict=True):
        first = end - len(source.ink_set.specimens)
        parts.append((source.ink_set.ink, taken[(taken >= first) & (taken < end)] - first))
    return InkPool(parts)


def _digests(
    files: Sequence[str], pictures: Sequence[Picture], rows: Sequence[int]
) -> frozenset[str]:
    """Of the files of the pictures that are used, whichever copy was taken."""
    seen = {pictures[row].ink for row in rows}
    return frozenset(
        digest for picture, digest in zip(pictures, files, strict=True) if picture.ink in seen
    )


def _warn(material: Material) -> None:
    """A line for each kind of thing that was left out, with the first case."""
    for what, cases in (
        ("files can't be used", material.failed),
        ("signers can't be used", material.skipped),
    ):
        if cases:
            _log.warning("%d %s; the first: %s", len(cases), what, cases[0])
    for kind in CopyKind:
        same = [case for case in material.copies if case.kind is kind]
        if same:
            _log.warning("%d pictures occur more than once; the first %s", len(same), same[0])
