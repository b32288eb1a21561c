"""What a report is made from: evidence, and the pictures that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from sigvault.domain.comparison import Candidate, Decision, Evidence
from sigvault.domain.identifiers import EventNumber, ReferenceId
from sigvault.domain.image import QualityFinding, SignatureImage
from sigvault.domain.local_matching import LocalMatch
from sigvault.imaging.preprocessing import PreparedSignature


@dataclass(frozen=True, eq=False)
class Picture:
    """A signature as it was scanned and as the model saw it.

    Attributes:
        image: the decoded picture.
        prepared: its ink on the canvas, and where that ink lies in the picture.
    """

    image: SignatureImage
    prepared: PreparedSignature


@dataclass(frozen=True, eq=False)
class ReferenceView:
    """A reference that the probe was compared with.

    Attributes:
        reference: the reference.
        picture: its picture.
        match: how the probe's strokes agree with it, or None if that is not to be shown.
    """

    reference: ReferenceId
    picture: Picture
    match: LocalMatch | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """One verification to be reported.

    Attributes:
        title: what the case is called.
        evidence: what the decision rests on.
        event: where it lies in the audit log.
        probe: the questioned signature.
        references: the claimed signer's references, in the order of the evidence's scores.
        note: what is known of the probe from elsewhere, such as in a demonstration; may be empty.
    """

    title: str
    evidence: Evidence
    event: EventNumber
    probe: Picture
    references: tuple[ReferenceView, ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class IdentificationCase:
    """One identification to be reported.

    Attributes:
        title: what the case is called.
        candidates: the signers found, best first.
        decision: what a verification against the best candidate would answer.
        searched: how many references were searched.
        event: where it lies in the audit log.
        probe: the signature without a claim.
        findings: what quality inspection noticed about the probe.
        note: what is known of the probe from elsewhere; may be empty.
    """

    title: str
    candidates: tuple[Candidate, ...]
    decision: Decision
    searched: int
    event: EventNumber
    probe: Picture
    findings: tuple[QualityFinding, ...] = ()
    note: str = ""
