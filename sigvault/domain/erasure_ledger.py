"""What a vault's log tells of erasures: enough to repeat them, and nobody's name.

A signer appears by the random key that stands in public parts of the audit log, which only a vault
with that signer can turn into a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sigvault.domain.audit import (
    AuditRecord,
    BackedUp,
    KeyRevoked,
    ProbesForgotten,
    ReferenceErased,
    SignerErased,
    VaultCreated,
    VaultRestored,
    canonical_json,
    chain_hash,
)
from sigvault.domain.backup import LogEnd, end_from_dict, end_to_dict
from sigvault.domain.identifiers import EventNumber

FORMAT = 1
"""The newest form of a ledger that is known here."""

TOLD = (
    VaultCreated.kind,
    SignerErased.kind,
    ReferenceErased.kind,
    ProbesForgotten.kind,
    KeyRevoked.kind,
    BackedUp.kind,
    VaultRestored.kind,
)
"""The events of a ledger: whose it is, what was taken away, and which backups there were."""


@dataclass(frozen=True)
class ErasureLedger:
    """What was erased and revoked in a vault, and which backups of it there were.

    Attributes:
        through: the last event of the log when this was read: what came later is not in it.
        events: those of the kinds above, in order, without personal parts.
    """

    through: LogEnd
    events: tuple[AuditRecord, ...]

    def origin(self, backup: str) -> AuditRecord | None:
        """The event of a backup, or of going back to it; None if this log knows nothing of it."""
        kinds = (BackedUp.kind, VaultRestored.kind)
        return next(
            (
                one
                for one in self.events
                if one.kind in kinds and one.public.get("backup") == backup
            ),
            None,
        )

    def erasures(self) -> int:
        """How many events took something away."""
        others = (VaultCreated.kind, BackedUp.kind, VaultRestored.kind)
        return sum(one.kind not in others for one in self.events)

    def after(self, number: EventNumber) -> tuple[AuditRecord, ...]:
        """The events after one."""
        return tuple(one for one in self.events if one.number > number)


def ledger_to_dict(ledger: ErasureLedger) -> dict[str, Any]:
    """A ledger, JSON-ready, with a digest of all of it."""
    content = {
        "erasure_ledger": FORMAT,
        "through": end_to_dict(ledger.through),
        "events": [_record_to_dict(record) for record in ledger.events],
    }
    return content | {"sha256": _digest(content)}


def ledger_from_dict(content: Mapping[str, Any]) -> ErasureLedger:
    """Read a ledger of this format.

    Raises:
        ValueError: If it is none, or not what was written.
        KeyError: If something is missing.
        TypeError: If something is of another kind.
    """
    told = {name: content[name] for name in ("erasure_ledger", "through", "events")}
    if _digest(told) != content["sha256"]:
        raise ValueError("its digest is another")
    events = tuple(_record_from_dict(each) for each in told["events"])
    numbers = [record.number for record in events]
    through = end_from_dict(told["through"])
    if numbers != sorted(set(numbers)) or (numbers and numbers[-1] > through.number):
        raise ValueError("its events are not in order")
    return ErasureLedger(through, events)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _record_to_dict(record: AuditRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "at": record.at.isoformat(timespec="microseconds"),
        "kind": record.kind,
        "public": record.public,
        "personal_digest": record.personal_digest,
        "previous": record.previous,
        "hash": record.hash,
    }


def _record_from_dict(content: Mapping[str, Any]) -> AuditRecord:
    record = AuditRecord(
        number=EventNumber(content["number"]),
        at=datetime.fromisoformat(content["at"]),
        kind=content["kind"],
        public=dict(content["public"]),
        personal=None,
        personal_digest=content["personal_digest"],
        previous=content["previous"],
        hash=content["hash"],
    )
    if record.kind not in TOLD:
        raise ValueError(f"event {record.number} is of the kind {record.kind}")
    if record.hash != hash_of(record):
        raise ValueError(f"event {record.number} is not what was written")
    return record


def hash_of(record: AuditRecord) -> str:
    """The hash that an event has to have."""
    return chain_hash(
        record.number,
        record.at,
        record.kind,
        record.public,
        record.personal_digest,
        record.previous,
    )
