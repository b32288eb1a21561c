"""Reading the audit log, and checking that the vault is what the log says."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.domain.audit import (
    AuditRecord,
    Calibrated,
    ReferenceEnrolled,
    ReferenceErased,
    SignerErased,
    Verified,
)
from sigvault.domain.comparison import Decision, Evidence
from sigvault.domain.errors import UnknownEvent, VaultDamaged
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.serialisation import evidence_from_dict, threshold_to_dict
from sigvault.services.resources import Resources, load_active
from sigvault.services.review_check import ReviewCheck
from sigvault.storage.audit_log import ChainCheck, check_chain, count_events, read, read_latest
from sigvault.storage.driver import read_directly
from sigvault.storage.engine import read_session
from sigvault.storage.kept_probes import kept_sizes, needed_images
from sigvault.storage.references import iterate_image_digests
from sigvault.storage.signers import get_signer
from sigvault.storage.tables import ReferenceRow

_PAGE = 1000
"""Events read at a time."""


@dataclass(frozen=True)
class Replay:
    """A recorded verification, decided once more.

    Attributes:
        event: the event.
        recorded: the decision that the log shows.
        replayed: the decision that follows from the recorded evidence.
        evidence: the recorded evidence.
        agrees: whether decision, fused score and LLR follow from the evidence.
    """

    event: EventNumber
    recorded: Decision
    replayed: Decision
    evidence: Evidence
    agrees: bool


@dataclass(frozen=True)
class AuditCheck:
    """Whether the vault is what its audit log says.

    Attributes:
        events: how many events the log holds.
        whole: whether the chain is whole, every verification follows from its evidence, and
            references, thresholds, cases and verdicts are those that were recorded.
        first_broken: the first event that something is wrong with, if it is one event.
        reason: what is wrong, in words; empty if it is whole.
        images_missing: digests of enrolled images and kept probes that are missing or changed.
        erased_parts: how many personal parts are gone with their erased signers or references.
        replayed: how many verifications were decided once more.
    """

    events: int
    whole: bool
    first_broken: EventNumber | None
    reason: str
    images_missing: tuple[str, ...]
    erased_parts: int
    replayed: int


def read_log(
    resources: Resources,
    *,
    after: int = 0,
    limit: int | None = None,
    signer: SignerId | None = None,
) -> tuple[AuditRecord, ...]:
    """Events in order.

    Args:
        resources: the vault's.
        after: only events with a larger number.
        limit: at most so many, or None for all.
        signer: only events that concern this signer.

    Raises:
        UnknownSigner: If there is no such signer.
    """
    with read_session(resources.engine) as session:
        key = None if signer is None else get_signer(session, signer).key
        return read(session, after=after, limit=limit, signer=key)


def read_latest_events(
    resources: Resources, *, limit: int, signer: SignerId | None = None, skip: int = 0
) -> tuple[AuditRecord, ...]:
    """The latest events, newest first.

    Args:
        resources: the vault's.
        limit: at most so many.
        signer: only events that concern this signer.
        skip: so many of the newest are passed over, for paging.

    Raises:
        UnknownSigner: If there is no such signer.
    """
    with read_session(resources.engine) as session:
        key = None if signer is None else get_signer(session, signer).key
        return read_latest(session, limit=limit, signer=key, skip=skip)


def count(resources: Resources, signer: SignerId | None = None) -> int:
    """How many events the audit log holds, or how many of them concern a signer.

    Raises:
        UnknownSigner: If there is no such signer.
    """
    with read_session(resources.engine) as session:
        key = None if signer is None else get_signer(session, signer).key
        return count_events(session, key)


def replay(resources: Resources, event: EventNumber) -> Replay:
    """Decide a recorded verification once more, from its evidence alone.

    Raises:
        UnknownEvent: If the event is no verification, or its evidence was erased.
        VaultDamaged: If the evidence can't be read.
    """
    with read_session(resources.engine) as session:
        records = read(session, after=event - 1, limit=1)
    if not records or records[0].number != event or records[0].kind != Verified.kind:
        raise UnknownEvent(f"event {event} is no verification: see `sigvault audit log`")
    if records[0].personal is None:
        raise UnknownEvent(f"the evidence of event {event} was erased with its signer")
    return _replay(records[0])


def check(resources: Resources) -> AuditCheck:
    """Check the chain, the evidence, references, thresholds, reviews and images.

    Every enrolled image and every kept probe is read once, so it takes as long as reading them all.

    Raises:
        StorageFailed: If the database or an image can't be read.
    """
    with read_session(resources.engine) as session:
        chain = check_chain(session)
        walk = _Walk()
        if chain.whole:
            _compare_with_log(session, walk)
        digests = [digest for _, digest in iterate_image_digests(session)]
        digests += sorted(kept_sizes(session))
    missing = [digest for digest in dict.fromkeys(digests) if not _readable(resources, digest)]
    return _conclude(chain, walk, _still_needed(resources, missing))


@dataclass
class _Walk:
    """What a walk along the log has found.

    Attributes:
        enrolled: for each reference, the event of its enrollment, and the signer's key.
        calibrated: the thresholds last recorded for each generation, and their event.
        replayed: how many verifications were decided once more.
        broken: the first event that something is wrong with, and what.
    """

    enrolled: dict[str, tuple[EventNumber, str]] = field(default_factory=dict)
    calibrated: dict[int, tuple[EventNumber, list[object]]] = field(default_factory=dict)
    replayed: int = 0
    broken: tuple[EventNumber | None, str] | None = None

    def step(self, record: AuditRecord) -> None:
        public = record.public
        if record.kind == ReferenceEnrolled.kind:
            self.enrolled[public["reference"]] = (record.number, public["signer"])
        elif record.kind == SignerErased.kind:
            gone = [each for each, (_, key) in self.enrolled.items() if key == public["signer"]]
            for reference in gone:
                del self.enrolled[reference]
        elif record.kind == ReferenceErased.kind:
            _, key = self.enrolled.pop(public["reference"], (None, ""))
            if key != public["signer"]:
                self.note(record.number, "the reference that it erased was not the signer's")
        elif record.kind == Calibrated.kind:
            self.calibrated[public["generation"]] = (record.number, public["thresholds"])
        elif record.kind == Verified.kind and record.personal is not None:
            self.replayed += 1
            self._check_replay(record)

    def note(self, event: EventNumber | None, reason: str) -> None:
        if self.broken is None:
            self.broken = (event, reason)

    def _check_replay(self, record: AuditRecord) -> None:
        try:
            agrees = _replay(record).agrees
        except VaultDamaged:
            self.note(record.number, "its evidence can't be read")
        else:
            if not agrees:
                self.note(record.number, "its decision doesn't follow from its evidence")


def _compare_with_log(session: Session, walk: _Walk) -> None:
    reviews = ReviewCheck(session)
    after = 0
    while records := read(session, after=after, limit=_PAGE):
        for record in records:
            walk.step(record)
            if trouble := reviews.step(record):
                walk.note(record.number, trouble)
        after = records[-1].number
    if left := reviews.end():
        walk.note(*left)
    query = select(ReferenceRow.id, ReferenceRow.signer_key)
    there = {row.id: row.signer_key for row in session.execute(query)}
    for reference, (event, key) in walk.enrolled.items():
        if reference not in there:
            walk.note(event, "its reference is gone, but nobody erased it")
        elif there[reference] != key:
            walk.note(event, "its reference lies under another signer now")
    strangers = sorted(there.keys() - walk.enrolled.keys())
    if strangers:
        walk.note(None, f"the reference {strangers[0]} was added without an event")
    active = load_active(session)
    event_, recorded = walk.calibrated.get(active.id, (None, []))
    if recorded != [threshold_to_dict(threshold) for threshold in active.thresholds]:
        walk.note(event_, "the thresholds in use are not those that were recorded")


def _replay(record: AuditRecord) -> Replay:
    """Decide once more.

    Raises:
        VaultDamaged: If the evidence can't be read.
    """
    try:
        evidence = evidence_from_dict((record.personal or {})["evidence"])
        recorded = Decision(record.public["decision"])
        score, llr = float(record.public["score"]), float(record.public["llr"])
    except (KeyError, TypeError, ValueError) as error:
        raise VaultDamaged(
            f"the evidence of event {record.number} can't be read ({error}): "
            "run `sigvault audit check`"
        ) from error
    decision = evidence.replay()
    agrees = (
        decision is recorded is evidence.decision
        and score == evidence.score.value == _fuse_again(evidence)
        and llr == evidence.llr == evidence.threshold.likelihood_ratio.llr(score)
    )
    return Replay(record.number, recorded, decision, evidence, agrees)


def _fuse_again(evidence: Evidence) -> float:
    score = evidence.score
    return score.fusion.fuse(
        [each.cosine for each in score.per_reference],
        [each.local for each in score.per_reference],
        score.spread,
    )


def _readable(resources: Resources, digest: str) -> bool:
    try:
        resources.images.read(digest)
    except VaultDamaged:
        return False
    return True


def _still_needed(resources: Resources, missing: list[str]) -> tuple[str, ...]:
    """Those of missing images that weren't erased while the others were read."""
    with read_directly(resources.engine) as transaction:
        needed = needed_images(transaction, missing)
    return tuple(digest for digest in missing if digest in needed)


def _conclude(chain: ChainCheck, walk: _Walk, missing: tuple[str, ...]) -> AuditCheck:
    if not chain.whole:
        first, reason = chain.first_broken, chain.reason
    else:
        first, reason = walk.broken or (None, "")
    return AuditCheck(
        events=chain.events,
        whole=not reason,
        first_broken=first,
        reason=reason,
        images_missing=missing,
        erased_parts=chain.erased_parts,
        replayed=walk.replayed,
    )
