"""The thresholds of a generation."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from sigvault.domain.audit import Calibrated
from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import EventNumber, GenerationId
from sigvault.domain.serialisation import threshold_from_dict, threshold_to_dict
from sigvault.storage.audit_log import append
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import AuditEventRow, ThresholdRow


def put_thresholds(
    session: Session,
    generation: GenerationId,
    thresholds: Sequence[Threshold],
    *,
    at: datetime,
    restored: EventNumber | None = None,
) -> EventNumber:
    """Record a calibration, and put its thresholds in the place of a generation's old ones.

    Args:
        session: where to write.
        generation: the generation that they were calibrated for.
        thresholds: at most one for each number of references.
        at: when.
        restored: the event of the earlier calibration that is gone back to, or None.

    Returns:
        The audit event that tells of it.
    """
    contents = tuple(threshold_to_dict(threshold) for threshold in thresholds)
    event = append(session, Calibrated(generation, contents, restored), at)
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


def calibration_in_use(session: Session, generation: GenerationId) -> EventNumber | None:
    """The audit event that tells of a generation's thresholds; None without any."""
    query = select(ThresholdRow.event).where(ThresholdRow.generation_id == generation)
    return session.scalars(query.limit(1)).first()


def load_thresholds(session: Session, generation: GenerationId) -> tuple[Threshold, ...]:
    """A generation's thresholds by number of references; none before it is calibrated.

    Reading one takes milliseconds, and every decision needs them, so those read last are kept,
    under the hash of the audit event that tells of their calibration: it stands for their content
    and everything before, so another calibration, or another vault, is never taken for it.

    Raises:
        VaultDamaged: If one can't be read.
    """

    def load(references: int, hash_: str) -> Threshold:
        def payload() -> Any:  # noqa: ANN401 - JSON
            return session.get_one(ThresholdRow, (generation, references)).payload

        return _keep(hash_, generation, references, payload)

    found = session.execute(_HASHES, {"generation": generation}).all()
    return tuple(load(references, hash_) for references, hash_ in found)


_HASHES = (
    select(ThresholdRow.references, AuditEventRow.hash)
    .join(AuditEventRow, AuditEventRow.number == ThresholdRow.event)
    .where(ThresholdRow.generation_id == bindparam("generation"))
    .order_by(ThresholdRow.references)
)


def load_thresholds_directly(
    transaction: DriverTransaction, generation: GenerationId
) -> tuple[Threshold, ...]:
    """The same as `load_thresholds`, by the driver alone.

    Raises:
        VaultDamaged: If one can't be read.
    """

    def load(references: int, hash_: str) -> Threshold:
        def payload() -> Any:  # noqa: ANN401 - JSON
            return transaction.rows(_PAYLOAD_DIRECTLY, (generation, references))[0][0]

        return _keep(hash_, generation, references, payload)

    found = transaction.rows(_HASHES_DIRECTLY, (generation,))
    return tuple(load(references, hash_) for references, hash_ in found)


_HASHES_DIRECTLY = (
    'SELECT t."references", a.hash FROM thresholds AS t'
    " JOIN audit_events AS a ON a.number = t.event"
    ' WHERE t.generation_id = ? ORDER BY t."references"'
)
_PAYLOAD_DIRECTLY = 'SELECT payload FROM thresholds WHERE generation_id = ? AND "references" = ?'

_MOST_KEPT = 64
"""Thresholds kept in memory: a few generations'."""

_kept: OrderedDict[tuple[str, int], Threshold] = OrderedDict()
_keeping = threading.Lock()


def _keep(
    hash_: str, generation: GenerationId, references: int, payload: Callable[[], Any]
) -> Threshold:
    """The threshold kept under this hash, or else the one that the payload holds."""
    with _keeping:
        found = _kept.get((hash_, references))
    if found is not None:
        return found
    found = _read(generation, references, payload())
    with _keeping:
        _kept[hash_, references] = found
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _read(generation: GenerationId, references: int, payload: Any) -> Threshold:  # noqa: ANN401 - JSON
    """A threshold from JSON, as text or read already: that is up to the driver."""
    which = f"the threshold for {references} references of generation {generation}"
    try:
        content = json.loads(payload) if isinstance(payload, str) else payload
        threshold = threshold_from_dict(content)
    except ValueError as error:
        raise VaultDamaged(f"{which} can't be read ({error}): calibrate again") from error
    if threshold.references != references:
        raise VaultDamaged(f"{which} says {threshold.references}: calibrate again")
    return threshold
