"""Notes of images that may be left over, so that a crash is cleaned up without a full search.

An image can't be committed together with its database row. So before an image is written, a file
with its digest as its name is made; it goes when the transaction and the image are both settled.
An image that an erasure leaves over is noted in the database, in the transaction that erases.
Whoever finds a note keeps the image if something needs it and removes it if not. Writers queue for
the database's one writing session, in which notes are settled. Notes of enrollments are made in it,
too, so none of a transaction that is still running is ever seen. The note of a probe that is to be
kept is made before, with the bytes in it: whoever settles it meanwhile removes them with it, and
they are written once more.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.storage.blobs import ImageFolder
from sigvault.storage.driver import directly, read_directly
from sigvault.storage.durability import make_folder, sync_folder, write_through
from sigvault.storage.engine import write_session
from sigvault.storage.failures import translate_os
from sigvault.storage.kept_probes import needed_images
from sigvault.storage.orphaned_images import clear_orphans, list_orphans

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PendingImages:
    """A folder with one file for each image that is not settled: ``DIGEST.RANDOM``."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made with the first note."""
        self._root = root

    def note(self, digest: str, content: bytes = b"") -> str:
        """Note an image, durably.

        Args:
            digest: the image's.
            content: its bytes, to be kept in the note; outside of a writing session alone.

        Returns:
            The note's name, by which it is cleared.

        Raises:
            StorageFailed: If the disk is full or the folder can't be written; nothing is left.
        """
        # A name of its own, so that nobody clears a note that somebody made after them.
        name = f"{digest}.{secrets.token_hex(8)}"
        try:
            make_folder(self._root)
            (self._root / name).touch(mode=0o600)
            if content:
                write_through(self._root / name, content)
            sync_folder(self._root)
        except OSError as error:
            self.clear(name)
            raise translate_os(error, self._root) from error
        return name

    def path(self, name: str) -> Path:
        """Where a note lies."""
        return self._root / name

    def has(self, name: str) -> bool:
        """Whether a note is still there; ask inside of a writing session, where nobody settles."""
        return self.path(name).is_file()

    def clear(self, name: str) -> None:
        """Remove a note; one that can't be removed is harmless and is tried again later."""
        try:
            (self._root / name).unlink(missing_ok=True)
        except OSError:
            return

    def names(self) -> tuple[str, ...]:
        """All notes, in order; other files that somebody put there are left alone."""
        there = (path.name for path in self._root.glob("*.*"))
        return tuple(sorted(name for name in there if _DIGEST.fullmatch(name.partition(".")[0])))

    def settle(self, session: Session, images: ImageFolder) -> int:
        """Remove every noted image that nothing needs, inside of a writing session.

        Both kinds of notes: files, and what erasures noted in the database. What was written of a
        noted image under another name goes too.

        Returns:
            How many images were removed.

        Raises:
            StorageFailed: If an image can't be removed, or the folder is missing: the notes stay.
        """
        transaction, removed = directly(session), 0
        names, orphans = self.names(), list_orphans(session)
        if names or orphans:
            images.require()
        for name in names:
            digest = name.partition(".")[0]
            images.delete_unfinished(digest)
            if not needed_images(transaction, [digest]):
                removed += images.delete(digest)
            self.clear(name)
        needed = needed_images(transaction, orphans)
        removed += sum(images.delete(digest) for digest in orphans if digest not in needed)
        clear_orphans(session, orphans)
        return removed


def count_unsettled(engine: Engine, pending: PendingImages) -> int:
    """How many images are noted, in files and in the database.

    Raises:
        StorageFailed: If the database can't be read.
    """
    with read_directly(engine) as transaction:
        ((orphans,),) = transaction.rows("SELECT count(*) FROM orphaned_images")
    return len(pending.names()) + int(orphans)


def settle_pending(engine: Engine, images: ImageFolder, pending: PendingImages) -> int:
    """Clean up what a crash or a failure left over, if anything; how many images went.

    Raises:
        StorageFailed: If the database or the folder can't be written.
    """
    if not count_unsettled(engine, pending):
        return 0
    with write_session(engine) as session:
        return pending.settle(session, images)
