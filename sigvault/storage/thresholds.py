"""The thresholds of a generation."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from sigvault.domain.audit import Calibrated
from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import EventNumber, GenerationId
from sigvault.domain.serialisation import threshold_from_dict, threshold_to_dict
from sigvault.storage.audit_log import append
from sigvault.storage.tables import AuditEventRow, ThresholdRow


def put_thresholds(
    session: Session, generation: GenerationId, thresholds: Sequence[Threshold], *, at: datetime
) -> EventNumber:
    """Record a calibration, and put its thresholds in the place of a generation's old ones.

    Returns:
        The audit event that tells of it.
    """
    contents = tuple(threshold_to_dict(threshold) for threshold in thresholds)
    event = append(session, Calibrated(generation, contents), at)
    replace_thresholds(session, generation, thresholds, event=event, at=at)
    return event


def replace_thresholds(
    session: Session,
    generation: GenerationId,
    thresholds: Sequence[Threshold],
    *,
    event: EventNumber,
    at: datetime,
) -> None:
    """Put new thresholds in the place of a generation's old ones.

    The old ones stay in the audit log, in the event of their own calibration.

    Args:
        session: where to write.
        generation: the generation that they were calibrated for.
        thresholds: at most one for each number of references.
        event: the audit event that tells of the calibration.
        at: when.
    """
    session.execute(delete(ThresholdRow).where(ThresholdRow.generation_id == generation))
    session.add_all(
        ThresholdRow(
            generation_id=generation,
            references=threshold.references,
            payload=threshold_to_dict(threshold),
            created_at=at,
            event=event,
        )
        for threshold in thresholds
    )
    session.flush()


def load_thresholds(session: Session, generation: GenerationId) -> tuple[Threshold, ...]:
    """A generation's thresholds by number of references; none before it is calibrated.

    Reading one takes milliseconds, and every decision needs them, so those read last are kept,
    under the hash of the audit event that tells of their calibration: it stands for their content
    and everything before, so another calibration, or another vault, is never taken for it.

    Raises:
        VaultDamaged: If one can't be read.
    """
    return tuple(
        _load(session, generation, references, hash_)
        for references, hash_ in session.execute(_HASHES, {"generation": generation})
    )


_HASHES = (
    select(ThresholdRow.references, AuditEventRow.hash)
    .join(AuditEventRow, AuditEventRow.number == ThresholdRow.event)
    .where(ThresholdRow.generation_id == bindparam("generation"))
    .order_by(ThresholdRow.references)
)

_MOST_KEPT = 64
"""Thresholds kept in memory: a few generations'."""

_kept: OrderedDict[tuple[str, int], Threshold] = OrderedDict()
_keeping = threading.Lock()


def _load(session: Session, generation: GenerationId, references: int, hash_: str) -> Threshold:
    with _keeping:
        found = _kept.get((hash_, references))
    if found is not None:
        return found
    row = session.get_one(ThresholdRow, (generation, references))
    found = _read(row)
    with _keeping:
        _kept[hash_, references] = found
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _read(row: ThresholdRow) -> Threshold:
    try:
        threshold = threshold_from_dict(row.payload)
    except ValueError as error:
        raise VaultDamaged(
            f"the threshold for {row.references} references of generation {row.generation_id} "
            f"can't be read ({error}): calibrate again"
        ) from error
    if threshold.references != row.references:
        raise VaultDamaged(
            f"the threshold for {row.references} references of generation {row.generation_id} "
            f"says {threshold.references}: calibrate again"
        )
    return threshold
