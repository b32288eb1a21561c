"""Images that nothing points to since an erasure, until their files are removed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.storage.driver import DriverTransaction, directly
from sigvault.storage.kept_probes import needed_images
from sigvault.storage.tables import OrphanedImageRow


def note_orphans(transaction: DriverTransaction, digests: Collection[str]) -> tuple[str, ...]:
    """Note those of these images that no reference and no kept probe needs; which they are."""
    orphans = tuple(sorted(set(digests) - needed_images(transaction, digests)))
    statement = "INSERT INTO orphaned_images (digest) VALUES (?) ON CONFLICT DO NOTHING"
    transaction.run_many(statement, [(digest,) for digest in orphans])
    return orphans


def list_orphans(session: Session) -> list[str]:
    """The digests of all images noted, in order."""
    return list(session.scalars(select(OrphanedImageRow.digest).order_by(OrphanedImageRow.digest)))


def clear_orphans(session: Session, digests: Sequence[str]) -> None:
    """Forget images whose files are gone or needed again."""
    statement = "DELETE FROM orphaned_images WHERE digest = ?"
    directly(session).run_many(statement, [(digest,) for digest in digests])
