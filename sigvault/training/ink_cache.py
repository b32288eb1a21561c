"""Harmonised pictures kept as files that processes can share, and never believed unchecked.

A set is two files: ``KEY.npy``, uint8 (N, H, W), which is mapped into memory instead of read, and
``KEY.json``, which says what the pictures are and holds the digest of their bytes and of itself.
The second is written last and makes the set whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

_FORMAT = "sigvault-ink-1"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KeptInk:
    """A set as it lies in the cache.

    Attributes:
        ink: uint8 (N, H, W), 255 = ink; read only, mapped from its file.
        places: which of the data set's files each picture is, ascending.
        digests: SHA-256 of each of those files, hex.
        failed: files that could not be used, each with the reason.
    """

    ink: npt.NDArray[np.uint8]
    places: tuple[int, ...]
    digests: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True)
class _Sidecar:
    """What ``KEY.json`` says beside its own checksum; see `KeptInk`.

    Attributes:
        format: of both files.
        key: of the set, as in the file's name.
        shape: of the pictures.
        sha256: of the bytes of the pictures, hex.
    """

    format: str
    key: str
    shape: tuple[int, ...]
    sha256: str
    places: tuple[int, ...]
    digests: tuple[str, ...]
    failed: tuple[str, ...]


def read_ink(folder: Path, key: str, files: int, canvas: tuple[int, int]) -> KeptInk | None:
    """Map a set from the cache, or None where there is none that can be believed.

    What is there but damaged, cut short or another's is removed with a warning: the caller makes
    it again.

    Args:
        folder: the cache.
        key: of the set.
        files: how many files the set was made from.
        canvas: height and width that its pictures have.
    """
    try:
        return _load(folder, key, files, canvas)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError) as error:
        _log.warning("cached pictures %s in %s are made again: %s", key, folder, error)
        forget_ink(folder, key)
        return None


def keep_ink(folder: Path, key: str, kept: KeptInk) -> None:
    """Keep a set; whoever reads meanwhile sees the whole of it or nothing.

    Raises:
        OSError: If the files can't be written; nothing half written stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures, about = _paths(folder, key)
    ink = np.ascontiguousarray(kept.ink)
    sidecar = _Sidecar(
        format=_FORMAT,
        key=key,
        shape=ink.shape,
        sha256=_digest(ink),
        places=kept.places,
        digests=kept.digests,
        failed=kept.failed,
    )
    content = json.loads(json.dumps(asdict(sidecar)))
    content["checksum"] = _checksum(content)
    _write(pictures, lambda file: np.save(file, ink, allow_pickle=False))
    _write(about, lambda file: file.write(json.dumps(content).encode()))


def forget_ink(folder: Path, key: str) -> None:
    """Remove a set, if it is there; processes that have it mapped keep what they have."""
    pictures, about = _paths(folder, key)
    with suppress(OSError):
        about.unlink(missing_ok=True)
    with suppress(OSError):
        pictures.unlink(missing_ok=True)


def _paths(folder: Path, key: str) -> tuple[Path, Path]:
    return folder / f"{key}.npy", folder / f"{key}.json"


def _load(folder: Path, key: str, files: int, canvas: tuple[int, int]) -> KeptInk:
    pictures, about = _paths(folder, key)
    sidecar = _read_sidecar(about)
    # An empty file can't be mapped.
    mode: Literal["r"] | None = "r" if sidecar.places else None
    ink = np.load(pictures, mmap_mode=mode, allow_pickle=False)
    _check(sidecar, ink, key, files, canvas)
    return KeptInk(ink, sidecar.places, sidecar.digests, sidecar.failed)


def _read_sidecar(path: Path) -> _Sidecar:
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("checksum") != _checksum(content):
        raise ValueError("their description was changed")
    for name in ("shape", "places", "digests", "failed"):
        content[name] = tuple(content[name])
    return _Sidecar(**content)


def _check(
    sidecar: _Sidecar, ink: npt.NDArray[Any], key: str, files: int, canvas: tuple[int, int]
) -> None:
    """Raise ValueError with what speaks against a set."""
    places: Sequence[int] = sidecar.places
    checks = {
        "they are of another format": sidecar.format == _FORMAT,
        "they are of other files or another preprocessing": sidecar.key == key
        and len(places) + len(sidecar.failed) == files
        and all(0 <= place < files for place in places),
        "there are too few or too many of them": ink.dtype == np.uint8
        and ink.shape == sidecar.shape == (len(places), *canvas)
        and len(sidecar.digests) == len(places),
    }
    for flaw, fits in checks.items():
        if not fits:
            raise ValueError(flaw)
    if _digest(ink) != sidecar.sha256:
        raise ValueError("their bytes were changed")


def _digest(ink: npt.NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(ink).data).hexdigest()


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write under a name of its own, then rename: the last of several writers wins whole."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
