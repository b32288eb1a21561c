"""Images that nothing points to since an erasure, until their files are removed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.storage.driver import DriverTransaction, directly
from sigvault.storage.tables import OrphanedImageRow


def note_orphans(transaction: DriverTransaction, digests: Sequence[str]) -> tuple[str, ...]:
    """Note those of these images that no reference and no kept probe needs; which they are."""
    orphans = set(digests)
    for start in range(0, len(digests), _AT_ONCE):
        some = tuple(digests[start : start + _AT_ONCE])
        marks = ", ".join("?" * len(some))
        needed = transaction.rows(
            f'SELECT image_digest FROM "references" WHERE image_digest IN ({marks})'  # noqa: S608
            f" UNION SELECT image_digest FROM kept_probes WHERE image_digest IN ({marks})",
            (*some, *some),
        )
        orphans -= {digest for (digest,) in needed}
    noted = tuple(sorted(orphans))
    statement = "INSERT INTO orphaned_images (digest) VALUES (?) ON CONFLICT DO NOTHING"
    transaction.run_many(statement, [(digest,) for digest in noted])
    return noted


_AT_ONCE = 250
"""Each image stands in a statement twice; databases limit how much a statement may hold."""


def list_orphans(session: Session) -> list[str]:
    """The digests of all images noted, in order."""
    return list(session.scalars(select(OrphanedImageRow.digest).order_by(OrphanedImageRow.digest)))


def clear_orphans(session: Session, digests: Sequence[str]) -> None:
    """Forget images whose files are gone or needed again."""
    statement = "DELETE FROM orphaned_images WHERE digest = ?"
    directly(session).run_many(statement, [(digest,) for digest in digests])
