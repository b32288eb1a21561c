"""Looking at who is enrolled, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sigvault.domain.errors import EmptyGallery, UnknownReference, VaultDamaged
from sigvault.domain.gallery import Spread
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.domain.image import QualityFinding
from sigvault.services.resources import Resources
from sigvault.storage.audit_log import count_events
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import read_session
from sigvault.storage.generations import active_generation
from sigvault.storage.references import findings_of, get_reference, list_references
from sigvault.storage.signers import SignerCount, get_signer
from sigvault.storage.signers import list_signers as list_rows
from sigvault.storage.signers import search_signers as search_rows


@dataclass(frozen=True)
class SignerSummary:
    """A signer in a list.

    Attributes:
        signer: the identifier.
        name: the name shown to people; may be empty.
        references: how many are enrolled.
        created_at: when the first was enrolled, UTC.
        status: ``"active"``; erased signers are not shown.
    """

    signer: SignerId
    name: str
    references: int
    created_at: datetime
    status: str


@dataclass(frozen=True)
class ReferenceSummary:
    """A reference in a list.

    Attributes:
        id: the reference.
        digest: SHA-256 of the enrolled bytes, hex.
        enrolled_at: when, UTC.
        enrolled_by: by whom.
        findings: what quality inspection noticed.
    """

    id: ReferenceId
    digest: str
    enrolled_at: datetime
    enrolled_by: str
    findings: tuple[QualityFinding, ...]


@dataclass(frozen=True)
class SignerDetail:
    """All that is known of a signer.

    Attributes:
        summary: as in the list.
        references: in order of enrollment.
        spread: how alike the references are to each other; None with fewer than two.
        events: how many events of the audit log concern the signer.
    """

    summary: SignerSummary
    references: tuple[ReferenceSummary, ...]
    spread: Spread | None
    events: int


def list_signers(
    resources: Resources,
    *,
    after: SignerId | None = None,
    limit: int | None = None,
    prefix: str = "",
) -> tuple[SignerSummary, ...]:
    """The signers that are enrolled, by identifier.

    Args:
        resources: the vault's.
        after: only identifiers greater than this, for paging.
        limit: at most so many, or None for all.
        prefix: only identifiers that begin with this.
    """
    with read_session(resources.engine) as session:
        found = list_rows(session, after=after, limit=limit, prefix=prefix)
        return tuple(_summary(each) for each in found)


def search_signers(
    resources: Resources, text: str, *, limit: int, prefix: str = ""
) -> tuple[SignerSummary, ...]:
    """The signers whose identifier or name holds a text, by identifier.

    Args:
        resources: the vault's.
        text: what to look for, in whatever case.
        limit: at most so many.
        prefix: only identifiers that begin with this; it is not looked at itself.
    """
    with read_session(resources.engine) as session:
        found = search_rows(session, text, limit=limit, prefix=prefix)
        return tuple(_summary(each) for each in found)


def _summary(row: SignerCount) -> SignerSummary:
    return SignerSummary(
        signer=SignerId(row.signer.external_id or ""),
        name=row.signer.name or "",
        references=row.references,
        created_at=row.signer.created_at,
        status=row.signer.status.value,
    )


def show_signer(resources: Resources, signer: SignerId) -> SignerDetail:
    """All that is known of a signer.

    Raises:
        UnknownSigner: If there is no such signer, or the signer was erased.
    """
    with read_session(resources.engine) as session:
        row = get_signer(session, signer)
        references = tuple(
            ReferenceSummary(
                each.id,
                each.image_digest,
                each.enrolled_at,
                each.enrolled_by,
                findings_of(each),
            )
            for each in list_references(session, row.key)
        )
        try:
            gallery = load_gallery(session, row.key, active_generation(session).id)
            spread = gallery.spread
        except EmptyGallery:
            spread = None
        events = count_events(session, row.key)
    summary = SignerSummary(
        signer, row.name or "", len(references), row.created_at, row.status.value
    )
    return SignerDetail(summary, references, spread, events)


def read_reference_image(resources: Resources, reference: ReferenceId) -> bytes:
    """The enrolled bytes of a reference, as they were.

    Raises:
        UnknownReference: If there is no such reference.
        VaultDamaged: If its image is missing or changed.
    """
    digest = _image_digest(resources, reference)
    try:
        return resources.images.read(digest)
    except VaultDamaged:
        _image_digest(resources, reference)  # its signer may have been erased meanwhile
        raise


def _image_digest(resources: Resources, reference: ReferenceId) -> str:
    with read_session(resources.engine) as session:
        row = get_reference(session, reference)
        if row is None:
            raise UnknownReference(
                f"there is no reference {reference}: it was erased, or the identifier is wrong"
            )
        return row.image_digest
