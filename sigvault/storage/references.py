"""References: adding, finding and listing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import ReferenceId, SignerId, SignerKey
from sigvault.domain.image import QualityFinding
from sigvault.domain.serialisation import finding_from_dict, finding_to_dict
from sigvault.storage.namespaces import begins_with
from sigvault.storage.tables import ReferenceRow, SignerRow


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
    """Add a reference under a random identifier; the signer must not hold the image yet."""
    reference = ReferenceRow(
        id=ReferenceId(uuid.uuid4().hex),
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
