"""What the service answers; where the domain has a type for it, that one is taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from sigvault.domain.comparison import Decision, ErrorRates, Origin, ReferenceScore
from sigvault.domain.image import QualityFinding
from sigvault.domain.reviewing import ReviewVerdict
from sigvault.domain.verdicts import ReviewState, Verdict

_T = TypeVar("_T")


@dataclass(frozen=True)
class Page(Generic[_T]):
    """A page of a list.

    Attributes:
        items: in order.
        next: the cursor of the next page; None on the last.
    """

    items: tuple[_T, ...]
    next: str | None


@dataclass(frozen=True)
class SignerSummary:
    """A signer in a list.

    Attributes:
        signer: the identifier.
        name: shown to people; may be empty.
        references: how many are enrolled.
        created_at: when the signer was added, UTC.
    """

    signer: str
    name: str
    references: int
    created_at: datetime


@dataclass(frozen=True)
class Reference:
    """An enrolled reference.

    Attributes:
        id: 32 hex digits.
        digest: SHA-256 of the enrolled bytes, hex.
        enrolled_at: when, UTC.
        enrolled_by: the name of the key that enrolled it.
        findings: what quality inspection noticed.
    """

    id: str
    digest: str
    enrolled_at: datetime
    enrolled_by: str
    findings: tuple[QualityFinding, ...]


@dataclass(frozen=True)
class SignerDetail(SignerSummary):
    """All that is known of a signer.

    Attributes:
        events: how many events of the audit log concern the signer.
        reference_list: the references, in order of enrollment.
    """

    events: int
    reference_list: tuple[Reference, ...]


@dataclass(frozen=True)
class Erasure:
    """What went with a signer.

    Attributes:
        signer: the identifier that is free again.
        references: how many references are gone.
        images_removed: how many pictures, probes among them.
        audit_parts: how many personal parts of the audit log.
        event: where the audit log records it.
        log_clean: whether nothing of it is left in the database's log and file; if not, the
            operator's `sigvault doctor --repair` removes it. None from a service of before.
    """

    signer: str
    references: int
    images_removed: int
    audit_parts: int
    event: int
    log_clean: bool | None = None


@dataclass(frozen=True)
class ReferenceErasure:
    """What went with a reference.

    Attributes:
        signer: whose it was.
        reference: the reference.
        references_left: how many the signer still has, 1 at least.
        images_removed: 0 where another signer or a kept probe has the same picture.
        audit_parts: how many personal parts of the audit log.
        event: where the audit log records it.
        log_clean: as in `Erasure`.
    """

    signer: str
    reference: str
    references_left: int
    images_removed: int
    audit_parts: int
    event: int
    log_clean: bool


class EnrollmentOutcome(StrEnum):
    """What became of an image."""

    ENROLLED = "enrolled"
    ALREADY = "already-enrolled"
    FAILED = "failed"


@dataclass(frozen=True)
class EnrollmentResult:
    """What became of one image.

    Attributes:
        image: its place in the request, from 1.
        signer: whose signature it was to be.
        outcome: whether it is enrolled.
        reference: the reference, also where it was there before; None if it failed.
        digest: SHA-256 of the bytes, hex; None if they couldn't be read.
        findings: what quality inspection noticed.
        error: the kind of problem, such as ``"failure-to-enroll"``; None if it didn't fail.
        message: what happened, in words.
    """

    image: int
    signer: str
    outcome: EnrollmentOutcome
    reference: str | None
    digest: str | None
    findings: tuple[QualityFinding, ...]
    error: str | None
    message: str


@dataclass(frozen=True)
class Enrollment:
    """What became of all images of a request.

    Attributes:
        enrolled: how many are new.
        already: how many were there before.
        failed: how many could not be enrolled.
        results: of each image, in order.
    """

    enrolled: int
    already: int
    failed: int
    results: tuple[EnrollmentResult, ...]


@dataclass(frozen=True)
class Threshold:
    """Two operating points with the review zone between them.

    Attributes:
        references: for how many references on file it is.
        accept: the score from which it is accept.
        refuse: the score below which it is refuse.
        accept_rates: the error rates at the first.
        refuse_rates: the error rates at the second.
        origin: where it comes from.
        copy_limit: the local score with one reference from which on a probe counts as a copy of
            it and is not accepted; None where none was calibrated.
        trace_limit: the lower one from which on it was perhaps traced, and is not accepted either;
            None where none was calibrated.
    """

    references: int
    accept: float
    refuse: float
    accept_rates: ErrorRates
    refuse_rates: ErrorRates
    origin: Origin
    copy_limit: float | None = None
    trace_limit: float | None = None


@dataclass(frozen=True)
class Verification:
    """A decision, and what it rests on.

    Attributes:
        event: where the audit log records it; also the number of its review.
        signer: the claimed signer.
        decision: accept, review or refuse.
        score: the fused score; higher is more alike.
        llr: the base-10 log-likelihood ratio, calibrated.
        llr_words: the same in words.
        references: the probe against each reference.
        threshold: what it was decided by.
        findings: what quality inspection noticed about the probe.
        probe_digest: SHA-256 of the probe's bytes, hex.
        model: the model that embedded it.
        preprocessing: the preprocessing that the model is bound to.
        generation: the generation that decided.
        straightened: by how many degrees the picture was turned before it was compared,
            anticlockwise positive; None where it was compared as it is.
    """

    event: int
    signer: str
    decision: Decision
    score: float
    llr: float
    llr_words: str
    references: tuple[ReferenceScore, ...]
    threshold: Threshold
    findings: tuple[QualityFinding, ...]
    probe_digest: str
    model: str
    preprocessing: str
    generation: int
    straightened: float | None = None


@dataclass(frozen=True)
class VerificationResult:
    """What became of one probe of several.

    Attributes:
        image: its place in the request, from 1.
        signer: the claimed signer.
        verification: the decision; None if there is none.
        error: the kind of problem, such as ``"unknown-signer"``; None if it was decided.
        message: what happened, in words; empty if it was decided.
    """

    image: int
    signer: str
    verification: Verification | None
    error: str | None
    message: str


@dataclass(frozen=True)
class MultipleVerification:
    """What became of several probes.

    Attributes:
        decided: how many were decided about.
        failed: how many were not.
        results: of each probe, in order.
    """

    decided: int
    failed: int
    results: tuple[VerificationResult, ...]


@dataclass(frozen=True)
class Candidate:
    """One signer that an identification came up with.

    Attributes:
        rank: from 1, the best: by decision, then by likelihood ratio.
        signer: who.
        decision: what is decided about this candidate.
        score: the fused score; higher is more alike.
        llr: the base-10 log-likelihood ratio, calibrated.
        llr_words: the same in words.
        references: the probe against each reference.
        copied: the reference that the probe is perhaps a copy of, which is never accepted; None of
            services that don't tell.
        traced: the reference that it was perhaps traced from, which is not accepted either; None
            of services that don't tell.
        straightened: by how many degrees the picture was turned before it was compared,
            anticlockwise positive; None where it was compared as it is.
    """

    rank: int
    signer: str
    decision: Decision
    score: float
    llr: float
    llr_words: str
    references: tuple[ReferenceScore, ...]
    copied: str | None = None
    traced: str | None = None
    straightened: float | None = None


@dataclass(frozen=True)
class Identification:
    """Who may have signed.

    Attributes:
        event: where the audit log records it.
        decision: on the best candidate; refuse without any.
        candidates: by rank.
        undecided: signers that came up, but have no threshold.
        fpir: the share of searches by strangers that may bring up an accepted candidate.
        signers: how many were searched.
        searched: how many references were.
        unsupported: why nobody can be accepted at this rate, or empty.
        findings: what quality inspection noticed about the probe.
        probe_digest: SHA-256 of the probe's bytes, hex.
    """

    event: int
    decision: Decision
    candidates: tuple[Candidate, ...]
    undecided: tuple[str, ...]
    fpir: float
    signers: int
    searched: int
    unsupported: str
    findings: tuple[QualityFinding, ...]
    probe_digest: str


@dataclass(frozen=True)
class Review:
    """A verification that people look at.

    Attributes:
        event: the verification's number in the audit log.
        at: when it was verified, UTC.
        signer: the claimed signer.
        state: where the case stands.
        outcome: what people decided; None until they have.
        probe_kept: whether the probe's bytes are there.
        verdicts: what people said, in order.
        verification: what the machine said.
    """

    event: int
    at: datetime
    signer: str
    state: ReviewState
    outcome: Verdict | None
    probe_kept: bool
    verdicts: tuple[ReviewVerdict, ...]
    verification: Verification


@dataclass(frozen=True)
class Generation:
    """A model with its preprocessing, vectors, index and thresholds.

    Attributes:
        id: its number.
        status: such as ``"active"``.
        model: the model.
        preprocessing: the preprocessing that the model is bound to.
        dimension: of its vectors.
        vectors: how many there are; None for a key of a namespace.
        missing: how many references have none; None for a key of a namespace.
        thresholds: the numbers of references that have a threshold.
        created_at: when, UTC.
        activated_at: when it first decided, UTC; None if it never did.
    """

    id: int
    status: str
    model: str
    preprocessing: str
    dimension: int
    vectors: int | None
    missing: int | None
    thresholds: tuple[int, ...]
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True)
class AuditCheck:
    """Whether the vault is what its audit log says.

    Attributes:
        events: how many there are.
        whole: whether all is as it says.
        first_broken: the first event that isn't; None if all are.
        reason: what is wrong, in words.
        images_missing: digests of pictures that ought to be there.
        erased_parts: how many personal parts went with their signers.
        replayed: how many decisions were decided once more.
    """

    events: int
    whole: bool
    first_broken: int | None
    reason: str
    images_missing: tuple[str, ...]
    erased_parts: int
    replayed: int


@dataclass(frozen=True)
class Health:
    """Whether the service lives, or can answer.

    Attributes:
        status: ``"live"`` or ``"ready"``.
    """

    status: str


@dataclass(frozen=True)
class ProblemError:
    """One thing that is wrong with a request.

    Attributes:
        where: the field.
        what: what is wrong with it.
    """

    where: str
    what: str


@dataclass(frozen=True)
class Problem:
    """What went wrong, and what to do (RFC 9457).

    Attributes:
        type: the URI of the kind; ``"about:blank"`` if the answer wasn't sigvault's own.
        title: what happened, the same each time.
        status: the HTTP status.
        detail: what happened this time.
        remedy: what to do.
        request_id: under which the service's log tells more.
        errors: the fields that are wrong.
        results: of each image, where nothing was enrolled.
    """

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    request_id: str
    errors: tuple[ProblemError, ...] = ()
    results: tuple[EnrollmentResult, ...] = ()

    @property
    def kind(self) -> str:
        """The end of the type, such as ``"unknown-signer"``."""
        return self.type.rpartition(":")[2]
