"""Erasing one reference: such as the picture of somebody else's signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sigvault.domain.audit import ReferenceErased
from sigvault.domain.errors import ConfigurationError, LastReference, UnknownReference
from sigvault.domain.identifiers import EventNumber, ReferenceId, SignerId, SignerKey
from sigvault.services.answers import KEPT_FOR
from sigvault.services.erasure import take_off_the_disk
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.resources import Resources
from sigvault.storage.answers import drop_answers_before
from sigvault.storage.audit_log import append_directly, erase_personal_of_reference
from sigvault.storage.driver import DriverTransaction, write_directly
from sigvault.storage.references import (
    ErasedRows,
    OwnReference,
    erase_reference_directly,
    own_references,
)
from sigvault.storage.signers import get_key
from sigvault.storage.traces import traces_of_images, traces_of_vectors
from sigvault.storage.vault_state import note_erasure

LONGEST_REASON = 500
"""Characters of a reason at most: it has to fit into an address."""


@dataclass(frozen=True)
class ReferenceErasure:
    """What went with a reference.

    Attributes:
        signer: whose it was.
        reference: the reference.
        references_left: how many the signer still has, 1 at least.
        event: where the audit log records it.
        images_removed: 1, or 0 where another signer or a kept probe needs the image, too.
        audit_parts: from how many events of the audit log the personal part went.
        log_clean: whether nothing of it is left in the database's log and file; see `Erasure`.
    """

    signer: SignerId
    reference: ReferenceId
    references_left: int
    event: EventNumber
    images_removed: int
    audit_parts: int
    log_clean: bool


def erase_reference(
    resources: Resources,
    index: GalleryIndex[Any],
    signer: SignerId,
    reference: ReferenceId,
    *,
    reason: str,
    by: str,
) -> ReferenceErasure:
    """Remove one reference with its image, its vectors and what the audit log says of the image.

    It goes as a signer does in `erasure.erase`, and what a crash leaves is cleaned in the same
    way. Decisions that it had a part in stay as they were recorded, with its scores: they tell
    what was decided on, and can be replayed.

    A signer's last reference is refused. A signer without any could neither be verified nor found,
    and nobody would see why; whoever wants that means to erase the signer, name and audit parts
    with it, and has to say so. Whoever enrolled nothing but the wrong picture enrolls the right one
    first.

    Args:
        resources: the vault's.
        index: over all galleries.
        signer: whose reference.
        reference: which.
        reason: why, for the audit log; 1 to `LONGEST_REASON` characters.
        by: who erases.

    Raises:
        ConfigurationError: If there is no reason, or it is too long.
        UnknownSigner: If there is no such signer.
        UnknownReference: If the signer has no such reference.
        LastReference: If it is the signer's only one.
        StorageFailed: If the database or an image can't be changed.
        IndexFailed: If a kept index can't be removed.
    """
    reason = _require_reason(reason)
    with write_directly(resources.engine) as transaction:
        key = get_key(transaction, signer)
        own = own_references(transaction, key)
        chosen = _choose(own, signer, reference)
        traces = traces_of_vectors(resources.engine, transaction, reference)
        at = resources.clock()
        said = {"signer": signer, "by": by, "reason": reason}
        erased, parts, event = take_reference_out(transaction, key, chosen, said, at)
        drop_answers_before(transaction, at - KEPT_FOR)
        index.discard_files()  # a crash after the commit then leaves no vector in a file
    traces += traces_of_images(erased.orphans)
    removed, clean = take_off_the_disk(resources, index, traces)
    return ReferenceErasure(signer, reference, len(own) - 1, event, removed, len(parts), clean)


def take_reference_out(
    transaction: DriverTransaction,
    key: SignerKey,
    chosen: OwnReference,
    said: dict[str, str],
    at: datetime,
) -> tuple[ErasedRows, tuple[EventNumber, ...], EventNumber]:
    """Take a reference out of the database, and record it.

    Args:
        transaction: a writing one.
        key: the signer's.
        chosen: which of the signer's references.
        said: the signer's outside identifier, by whom and why: ``signer``, ``by``, ``reason``.
        at: when.

    Returns:
        What went, the events whose personal parts went, and the event of it.
    """
    erased = erase_reference_directly(transaction, key, chosen.id)
    parts = erase_personal_of_reference(transaction, key, chosen.id, chosen.image_digest)
    details = {**said, "enrolled_by": chosen.enrolled_by}
    event = append_directly(transaction, ReferenceErased(key, chosen.id, parts, details), at)
    note_erasure(transaction, event)
    return erased, parts, event


def _require_reason(reason: str) -> str:
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise ConfigurationError(
            f"erasing a reference needs a reason of 1 to {LONGEST_REASON} characters: say why"
        )
    return reason


def _choose(own: list[OwnReference], signer: SignerId, reference: ReferenceId) -> OwnReference:
    chosen = next((each for each in own if each.id == reference), None)
    if chosen is None:
        raise UnknownReference(
            f"signer {signer} has no reference {reference}: it was erased, or the identifier is "
            f"wrong; see `sigvault signer show {signer}`"
        )
    if len(own) == 1:
        raise LastReference(
            f"{reference} is the only reference of signer {signer}: enroll another one first, or "
            "erase the signer"
        )
    return chosen
