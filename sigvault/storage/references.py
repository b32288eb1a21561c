"""References: adding, finding, listing and erasing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId, SignerKey
from sigvault.domain.image import QualityFinding
from sigvault.domain.serialisation import finding_from_dict, finding_to_dict
from sigvault.storage.answers import drop_answers_about
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.gallery_spreads import drop_spreads
from sigvault.storage.index_changes import record_changes
from sigvault.storage.namespaces import begins_with
from sigvault.storage.ordered_keys import ordered_key
from sigvault.storage.orphaned_images import note_orphans
from sigvault.storage.tables import ChangeKind, ReferenceRow, SignerRow


@dataclass(frozen=True)
class Holder:
    """Who holds an image.

    Attributes:
        reference: the reference that the image was enrolled as.
        key: the signer's key.
        signer: the signer.
    """

    reference: ReferenceId
    key: SignerKey
    signer: SignerId


@dataclass(frozen=True)
class ErasedRows:
    """What an erasure took out of the database.

    Attributes:
        references: the references that are gone.
        rows: the vectors that are gone, by generation.
        orphans: digests of the images that nothing needs any more: they are noted, and their
            files go once the transaction is committed.
    """

    references: tuple[ReferenceId, ...]
    rows: dict[GenerationId, tuple[int, ...]]
    orphans: tuple[str, ...]


@dataclass(frozen=True)
class OwnReference:
    """A reference of a signer's, before it goes.

    Attributes:
        id: the reference.
        image_digest: SHA-256 of its image's bytes, hex.
        enrolled_by: by whom it was enrolled.
    """

    id: ReferenceId
    image_digest: str
    enrolled_by: str


def add_reference(
    session: Session,
    signer: SignerKey,
    *,
    image_digest: str,
    image_bytes: int,
    findings: Sequence[QualityFinding],
    at: datetime,
    by: str,
) -> ReferenceRow:
    """Add a reference under a key of its own; the signer must not hold the image yet."""
    reference = ReferenceRow(
        id=ReferenceId(ordered_key(at)),
        signer_key=signer,
        image_digest=image_digest,
        image_bytes=image_bytes,
        findings=[finding_to_dict(finding) for finding in findings],
        enrolled_at=at,
        enrolled_by=by,
    )
    session.add(reference)
    session.flush()
    return reference


def get_reference(session: Session, reference: ReferenceId) -> ReferenceRow | None:
    """The reference of this identifier, or None."""
    return session.get(ReferenceRow, reference)


def find_reference(session: Session, signer: SignerKey, image_digest: str) -> ReferenceRow | None:
    """The reference that the signer's image was enrolled as, or None."""
    return session.scalar(
        select(ReferenceRow).where(
            ReferenceRow.signer_key == signer, ReferenceRow.image_digest == image_digest
        )
    )


def holders(session: Session, image_digest: str) -> list[Holder]:
    """All references with this image, whosever they are, in order of enrollment."""
    query = (
        select(ReferenceRow.id, SignerRow.key, SignerRow.external_id)
        .join(SignerRow, SignerRow.key == ReferenceRow.signer_key)
        .where(ReferenceRow.image_digest == image_digest)
        .order_by(ReferenceRow.enrolled_at, ReferenceRow.id)
    )
    return [
        Holder(reference, key, external)
        for reference, key, external in session.execute(query)
        if external is not None
    ]


def list_references(session: Session, signer: SignerKey) -> list[ReferenceRow]:
    """A signer's references in order of enrollment."""
    query = (
        select(ReferenceRow)
        .where(ReferenceRow.signer_key == signer)
        .order_by(ReferenceRow.enrolled_at, ReferenceRow.id)
    )
    return list(session.scalars(query))


def count_references(session: Session, *, prefix: str = "") -> int:
    """How many references there are, or how many of signers that begin with this."""
    query = select(func.count()).select_from(ReferenceRow)
    if prefix:
        # Nested, so that the signers are looked at first.
        keys = select(SignerRow.key).where(begins_with(prefix))
        query = query.where(ReferenceRow.signer_key.in_(keys))
    return session.scalar(query) or 0


def iterate_image_digests(session: Session) -> Iterator[tuple[ReferenceId, str]]:
    """Every reference with its image's digest, by digest."""
    query = select(ReferenceRow.id, ReferenceRow.image_digest).order_by(ReferenceRow.image_digest)
    with session.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield row.id, row.image_digest


def findings_of(reference: ReferenceRow) -> tuple[QualityFinding, ...]:
    """What quality inspection noticed when the reference was enrolled."""
    return tuple(finding_from_dict(finding) for finding in reference.findings)


def own_references(transaction: DriverTransaction, signer: SignerKey) -> list[OwnReference]:
    """A signer's references, in no order, by the driver alone."""
    statement = 'SELECT id, image_digest, enrolled_by FROM "references" WHERE signer_key = ?'
    return [OwnReference(*row) for row in transaction.rows(statement, (signer,))]


def erase_reference_directly(
    transaction: DriverTransaction, signer: SignerKey, reference: ReferenceId
) -> ErasedRows:
    """Take one reference of a signer out of the database, by the driver alone.

    Its row and its vectors go here, in every generation, the spread that was worked out with it,
    and remembered answers that name it. The personal parts of the audit log are
    `audit_log.erase_personal_of_reference`'s matter, the image `blobs.ImageFolder.delete`'s.
    """
    drop_spreads(transaction, signer)
    drop_answers_about(transaction, signer, naming=reference)
    references, digests, rows = delete_references(transaction, "id", reference)
    return ErasedRows(references, rows, note_orphans(transaction, digests))


def delete_references(
    transaction: DriverTransaction, column: Literal["id", "signer_key"], value: str
) -> tuple[tuple[ReferenceId, ...], set[str], dict[GenerationId, tuple[int, ...]]]:
    """Delete references with their vectors, and note for the indexes which went.

    Args:
        transaction: a writing one.
        column: by what they are found.
        value: its value.

    Returns:
        The references, their images' digests, and their vectors' numbers by generation.
    """
    found = transaction.rows(_DELETE_EMBEDDINGS[column], (value,))
    rows: dict[GenerationId, list[int]] = {}
    for generation, row in sorted(found):
        rows.setdefault(generation, []).append(row)
    for generation, gone in rows.items():
        record_changes(transaction, generation, ChangeKind.REMOVE, gone)
    owned = transaction.rows(_DELETE_REFERENCES[column], (value,))
    return (
        tuple(reference for reference, _ in owned),
        {digest for _, digest in owned},
        {generation: tuple(gone) for generation, gone in rows.items()},
    )


_DELETE_EMBEDDINGS = {
    column: "DELETE FROM embeddings WHERE reference_id IN"  # noqa: S608 - one of two columns
    f' (SELECT id FROM "references" WHERE {column} = ?) RETURNING generation_id, row'
    for column in ("id", "signer_key")
}
_DELETE_REFERENCES = {
    column: f'DELETE FROM "references" WHERE {column} = ? RETURNING id, image_digest'  # noqa: S608
    for column in ("id", "signer_key")
}
