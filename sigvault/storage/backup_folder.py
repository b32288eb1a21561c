"""The folder that a backup is: files for their owner alone, and a manifest that names each.

Nothing in it is believed before its digest is compared, and nothing outside of it is reached: no
link is followed, and the manifest names no path but those of `domain.backup`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sigvault.domain.backup import (
    FORMAT,
    BackupFile,
    BackupManifest,
    manifest_from_dict,
    manifest_to_dict,
)
from sigvault.domain.errors import (
    BackupDamaged,
    BackupNotFound,
    ConfigurationError,
    VaultExists,
    VaultTooNew,
)
from sigvault.storage.durability import sync_folder
from sigvault.storage.failures import translate_os

MANIFEST = "manifest.json"

MANIFEST_DIGEST = "manifest.sha256"
"""The manifest's digest, as ``sha256sum --check`` takes it."""

_CHUNK = 2**20

_LARGEST_MANIFEST = 2**30
"""Bytes: a manifest of five million images."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_PLAIN = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0)
"""How a file is opened that may be none: no link is followed, and nobody waits for a pipe."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK


class UnfinishedBackup:
    """A backup that is being written, under another name beside the one that it is to have."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder that is its owner's alone."""
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where a file of this path lies; its folders are made, for their owner alone."""
        path = self._folder / name
        for folder in reversed(path.relative_to(self._folder).parents):
            (self._folder / folder).mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, name: str, content: bytes) -> BackupFile:
        """Write a file for good.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written.
        """
        path = self.path(name)
        try:
            with new_file(path) as file:
                file.write(content)
        except OSError as error:
            raise translate_os(error, path) from error
        return BackupFile(name, len(content), hashlib.sha256(content).hexdigest())

    def copy(self, source: Path, name: str) -> BackupFile:
        """Copy a file for good.

        Raises:
            FileNotFoundError: If there is none.
            StorageFailed: If it can't be read, or the disk is full.
        """
        try:
            with source.open("rb") as original:
                size, sha256 = copy_hashed(original, self.path(name))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise translate_os(error, self._folder / name) from error
        return BackupFile(name, size, sha256)

    def measure(self, name: str) -> BackupFile:
        """A file that is there already, with its size and digest.

        Raises:
            StorageFailed: If it can't be read.
        """
        path = self.path(name)
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return BackupFile(name, path.stat().st_size, sha256)
        except OSError as error:
            raise translate_os(error, path) from error

    def remove(self, name: str) -> None:
        """Take a file out again, if it is there.

        Raises:
            StorageFailed: If it can't be removed.
        """
        path = self._folder / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise translate_os(error, path) from error

    def seal(self, manifest: BackupManifest) -> str:
        """Write the manifest, and make all names in all folders survive a power cut.

        Returns:
            The manifest's SHA-256, hex.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written.
        """
        text = json.dumps(manifest_to_dict(manifest), indent=1).encode() + b"\n"
        self.remove(MANIFEST)
        self.remove(MANIFEST_DIGEST)
        sha256 = self.write(MANIFEST, text).sha256
        self.write(MANIFEST_DIGEST, _digest_line(sha256))
        sync_tree(self._folder)
        return sha256

    def rename(self, target: Path) -> None:
        """Give the backup its name, in one step.

        Raises:
            VaultExists: If something has it.
            StorageFailed: If the folder can't be renamed.
        """
        if target.exists() or target.is_symlink():
            raise _taken(target)
        try:
            self._folder.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            raise translate_os(error, target) from error
        self._folder = target

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def unfinished(target: Path, vault: Path) -> Iterator[UnfinishedBackup]:
    """A new backup to be written, which is gone again if the block fails.

    Args:
        target: the name that it is to have.
        vault: the vault's folder, in which it may not lie.

    Raises:
        ConfigurationError: If it can't lie there.
        VaultExists: If something lies there.
        StorageFailed: If the folder can't be made.
    """
    if target.exists() or target.is_symlink():
        raise _taken(target)
    if not target.parent.is_dir():
        raise ConfigurationError(
            f"the folder {target.parent} is not there: make it, or mount the disk that it is on"
        )
    if target.parent.resolve().is_relative_to(vault.resolve()):
        raise ConfigurationError(f"{target} is inside of the vault: give a path outside of it")
    try:
        folder = tempfile.mkdtemp(prefix=f".{target.name}.unfinished-", dir=target.parent)
    except OSError as error:
        raise translate_os(error, target) from error
    backup = UnfinishedBackup(Path(folder))
    try:
        yield backup
    except OSError as error:
        backup.discard()
        raise translate_os(error, target) from error
    except BaseException:
        backup.discard()
        raise


def _digest_line(sha256: str) -> bytes:
    return f"{sha256}  {MANIFEST}\n".encode()


def _taken(target: Path) -> VaultExists:
    return VaultExists(f"{target} is there already, and a backup replaces nothing: give a new path")


class BackupFolder:
    """A finished backup, of which nothing is believed before it is compared."""

    def __init__(self, root: Path) -> None:
        """Name the folder."""
        self._root = root

    def read_manifest(self) -> tuple[BackupManifest, str]:
        """The manifest, and its SHA-256.

        Raises:
            BackupNotFound: If there is none.
            BackupDamaged: If it is not what was written, or no manifest.
            VaultTooNew: If a later version of sigvault wrote it.
            StorageFailed: If it can't be read.
        """
        if not (self._root / MANIFEST).exists() and not (self._root / MANIFEST).is_symlink():
            raise BackupNotFound(
                f"{self._root} is no backup: it has no {MANIFEST}; give the folder that "
                "`sigvault backup` made, or extract it first"
            )
        text, noted = self._read(MANIFEST), self._read(MANIFEST_DIGEST)
        sha256 = hashlib.sha256(text).hexdigest()
        if noted != _digest_line(sha256):
            raise self.damaged(MANIFEST, "is not what was written")
        try:
            content = json.loads(text)
            self._require_known(content["format"])
            return manifest_from_dict(content), sha256
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.damaged(MANIFEST, f"is no manifest ({error})") from error

    def path(self, file: BackupFile) -> Path:
        """Where a file lies that was compared before."""
        return self._root / file.path

    def check(self, file: BackupFile) -> None:
        """Read a file, and compare it with its digest.

        Raises:
            BackupDamaged: If it is missing, a link, or not what was written.
            StorageFailed: If it can't be read.
        """
        self._hash(file, None)

    def copy(self, file: BackupFile, target: Path) -> None:
        """Copy a file for good, comparing it on the way; its folder is there.

        Raises:
            BackupDamaged: If it is missing, a link, or not what was written.
            StorageFailed: If it can't be read, or the disk is full.
        """
        self._hash(file, target)

    def damaged(self, name: str, how: str) -> BackupDamaged:
        """What is said of a file that is not as it was written."""
        return BackupDamaged(
            f"the backup {self._root} is damaged: {name} {how}; nothing was restored: use another "
            "copy of it, or an earlier backup"
        )

    def _hash(self, file: BackupFile, target: Path | None) -> None:
        with self._opened(file.path) as original:
            size = os.fstat(original.fileno()).st_size
            if size != file.size:
                raise self.damaged(file.path, f"has {size} bytes instead of {file.size}")
            try:
                found = copy_hashed(original, target)
            except OSError as error:
                raise translate_os(error, target or self.path(file)) from error
        if found != (file.size, file.sha256):
            raise self.damaged(file.path, "was changed")

    def _read(self, name: str) -> bytes:
        with self._opened(name) as file:
            content = file.read(_LARGEST_MANIFEST + 1)
        if len(content) > _LARGEST_MANIFEST:
            raise self.damaged(name, f"has more than {_LARGEST_MANIFEST} bytes")
        return content

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """A regular file of the backup's, reached through no link."""
        path = self._root / name
        try:
            for folder in path.relative_to(self._root).parents:
                if (self._root / folder).is_symlink() and folder != Path():
                    raise self.damaged(str(folder), "is a link")
            file = os.fdopen(os.open(path, _PLAIN), "rb")
        except FileNotFoundError as error:
            raise self.damaged(name, "is missing") from error
        except OSError as error:
            if path.is_symlink():
                raise self.damaged(name, "is a link") from error
            raise translate_os(error, path) from error
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise self.damaged(name, "is no file")
            yield file

    def _require_known(self, form: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        if not isinstance(form, int) or form < 1:
            raise ValueError(f"{form!r} is no format")
        if form > FORMAT:
            raise VaultTooNew(
                f"the backup {self._root} was made by a later version of sigvault (format {form}, "
                f"known here up to {FORMAT}): upgrade sigvault"
            )


def sync_tree(root: Path) -> None:
    """Make the names in a folder, and in all folders in it, survive a power cut.

    Raises:
        StorageFailed: If a folder can't be read or written.
    """
    try:
        for folder, _, _ in os.walk(root):
            sync_folder(Path(folder))
    except OSError as error:
        raise translate_os(error, root) from error


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that wasn't there, for its owner alone; on the disk when the block ends."""
    with os.fdopen(os.open(path, _NEW, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def copy_hashed(source: IO[bytes], target: Path | None) -> tuple[int, str]:
    """Copy what is left of a file to a new one for good, or read it alone; its size and SHA-256.

    Raises:
        OSError: If it can't be read or written.
    """
    if target is None:
        return _pump(source, lambda _: None)
    with new_file(target) as copy:
        return _pump(source, copy.write)


def _pump(source: IO[bytes], write: Callable[[bytes], object]) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        digest.update(chunk)
        write(chunk)
    return size, digest.hexdigest()
