"""Signatures ready to train on: harmonised once, then kept as bytes."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sigvault.datasets import Dataset, Specimen
from sigvault.domain.errors import DatasetError, ImageError, UnreadableFile
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Recipe
from sigvault.training.ink_cache import KeptInk, forget_ink, keep_ink, read_ink

PART = 256
"""Files that are prepared and kept at a time: what an interruption loses at most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class InkSet:
    """Harmonised signatures of one data set, parallel to its specimens.

    Attributes:
        specimens: what each image is.
        ink: uint8 (N, H, W), 255 = ink; read only where it is mapped from the cache.
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
    preprocessing: Recipe,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> InkSet:
    """Decode and harmonise a data set, or map what an earlier run kept.

    Several processes may do so at once. Interrupted, it goes on where it stopped, to `PART` files.

    Args:
        dataset: the files.
        preprocessing: the recipe, the same as for serving.
        cache: a folder to keep the result in; what is damaged there is made again.
        progress: told of how many of how many images are done.

    Raises:
        DatasetError: If not one image can be used.
    """
    canvas = (preprocessing.height, preprocessing.width)
    key = _key(dataset.specimens, preprocessing)
    kept = read_ink(cache, key, len(dataset.specimens), canvas)
    if kept is None:
        kept, part_keys = _prepare_parts(dataset.specimens, preprocessing, cache, progress)
        if part_keys is not None and _keep(cache, key, kept):
            kept = read_ink(cache, key, len(dataset.specimens), canvas) or kept
            for part_key in part_keys:
                forget_ink(cache, part_key)
    if not kept.places:
        raise DatasetError(f"no image in {dataset.root} can be used: {kept.failed[0]}")
    specimens = tuple(dataset.specimens[place] for place in kept.places)
    return InkSet(specimens, kept.ink, kept.digests, kept.failed)


def _prepare_parts(
    specimens: Sequence[Specimen],
    preprocessing: Recipe,
    cache: Path,
    progress: Callable[[int, int], None] | None,
) -> tuple[KeptInk, list[str] | None]:
    """All pictures, and the keys of the parts; None if a file may be readable another time."""
    canvas = (preprocessing.height, preprocessing.width)
    parts: list[KeptInk] = []
    keys: list[str] = []
    complete = True
    for first in range(0, len(specimens), PART):
        files = specimens[first : first + PART]
        keys.append(_key(files, preprocessing))
        part = read_ink(cache, keys[-1], len(files), canvas)
        if part is None:
            part, lasting = _prepare(files, preprocessing, _onward(progress, first, len(specimens)))
            complete &= lasting and _keep(cache, keys[-1], part)
        elif progress is not None:
            progress(first + len(files), len(specimens))
        parts.append(part)
    whole = KeptInk(
        np.concatenate([part.ink for part in parts]),
        tuple(PART * number + place for number, part in enumerate(parts) for place in part.places),
        tuple(digest for part in parts for digest in part.digests),
        tuple(reason for part in parts for reason in part.failed),
    )
    whole_key = _key(specimens, preprocessing)
    return whole, [key for key in keys if key != whole_key] if complete else None


def _prepare(
    specimens: Sequence[Specimen],
    preprocessing: Recipe,
    progress: Callable[[int], None],
) -> tuple[KeptInk, bool]:
    """Some pictures, and whether every failure among them will be one the next time too."""

    def prepare(specimen: Specimen) -> tuple[npt.NDArray[np.uint8], str] | ImageError | str:
        try:
            prepared = preprocessing.prepare(decode_file(specimen.path))
        except ImageError as error:
            return error
        severe = [finding.message for finding in prepared.findings if finding.severe]
        if severe:
            return severe[0]
        return np.rint(prepared.ink.ink * 255).astype(np.uint8), prepared.ink.digest

    places, ink, digests, failed, lasting = [], [], [], [], True
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for place, result in enumerate(pool.map(prepare, specimens)):
            if isinstance(result, tuple):
                places.append(place)
                ink.append(result[0])
                digests.append(result[1])
            else:
                path = str(specimens[place].path)
                failed.append(str(result) if path in str(result) else f"{path}: {result}")
                lasting &= not isinstance(result, UnreadableFile)
            progress(place + 1)
    finally:
        pool.shutdown(cancel_futures=True)
    shape = (0, preprocessing.height, preprocessing.width)
    pictures = np.stack(ink) if ink else np.zeros(shape, np.uint8)
    return KeptInk(pictures, tuple(places), tuple(digests), tuple(failed)), lasting


def _onward(
    progress: Callable[[int, int], None] | None, first: int, total: int
) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if progress is not None:
            progress(first + done, total)

    return tell


def _key(specimens: Sequence[Specimen], preprocessing: Recipe) -> str:
    """Changes with the recipe and with any file's name, size or time."""
    digest = hashlib.sha256(repr(sorted(preprocessing.to_dict().items())).encode())
    for specimen in specimens:
        try:
            stat = specimen.path.stat()
            digest.update(f"{specimen.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{specimen.path} is gone\n".encode())
    return digest.hexdigest()[:32]


def _keep(cache: Path, key: str, kept: KeptInk) -> bool:
    """Keep a set if that is possible: a full disk must not end a run that can do without."""
    try:
        keep_ink(cache, key, kept)
    except OSError as error:
        _log.warning(
            "pictures can't be kept in %s (%s): they are prepared again the next time",
            cache,
            error.strerror,
        )
        return False
    return True
