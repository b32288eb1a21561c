"""The public part of an audit log in a file that is not opened as a vault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sigvault.domain.audit import AuditRecord
from sigvault.domain.backup import LogEnd
from sigvault.domain.erasure_ledger import TOLD, ErasureLedger, hash_of
from sigvault.domain.errors import HistoryDiffers, VaultDamaged
from sigvault.domain.identifiers import EventNumber
from sigvault.storage.audit_log import unreadable_event
from sigvault.storage.database_copy import end_of_log, reading_only
from sigvault.storage.driver import DriverTransaction, Row

_PAGE = 1000
"""Events read at a time."""


def read_ledger(transaction: DriverTransaction) -> ErasureLedger:
    """What a log tells of erasures, without comparing it with itself.

    Raises:
        VaultDamaged: If an event can't be read, or the log's end is missing.
    """
    marks = ", ".join("?" * len(TOLD))
    rows = transaction.rows(
        f"{_EVENTS} WHERE kind IN ({marks}) ORDER BY number",
        TOLD,
    )
    return ErasureLedger(end_of_log(transaction), tuple(_record(row) for row in rows))


def follow_log(path: Path, since: LogEnd, *, immutable: bool) -> ErasureLedger:
    """What the log in a database tells of erasures since an event, from which it goes on unbroken.

    Args:
        path: an SQLite file of a vault's.
        since: where to begin.
        immutable: whether nobody uses the file; see `database_copy.reading_only`.

    Raises:
        HistoryDiffers: If the log doesn't hold that event.
        VaultDamaged: If it is broken after it, or the file is no vault's.
        StorageFailed: If the file can't be read.
    """
    with reading_only(path, immutable=immutable) as transaction:
        records = _records(transaction, since.number)
        first = next(records, None)
        if first is None or (first.number, first.hash) != (since.number, since.hash):
            raise HistoryDiffers(
                f"the log in {path} doesn't hold {since.in_words()}, with which the backup ends: "
                "it is another vault's, or of before the backup; give the vault as it is now"
            )
        told, last = [], first
        for record in records:
            _require_next(path, last, record)
            last = record
            if record.kind in TOLD:
                told.append(record)
        end = end_of_log(transaction)
    if (end.number, end.hash) != (last.number, last.hash):
        raise _broken(path, last.number + 1)
    return ErasureLedger(end, tuple(told))


def _require_next(path: Path, last: AuditRecord, record: AuditRecord) -> None:
    follows = record.number == last.number + 1 and record.previous == last.hash
    if not follows or record.hash != hash_of(record):
        raise _broken(path, last.number + 1)


def _broken(path: Path, number: int) -> VaultDamaged:
    return VaultDamaged(
        f"the log in {path} is broken at event {number}, so it can't tell what was erased: give "
        "what `sigvault audit erasures` wrote, or a later backup"
    )


_EVENTS = "SELECT number, at, kind, public, personal_digest, previous, hash FROM audit_events"


def _records(transaction: DriverTransaction, first: int) -> Iterator[AuditRecord]:
    """All events from one on."""
    after = first - 1
    while rows := transaction.rows(
        f"{_EVENTS} WHERE number > ? ORDER BY number LIMIT {_PAGE}",
        (after,),
    ):
        yield from map(_record, rows)
        after = rows[-1][0]


def _record(row: Row) -> AuditRecord:
    number, at, kind, public, personal_digest, previous, hash_ = row
    try:
        return AuditRecord(
            number=EventNumber(number),
            at=datetime.fromisoformat(at),
            kind=kind,
            public=dict(json.loads(public)),
            personal=None,
            personal_digest=personal_digest,
            previous=previous,
            hash=hash_,
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise unreadable_event(number) from error
