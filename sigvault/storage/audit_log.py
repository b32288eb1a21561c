"""The audit log: a hash chain of events, with the personal parts kept beside it.

The chain shows that an event was changed, removed or slipped in, as long as whoever did it did
not also compute every later hash again: note `head` outside of the vault to be safe from that.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from sigvault.domain.audit import (
    FIRST_HASH,
    AuditEvent,
    AuditRecord,
    EnrollmentFailed,
    ReferenceEnrolled,
    ReferenceErased,
    SignerErased,
    Written,
    canonical_json,
    chain_hash,
    digest_content,
    digest_personal,
)
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import EventNumber, ReferenceId, SignerKey
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import AuditEventRow, AuditHeadRow, AuditPersonalRow, Base


@dataclass(frozen=True)
class ChainCheck:
    """What a walk along the whole chain found.

    Attributes:
        events: how many events were walked.
        first_broken: the first event at which the chain breaks, or None if it is whole.
        reason: why it breaks there, in words; empty if it is whole.
        erased_parts: how many personal parts are gone with their erased signers or references.
    """

    events: int
    first_broken: EventNumber | None
    reason: str
    erased_parts: int

    @property
    def whole(self) -> bool:
        """Whether every event is as it was written, and none is missing."""
        return self.first_broken is None


def append(session: Session, event: AuditEvent, at: datetime) -> EventNumber:
    """Append an event, in the transaction that does what it records.

    Args:
        session: a writing session.
        event: what happened.
        at: when, with a time zone.

    Returns:
        The event's number.

    Raises:
        VaultDamaged: If the end of the log is missing.
        ValueError: If the time has no zone, or the event holds what JSON can't.
    """
    sealed = _seal(event, at, _locked_head(session))
    connection = session.connection()
    connection.execute(_INSERT_EVENT, sealed.event)
    connection.execute(_INSERT_PERSONAL, sealed.personal)
    connection.execute(_MOVE_HEAD, {"last": sealed.number, "end": sealed.event["hash"]})
    return sealed.number


class LogEnd(NamedTuple):
    """Where the log ends.

    Attributes:
        number: the last event's number.
        hash: its hash.
        erased_through: the last event that took something away for good; see `vault_state`.
    """

    number: EventNumber
    hash: str
    erased_through: EventNumber | None = None


def read_end(transaction: DriverTransaction) -> LogEnd:
    """Where the log ends, and what was erased last: to be read in the transaction that appends.

    Raises:
        VaultDamaged: If the end of the log is missing.
    """
    found = transaction.rows(_END_DIRECTLY)
    if not found:
        raise VaultDamaged(_NO_END)
    return LogEnd(*found[0])


def append_directly(
    transaction: DriverTransaction, event: AuditEvent, at: datetime, end: LogEnd | None = None
) -> EventNumber:
    """Append an event as `append` does, by the driver alone.

    Args:
        transaction: one that writes.
        event: what happened.
        at: when, with a time zone.
        end: the end of the log, where the same transaction has read it already.

    Raises:
        VaultDamaged: If the end of the log is missing.
        ValueError: If the time has no zone, or the event holds what JSON can't.
    """
    sealed = _seal(event, at, read_end(transaction) if end is None else end)
    transaction.run(_INSERT_EVENT_DIRECTLY, tuple(sealed.event.values()))
    transaction.run(_INSERT_PERSONAL_DIRECTLY, tuple(sealed.personal.values()))
    transaction.run(_MOVE_HEAD_DIRECTLY, (sealed.number, sealed.event["hash"]))
    return sealed.number


class _Sealed(NamedTuple):
    """An event with its hash, as the two tables hold it, in the order of their columns."""

    number: EventNumber
    event: dict[str, object]
    personal: dict[str, object]


def _seal(event: AuditEvent, at: datetime, end: LogEnd) -> _Sealed:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    moment = at.astimezone(UTC)
    public, salt = event.public(), secrets.token_hex(16)
    written = canonical_json(public)
    content = canonical_json(event.personal())
    number = EventNumber(end.number + 1)
    digest = digest_content(salt, content)
    return _Sealed(
        number,
        {
            "number": number,
            "at": moment.isoformat(timespec="microseconds"),
            "kind": event.kind,
            "signer_key": public.get("signer"),
            "public": written,
            "personal_digest": digest,
            "previous": end.hash,
            "hash": chain_hash(number, moment, event.kind, Written(written), digest, end.hash),
        },
        {"event": number, "signer_key": event.subject(), "salt": salt, "content": content},
    )


_INSERT_EVENT_DIRECTLY = (
    "INSERT INTO audit_events"
    " (number, at, kind, signer_key, public, personal_digest, previous, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_PERSONAL_DIRECTLY = (
    "INSERT INTO audit_personal (event, signer_key, salt, content) VALUES (?, ?, ?, ?)"
)
_MOVE_HEAD_DIRECTLY = "UPDATE audit_head SET number = ?, hash = ? WHERE id = 1"
_END_DIRECTLY = (
    "SELECT h.number, h.hash, v.erased_through FROM audit_head AS h"
    " LEFT JOIN vault_state AS v ON v.id = 1 WHERE h.id = 1"
)
_NO_END = "the end of the audit log is missing: run `sigvault audit check`"
_TABLES = Base.metadata.tables
_INSERT_EVENT = insert(_TABLES[AuditEventRow.__tablename__])
_INSERT_PERSONAL = insert(_TABLES[AuditPersonalRow.__tablename__])
_MOVE_HEAD = (
    update(_TABLES[AuditHeadRow.__tablename__])
    .where(AuditHeadRow.id == 1)
    .values(number=bindparam("last"), hash=bindparam("end"))
)
_HEAD = select(AuditHeadRow.number, AuditHeadRow.hash).where(AuditHeadRow.id == 1)
_LOCKED_HEAD = _HEAD.with_for_update()


def head(session: Session) -> tuple[EventNumber, str]:
    """The number and the hash of the last event: note them elsewhere to anchor the chain.

    Raises:
        VaultDamaged: If the end of the log is missing.
    """
    end = session.execute(_HEAD).one_or_none()
    if end is None:
        raise VaultDamaged(_NO_END)
    return end.number, end.hash


def read(
    session: Session,
    *,
    after: int = 0,
    limit: int | None = None,
    signer: SignerKey | None = None,
) -> tuple[AuditRecord, ...]:
    """Events in order.

    Args:
        session: where to read.
        after: only events with a larger number.
        limit: at most so many, or None for all.
        signer: only events that name this signer.

    Raises:
        VaultDamaged: If an event can't be read: check the chain.
    """
    query = _events().where(AuditEventRow.number > after).limit(limit)
    if signer is not None:
        query = query.where(AuditEventRow.signer_key == signer)
    return tuple(_to_record(event, personal) for event, personal in session.execute(query))


def read_latest(
    session: Session, *, limit: int, signer: SignerKey | None = None, skip: int = 0
) -> tuple[AuditRecord, ...]:
    """The latest events, newest first; no others are read, however long the log is.

    Args:
        session: where to read.
        limit: at most so many.
        signer: only events that name this signer.
        skip: so many of the newest are passed over, for paging.

    Raises:
        VaultDamaged: If an event can't be read: check the chain.
    """
    query = _events().order_by(None).order_by(AuditEventRow.number.desc())
    if signer is not None:
        query = query.where(AuditEventRow.signer_key == signer)
    rows = session.execute(query.limit(limit).offset(skip))
    return tuple(_to_record(event, personal) for event, personal in rows)


def read_events(session: Session, numbers: Sequence[EventNumber]) -> tuple[AuditRecord, ...]:
    """Those of the events that are there, in order.

    Raises:
        VaultDamaged: If an event can't be read: check the chain.
    """
    found: list[AuditRecord] = []
    ordered = sorted(numbers)
    for start in range(0, len(ordered), _AT_ONCE):
        query = _events().where(AuditEventRow.number.in_(ordered[start : start + _AT_ONCE]))
        found += [_to_record(event, personal) for event, personal in session.execute(query)]
    return tuple(found)


_AT_ONCE = 500
"""Below every database's limit of parameters in a statement."""


def count_events(session: Session, signer: SignerKey | None = None) -> int:
    """How many events there are, or how many name a signer."""
    query = select(func.count()).select_from(AuditEventRow)
    if signer is not None:
        query = query.where(AuditEventRow.signer_key == signer)
    return session.scalar(query) or 0


def events_of_kind(session: Session, kind: str) -> list[EventNumber]:
    """The numbers of the events of a kind, the latest first; reads the whole log."""
    query = select(AuditEventRow.number).where(AuditEventRow.kind == kind)
    return list(session.scalars(query.order_by(AuditEventRow.number.desc())))


def erase_personal(transaction: DriverTransaction, signer: SignerKey) -> int:
    """Remove the personal parts of a signer's events; the chain stays whole.

    To be called in the transaction that appends SignerErased: without that event the missing
    parts count as tampering.

    Returns:
        How many parts were removed.
    """
    return transaction.run("DELETE FROM audit_personal WHERE signer_key = ?", (signer,))


def erase_personal_of_reference(
    transaction: DriverTransaction, signer: SignerKey, reference: ReferenceId, image_digest: str
) -> tuple[EventNumber, ...]:
    """Remove what the log says of a reference's image: of its enrollment, and of failed ones.

    Failed ones are those of the same image, and of further scans of it. To be called in the
    transaction that appends ReferenceErased with these numbers: without that event the missing
    parts count as tampering.

    Returns:
        The events whose personal parts were removed.

    Raises:
        VaultDamaged: If an event can't be read: check the chain.
    """
    found = transaction.rows(
        "SELECT e.number, e.kind, e.public, p.content FROM audit_events AS e"
        " JOIN audit_personal AS p ON p.event = e.number"
        " WHERE e.signer_key = ? AND e.kind IN (?, ?) ORDER BY e.number",
        (signer, ReferenceEnrolled.kind, EnrollmentFailed.kind),
    )
    named = {reference, image_digest}
    gone = []
    for number, kind, public, content in found:
        enrolled = kind == ReferenceEnrolled.kind
        told = _read_part(number, public if enrolled else content)
        if named & {told.get("reference"), None if enrolled else told.get("image")}:
            gone.append(EventNumber(number))
    statement = "DELETE FROM audit_personal WHERE event = ?"
    transaction.run_many(statement, [(number,) for number in gone])
    return tuple(gone)


def _read_part(number: int, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise unreadable_event(number) from error


def unreadable_event(number: int) -> VaultDamaged:
    """What is raised for an event whose row holds what it can't."""
    return VaultDamaged(
        f"event {number} of the audit log can't be read: run `sigvault audit check`"
    )


def check_chain(session: Session) -> ChainCheck:
    """Walk the whole log and compute every hash again, a thousand events in memory at a time."""
    walk = _Walk(_parts_gone(session))
    with session.execute(_events().execution_options(yield_per=1000)) as rows:
        for event, personal in rows:
            reason = walk.step(event, personal)
            if reason:
                return ChainCheck(walk.events, EventNumber(walk.events), reason, walk.erased_parts)
            session.expunge(event)
            if personal is not None:
                session.expunge(personal)
    broken, reason = walk.end(session.get(AuditHeadRow, 1))
    return ChainCheck(walk.events, broken, reason, walk.erased_parts)


def _parts_gone(session: Session) -> dict[int, tuple[int, str | None]]:
    """For each event whose personal part went with a reference: the erasing event, and the signer.

    Erasing events are few; whether they are as they were written, the walk sees when it gets there.
    """
    query = select(AuditEventRow.number, AuditEventRow.signer_key, AuditEventRow.public)
    gone: dict[int, tuple[int, str | None]] = {}
    for number, key, public in session.execute(
        query.where(AuditEventRow.kind == ReferenceErased.kind)
    ):
        try:
            gone |= {int(part): (number, key) for part in json.loads(public)["parts"]}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return gone


@dataclass
class _Walk:
    """Where a walk along the chain stands.

    Attributes:
        gone: for each event whose personal part went with a reference, the event that says so and
            the signer.
        events: how many events were walked; the last one's number.
        previous: the hash of the last one.
        missing: for each signer with missing personal parts, the first such event and how many.
        present: for each signer with personal parts, the first such event.
        erased: the signers that were erased.
        parts: how many personal parts went with references.
    """

    gone: dict[int, tuple[int, str | None]]
    events: int = 0
    previous: str = FIRST_HASH
    missing: dict[str, tuple[int, int]] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    parts: int = 0

    @property
    def erased_parts(self) -> int:
        with_signers = sum(count for key, (_, count) in self.missing.items() if key in self.erased)
        return with_signers + self.parts

    def step(self, event: AuditEventRow, personal: AuditPersonalRow | None) -> str:
        """Check the next event; what is wrong with it, or an empty string."""
        self.events += 1
        if event.number != self.events:
            return f"event {self.events} is missing"
        if event.previous != self.previous:
            return "it doesn't follow the event before it"
        try:
            public = json.loads(event.public)
            expected = _hash(event, public)
        except (ValueError, TypeError, RecursionError):
            return "it can't be read"
        if expected != event.hash or canonical_json(public) != event.public:
            return "its content is not what was written"
        if event.signer_key != public.get("signer"):
            return "it is filed under another signer"
        self.previous = event.hash
        return self._note_personal(event, personal)

    def _note_personal(self, event: AuditEventRow, personal: AuditPersonalRow | None) -> str:
        if event.kind == SignerErased.kind and event.signer_key is not None:
            self.erased.add(event.signer_key)
        by, whose = self.gone.get(event.number, (0, None))
        went = by > event.number and whose == event.signer_key
        if personal is None and went:
            self.parts += 1
            return ""
        if personal is None:
            key = event.signer_key or ""
            first, count = self.missing.get(key, (event.number, 0))
            self.missing[key] = (first, count + 1)
            return ""
        if went:
            return f"its personal part is there, but event {by} erased it with a reference"
        if not _personal_fits(event, personal):
            return "its personal part is not what was written"
        if personal.signer_key is not None:
            self.present.setdefault(personal.signer_key, event.number)
        return ""

    def end(self, last: AuditHeadRow | None) -> tuple[EventNumber | None, str]:
        """Check what can be told at the end alone."""
        gone = [first for key, (first, _) in self.missing.items() if key not in self.erased]
        if gone:
            return EventNumber(min(gone)), "its personal part is gone, but nobody erased it"
        kept = [first for key, first in self.present.items() if key in self.erased]
        if kept:
            return EventNumber(min(kept)), "its personal part is there, but its signer was erased"
        if last is None:
            return EventNumber(self.events + 1), "the note of where the log ends is missing"
        if last.number > self.events:
            return EventNumber(self.events + 1), f"the last {last.number - self.events} are missing"
        if (last.number, last.hash) != (self.events, self.previous):
            return EventNumber(last.number + 1), "the log goes on beyond its noted end"
        return None, ""


def _hash(event: AuditEventRow, public: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event.at)
    if at.isoformat(timespec="microseconds") != event.at:
        raise ValueError(f"{event.at} is not how times are written")
    return chain_hash(event.number, at, event.kind, public, event.personal_digest, event.previous)


def _personal_fits(event: AuditEventRow, personal: AuditPersonalRow) -> bool:
    if personal.signer_key not in (event.signer_key, None):
        return False
    try:
        content = json.loads(personal.content)
        return (
            canonical_json(content) == personal.content
            and digest_personal(personal.salt, content) == event.personal_digest
        )
    except (ValueError, RecursionError):
        return False


def _events() -> Select[AuditEventRow, AuditPersonalRow]:
    """Events in order, each with its personal part, or None where that is gone."""
    return (
        select(AuditEventRow, AuditPersonalRow)
        .outerjoin(AuditPersonalRow, AuditPersonalRow.event == AuditEventRow.number)
        .order_by(AuditEventRow.number)
    )


def _to_record(event: AuditEventRow, personal: AuditPersonalRow | None) -> AuditRecord:
    try:
        return AuditRecord(
            number=event.number,
            at=datetime.fromisoformat(event.at),
            kind=event.kind,
            public=json.loads(event.public),
            personal=None if personal is None else json.loads(personal.content),
            personal_digest=event.personal_digest,
            previous=event.previous,
            hash=event.hash,
        )
    except ValueError as error:
        raise unreadable_event(event.number) from error


def _locked_head(session: Session) -> LogEnd:
    """The end of the log, which no other transaction can move before this one is over."""
    session.flush()
    end = session.execute(_LOCKED_HEAD).one_or_none()
    if end is None:
        raise VaultDamaged(_NO_END)
    return LogEnd(end.number, end.hash)
