"""The vault's results as answers, in the caller's words."""

from __future__ import annotations

from collections.abc import Iterable

from sigvault.api import schemas
from sigvault.api.callers import Caller
from sigvault.api.errors import kind_of, problem_of, unforeseen
from sigvault.domain import errors
from sigvault.domain.audit import AuditRecord
from sigvault.domain.comparison import ErrorRates, Evidence, ReferenceScore, Threshold
from sigvault.domain.image import QualityFinding
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verbal_scale import describe_llr
from sigvault.vault import (
    AuditCheck,
    EnrollmentReport,
    Erasure,
    GenerationSummary,
    Identification,
    ItemResult,
    ReferenceErasure,
    SignerDetail,
    SignerSummary,
)

DUPLICATE_WORDS = "the same image is enrolled under another signer"
"""What is said of a duplicate where it is nobody's business whose."""


def signer_summary(caller: Caller, summary: SignerSummary) -> schemas.SignerSummary:
    """A signer in a list."""
    return schemas.SignerSummary(
        signer=caller.outside(summary.signer),
        name=summary.name,
        references=summary.references,
        created_at=summary.created_at,
    )


def signer_detail(caller: Caller, detail: SignerDetail) -> schemas.SignerDetail:
    """A signer with the references."""
    return schemas.SignerDetail(
        **signer_summary(caller, detail.summary).model_dump(),
        events=detail.events,
        reference_list=references(detail),
    )


def references(detail: SignerDetail) -> list[schemas.Reference]:
    """A signer's references, in order of enrollment."""
    return [
        schemas.Reference(
            id=one.id,
            digest=one.digest,
            enrolled_at=one.enrolled_at,
            enrolled_by=one.enrolled_by,
            findings=findings(one.findings),
        )
        for one in detail.references
    ]


def findings(found: Iterable[QualityFinding]) -> list[schemas.Finding]:
    """What quality inspection noticed."""
    return [
        schemas.Finding(
            name=one.name,
            value=one.value,
            limit=one.limit,
            unit=one.unit,
            severe=one.severe,
            message=one.message,
        )
        for one in found
    ]


def erasure(caller: Caller, gone: Erasure) -> schemas.Erasure:
    """What went with a signer."""
    return schemas.Erasure(
        signer=caller.outside(gone.signer),
        references=gone.references,
        images_removed=gone.images_removed,
        audit_parts=gone.audit_parts,
        event=gone.event,
        log_clean=gone.log_clean,
    )


def reference_erasure(caller: Caller, gone: ReferenceErasure) -> schemas.ReferenceErasure:
    """What went with a reference."""
    return schemas.ReferenceErasure(**{**vars(gone), "signer": caller.outside(gone.signer)})


def enrollment(caller: Caller, report: EnrollmentReport) -> schemas.Enrollment:
    """What became of all images."""
    return schemas.Enrollment(
        enrolled=report.enrolled,
        already=report.already,
        failed=report.failed,
        results=[
            _enrollment_result(caller, place, result)
            for place, result in enumerate(report.results, start=1)
        ],
    )


def _enrollment_result(caller: Caller, place: int, result: ItemResult) -> schemas.EnrollmentResult:
    message = caller.naming.tell(result.message)
    if result.error == errors.DuplicateAcrossSigners.__name__ and caller.namespace:
        message = DUPLICATE_WORDS
    return schemas.EnrollmentResult(
        image=place,
        signer=caller.outside(result.signer),
        outcome=schemas.EnrollmentOutcome(result.outcome.value),
        reference=result.reference,
        digest=result.digest,
        findings=findings(result.findings),
        error=None if result.error is None else _kind_name(result.error),
        message=message,
    )


def _kind_name(error: str) -> str:
    """The kind of problem of an error's class by its name."""
    cls = getattr(errors, error, errors.SigvaultError)
    return kind_of(cls).name


def verification(caller: Caller, event: int, evidence: Evidence) -> schemas.Verification:
    """A decision, and what it rests on."""
    return schemas.Verification(
        event=event,
        signer=caller.outside(evidence.signer),
        decision=evidence.decision,
        score=evidence.score.value,
        llr=evidence.llr,
        llr_words=describe_llr(evidence.llr),
        references=_reference_scores(evidence.score.per_reference),
        straightened=evidence.score.straightened,
        threshold=threshold(evidence.threshold),
        findings=findings(evidence.findings),
        probe_digest=evidence.probe_digest,
        model=evidence.model,
        preprocessing=evidence.preprocessing,
        generation=evidence.generation,
    )


def _reference_scores(scores: Iterable[ReferenceScore]) -> list[schemas.ReferenceScore]:
    return [
        schemas.ReferenceScore(
            reference=one.reference,
            cosine=one.cosine,
            distance=one.distance,
            local=one.local,
            turned=one.turned,
        )
        for one in scores
    ]


def verification_failure(
    caller: Caller, place: int, signer: str, error: Exception
) -> schemas.VerificationResult:
    """A probe of several that nothing was decided about."""
    if isinstance(error, errors.SigvaultError):
        problem = problem_of(error, caller.naming)
    else:
        problem = unforeseen()
    return schemas.VerificationResult(
        image=place,
        signer=signer,
        verification=None,
        error=problem.kind.name,
        message=problem.detail,
    )


def threshold(chosen: Threshold) -> schemas.Threshold:
    """Two operating points, and where they come from."""
    return schemas.Threshold(
        references=chosen.references,
        accept=chosen.accept,
        refuse=chosen.refuse,
        accept_rates=_rates(chosen.accept_rates),
        refuse_rates=_rates(chosen.refuse_rates),
        copy_limit=chosen.copy_limit,
        trace_limit=chosen.trace_limit,
        origin=schemas.Origin(**vars(chosen.origin)),
    )


def _rates(rates: ErrorRates) -> schemas.ErrorRates:
    skilled = rates.skilled_fmr
    return schemas.ErrorRates(
        fnmr=schemas.Rate(**vars(rates.fnmr)),
        fmr=schemas.Rate(**vars(rates.fmr)),
        skilled_fmr=None if skilled is None else schemas.Rate(**vars(skilled)),
    )


def identification(caller: Caller, found: Identification) -> schemas.Identification:
    """Who may have signed."""
    return schemas.Identification(
        event=found.event,
        decision=found.decision,
        candidates=[
            schemas.Candidate(
                rank=one.rank,
                signer=caller.outside(one.signer),
                decision=one.decision,
                score=one.score.value,
                llr=one.llr,
                llr_words=describe_llr(one.llr, "this signer"),
                references=_reference_scores(one.score.per_reference),
                straightened=one.score.straightened,
                copied=one.copied,
                traced=one.traced,
            )
            for one in found.candidates
        ],
        undecided=[caller.outside(signer) for signer in found.undecided],
        fpir=found.fpir,
        signers=found.signers,
        searched=found.searched,
        unsupported=found.unsupported,
        findings=findings(found.findings),
        probe_digest=found.probe_digest,
    )


def review(caller: Caller, case: ReviewCase) -> schemas.Review:
    """A case with its verdicts."""
    return schemas.Review(
        event=case.event,
        at=case.at,
        signer=caller.outside(case.signer),
        state=case.state,
        outcome=case.outcome,
        probe_kept=case.probe_kept,
        verdicts=[schemas.ReviewVerdict(**vars(said)) for said in case.verdicts],
        verification=verification(caller, case.event, case.evidence),
    )


def generation(caller: Caller, summary: GenerationSummary) -> schemas.Generation:
    """A generation at a glance; how many signatures there are is not a namespace's business."""
    shown = {**vars(summary), "thresholds": list(summary.thresholds)}
    if caller.namespace:
        shown |= {"vectors": None, "missing": None}
    return schemas.Generation(**shown)


def audit_record(record: AuditRecord) -> schemas.AuditRecord:
    """An event, exactly as it lies in the log."""
    return schemas.AuditRecord(**vars(record))


def audit_check(check: AuditCheck) -> schemas.AuditCheck:
    """Whether the vault is what its log says."""
    return schemas.AuditCheck(**{**vars(check), "images_missing": list(check.images_missing)})
