"""Signers: adding, finding, listing and erasing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from sigvault.domain.errors import UnknownSigner
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId, SignerKey
from sigvault.storage.answers import drop_answers_about
from sigvault.storage.index_changes import record_changes
from sigvault.storage.kept_probes import drop_probes, needed_images
from sigvault.storage.namespaces import begins_with
from sigvault.storage.reviews import drop_reviews
from sigvault.storage.tables import (
    ChangeKind,
    EmbeddingRow,
    ReferenceRow,
    SignerRow,
    SignerStatus,
)


@dataclass(frozen=True)
class SignerCount:
    """A signer with the number of references.

    Attributes:
        signer: the signer.
        references: how many references are enrolled.
    """

    signer: SignerRow
    references: int


@dataclass(frozen=True)
class ErasedRows:
    """What erasing a signer took out of the database.

    Attributes:
        references: the references that are gone.
        rows: the vectors that are gone, by generation.
        orphans: digests of the images that nothing needs any more: delete them once the
            transaction is committed.
    """

    references: tuple[ReferenceId, ...]
    rows: dict[GenerationId, tuple[int, ...]]
    orphans: tuple[str, ...]


def add_signer(session: Session, external_id: SignerId, name: str, at: datetime) -> SignerRow:
    """Add a signer under a random key; the identifier must be free."""
    signer = SignerRow(
        key=SignerKey(uuid.uuid4().hex),
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
        raise UnknownSigner(
            f"there is no signer {external_id}: enroll one, or see `sigvault signer list`"
        )
    return signer


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


def count_signers(session: Session, *, prefix: str = "") -> int:
    """How many signers there are, without the erased ones, or how many begin like this."""
    query = select(func.count()).where(SignerRow.status == SignerStatus.ACTIVE)
    if prefix:
        query = query.where(begins_with(prefix))
    return session.scalar(query.select_from(SignerRow)) or 0


def external_ids(session: Session, keys: Iterable[SignerKey]) -> dict[SignerKey, SignerId]:
    """The outside identifiers of some signers; erased ones are left out."""
    query = select(SignerRow.key, SignerRow.external_id).where(SignerRow.key.in_(list(keys)))
    return {key: external for key, external in session.execute(query) if external is not None}


def erase_signer(session: Session, signer: SignerRow, at: datetime) -> ErasedRows:
    """Take all that is known of a signer out of the database.

    References, vectors, kept probes, cases, remembered answers, name and identifier go here. The
    personal parts of the audit log are `audit_log.erase_personal`'s matter, the images
    `blobs.ImageFolder.delete`'s.
    """
    owned = list(
        session.execute(
            select(ReferenceRow.id, ReferenceRow.image_digest).where(
                ReferenceRow.signer_key == signer.key
            )
        )
    )
    rows = _delete_embeddings(session, signer.key)
    drop_reviews(session, signer.key)
    drop_answers_about(session, signer.key)
    session.execute(delete(ReferenceRow).where(ReferenceRow.signer_key == signer.key))
    signer.external_id = None
    signer.name = None
    signer.status = SignerStatus.ERASED
    signer.erased_at = at
    session.flush()
    digests = {digest for _, digest in owned} | drop_probes(session, signer=signer.key)
    return ErasedRows(
        references=tuple(reference for reference, _ in owned),
        rows=rows,
        orphans=tuple(sorted(digests - needed_images(session, digests))),
    )


def _delete_embeddings(session: Session, signer: SignerKey) -> dict[GenerationId, tuple[int, ...]]:
    owned = select(ReferenceRow.id).where(ReferenceRow.signer_key == signer)
    found = session.execute(
        select(EmbeddingRow.generation_id, EmbeddingRow.row)
        .where(EmbeddingRow.reference_id.in_(owned))
        .order_by(EmbeddingRow.generation_id, EmbeddingRow.row)
    )
    rows: dict[GenerationId, list[int]] = {}
    for generation, row in found:
        rows.setdefault(generation, []).append(row)
    for generation, gone in rows.items():
        record_changes(session, generation, ChangeKind.REMOVE, gone)
    session.execute(delete(EmbeddingRow).where(EmbeddingRow.reference_id.in_(owned)))
    return {generation: tuple(gone) for generation, gone in rows.items()}
