"""Every error as a problem (RFC 9457): what happened, and what to do; nothing of the server's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sigvault.domain import errors

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:problem-type:sigvault:"


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Attributes:
        name: the end of its type.
        title: what happened, the same each time.
        status: the HTTP status.
        remedy: what to do.
        told: whether the error's own message may be shown; others name files of the server.
    """

    name: str
    title: str
    status: int
    remedy: str
    told: bool = True

    @property
    def type(self) -> str:
        """The URI of the kind."""
        return _TYPE + self.name


class Problem(Exception):
    """A problem to be answered.

    Attributes:
        kind: which.
        detail: what happened this time.
        headers: of the answer, such as Retry-After.
        extra: further members of the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Say what happened."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra or {}

    def document(self, request_id: str) -> dict[str, Any]:
        """The answer's content."""
        return {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "remedy": self.kind.remedy,
            "request_id": request_id,
            **self.extra,
        }


def _kind(name: str, title: str, status: int, remedy: str) -> Kind:
    return Kind(name, title, status, remedy)


NO_KEY = _kind(
    "no-key",
    "A key is needed",
    401,
    "Send a key as `Authorization: Bearer sv_…`; `sigvault key create` makes one.",
)
NOT_ALLOWED = _kind(
    "not-allowed", "The key may not do this", 403, "Use a key with one of the roles named."
)
FOREIGN_PAGE = _kind(
    "foreign-page",
    "The request comes from a page of somebody else's",
    403,
    "Call the service from its own address, or give out keys.",
)
PASSED_ON = _kind(
    "passed-on",
    "The request was passed on for somebody else",
    403,
    "Give out keys (`sigvault key create`), or ask the service without a proxy.",
)
NO_SUCH_PATH = _kind(
    "no-such-path", "There is nothing at this path", 404, "See /openapi.json for what there is."
)
NO_SUCH_METHOD = _kind(
    "no-such-method", "The path doesn't take this method", 405, "Use a method that Allow names."
)
TOO_SLOW = _kind("request-too-slow", "The request took too long to arrive", 408, "Send it faster.")
REPEATED_AT_ONCE = _kind(
    "request-under-way",
    "The same request is being answered at this moment",
    409,
    "Wait for its answer, or send it again later under the same Idempotency-Key.",
)
TOO_LARGE = _kind(
    "request-too-large",
    "The request has too many bytes",
    413,
    "Send fewer or smaller images: crop them to the signature.",
)
WRONG_MEDIA = _kind(
    "wrong-media-type",
    "The request's media type isn't taken",
    415,
    "Send application/json with base64 images, or multipart/form-data with files.",
)
INVALID = _kind(
    "invalid-request", "The request isn't as it has to be", 422, "Correct what `errors` names."
)
NOTHING_ENROLLED = _kind(
    "nothing-enrolled",
    "No image could be enrolled",
    422,
    "See `results` for each image, and replace those that failed.",
)
TOO_MANY = _kind(
    "too-many-requests",
    "The key has used up its requests",
    429,
    "Wait as long as Retry-After says.",
)
BROKEN = _kind(
    "server-error",
    "The server failed",
    500,
    "Tell whoever runs the service, with the request id: their log says more.",
)
BUSY = _kind(
    "busy", "The service has as much to do as it can", 503, "Wait as long as Retry-After says."
)
NOT_READY = _kind("not-ready", "The service is starting or stopping", 503, "Try again soon.")
TIMED_OUT = _kind(
    "timed-out",
    "The answer took too long",
    504,
    "The work goes on: look at the audit log before asking again.",
)

_ASK_THE_OPERATOR = "Tell whoever runs the service, with the request id: their log says more."

KINDS: dict[type[errors.SigvaultError], Kind] = {
    errors.ConfigurationError: Kind(
        "invalid-value", "A value can't be used", 422, "Correct the value that `detail` names."
    ),
    errors.ImageTooLarge: Kind(
        "image-too-large", "The image is too large", 422, "Crop it, or scan it at 300 dpi."
    ),
    errors.ImageError: Kind(
        "unsupported-image",
        "The image can't be used",
        422,
        "Send a PNG, JPEG, BMP, TIFF or WebP picture of one page.",
    ),
    errors.AcquisitionError: Kind(
        "failure-to-acquire",
        "The picture can't serve as a signature",
        422,
        "Send another picture of the signature, as `detail` says.",
    ),
    errors.FailureToEnroll: Kind(
        "failure-to-enroll",
        "The picture can't serve as a reference",
        422,
        "Send another picture of the signature, as `detail` says.",
    ),
    errors.DuplicateAcrossSigners: Kind(
        "duplicate-across-signers",
        "The same image is another signer's",
        409,
        "Check whose signature it is; `force` enrolls it all the same.",
    ),
    errors.UnknownSigner: Kind(
        "unknown-signer", "There is no such signer", 404, "Enroll the signer, or list who there is."
    ),
    errors.UnknownReference: Kind(
        "unknown-reference", "There is no such reference", 404, "List the signer's references."
    ),
    errors.LastReference: Kind(
        "last-reference",
        "It is the signer's only reference",
        409,
        "Enroll another reference first, or erase the signer.",
    ),
    errors.UnknownEvent: Kind(
        "unknown-event",
        "There is no such verification",
        404,
        "List the reviews; evidence goes with its signer.",
    ),
    errors.ProbeNotKept: Kind(
        "probe-not-kept",
        "The probe's bytes are not there",
        404,
        "Verify it again with `keep_probe`, or let the service keep probes.",
    ),
    errors.AlreadyReviewed: Kind(
        "already-reviewed",
        "The verdict comes too late",
        409,
        "Read the case; somebody else has to decide where it isn't decided.",
    ),
    errors.RequestDiffers: Kind(
        "request-differs",
        "Another request had this Idempotency-Key",
        409,
        "Give each request an Idempotency-Key of its own.",
    ),
    errors.KeyRefused: Kind(
        "key-refused", "The key opens nothing", 401, "Ask whoever runs the service for a key."
    ),
    errors.EmptyGallery: Kind(
        "empty-gallery", "There are no references to compare with", 409, "Enroll references first."
    ),
    errors.NotCalibrated: Kind(
        "not-calibrated",
        "Nothing can be decided without a threshold",
        409,
        "Enroll more references, or let the vault be calibrated.",
    ),
    errors.UnsupportedAim: Kind(
        "unsupported-aim",
        "The calibration data can't support this rate",
        409,
        "Ask for the smallest rate that `detail` names, or for none.",
    ),
    errors.VaultBusy: Kind(
        "vault-busy", "The vault does something else", 503, "Try again later.", told=False
    ),
    errors.StorageFailed: Kind(
        "storage-failed", "The vault can't be read or written", 503, _ASK_THE_OPERATOR, told=False
    ),
    errors.SigvaultError: Kind(
        "vault-failed", "The vault failed", 500, _ASK_THE_OPERATOR, told=False
    ),
}
"""How each of sigvault's errors is answered; one that isn't named is answered as its parent."""


@dataclass(frozen=True)
class Naming:
    """What a caller calls things.

    Attributes:
        replaced: words of the vault's, and what they are replaced by for the caller.
    """

    replaced: tuple[tuple[str, str], ...] = field(default=())

    def tell(self, text: str) -> str:
        """The text in the caller's words."""
        for inside, outside in self.replaced:
            text = text.replace(inside, outside)
        return text


def kind_of(error: type[errors.SigvaultError]) -> Kind:
    """The kind of problem of a class of errors."""
    return next(KINDS[one] for one in error.__mro__ if one in KINDS)


def problem_of(error: errors.SigvaultError, naming: Naming | None = None) -> Problem:
    """One of sigvault's errors as a problem, in the caller's words."""
    kind = kind_of(type(error))
    detail = (naming or Naming()).tell(str(error)) if kind.told else f"{kind.title}."
    headers = {"Retry-After": "5"} if kind.status == 503 else {}
    if kind.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return Problem(kind, detail, headers=headers)


def unforeseen() -> Problem:
    """What is said of an error that is none of sigvault's: nothing of it."""
    return Problem(BROKEN, "something went wrong that nobody foresaw")
