"""The folder of enrolled images and kept probes, each under its own digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from sigvault.domain.errors import StorageFailed, VaultDamaged
from sigvault.storage.durability import make_folder, sync_folder, write_whole
from sigvault.storage.failures import translate_os

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".unfinished-"

MARK = "vault-id"
"""The file in the folder that says whose images they are."""


class ImageFolder:
    """Enrolled images by SHA-256: ``images/ab/cdef...``.

    Write or adopt inside of a writing session, before its commit; delete after the commit. A crash
    in between leaves at worst an image that nothing needs, which `strays` finds.
    """

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made with the first image, or when it is marked."""
        self._root = root
        self._marked = False

    @property
    def mark(self) -> Path:
        """The file that holds the id of the vault whose images these are."""
        return self._root / MARK

    def owner(self) -> str | None:
        """The id of the vault whose images these are; None if the folder is missing or unmarked.

        Raises:
            StorageFailed: If it can't be read.
        """
        try:
            return self.mark.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate_os(error, self.mark) from error

    def give_to(self, vault_id: str) -> None:
        """Mark the folder as a vault's, for good; `require` looks for the mark from now on.

        Raises:
            StorageFailed: If it can't be written.
        """
        try:
            if self.owner() != vault_id:
                make_folder(self._root)
                self._write_beside(self.mark, f"{vault_id}\n".encode())
        except OSError as error:
            raise translate_os(error, self.mark) from error
        self._marked = True

    def require(self) -> None:
        """Make sure that the folder is there before something is believed to be missing in it.

        Raises:
            StorageFailed: If it isn't, or what lies there is not what was marked.
        """
        if self.mark.is_file() if self._marked else self._root.is_dir():
            return
        raise StorageFailed(
            f"the folder of images {self._root} is missing or empty, so nothing can be removed "
            "from it: mount it, or give the right folder, and open the vault again"
        )

    def path(self, digest: str) -> Path:
        """Where the image of a digest lies, whether it is there or not.

        Raises:
            ValueError: If it is no SHA-256 in lower-case hex.
        """
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no SHA-256 in lower-case hex")
        return self._root / digest[:2] / digest[2:]

    def write(self, content: bytes) -> str:
        """Keep an image for good: once this returns, a power cut doesn't lose it.

        Returns:
            Its SHA-256, hex. An image that is there already is left alone.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written; nothing is left.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        try:
            if not _holds(path, content):
                self._write_beside(path, content)
        except OSError as error:
            raise translate_os(error, path) from error
        return digest

    def adopt(self, file: Path, digest: str, content: bytes) -> None:
        """Keep an image as `write` does, as a second name of a file that is on the disk already.

        Where the file can't have one, such as on another disk, its content is written.

        Args:
            file: holds the content, for good; it stays.
            digest: SHA-256 of the content, hex.
            content: the image.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written.
        """
        path = self.path(digest)
        try:
            if not _holds(path, content):
                self._make_folder(path.parent)
                path.hardlink_to(file)
                sync_folder(path.parent)
        except OSError:  # there are none, or a damaged image has the name
            self.write(content)

    def read(self, digest: str) -> bytes:
        """The bytes of an image.

        Raises:
            VaultDamaged: If it is missing or not what was enrolled, or the digest is none.
            StorageFailed: If it can't be read.
        """
        try:
            path = self.path(digest)
        except ValueError as error:
            raise VaultDamaged(
                f"the database names the image {digest!r}, which is no SHA-256: restore the "
                "database from a backup"
            ) from error
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise VaultDamaged(
                f"the enrolled image {digest} is missing: restore it from a backup"
            ) from error
        except OSError as error:
            raise translate_os(error, path) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise VaultDamaged(f"the enrolled image {digest} was changed: restore it from a backup")
        return content

    def has(self, digest: str) -> bool:
        """Whether there is a file for the digest; its content is not read."""
        return bool(_DIGEST.fullmatch(digest)) and self.path(digest).is_file()

    def delete(self, digest: str) -> bool:
        """Remove an image from the disk.

        Returns:
            Whether it was there.

        Raises:
            StorageFailed: If it can't be removed.
        """
        path = self.path(digest)
        try:
            path.unlink()
            sync_folder(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise translate_os(error, path) from error
        return True

    def unfinished(self, digest: str) -> list[Path]:
        """Files beside an image of this digest that were never finished, in order.

        One of them may be that image's, in part or whole. Look inside of a writing session alone,
        where nobody else is writing one.
        """
        return sorted(self.path(digest).parent.glob(f"{_UNFINISHED}*"))

    def delete_unfinished(self, digest: str) -> None:
        """Remove the files beside an image of this digest that were never finished.

        Raises:
            StorageFailed: If one can't be removed.
        """
        for path in self.unfinished(digest):
            try:
                path.unlink(missing_ok=True)
                sync_folder(path.parent)
            except OSError as error:
                raise translate_os(error, path) from error

    def digests(self) -> Iterator[str]:
        """The digests of all images in the folder, in order."""
        for path in sorted(self._root.glob("[0-9a-f][0-9a-f]/*")):
            digest = path.parent.name + path.name
            if _DIGEST.fullmatch(digest):
                yield digest

    def strays(self, keep: frozenset[str]) -> Iterator[Path]:
        """Files that nothing needs, and such as were never finished.

        Another process may be about to commit the reference of an image that it has just written:
        look once more inside of a writing session before something is reported or deleted.

        Args:
            keep: the digests of all images that are needed.
        """
        for path in sorted(self._root.glob("*/*")):
            if path.is_file() and path.parent.name + path.name not in keep:
                yield path

    def _write_beside(self, path: Path, content: bytes) -> None:
        """Write under another name, then rename, so that no half image ever has the name."""
        self._make_folder(path.parent)
        write_whole(path.parent, lambda file: file.write(content), lambda: path, prefix=_UNFINISHED)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        make_folder(self._root)
        make_folder(folder)


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there and undamaged; a damaged one is written again."""
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False
