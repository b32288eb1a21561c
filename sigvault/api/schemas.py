"""What comes in and what goes out, as JSON."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from sigvault.domain.aims import DEFAULT_FPIR, Aim, Measure
from sigvault.domain.comparison import Decision
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict

IMAGE_SCHEMA: dict[str, Any] = {
    "type": "string",
    "format": "signature-image",
    "contentEncoding": "base64",
    "description": "A PNG, JPEG, BMP, TIFF or WebP picture of one page, base64.",
}
"""How a picture looks in JSON; in a form it is a file."""

_STRAIGHTENED = (
    "Degrees by which the picture was turned before it was compared, anticlockwise positive, since "
    "it lay turned against the references; null where it was compared as it is."
)

SIGNER_SCHEMA: dict[str, Any] = {
    "type": "string",
    "format": "signer-id",
    "minLength": 1,
    "maxLength": 200,
    "description": "The signer's identifier: printable characters without blank ends.",
}


def _image(value: object) -> bytes:
    """A picture's bytes: base64 in JSON, a file in a form."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError("an image is base64 in JSON, or a file in a form")  # noqa: TRY004
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the image is no base64; in a form, it has to be a file") from error


def check_signer(value: object) -> str:
    """A signer's identifier.

    Raises:
        ValueError: If it can't be one.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise ValueError("a signer is identified by 1 to 200 characters")
    if value != value.strip() or not value.isprintable():
        raise ValueError("a signer is identified by printable characters without blank ends")
    return value


def _whole(value: object) -> object:
    """A whole number, also where JSON writes it as 5.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Image = Annotated[bytes, PlainValidator(_image), WithJsonSchema(IMAGE_SCHEMA)]
Signer = Annotated[str, PlainValidator(check_signer), WithJsonSchema(SIGNER_SCHEMA)]
Whole = Annotated[int, BeforeValidator(_whole)]
_T = TypeVar("_T")


class Request(BaseModel):
    """What comes in; nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What goes out; all fields are always there."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Page(Answer, Generic[_T]):
    """A page of a list."""

    items: list[_T]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class EnrollmentRequest(Request):
    """References of one signer."""

    images: list[Image] = Field(min_length=1, max_length=32)
    signer_name: str = Field(
        "",
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Shown to people; may be empty.",
    )
    force: bool = Field(False, description="Enroll an image that another signer has, too.")


class BulkEnrollmentRequest(Request):
    """References of several signers: the first image is the first signer's, and so on."""

    signers: list[Signer] = Field(min_length=1, max_length=32)
    images: list[Image] = Field(min_length=1, max_length=32)
    force: bool = Field(False, description="Enroll an image that another signer has, too.")

    @model_validator(mode="after")
    def _pair_up(self) -> Self:
        if len(self.signers) != len(self.images):
            raise ValueError("there have to be as many signers as images")
        return self


class _Aimed(Request):
    """At which rate to decide."""

    aim: str | None = Field(
        None,
        pattern=r"^(fmr|skilled_fmr|fnmr)=0\.[0-9]{0,8}[1-9]$",
        description="An error rate to decide at, such as `fmr=0.001`; the threshold's own if null.",
    )
    keep_probe: KeepProbes | None = Field(
        None, description="Whether the probe is kept for people; as the service says if null."
    )

    def read_aim(self) -> Aim | None:
        """The aim, if there is one."""
        if self.aim is None:
            return None
        measure, _, rate = self.aim.partition("=")
        return Aim(Measure(measure), float(rate))


class VerificationRequest(_Aimed):
    """A probe against one signer's references."""

    image: Image


class BulkVerificationRequest(_Aimed):
    """Probes against several signers: the first image claims to be the first signer's."""

    signers: list[Signer] = Field(min_length=1, max_length=32)
    images: list[Image] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _pair_up(self) -> Self:
        if len(self.signers) != len(self.images):
            raise ValueError("there have to be as many signers as images")
        return self


class IdentificationRequest(Request):
    """A probe that nobody is named for."""

    image: Image
    top: Whole = Field(5, ge=1, le=50, description="Candidates at most.")
    fpir: float = Field(
        DEFAULT_FPIR,
        ge=1e-6,
        le=0.5,
        description="The share of searches by strangers that may bring up an accepted candidate.",
    )


class VerdictRequest(Request):
    """What a person says about a verification."""

    verdict: Verdict
    reason: str = Field(min_length=1, max_length=4000, pattern=r"\S", description="Why.")
    blind: bool = Field(False, description="Given before the machine's scores were seen.")


class Finding(Answer):
    """Something that quality inspection noticed."""

    name: str
    value: float
    limit: float
    unit: str
    severe: bool
    message: str


class SignerSummary(Answer):
    """A signer in a list."""

    signer: str
    name: str
    references: int
    created_at: datetime


class Reference(Answer):
    """An enrolled reference."""

    id: str
    digest: str = Field(description="SHA-256 of the enrolled bytes, hex.")
    enrolled_at: datetime
    enrolled_by: str
    findings: list[Finding]


class SignerDetail(SignerSummary):
    """All that is known of a signer."""

    events: int = Field(description="Events of the audit log that concern the signer.")
    reference_list: list[Reference]


class Erasure(Answer):
    """What went with a signer."""

    signer: str
    references: int
    images_removed: int
    audit_parts: int
    event: int
    log_clean: bool = Field(
        description="Whether the database's log is emptied and nothing was found in its file. If "
        "not, older pages may hold something until the operator runs `sigvault doctor --repair`."
    )


class ReferenceErasure(Answer):
    """What went with a reference."""

    signer: str
    reference: str
    references_left: int = Field(description="How many the signer still has, 1 at least.")
    images_removed: int = Field(
        description="0 where another signer or a kept probe has the same picture."
    )
    audit_parts: int
    event: int
    log_clean: bool = Field(description="As of an erased signer.")


class EnrollmentOutcome(StrEnum):
    """What became of an image."""

    ENROLLED = "enrolled"
    ALREADY = "already-enrolled"
    FAILED = "failed"


class EnrollmentResult(Answer):
    """What became of one image."""

    image: int = Field(description="Its place in the request, from 1.")
    signer: str
    outcome: EnrollmentOutcome
    reference: str | None
    digest: str | None
    findings: list[Finding]
    error: str | None = Field(description="The kind of problem, if it failed.")
    message: str


class Enrollment(Answer):
    """What became of all images of a request."""

    enrolled: int
    already: int
    failed: int
    results: list[EnrollmentResult]


class ReferenceScore(Answer):
    """The probe against one reference."""

    reference: str
    cosine: float
    distance: float
    local: float
    turned: float | None = Field(
        default=None,
        description="The highest local score of the probe turned a little, where it was looked at "
        "so to tell copies; no part of the score.",
    )


class Rate(Answer):
    """An error rate with its 95 % interval over signers."""

    value: float
    low: float
    high: float


class ErrorRates(Answer):
    """What happens when everything from a score upwards passes."""

    fnmr: Rate
    fmr: Rate
    skilled_fmr: Rate | None


class Origin(Answer):
    """Where a threshold comes from."""

    data: str
    protocol: str
    signers: int
    mated: int
    random_forgeries: int
    skilled_forgeries: int
    draws: int
    seed: int
    model: str
    preprocessing: str


class Threshold(Answer):
    """Two operating points with the review zone between them."""

    references: int
    accept: float
    refuse: float
    accept_rates: ErrorRates
    refuse_rates: ErrorRates
    copy_limit: float | None = Field(
        description="The local score with one reference from which on a probe counts as a copy of "
        "it and is not accepted; null where none was calibrated."
    )
    trace_limit: float | None = Field(
        default=None,
        description="The lower one from which on it is not accepted either, since it was perhaps "
        "traced; null where none was calibrated.",
    )
    origin: Origin


class Verification(Answer):
    """A decision, and what it rests on."""

    event: int = Field(description="Where the audit log records it.")
    signer: str
    decision: Decision
    score: float
    llr: float = Field(description="Base-10 log-likelihood ratio, calibrated.")
    llr_words: str
    references: list[ReferenceScore]
    straightened: float | None = Field(default=None, description=_STRAIGHTENED)
    threshold: Threshold
    findings: list[Finding]
    probe_digest: str
    model: str
    preprocessing: str
    generation: int


class VerificationResult(Answer):
    """What became of one probe of several."""

    image: int = Field(description="Its place in the request, from 1.")
    signer: str
    verification: Verification | None
    error: str | None = Field(
        description="The kind of problem, if nothing was decided. `server-error`, `vault-failed`, "
        "`vault-busy` and `storage-failed` are the service's own: send that one again later."
    )
    message: str


class BulkVerification(Answer):
    """What became of several probes."""

    decided: int
    failed: int
    results: list[VerificationResult]


class Candidate(Answer):
    """One signer that an identification came up with."""

    rank: int
    signer: str
    decision: Decision
    score: float
    llr: float
    llr_words: str
    references: list[ReferenceScore]
    straightened: float | None = Field(default=None, description=_STRAIGHTENED)
    copied: str | None = Field(
        description="The reference that the picture is perhaps a copy of, which is never accepted."
    )
    traced: str | None = Field(
        default=None,
        description="The reference that it was perhaps traced from, which is not accepted either.",
    )


class Identification(Answer):
    """Who may have signed."""

    event: int
    decision: Decision = Field(description="On the best candidate; refuse without any.")
    candidates: list[Candidate]
    undecided: list[str] = Field(description="Signers that came up, but have no threshold.")
    fpir: float
    signers: int
    searched: int
    unsupported: str = Field(description="Why nobody can be accepted at this rate, or empty.")
    findings: list[Finding]
    probe_digest: str


class ReviewVerdict(Answer):
    """What one person said."""

    event: int
    at: datetime
    by: str
    verdict: Verdict
    reason: str
    blind: bool


class Review(Answer):
    """A verification that people look at."""

    event: int
    at: datetime
    signer: str
    state: ReviewState
    outcome: Verdict | None
    probe_kept: bool
    verdicts: list[ReviewVerdict]
    verification: Verification


class Generation(Answer):
    """A model with its preprocessing, vectors, index and thresholds."""

    id: int
    status: str
    model: str
    preprocessing: str
    dimension: int
    vectors: int | None = Field(description="Of the whole vault, so null for a key of a namespace.")
    missing: int | None = Field(
        description="References that have no vector in it; null for a key of a namespace."
    )
    thresholds: list[int] = Field(description="Numbers of references with a threshold.")
    created_at: datetime
    activated_at: datetime | None


class AuditRecord(Answer):
    """An event of the audit log, as the hash chain covers it."""

    number: int
    at: datetime
    kind: str
    public: dict[str, Any]
    personal: dict[str, Any] | None = Field(
        description="Null once erased with the signer or the reference."
    )
    personal_digest: str
    previous: str
    hash: str


class AuditCheck(Answer):
    """Whether the vault is what its audit log says."""

    events: int
    whole: bool
    first_broken: int | None
    reason: str
    images_missing: list[str]
    erased_parts: int
    replayed: int


class Health(Answer):
    """Whether the service lives, or can answer."""

    status: str


class ProblemError(Answer):
    """One thing that is wrong with a request."""

    where: str
    what: str


class Problem(BaseModel):
    """What went wrong and what to do (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    request_id: str
    errors: list[ProblemError] | None = None
    results: list[EnrollmentResult] | None = None
