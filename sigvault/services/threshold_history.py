"""The calibrations that there have been, and going back to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from sigvault.domain.audit import AuditRecord, Calibrated
from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import ConfigurationError, UnknownEvent, VaultDamaged
from sigvault.domain.identifiers import EventNumber, GenerationId
from sigvault.domain.serialisation import threshold_from_dict
from sigvault.services.resources import Resources, load_active
from sigvault.storage.audit_log import events_of_kind, read_events
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.thresholds import calibration_in_use, put_thresholds


@dataclass(frozen=True)
class PastCalibration:
    """Thresholds that the active generation has or had.

    Attributes:
        event: the audit event that tells of them.
        at: when they were put in place, UTC.
        in_use: whether decisions are made by them now.
        restored: the earlier event whose thresholds were put back, or None for new ones.
        data: the signatures that they were made from.
        signers: how many signers they rest on, at most.
        references: the numbers of references that there is a threshold for.
    """

    event: EventNumber
    at: datetime
    in_use: bool
    restored: EventNumber | None
    data: tuple[str, ...]
    signers: int
    references: tuple[int, ...]


@dataclass(frozen=True)
class Restoration:
    """Thresholds that were put back.

    Attributes:
        generation: the generation that they belong to.
        thresholds: by rising number of references.
        restored: the event that they come from.
        event: the audit event of putting them back.
    """

    generation: GenerationId
    thresholds: tuple[Threshold, ...]
    restored: EventNumber
    event: EventNumber


def list_calibrations(resources: Resources) -> tuple[PastCalibration, ...]:
    """All calibrations of the active generation, the latest first.

    Raises:
        VaultDamaged: If one can't be read.
    """
    with read_session(resources.engine) as session:
        active = load_active(session).id
        used = calibration_in_use(session, active)
        numbers = events_of_kind(session, Calibrated.kind)
        found = _calibrations(session, active, numbers)
        return tuple(_summary(record, used) for record in reversed(found))


def restore_thresholds(resources: Resources, event: EventNumber) -> Restoration:
    """Put the thresholds of an earlier calibration of the active generation back.

    Raises:
        UnknownEvent: If the event is no calibration of the active generation.
        ConfigurationError: If its thresholds are in use.
        VaultDamaged: If it can't be read.
        StorageFailed: If the database fails; the thresholds in use stay.
    """
    with write_session(resources.engine) as session:
        active = load_active(session).id
        found = _calibrations(session, active, [event])
        if not found:
            raise UnknownEvent(
                f"event {event} is no calibration of the active generation {active}: "
                "`sigvault threshold list` shows them"
            )
        if calibration_in_use(session, active) == event:
            raise ConfigurationError(f"the thresholds of event {event} are in use already")
        thresholds = _thresholds(found[0])
        told = put_thresholds(session, active, thresholds, at=resources.clock(), restored=event)
    return Restoration(active, thresholds, event, told)


def _calibrations(
    session: Session, generation: GenerationId, numbers: Sequence[EventNumber]
) -> list[AuditRecord]:
    """Those of the events that are calibrations of a generation, in order."""
    return [
        record
        for record in read_events(session, numbers)
        if record.kind == Calibrated.kind and record.public["generation"] == generation
    ]


def _thresholds(record: AuditRecord) -> tuple[Threshold, ...]:
    try:
        return tuple(threshold_from_dict(content) for content in record.public["thresholds"])
    except ValueError as error:
        raise VaultDamaged(
            f"the thresholds of event {record.number} can't be read ({error}): "
            "check the log with `sigvault audit check`"
        ) from error


def _summary(record: AuditRecord, used: EventNumber | None) -> PastCalibration:
    thresholds = _thresholds(record)
    return PastCalibration(
        event=record.number,
        at=record.at,
        in_use=record.number == used,
        restored=record.public.get("restored"),
        data=tuple(dict.fromkeys(threshold.origin.data for threshold in thresholds)),
        signers=max((threshold.origin.signers for threshold in thresholds), default=0),
        references=tuple(threshold.references for threshold in thresholds),
    )
