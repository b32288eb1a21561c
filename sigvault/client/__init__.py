"""A client of the service that `sigvault serve` runs.

::

    from pathlib import Path

    from sigvault.client import Client

    with Client("https://signatures.example", key="sv_...") as client:
        answer = client.verify("53", Path("questioned.png"))
        print(answer.decision, answer.llr_words)

`Client` waits for each answer, `AsyncClient` is awaited; both have the same methods. Of the rest
of sigvault only words of the domain are imported: no torch, no FAISS, no database.
"""

from sigvault.client.answers import (
    AuditCheck,
    Candidate,
    Enrollment,
    EnrollmentOutcome,
    EnrollmentResult,
    Erasure,
    Generation,
    Identification,
    MultipleVerification,
    Problem,
    ProblemError,
    Reference,
    ReferenceErasure,
    Review,
    SignerDetail,
    SignerSummary,
    Threshold,
    Verification,
    VerificationResult,
)
from sigvault.client.async_client import AsyncClient
from sigvault.client.client import Client
from sigvault.client.errors import (
    AnswerNotUnderstood,
    ClientError,
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestInvalid,
    ServiceFailed,
    ServiceProblem,
    ServiceUnavailable,
    ServiceUnreachable,
    TimedOut,
    TooManyRequests,
)
from sigvault.client.retries import Retries
from sigvault.domain.aims import Aim, Measure
from sigvault.domain.audit import AuditRecord
from sigvault.domain.comparison import Decision, ErrorRates, Origin, Rate, ReferenceScore
from sigvault.domain.image import QualityFinding
from sigvault.domain.reviewing import ReviewVerdict
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict

__all__ = [
    "Aim",
    "AnswerNotUnderstood",
    "AsyncClient",
    "AuditCheck",
    "AuditRecord",
    "Candidate",
    "Client",
    "ClientError",
    "Conflict",
    "Decision",
    "Enrollment",
    "EnrollmentOutcome",
    "EnrollmentResult",
    "Erasure",
    "ErrorRates",
    "Generation",
    "Identification",
    "KeepProbes",
    "Measure",
    "MultipleVerification",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Origin",
    "Problem",
    "ProblemError",
    "QualityFinding",
    "Rate",
    "Reference",
    "ReferenceErasure",
    "ReferenceScore",
    "RequestInvalid",
    "Retries",
    "Review",
    "ReviewState",
    "ReviewVerdict",
    "ServiceFailed",
    "ServiceProblem",
    "ServiceUnavailable",
    "ServiceUnreachable",
    "SignerDetail",
    "SignerSummary",
    "Threshold",
    "TimedOut",
    "TooManyRequests",
    "Verdict",
    "Verification",
    "VerificationResult",
]
