"""Checking that cases, verdicts and kept probes are what the audit log says."""

from __future__ import annotations

from collections import Counter

from sqlalchemy.orm import Session

from sigvault.domain.audit import AuditRecord, Reviewed, Verified
from sigvault.domain.comparison import Decision
from sigvault.domain.identifiers import EventNumber
from sigvault.domain.verdicts import ReviewState
from sigvault.storage.kept_probes import list_kept
from sigvault.storage.reviews import all_reviews, all_verdicts

Trouble = tuple[EventNumber, str]
"""An event that something is wrong with, and what."""


class ReviewCheck:
    """Compares the tables with the events, which it is shown one after the other."""

    def __init__(self, session: Session) -> None:
        """Read the tables; what is explained by an event is crossed off."""
        self._reviews = all_reviews(session)
        self._verdicts = all_verdicts(session)
        self._kept = list_kept(session)
        self._given = Counter(self._verdicts.values())

    def step(self, record: AuditRecord) -> str:
        """What is wrong with an event's case, verdict or probe; empty if nothing is."""
        if record.personal is None:  # erased, and so are its rows: what is left over is found
            return ""
        if record.kind == Verified.kind:
            return self._check_probe(record) or self._check_case(record)
        if record.kind == Reviewed.kind:
            verification = self._verdicts.pop(record.number, None)
            if verification != record.public["verification"]:
                return "the verdict is not filed under its verification"
        return ""

    def end(self) -> Trouble | None:
        """What no event explains."""
        for left, words in (
            (self._reviews, "people are asked about an event that is no verification"),
            (self._verdicts, "something is filed as a verdict that is none"),
            (self._kept, "a probe is kept of an event that is no verification"),
        ):
            if left:
                return min(left), words
        return None

    def _check_probe(self, record: AuditRecord) -> str:
        kept = self._kept.pop(record.number, None)
        if kept is None:
            return ""
        evidence = (record.personal or {}).get("evidence", {})
        if kept != (record.public["signer"], evidence.get("probe_digest")):
            return "the probe that is kept is not the one that was verified"
        return ""

    def _check_case(self, record: AuditRecord) -> str:
        case = self._reviews.pop(record.number, None)
        if case is None:
            asked = record.public["decision"] == Decision.REVIEW.value
            return "a person was to look at it, but nobody is asked" if asked else ""
        key, state = case
        if key != record.public["signer"]:
            return "its case lies under another signer"
        fewest, most = _VERDICTS[state]
        given = self._given[record.number]
        return (
            "" if fewest <= given <= most else f"its case is {state.value} after {given} verdicts"
        )


_VERDICTS = {
    ReviewState.OPEN: (0, 1),
    ReviewState.DISPUTED: (2, 2),
    ReviewState.DECIDED: (1, 3),
}
"""How many verdicts a case in each state can have, whatever the rules were."""
