"""Erasing a signer: nothing stays but the fact that somebody was erased."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sigvault.domain.audit import SignerErased
from sigvault.domain.identifiers import EventNumber, SignerId, SignerKey
from sigvault.services.answers import KEPT_FOR
from sigvault.services.cleaning import clean_up
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.pending_images import settle_pending
from sigvault.services.resources import Resources
from sigvault.storage.answers import drop_answers_before
from sigvault.storage.audit_log import append_directly, erase_personal
from sigvault.storage.driver import DriverTransaction, write_directly
from sigvault.storage.references import ErasedRows
from sigvault.storage.signers import erase_signer_directly, get_key
from sigvault.storage.traces import traces_of, traces_of_images
from sigvault.storage.vault_state import note_erasure


@dataclass(frozen=True)
class Erasure:
    """What went with a signer.

    Attributes:
        signer: the identifier, free to be used again for a new signer.
        references: how many references went.
        event: where the audit log records it.
        images_removed: how many images went; one that another signer has too stays.
        audit_parts: from how many events of the audit log the personal part went.
        log_clean: whether the database's log was emptied, and nothing found in its file. If not,
            older pages may lie there until nobody reads at the same time: the vault's next opening
            or erasure empties the log, and `sigvault doctor --repair` writes the file anew besides.
            Always with PostgreSQL, which sees to its own files.
    """

    signer: SignerId
    references: int
    event: EventNumber
    images_removed: int
    audit_parts: int
    log_clean: bool


def erase(resources: Resources, index: GalleryIndex[Any], signer: SignerId, *, by: str) -> Erasure:
    """Remove a signer's name, references, vectors, images and personal audit parts for good.

    Images and the log are noted in the transaction and cleaned after it, so that a crash in between
    leaves them to the next opening and not for ever.

    Args:
        resources: the vault's.
        index: over all galleries.
        signer: whom to erase.
        by: who erases.

    Raises:
        UnknownSigner: If there is no such signer.
        StorageFailed: If the database or an image can't be changed.
        IndexFailed: If a kept index can't be removed.
    """
    with write_directly(resources.engine) as transaction:
        key = get_key(transaction, signer)
        traces = traces_of(resources.engine, transaction, key)
        at = resources.clock()
        erased, parts, event = take_signer_out(transaction, key, by=by, at=at)
        drop_answers_before(transaction, at - KEPT_FOR)
        index.discard_files()  # a crash after the commit then leaves no vector in a file
    traces += traces_of_images(erased.orphans)
    removed, clean = take_off_the_disk(resources, index, traces)
    return Erasure(signer, len(erased.references), event, removed, parts, clean)


def take_signer_out(
    transaction: DriverTransaction, key: SignerKey, *, by: str, at: datetime
) -> tuple[ErasedRows, int, EventNumber]:
    """Take a signer out of the database, and record it.

    Args:
        transaction: a writing one.
        key: an enrolled signer's.
        by: who erases.
        at: when.

    Returns:
        What went, how many personal parts of the audit log went, and the event.
    """
    erased = erase_signer_directly(transaction, key, at)
    parts = erase_personal(transaction, key)
    event = append_directly(transaction, SignerErased(key, len(erased.references), by), at)
    note_erasure(transaction, event)
    return erased, parts, event


def take_off_the_disk(
    resources: Resources, index: GalleryIndex[Any], traces: Sequence[bytes]
) -> tuple[int, bool]:
    """After an erasure's commit: from the index in memory, the images and the database's files.

    Args:
        resources: the vault's.
        index: over all galleries.
        traces: what to look for in the database's file; see `traces.traces_of`.

    Returns:
        How many images went, and whether the database's log and file are clean.

    Raises:
        StorageFailed: If the database or an image can't be changed.
        IndexFailed: If a kept index can't be removed.
    """
    with ExitStack() as last:  # each is tried, whatever becomes of the others
        last.callback(index.forget)
        try:
            removed = settle_pending(resources.engine, resources.images, resources.pending)
        finally:
            clean = clean_up(resources.engine, traces)
    return removed, clean
