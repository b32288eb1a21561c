"""The vault's own id, and how far what was erased is gone from the disk, too.

An erasing event's number is noted in the transaction that erases, so whoever comes after a crash or
a failure knows that the log or the file is still to be cleaned.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.audit import (
    GenerationDropped,
    ProbesForgotten,
    ReferenceErased,
    SignerErased,
)
from sigvault.domain.identifiers import EventNumber
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import AuditEventRow

_ERASING = (
    SignerErased.kind,
    ReferenceErased.kind,
    GenerationDropped.kind,
    ProbesForgotten.kind,
)


@dataclass(frozen=True)
class VaultState:
    """What the vault knows of itself; see `tables.VaultStateRow`.

    Attributes:
        vault_id: 32 random hex digits, or None before its folder has them.
        erased_through: the last event that took something away for good.
        log_clean_through: up to which event the write-ahead log is clean.
        rewritten_through: up to which event the unused parts of pages are clean.
    """

    vault_id: str | None
    erased_through: EventNumber
    log_clean_through: EventNumber
    rewritten_through: EventNumber


def read_state(transaction: DriverTransaction) -> VaultState:
    """What the vault knows of itself."""
    ((vault_id, *events),) = transaction.rows(
        "SELECT vault_id, erased_through, log_clean_through, rewritten_through"
        " FROM vault_state WHERE id = 1"
    )
    return VaultState(vault_id, *(EventNumber(int(event)) for event in events))


def put_vault_id(transaction: DriverTransaction, vault_id: str) -> None:
    """Give the vault its id."""
    transaction.run("UPDATE vault_state SET vault_id = ? WHERE id = 1", (vault_id,))


def note_erasure(transaction: DriverTransaction, event: EventNumber) -> None:
    """Note, in the transaction that erases, that log and file are to be cleaned."""
    transaction.run("UPDATE vault_state SET erased_through = ? WHERE id = 1", (event,))


def note_clean_log(transaction: DriverTransaction, event: EventNumber) -> None:
    """Note that the log holds nothing any more that went with this event or before."""
    transaction.run(
        "UPDATE vault_state SET log_clean_through = ? WHERE id = 1 AND log_clean_through < ?",
        (event, event),
    )


def note_rewritten(transaction: DriverTransaction, event: EventNumber) -> None:
    """Note that the file was written anew after this event."""
    transaction.run(
        "UPDATE vault_state SET rewritten_through = ? WHERE id = 1 AND rewritten_through < ?",
        (event, event),
    )


def count_erasures(session: Session, after: EventNumber) -> int:
    """How many events after this one took something away for good."""
    query = select(func.count()).select_from(AuditEventRow)
    query = query.where(AuditEventRow.number > after, AuditEventRow.kind.in_(_ERASING))
    return session.scalar(query) or 0
