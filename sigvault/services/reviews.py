"""People's verdicts on verifications; the machine's own decision is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from sigvault.domain.audit import AuditRecord, Reviewed, Verified
from sigvault.domain.errors import AlreadyReviewed, ConfigurationError, UnknownEvent, VaultDamaged
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.reviewing import ReviewCase, ReviewVerdict
from sigvault.domain.serialisation import evidence_from_dict
from sigvault.domain.verdicts import ReviewState, Verdict
from sigvault.services.resources import Resources
from sigvault.storage import reviews as rows
from sigvault.storage.audit_log import append, read_events
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.kept_probes import kept_among
from sigvault.storage.signers import get_signer
from sigvault.storage.tables import ReviewRow

LONGEST_REASON = 4000
"""Characters of a reason at most."""


@dataclass(frozen=True)
class ReviewQuery:
    """Which cases to list.

    Attributes:
        state: only those in this state; None for all that people were asked about.
        signer: only those of this signer.
        prefix: only those of signers whose identifiers begin with this.
        after: only those of verifications with a larger number.
        limit: at most so many.
    """

    state: ReviewState | None = ReviewState.OPEN
    signer: SignerId | None = None
    prefix: str = ""
    after: int = 0
    limit: int = 50


def list_cases(resources: Resources, query: ReviewQuery) -> tuple[ReviewCase, ...]:
    """Cases in order of their verifications.

    Raises:
        UnknownSigner: If there is no such signer.
    """
    with read_session(resources.engine) as session:
        key = None if query.signer is None else get_signer(session, query.signer).key
        found = rows.list_reviews(
            session,
            state=query.state,
            signer=key,
            prefix=query.prefix,
            after=query.after,
            limit=query.limit,
        )
        return _cases(session, [row.event for row in found], {row.event: row for row in found})


def count_cases(resources: Resources, state: ReviewState | None, prefix: str = "") -> int:
    """How many cases are in a state, or how many there are at all."""
    with read_session(resources.engine) as session:
        return rows.count_reviews(session, state=state, prefix=prefix)


def read_case(resources: Resources, event: EventNumber) -> ReviewCase:
    """The case of a verification, also of one that nobody was asked about.

    Raises:
        UnknownEvent: If the event is no verification, or its evidence was erased.
    """
    with read_session(resources.engine) as session:
        return _case(session, event)


def decide(
    resources: Resources,
    event: EventNumber,
    verdict: Verdict,
    *,
    reason: str,
    by: str,
    blind: bool,
) -> AuditRecord:
    """Record a person's verdict on a verification.

    Args:
        resources: the vault's.
        event: the verification's number.
        verdict: what the person says.
        reason: why.
        by: who.
        blind: whether the person said so before seeing the machine's scores.

    Returns:
        The verdict as it lies in the audit log.

    Raises:
        UnknownEvent: If the event is no verification, or its evidence was erased.
        AlreadyReviewed: If the person gave a verdict on it before, or it is decided.
        ConfigurationError: If there is no reason, or it is too long, or nobody gives it.
    """
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise ConfigurationError(
            f"a verdict needs a reason of 1 to {LONGEST_REASON} characters: say why"
        )
    if not by.strip():
        raise ConfigurationError("a verdict needs somebody who gives it: set SIGVAULT_BY")
    with write_session(resources.engine) as session:
        case = _case(session, event)
        _require_undecided(case, by)
        row = rows.find_review(session, event)
        signer = get_signer(session, case.signer).key
        if row is None:
            row = rows.open_review(session, event, signer)
        said = Reviewed(signer, event, verdict, by, reason, blind)
        number = append(session, said, resources.clock())
        rows.add_verdict(session, row, number)
        verdicts = [*(each.verdict for each in case.verdicts), verdict]
        row.state = resources.rules.state_after(verdicts)
        (record,) = read_events(session, [number])
    return record


def _require_undecided(case: ReviewCase, by: str) -> None:
    if case.state is ReviewState.DECIDED:
        raise AlreadyReviewed(
            f"verification {case.event} is decided already: see `sigvault review show "
            f"{case.event}`, or verify the signature again"
        )
    if any(each.by == by for each in case.verdicts):
        raise AlreadyReviewed(
            f"{by} has given a verdict on verification {case.event} already: somebody else has to"
        )


def _case(session: Session, event: EventNumber) -> ReviewCase:
    row = rows.find_review(session, event)
    found = _cases(session, [event], {} if row is None else {event: row})
    if not found:
        raise UnknownEvent(
            f"event {event} is no verification, or its evidence was erased with its signer: see "
            "`sigvault review list`"
        )
    return found[0]


def _cases(
    session: Session, events: Sequence[EventNumber], known: dict[EventNumber, ReviewRow]
) -> tuple[ReviewCase, ...]:
    """The cases of those verifications whose evidence is there."""
    numbers = rows.verdict_events(session, events)
    wanted = [*events, *(number for some in numbers.values() for number in some)]
    records = {record.number: record for record in read_events(session, wanted)}
    kept = kept_among(session, events)
    cases = []
    for event in events:
        record = records.get(event)
        if record is None or record.kind != Verified.kind or record.personal is None:
            continue
        row = known.get(event)
        cases.append(
            _to_case(
                record,
                [records[number] for number in numbers.get(event, ())],
                ReviewState.NOT_ASKED if row is None else row.state,
                kept=event in kept,
            )
        )
    return tuple(cases)


def _to_case(
    record: AuditRecord, said: list[AuditRecord], state: ReviewState, *, kept: bool
) -> ReviewCase:
    try:
        evidence = evidence_from_dict((record.personal or {})["evidence"])
        verdicts = tuple(_to_verdict(each) for each in said)
    except (KeyError, TypeError, ValueError) as error:
        raise VaultDamaged(
            f"verification {record.number} or a verdict on it can't be read ({error}): run "
            "`sigvault audit check`"
        ) from error
    return ReviewCase(record.number, record.at, evidence.signer, evidence, kept, verdicts, state)


def _to_verdict(record: AuditRecord) -> ReviewVerdict:
    said = record.personal or {}
    return ReviewVerdict(
        event=record.number,
        at=record.at,
        by=str(said["by"]),
        verdict=Verdict(record.public["verdict"]),
        reason=str(said["reason"]),
        blind=bool(said["blind"]),
    )
