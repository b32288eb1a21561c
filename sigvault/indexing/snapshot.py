"""An index's vectors kept in files, so that opening a large vault needn't read them all again.

::

    index/generation-3.json    the manifest: what the vectors are, and the digests of the arrays
    index/<sha256>.npy         the rows, and the vectors

Arrays are named by their content and written first; the manifest is replaced last, in one step.
Killed at any moment, a writer leaves the old snapshot or the new one, and at worst files that
a later writer sweeps away. Arrays lie in NumPy's format without objects and not in FAISS's,
which has no version, is read by whichever index is chosen, and holds nothing that could run.
Vectors are 16 bits wide where that loses nothing, which it doesn't where the database holds as
many. They are mapped into memory and not read: what was searched once stays in the system's
cache for the next process.

The files are as personal as the database: they are readable by their owner alone, and
`discard_snapshots` has to be called when a signer is erased.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.packing import packed
from sigvault.storage.durability import write_whole

FORMAT = 2
"""The number of this format, counted up with every change that old readers can't read. In the
first one, vectors were always 32 bits wide and were read into memory."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LEFT_BEHIND_SECONDS = 86_400.0
_UNFINISHED = ".tmp"
"""A file that no manifest has named for a day belongs to a writer that was killed."""
_CAN_MAP = os.name != "nt"
"""Windows can't remove a file that is mapped, and what is erased has to go at once."""
_WHOLE_NUMBERS = ("format", "generation", "dimension", "count", "last_change")
_TEXTS = ("model", "history", "rows_sha256", "vectors_sha256")


@dataclass(frozen=True)
class SnapshotIdentity:
    """What a snapshot must agree on with the vault before it can be used.

    Attributes:
        model: the model that made the vectors.
        generation: the generation that they belong to.
        dimension: D, their length.
    """

    model: ModelId
    generation: GenerationId
    dimension: int


@dataclass(frozen=True)
class Manifest:
    """What is written beside the arrays.

    Attributes:
        format: ``FORMAT`` when it was written.
        model: the model that made the vectors.
        generation: the generation that they belong to.
        dimension: D, their length.
        count: N, how many there are.
        last_change: the number of the last change in the database that they include.
        history: names the vault's history up to there, such as the audit chain's hash, so that
            a snapshot from before a restored backup is told apart; may be empty.
        rows_sha256: SHA-256 of the file of rows, hex.
        vectors_sha256: SHA-256 of the file of vectors, hex.
        faiss: the version of FAISS beside which it was written, or None without; for people.
    """

    format: int
    model: ModelId
    generation: GenerationId
    dimension: int
    count: int
    last_change: int
    history: str
    rows_sha256: str
    vectors_sha256: str
    faiss: str | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A snapshot that was read and found whole.

    Attributes:
        manifest: what it says of itself.
        contents: its rows and vectors.
    """

    manifest: Manifest
    contents: IndexContents


def write_snapshot(
    folder: Path,
    contents: IndexContents,
    identity: SnapshotIdentity,
    *,
    last_change: int,
    history: str = "",
    faiss: str | None = None,
    outdated: Callable[[], bool] = lambda: False,
) -> Manifest:
    """Put a snapshot in the place of the generation's old one, or leave that as it was.

    Args:
        folder: where snapshots lie; made if it is not there.
        contents: rows and vectors.
        identity: whose they are.
        last_change: the number of the last change that they include.
        history: names the vault's history up to there.
        faiss: the version of FAISS, to be noted.
        outdated: whether they hold by now what must not be kept, such as the vector of a signer who
            was erased meanwhile; asked at the very end.

    Raises:
        IndexFailed: If the files can't be written, or are outdated.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest = Manifest(
            format=FORMAT,
            model=identity.model,
            generation=identity.generation,
            dimension=identity.dimension,
            count=len(contents.rows),
            last_change=last_change,
            history=history,
            rows_sha256=_write_array(folder, contents.rows),
            vectors_sha256=_write_array(folder, packed([contents.vectors], identity.dimension)),
            faiss=faiss,
        )
        text = json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n"
        path = _manifest_path(folder, identity.generation)
        replaced = _digests_in(path)
        try:
            write_whole(
                folder,
                lambda file: file.write(text.encode()),
                lambda: _unless(outdated, path),
                suffix=_UNFINISHED,
            )
        except BaseException:
            _sweep(folder, {manifest.rows_sha256, manifest.vectors_sha256})
            raise
        _sweep(folder, replaced)
    except OSError as error:
        raise IndexFailed(
            f"the index could not be kept in {folder}: {error}; free space there or make it "
            "writable. The vault works without, but opens more slowly"
        ) from error
    return manifest


def _unless(outdated: Callable[[], bool], path: Path) -> Path:
    if outdated():
        raise IndexFailed(
            f"a signer was erased while the index was kept in {path.parent}, so it is not kept: "
            "the next opening reads the vectors from the database"
        )
    return path


def list_snapshots(folder: Path) -> dict[GenerationId, int]:
    """The generations that have a snapshot, each with the last change that it includes.

    Raises:
        IndexFailed: If a manifest can't be read.
    """
    found = {}
    for path in sorted(folder.glob("generation-*.json")):
        with _opened(path) as file:
            manifest = _parse(path, file.read())
        found[manifest.generation] = manifest.last_change
    return found


def read_snapshot(folder: Path, identity: SnapshotIdentity) -> Snapshot | None:
    """Read the generation's snapshot, if there is one.

    Every byte is checked against the manifest before it is interpreted: SHA-256 takes a third of
    a second for a million vectors, and a cheaper checksum would leave damage to chance. Whether
    the snapshot is up to date is for the caller to say, from ``last_change`` and ``history``.

    Raises:
        IndexFailed: If it is damaged, incomplete, of another model, generation or dimension, or
            of a format that is not known here: the index has to be built anew.
    """
    path = _manifest_path(folder, identity.generation)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, f"can't be read: {error}") from error
    manifest = _parse(path, text)
    found = SnapshotIdentity(manifest.model, manifest.generation, manifest.dimension)
    if found != identity:
        raise _refused(path, f"is of {found}, not of {identity}")
    rows = _read_array(folder, manifest.rows_sha256, (np.int64,), (manifest.count,))
    vectors = _read_array(
        folder,
        manifest.vectors_sha256,
        (np.float16, np.float32),
        (manifest.count, manifest.dimension),
        mapped=_CAN_MAP,
    )
    return Snapshot(manifest, IndexContents(rows, vectors))


def discard_snapshots(folder: Path) -> None:
    """Remove all snapshots, so that no vector of an erased signer stays in a file.

    Raises:
        IndexFailed: If a file can't be removed.
    """
    try:
        # Manifests first: what is left of an interrupted removal is then never taken for whole.
        for pattern in ("generation-*.json", "*.npy", f"*{_UNFINISHED}"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise IndexFailed(
            f"the kept index in {folder} can't be removed: {error}; remove that folder by hand"
        ) from error


def sweep_snapshots(folder: Path) -> None:
    """Remove what writers left behind that were killed a day ago or earlier."""
    with contextlib.suppress(OSError):  # the next writer tells of it
        _sweep(folder, set())


def _manifest_path(folder: Path, generation: GenerationId) -> Path:
    return folder / f"generation-{generation}.json"


def _refused(path: Path, why: str) -> IndexFailed:
    return IndexFailed(f"the kept index {path} {why}; it has to be built anew from the database")


class _Hashing:
    """A file that is written and hashed in one go."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _write_array(folder: Path, array: npt.NDArray[Any]) -> str:
    """Write an array under the name of its digest, and return the digest."""
    digest = ""

    def write(file: IO[bytes]) -> None:
        nonlocal digest
        hashing = _Hashing(file)
        np.lib.format.write_array(hashing, np.ascontiguousarray(array), allow_pickle=False)
        digest = hashing.digest.hexdigest()

    write_whole(folder, write, lambda: folder / f"{digest}.npy", suffix=_UNFINISHED)
    return digest


def _digests_in(manifest: Path) -> set[str]:
    """What a manifest names, however damaged it is."""
    try:
        return set(_DIGEST.findall(manifest.read_text("utf-8", errors="replace")))
    except FileNotFoundError:
        return set()


def _sweep(folder: Path, replaced: set[str]) -> None:
    """Remove the arrays that a replaced manifest named, and what killed writers left behind.

    Other nameless files may belong to a writer at work in another process.
    """
    named = set().union(*(_digests_in(path) for path in folder.glob("generation-*.json")))
    old = time.time() - _LEFT_BEHIND_SECONDS
    for path in (*folder.glob("*.npy"), *folder.glob(f"*{_UNFINISHED}")):
        # Another sweeper may be quicker, and Windows keeps a file that is being read.
        with contextlib.suppress(OSError):
            unnamed = path.stem not in named
            if unnamed and (path.stem in replaced or path.stat().st_mtime < old):
                path.unlink()


def _parse(path: Path, text: bytes) -> Manifest:
    """The manifest in a file's bytes, each field of the type that it should be."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise _refused(path, f"is damaged: {error}") from error
    if not isinstance(fields, dict):
        raise _refused(path, "is damaged: it holds no fields")
    if fields.get("format") != FORMAT:
        raise _refused(path, f"has the format {fields.get('format')!r}, not {FORMAT}")
    wrong = [name for name in _WHOLE_NUMBERS if type(fields.get(name)) is not int]
    wrong += [name for name in _TEXTS if not isinstance(fields.get(name), str)]
    if wrong or any(
        not _DIGEST.fullmatch(fields[f"{name}_sha256"]) for name in ("rows", "vectors")
    ):
        raise _refused(path, f"is damaged: {', '.join(wrong) or 'a digest'} is not as it should be")
    faiss = fields.get("faiss")
    return Manifest(
        **{name: fields[name] for name in (*_WHOLE_NUMBERS, *_TEXTS)},
        faiss=faiss if isinstance(faiss, str) else None,
    )


def _read_array(
    folder: Path,
    sha256: str,
    types: tuple[type[np.generic], ...],
    shape: tuple[int, ...],
    *,
    mapped: bool = False,
) -> npt.NDArray[Any]:
    """Read or map an array whose file has this digest, if it is of these types and this shape."""
    path = folder / f"{sha256}.npy"
    with _opened(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise _refused(path, "is damaged: its digest is not the one in its name")
        file.seek(0)
        array = _mapped(file) if mapped else np.load(file, allow_pickle=False)
    if array.dtype not in types or array.shape != shape:
        wanted = " or ".join(np.dtype(each).name for each in types)
        raise _refused(path, f"holds {array.dtype} {array.shape}, not {wanted} {shape}")
    return np.asarray(array)


def _mapped(file: IO[bytes]) -> npt.NDArray[Any]:
    """Map the array in a file that is open: the one that was hashed, whatever has its name now."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of NumPy's format")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or by_columns:
        raise ValueError(f"{dtype} by columns or with allow_pickle")
    if 0 in shape:
        return np.empty(shape, dtype)
    # Pages that somebody writes to are copied; nobody does, but torch takes no read-only arrays.
    return np.memmap(file, dtype, "c", file.tell(), shape)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, with what goes wrong while it is read turned into IndexFailed."""
    try:
        with path.open("rb") as file:
            yield file
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise _refused(path, f"can't be read: {error}") from error
