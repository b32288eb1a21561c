"""Signers: adding, finding, listing and erasing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from sigvault.domain.errors import UnknownSigner
from sigvault.domain.identifiers import SignerId, SignerKey
from sigvault.storage.answers import drop_answers_about
from sigvault.storage.driver import DriverTransaction, directly
from sigvault.storage.gallery_spreads import drop_spreads
from sigvault.storage.namespaces import begins_with
from sigvault.storage.ordered_keys import ordered_key
from sigvault.storage.orphaned_images import note_orphans
from sigvault.storage.references import ErasedRows, delete_references
from sigvault.storage.reviews import drop_reviews
from sigvault.storage.tables import ReferenceRow, SignerRow, SignerStatus


@dataclass(frozen=True)
class SignerCount:
    """A signer with the number of references.

    Attributes:
        signer: the signer.
        references: how many references are enrolled.
    """

    signer: SignerRow
    references: int


def add_signer(session: Session, external_id: SignerId, name: str, at: datetime) -> SignerRow:
    """Add a signer under a key of its own; the identifier must be free."""
    signer = SignerRow(
        key=SignerKey(ordered_key(at)),
        external_id=external_id,
        name=name,
        status=SignerStatus.ACTIVE,
        created_at=at,
        erased_at=None,
    )
    session.add(signer)
    session.flush()
    return signer


def find_signer(session: Session, external_id: SignerId) -> SignerRow | None:
    """The signer of this identifier, or None if there is none (or no longer)."""
    return session.scalar(_BY_ID, {"external_id": external_id})


_BY_ID = select(SignerRow).where(SignerRow.external_id == bindparam("external_id"))


def get_signer(session: Session, external_id: SignerId) -> SignerRow:
    """The signer of this identifier.

    Raises:
        UnknownSigner: If there is none, or the signer was erased.
    """
    signer = find_signer(session, external_id)
    if signer is None:
        raise _unknown(external_id)
    return signer


def get_key(transaction: DriverTransaction, external_id: SignerId) -> SignerKey:
    """The key of the signer of this identifier.

    Raises:
        UnknownSigner: If there is none, or the signer was erased.
    """
    found = transaction.rows("SELECT key FROM signers WHERE external_id = ?", (external_id,))
    if not found:
        raise _unknown(external_id)
    return SignerKey(found[0][0])


def _unknown(external_id: SignerId) -> UnknownSigner:
    return UnknownSigner(
        f"there is no signer {external_id}: enroll one, or see `sigvault signer list`"
    )


def list_signers(
    session: Session,
    *,
    after: SignerId | None = None,
    limit: int | None = None,
    prefix: str = "",
) -> list[SignerCount]:
    """The signers that were not erased, by identifier, with their numbers of references.

    Args:
        session: where to look.
        after: only identifiers greater than this, for paging.
        limit: at most so many, or None for all.
        prefix: only identifiers that begin with this.
    """
    counted = (
        select(ReferenceRow.signer_key, func.count().label("count"))
        .group_by(ReferenceRow.signer_key)
        .subquery()
    )
    query = (
        select(SignerRow, func.coalesce(counted.c.count, 0))
        .outerjoin(counted, counted.c.signer_key == SignerRow.key)
        .where(SignerRow.status == SignerStatus.ACTIVE)
        .order_by(SignerRow.external_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(SignerRow.external_id > after)
    if prefix:
        query = query.where(begins_with(prefix))
    return [SignerCount(signer, count) for signer, count in session.execute(query)]


def search_signers(
    session: Session, text: str, *, limit: int, prefix: str = ""
) -> list[SignerCount]:
    """The signers whose identifier or name holds a text, by identifier.

    Names are compared here and not by the database, since SQLite folds the case of English
    letters alone; nothing is read beyond the last signer that is wanted.

    Args:
        session: where to look.
        text: what to look for, in whatever case.
        limit: at most so many.
        prefix: only identifiers that begin with this; it is not looked at itself.
    """
    wanted, keys = text.casefold(), list[SignerKey]()
    query = select(SignerRow.key, SignerRow.external_id, SignerRow.name)
    query = query.where(SignerRow.status == SignerStatus.ACTIVE).order_by(SignerRow.external_id)
    if prefix:
        query = query.where(begins_with(prefix))
    with session.execute(query.execution_options(yield_per=_AT_ONCE)) as rows:
        for key, external_id, name in rows:
            shown = (external_id or "")[len(prefix) :]
            if wanted in shown.casefold() or wanted in (name or "").casefold():
                keys.append(key)
            if len(keys) >= limit:
                break
    return _counted(session, keys)


_AT_ONCE = 500
"""Signers read at a time, and below every database's limit of parameters in a statement."""


def _counted(session: Session, keys: list[SignerKey]) -> list[SignerCount]:
    """Some signers with their numbers of references, by identifier."""
    counted = (
        select(func.count())
        .where(ReferenceRow.signer_key == SignerRow.key)
        .correlate(SignerRow)
        .scalar_subquery()
    )
    found = []
    for start in range(0, len(keys), _AT_ONCE):
        query = select(SignerRow, counted).where(SignerRow.key.in_(keys[start : start + _AT_ONCE]))
        rows = session.execute(query.order_by(SignerRow.external_id))
        found += [SignerCount(signer, count) for signer, count in rows]
    return found


def count_signers(session: Session, *, prefix: str = "") -> int:
    """How many signers there are, without the erased ones, or how many begin like this."""
    # Erased ones have no identifier. An index holds these, and nothing holds the status.
    query = select(func.count(SignerRow.external_id))
    if prefix:
        query = query.where(begins_with(prefix))
    return session.scalar(query) or 0


def external_ids(session: Session, keys: Iterable[SignerKey]) -> dict[SignerKey, SignerId]:
    """The outside identifiers of some signers; erased ones are left out."""
    query = select(SignerRow.key, SignerRow.external_id).where(SignerRow.key.in_(list(keys)))
    return {key: external for key, external in session.execute(query) if external is not None}


def erase_signer(session: Session, signer: SignerRow, at: datetime) -> ErasedRows:
    """Take all that is known of a signer out of the database; see `erase_signer_directly`."""
    erased = erase_signer_directly(directly(session), signer.key, at)
    session.refresh(signer)
    return erased


def erase_signer_directly(
    transaction: DriverTransaction, signer: SignerKey, at: datetime
) -> ErasedRows:
    """Take all that is known of a signer out of the database, by the driver alone.

    References, vectors and their spread, kept probes, cases, remembered answers, name and
    identifier go here. The personal parts of the audit log are `audit_log.erase_personal`'s
    matter, the images `blobs.ImageFolder.delete`'s.
    """
    transaction.run(
        "UPDATE signers SET external_id = NULL, name = NULL, status = ?, erased_at = ?"
        " WHERE key = ?",
        (SignerStatus.ERASED.value, transaction.time(at), signer),
    )
    drop_spreads(transaction, signer)
    drop_reviews(transaction, signer)
    drop_answers_about(transaction, signer)
    probes = transaction.rows(
        "DELETE FROM kept_probes WHERE signer_key = ? RETURNING image_digest", (signer,)
    )
    references, digests, rows = delete_references(transaction, "signer_key", signer)
    digests |= {digest for (digest,) in probes}
    return ErasedRows(references, rows, note_orphans(transaction, digests))
