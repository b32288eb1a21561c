"""Which probes are kept for people to look at, and which images the vault needs at all."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import EventNumber, SignerKey
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import KeptProbeRow

_AT_ONCE = 250
"""Twice as many are below every database's limit of parameters in a statement."""


def keep_probe(
    transaction: DriverTransaction,
    event: EventNumber,
    signer: SignerKey,
    image: tuple[str, int],
    at: datetime,
) -> None:
    """Note that the probe of a verification is kept.

    Args:
        transaction: a writing one.
        event: the verification's number.
        signer: the claimed signer.
        image: SHA-256 of its bytes, hex, and how many they are.
        at: since when.
    """
    transaction.run(
        "INSERT INTO kept_probes (event, signer_key, image_digest, image_bytes, kept_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (event, signer, *image, transaction.time(at)),
    )


def kept_digest(session: Session, event: EventNumber) -> str | None:
    """The digest of a verification's probe, or None if it isn't kept."""
    return session.scalar(select(KeptProbeRow.image_digest).where(KeptProbeRow.event == event))


def kept_among(session: Session, events: Collection[EventNumber]) -> set[EventNumber]:
    """Those verifications whose probes are kept."""
    query = select(KeptProbeRow.event).where(KeptProbeRow.event.in_(events))
    return set(session.scalars(query))


def kept_sizes(session: Session) -> dict[str, int]:
    """The bytes of every kept probe by its digest."""
    query = select(KeptProbeRow.image_digest, KeptProbeRow.image_bytes)
    return dict(session.execute(query).all())


def list_kept(session: Session) -> dict[EventNumber, tuple[SignerKey, str]]:
    """Every kept probe: whose gallery it was compared with, and its digest."""
    query = select(KeptProbeRow.event, KeptProbeRow.signer_key, KeptProbeRow.image_digest)
    return {event: (key, digest) for event, key, digest in session.execute(query)}


def drop_probes(session: Session, before: datetime) -> set[str]:
    """Forget the probes that were kept before a moment.

    Returns:
        The digests of their images, which something else may still need: see `needed_images`.
    """
    query = delete(KeptProbeRow).where(KeptProbeRow.kept_at < before)
    gone = session.execute(query.returning(KeptProbeRow.event, KeptProbeRow.image_digest))
    return {digest for _, digest in gone}


def needed_images(transaction: DriverTransaction, digests: Collection[str]) -> set[str]:
    """Those images that a reference or a kept probe needs."""
    found: set[str] = set()
    ordered = sorted(digests)
    for start in range(0, len(ordered), _AT_ONCE):
        some = tuple(ordered[start : start + _AT_ONCE])
        marks = ", ".join("?" * len(some))
        rows = transaction.rows(
            f'SELECT image_digest FROM "references" WHERE image_digest IN ({marks})'  # noqa: S608
            f" UNION SELECT image_digest FROM kept_probes WHERE image_digest IN ({marks})",
            (*some, *some),
        )
        found.update(digest for (digest,) in rows)
    return found
