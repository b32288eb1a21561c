"""Events of the audit log in words, for a signer's history and for the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.audit import AuditRecord
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.web.rights import Right
from sigvault.web.visits import Visit

_VERDICT = "reviewed"

_WHAT = {
    "vault-created": "Vault set up",
    "reindex-started": "Re-index begun",
    "generation-activated": "Generation activated",
    "generation-dropped": "Generation removed",
    "calibrated": "Calibrated",
    "reference-enrolled": "Reference enrolled",
    "enrollment-failed": "Reference not enrolled",
    "verified": "Verified",
    "acquisition-failed": "Picture could not be compared",
    "identified": "Identified",
    "reviewed": "Verdict given",
    "probes-forgotten": "Kept probes removed",
    "key-created": "Key issued",
    "key-revoked": "Key revoked",
    "signer-erased": "Signer erased",
    "backed-up": "Backed up",
    "vault-restored": "Restored from a backup",
    "reference-erased": "Reference erased",
}

_SHOWN = (
    "error",
    "references",
    "generation",
    "model",
    "probes",
    "key",
    "version",
    "through",
)
"""What of a public part says something to people, of most kinds of events."""


@dataclass(frozen=True)
class HistoryRow:
    """One event.

    Attributes:
        record: the event itself.
        what: what happened, in words.
        about: more about it, such as a score; may be empty.
        decision: a decision to be shown with its sign; empty for none.
        verdict: a person's verdict; empty for none.
        by: who did it; empty where that isn't known, or is erased.
        case: the number of the verification that it is about; 0 for none.
    """

    record: AuditRecord
    what: str
    about: str
    decision: str
    verdict: str
    by: str
    case: int


def view_history(
    visit: Visit, signer: SignerId, *, limit: int, quiet: bool = False
) -> tuple[HistoryRow, ...]:
    """What happened with a signer, newest first.

    Of a case that this person has still to decide, what other people said is left out, and in
    blind mode what the machine said, too.

    Args:
        visit: whose page it is.
        signer: the signer.
        limit: at most so many events.
        quiet: whether to leave out all that the machine and other people said; so it is for who
            may not look at cases.
    """
    quiet = quiet or not visit.may(Right.SEE_CASES)
    records = visit.vault.latest_events(limit=limit, signer=signer)
    waiting = frozenset() if quiet else _waiting(visit, records)
    rows = []
    for record in records:
        secret = record.kind == _VERDICT or visit.blind
        waits = secret and _case_of(record) in waiting
        rows.append(describe(record, quiet=quiet or waits))
    note_answers(visit, rows)
    return tuple(rows)


def note_answers(visit: Visit, rows: Sequence[HistoryRow]) -> None:
    """Note which cases' answers by the machine somebody is shown in these rows."""
    for row in rows:
        if row.decision and row.case:
            visit.desk.seen.note(visit.someone.name, row.case)


def _waiting(visit: Visit, records: Sequence[AuditRecord]) -> frozenset[int]:
    """The cases of these events that this person has still to decide."""
    if not visit.may(Right.DECIDE):
        return frozenset()
    secret = [record for record in records if record.kind == _VERDICT or visit.blind]
    numbers = {_case_of(record) for record in secret} - {0}
    return frozenset(
        number for number in numbers if visit.may_decide(visit.vault.review(EventNumber(number)))
    )


def describe(record: AuditRecord, *, quiet: bool = False) -> HistoryRow:
    """An event in words."""
    public, personal = record.public, record.personal or {}
    decision = verdict = about = ""
    if not quiet:
        decision = str(public.get("decision", ""))
        verdict = str(public.get("verdict", ""))
        about = _about(record)
    return HistoryRow(
        record=record,
        what=_WHAT.get(record.kind, record.kind),
        about=about,
        decision=decision,
        verdict=verdict,
        by=str(personal.get("by", "")),
        case=_case_of(record),
    )


def _case_of(record: AuditRecord) -> int:
    if record.kind == "verified" and record.personal is not None:
        return record.number
    return int(record.public.get("verification", 0)) if record.personal is not None else 0


def _about(record: AuditRecord) -> str:
    public, personal = record.public, record.personal or {}
    if record.kind == "verified":
        return f"score {public['score']:.3f}, LLR {public['llr']:+.2f}"
    if record.kind == _VERDICT:
        blind = ", blind" if personal.get("blind") else ""
        return f"case {public['verification']}{blind}"
    if record.kind == "reference-erased":
        return str(personal.get("reason", ""))
    if record.kind == "identified":
        return f"{len(public['candidates'])} candidates"
    return ", ".join(
        f"{name.replace('_', ' ')} {public[name]}" for name in _SHOWN if name in public
    )
