"""Signatures ready to train on: harmonised once, then kept as bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sigvault.datasets import Dataset, Specimen
from sigvault.domain.errors import DatasetError, ImageError
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class InkSet:
    """Harmonised signatures of one data set, parallel to its specimens.

    Attributes:
        specimens: what each image is.
        ink: uint8 (N, H, W), 255 = ink.
        digests: SHA-256 of each file, hex.
        failed: files that could not be used, each with the reason.
    """

    specimens: tuple[Specimen, ...]
    ink: npt.NDArray[np.uint8]
    digests: tuple[str, ...]
    failed: tuple[str, ...]

    def where(self, chosen: npt.NDArray[np.bool_]) -> InkSet:
        """The chosen images alone; bool (N,)."""
        rows = np.flatnonzero(chosen)
        return InkSet(
            tuple(self.specimens[row] for row in rows),
            self.ink[rows],
            tuple(self.digests[row] for row in rows),
            self.failed,
        )


def load_ink(
    dataset: Dataset,
    preprocessing: Preprocessing,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> InkSet:
    """Decode and harmonise a data set, or read what an earlier run kept.

    Args:
        dataset: the files.
        preprocessing: the recipe, the same as for serving.
        cache: a folder to keep the result in; a damaged file there is made again.
        progress: told of how many of how many images are done.

    Raises:
        DatasetError: If not one image can be used.
    """
    kept = cache / f"{_key(dataset, preprocessing)}.npz"
    found = _read(kept, dataset)
    if found is not None:
        return found
    ink_set = _prepare_all(dataset.specimens, preprocessing, progress)
    if not ink_set.specimens:
        raise DatasetError(f"no image in {dataset.root} can be used: {ink_set.failed[0]}")
    _keep(kept, dataset, ink_set)
    return ink_set


def _prepare_all(
    specimens: Sequence[Specimen],
    preprocessing: Preprocessing,
    progress: Callable[[int, int], None] | None,
) -> InkSet:
    def prepare(specimen: Specimen) -> tuple[npt.NDArray[np.uint8], str] | str:
        try:
            prepared = preprocessing.prepare(decode_file(specimen.path))
        except ImageError as error:
            return f"{specimen.path}: {error}"
        severe = [finding.message for finding in prepared.findings if finding.severe]
        if severe:
            return f"{specimen.path}: {severe[0]}"
        return np.rint(prepared.ink.ink * 255).astype(np.uint8), prepared.ink.digest

    used, ink, digests, failed = [], [], [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (specimen, result) in enumerate(
            zip(specimens, pool.map(prepare, specimens), strict=True), start=1
        ):
            if isinstance(result, str):
                failed.append(result)
            else:
                used.append(specimen)
                ink.append(result[0])
                digests.append(result[1])
            if progress is not None:
                progress(number, len(specimens))
    shape = (0, preprocessing.height, preprocessing.width)
    pictures = np.stack(ink) if ink else np.zeros(shape, np.uint8)
    return InkSet(tuple(used), pictures, tuple(digests), tuple(failed))


def _key(dataset: Dataset, preprocessing: Preprocessing) -> str:
    """Changes with the recipe and with any file's name, size or time."""
    digest = hashlib.sha256(repr(sorted(preprocessing.to_dict().items())).encode())
    for specimen in dataset.specimens:
        stat = specimen.path.stat()
        digest.update(f"{specimen.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _keep(path: Path, dataset: Dataset, ink_set: InkSet) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    places = {specimen: place for place, specimen in enumerate(dataset.specimens)}
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            ink=ink_set.ink,
            places=np.array([places[specimen] for specimen in ink_set.specimens]),
            digests=np.array(ink_set.digests),
            failed=np.array(ink_set.failed, dtype=str),
        )
    partial.replace(path)


def _read(path: Path, dataset: Dataset) -> InkSet | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            specimens = tuple(dataset.specimens[place] for place in kept["places"])
            digests, failed = kept["digests"].tolist(), kept["failed"].tolist()
            return InkSet(specimens, kept["ink"], tuple(digests), tuple(failed))
    except (OSError, ValueError, KeyError, BadZipFile):
        return None
