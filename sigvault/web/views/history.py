"""Events of the audit log in words, for a signer's history and for the log itself."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.audit import AuditRecord
from sigvault.domain.identifiers import SignerId
from sigvault.web.visits import Visit

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
}


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

    Args:
        visit: whose page it is.
        signer: the signer.
        limit: at most so many events.
        quiet: whether to leave out what the machine and other people said.
    """
    records = visit.vault.audit_log(signer=signer)
    latest = list(reversed(records))[:limit]
    return tuple(describe(record, quiet=quiet) for record in latest)


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
    if record.kind == "reviewed":
        blind = ", blind" if personal.get("blind") else ""
        return f"case {public['verification']}{blind}"
    if record.kind == "identified":
        return f"{len(public['candidates'])} candidates"
    return ", ".join(
        f"{name.replace('_', ' ')} {public[name]}"
        for name in ("error", "references", "generation", "model", "probes", "key", "version")
        if name in public
    )
