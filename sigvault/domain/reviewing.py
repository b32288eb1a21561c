"""People's part in a decision: the cases that they look at, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sigvault.domain.comparison import Evidence
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict


@dataclass(frozen=True)
class ReviewRules:
    """How a vault asks people.

    Attributes:
        keep_probes: of which verifications the probe's bytes are kept for them.
        reviewers: how many different people have to give the same verdict: 1 or 2.
    """

    keep_probes: KeepProbes = KeepProbes.REVIEW
    reviewers: int = 1

    def state_after(self, verdicts: Sequence[Verdict]) -> ReviewState:
        """Where a case stands after these verdicts of different people, one or more."""
        if len(verdicts) < self.reviewers:
            return ReviewState.OPEN
        if len(verdicts) <= self.reviewers and len(set(verdicts)) > 1:
            return ReviewState.DISPUTED
        return ReviewState.DECIDED


@dataclass(frozen=True)
class ReviewVerdict:
    """What one person said.

    Attributes:
        event: where the audit log records it.
        at: when, UTC.
        by: who.
        verdict: what.
        reason: why, in the person's words.
        blind: whether the person said so before seeing the machine's scores.
    """

    event: EventNumber
    at: datetime
    by: str
    verdict: Verdict
    reason: str
    blind: bool


@dataclass(frozen=True)
class ReviewCase:
    """A verification that people look at; the machine's decision stays what it was.

    Attributes:
        event: the verification's number in the audit log.
        at: when it was verified, UTC.
        signer: the claimed signer.
        evidence: what the machine's decision rests on.
        probe_kept: whether the probe's bytes are there to be looked at.
        verdicts: what people said, in order.
        state: where the case stands.
    """

    event: EventNumber
    at: datetime
    signer: SignerId
    evidence: Evidence
    probe_kept: bool
    verdicts: tuple[ReviewVerdict, ...]
    state: ReviewState

    @property
    def outcome(self) -> Verdict | None:
        """What people decided; None while they haven't."""
        return self.verdicts[-1].verdict if self.state is ReviewState.DECIDED else None
