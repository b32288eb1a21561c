"""What is asked of the service, as values: how to send it, and how to read what is answered.

`Client` and `AsyncClient` send these, and hold nothing of the service's paths and forms themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from sigvault.client import answers
from sigvault.client.answers import Page
from sigvault.domain.aims import Aim
from sigvault.domain.audit import AuditRecord
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict

_T = TypeVar("_T")
_Item = TypeVar("_Item")

Picture = bytes | Path
"""A picture's bytes, or a file that holds them."""

IDEMPOTENCY_KEY = "Idempotency-Key"
CHECK_SECONDS = 3660.0
"""The service checks a vault for an hour at most."""

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Call(Generic[_T]):
    """One request.

    Attributes:
        kind: what the answer is read as: a dataclass, or ``bytes`` or ``str`` for a content.
        method: the HTTP method.
        path: with everything percent-encoded.
        query: the parameters.
        fields: of a form; a list is sent as several fields.
        pictures: the files of a form, all of them under one name.
        body: what is sent as JSON, or None.
        headers: the request's own.
        timeout: seconds to wait for the answer, where it takes longer than others do; None for
            as long as the client waits for any. It isn't sent again when that time has run out.
    """

    kind: type[_T]
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str | list[str]] = field(default_factory=dict)
    pictures: tuple[tuple[str, bytes], ...] = ()
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.method == "GET" or IDEMPOTENCY_KEY in self.headers

    def arguments(self) -> dict[str, Any]:
        """What httpx takes; the same each time."""
        files = [
            (name, (f"{place}", content, "application/octet-stream"))
            for place, (name, content) in enumerate(self.pictures, start=1)
        ]
        arguments: dict[str, Any] = {
            "method": self.method,
            "url": self.path,
            "params": dict(self.query) or None,
            "data": dict(self.fields) or None,
            "files": files or None,
            "json": self.body,
            "headers": dict(self.headers),
        }
        if self.timeout is not None:
            arguments["timeout"] = httpx.Timeout(self.timeout, connect=_CONNECT_SECONDS)
        return arguments


def next_page(call: Call[Page[_Item]], cursor: str) -> Call[Page[_Item]]:
    """The same list from a cursor on."""
    return replace(call, query={**call.query, "cursor": cursor})


def list_signers(page_size: int) -> Call[Page[answers.SignerSummary]]:
    """The signers, by identifier."""
    return _list(Page[answers.SignerSummary], "/v1/signers", {"limit": str(page_size)})


def show_signer(signer: str) -> Call[answers.SignerDetail]:
    """A signer with the references."""
    return Call(answers.SignerDetail, "GET", _signer_path(signer))


def erase_signer(signer: str) -> Call[answers.Erasure]:
    """Erase a signer for good."""
    return Call(answers.Erasure, "DELETE", _signer_path(signer))


def list_references(signer: str) -> Call[Page[answers.Reference]]:
    """A signer's references."""
    return _list(Page[answers.Reference], f"{_signer_path(signer)}/references", {})


def show_reference_image(signer: str, reference: str) -> Call[bytes]:
    """The enrolled bytes of a reference."""
    return Call(bytes, "GET", f"{_signer_path(signer)}/references/{_segment(reference)}/image")


def erase_reference(signer: str, reference: str, reason: str) -> Call[answers.ReferenceErasure]:
    """Erase one reference for good."""
    return Call(
        answers.ReferenceErasure,
        "DELETE",
        f"{_signer_path(signer)}/references/{_segment(reference)}",
        query={"reason": reason},
    )


def enroll(
    signer: str, images: Iterable[Picture], name: str, *, force: bool, idempotency_key: str | None
) -> Call[answers.Enrollment]:
    """Enroll references of one signer."""
    return Call(
        answers.Enrollment,
        "POST",
        f"{_signer_path(signer)}/references",
        fields={"signer_name": name, "force": _flag(force)},
        pictures=_pictures("images", images),
        headers=_idempotent(idempotency_key),
    )


def enroll_many(
    items: Iterable[tuple[str, Picture]], *, force: bool, idempotency_key: str | None
) -> Call[answers.Enrollment]:
    """Enroll references of several signers."""
    pairs = list(items)
    return Call(
        answers.Enrollment,
        "POST",
        "/v1/enrollments",
        fields={"signers": [signer for signer, _ in pairs], "force": _flag(force)},
        pictures=_pictures("images", (image for _, image in pairs)),
        headers=_idempotent(idempotency_key),
    )


def verify(
    signer: str, image: Picture, aim: Aim | None, keep_probe: KeepProbes | None
) -> Call[answers.Verification]:
    """Decide about a probe."""
    return Call(
        answers.Verification,
        "POST",
        f"{_signer_path(signer)}/verify",
        fields=_aimed(aim, keep_probe),
        pictures=_pictures("image", [image]),
    )


def verify_many(
    claims: Iterable[tuple[str, Picture]], aim: Aim | None, keep_probe: KeepProbes | None
) -> Call[answers.MultipleVerification]:
    """Decide about several probes."""
    pairs = list(claims)
    return Call(
        answers.MultipleVerification,
        "POST",
        "/v1/verifications",
        fields={"signers": [signer for signer, _ in pairs], **_aimed(aim, keep_probe)},
        pictures=_pictures("images", (image for _, image in pairs)),
    )


def identify(image: Picture, top: int, fpir: float) -> Call[answers.Identification]:
    """Search for the signer of a probe."""
    return Call(
        answers.Identification,
        "POST",
        "/v1/identify",
        fields={"top": str(top), "fpir": repr(fpir)},
        pictures=_pictures("image", [image]),
    )


def list_reviews(
    state: ReviewState, signer: str | None, page_size: int
) -> Call[Page[answers.Review]]:
    """The cases in a state."""
    query = {"state": state.value, **_about(signer), "limit": str(page_size)}
    return _list(Page[answers.Review], "/v1/reviews", query)


def show_review(event: int) -> Call[answers.Review]:
    """The case of a verification."""
    return Call(answers.Review, "GET", f"/v1/reviews/{event}")


def show_probe(event: int) -> Call[bytes]:
    """The kept bytes of a verification's probe."""
    return Call(bytes, "GET", f"/v1/reviews/{event}/probe")


def decide_review(event: int, verdict: Verdict, reason: str, *, blind: bool) -> Call[AuditRecord]:
    """Give a verdict."""
    body = {"verdict": verdict.value, "reason": reason, "blind": blind}
    return Call(AuditRecord, "POST", f"/v1/reviews/{event}/verdicts", body=body)


def list_generations() -> Call[Page[answers.Generation]]:
    """All generations."""
    return _list(Page[answers.Generation], "/v1/generations", {})


def list_thresholds() -> Call[Page[answers.Threshold]]:
    """What the active generation decides by."""
    return _list(Page[answers.Threshold], "/v1/thresholds", {})


def read_audit_log(signer: str | None, page_size: int) -> Call[Page[AuditRecord]]:
    """The audit log, in order."""
    return _list(Page[AuditRecord], "/v1/audit", {**_about(signer), "limit": str(page_size)})


def check_audit_log(timeout: float) -> Call[answers.AuditCheck]:
    """Check the whole vault against its log."""
    return Call(answers.AuditCheck, "GET", "/v1/audit/check", timeout=timeout)


def show_metrics() -> Call[str]:
    """What the service tells Prometheus."""
    return Call(str, "GET", "/metrics")


def live() -> Call[answers.Health]:
    """Whether the service lives."""
    return Call(answers.Health, "GET", "/health/live")


def ready() -> Call[answers.Health]:
    """Whether the service can answer."""
    return Call(answers.Health, "GET", "/health/ready")


def _list(kind: type[Page[_Item]], path: str, query: Mapping[str, str]) -> Call[Page[_Item]]:
    return Call(kind, "GET", path, query=query)


def _signer_path(signer: str) -> str:
    return f"/v1/signers/{_segment(signer)}"


def _segment(text: str) -> str:
    """A segment of a path: a slash inside of it, or a name of dots, means nothing there.

    Raises:
        ValueError: If it is empty, which would name something else.
    """
    if not text:
        raise ValueError("a signer or a reference is identified by at least one character")
    if not text.strip("."):
        return "%2E" * len(text)
    return quote(text, safe="")


def _pictures(name: str, images: Iterable[Picture]) -> tuple[tuple[str, bytes], ...]:
    """The files of a form; what a file was called is nobody's business.

    Raises:
        ValueError: If there are none.
    """
    found = tuple((name, _content(image)) for image in images)
    if not found:
        raise ValueError("there has to be an image at least")
    return found


def _content(image: Picture) -> bytes:
    if isinstance(image, Path):
        return image.read_bytes()
    if not isinstance(image, bytes | bytearray | memoryview):
        raise TypeError(f"an image is bytes or a pathlib.Path, not {type(image).__name__}")
    return bytes(image)


def _aimed(aim: Aim | None, keep_probe: KeepProbes | None) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    if aim is not None:
        found["aim"] = f"{aim.measure.value}={_decimals(aim.rate)}"
    if keep_probe is not None:
        found["keep_probe"] = keep_probe.value
    return found


def _decimals(rate: float) -> str:
    """A rate without an exponent, as the service takes it.

    Raises:
        ValueError: If it would have to be rounded, and so be another rate.
    """
    text = f"{rate:.9f}".rstrip("0")
    if float(text) != rate:
        raise ValueError(f"the service takes rates of nine decimals at most, not {rate!r}")
    return text


def _about(signer: str | None) -> dict[str, str]:
    return {} if signer is None else {"signer": signer}


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _idempotent(key: str | None) -> dict[str, str]:
    return {IDEMPOTENCY_KEY: uuid.uuid4().hex if key is None else key}
