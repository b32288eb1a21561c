"""The same request again: it changes nothing, and gets the same answer.

What is remembered of an answer names nobody: who was asked about, and with which pictures, is
filled in from the request that comes again, which has to be the same. So an answer about people who
aren't enrolled can be remembered, too, whom nobody could erase from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import Response

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.errors import NOTHING_ENROLLED, REPEATED_AT_ONCE, Kind, Problem, kind_of
from sigvault.api.service import Service
from sigvault.domain.errors import DuplicateAcrossSigners, UnknownSigner
from sigvault.domain.identifiers import SignerId
from sigvault.vault import EnrollmentItem, EnrollmentOutcome, EnrollmentReport, RequestName

DUPLICATE = kind_of(DuplicateAcrossSigners)
_REPLAYED = {"Idempotency-Replayed": "true"}


@contextmanager
def alone(service: Service, caller: Caller, name: str | None) -> Iterator[None]:
    """Keep the same request from being answered twice at once; on the event loop alone.

    Raises:
        Problem: If it is being answered, or what it began goes on after its time ran out.
    """
    if name is None:
        yield
        return
    key = (caller.id, name)
    if key in service.under_way:
        raise Problem(
            REPEATED_AT_ONCE,
            f"the request {name!r} is being answered",
            headers={"Retry-After": "1"},
        )
    service.under_way.add(key)
    try:
        yield
    finally:
        service.under_way.discard(key)


def once(
    service: Service,
    caller: Caller,
    name: RequestName | None,
    items: list[EnrollmentItem],
    enroll: Callable[[], EnrollmentReport],
) -> Response:
    """The answer that the same request was given before, or a new one, which is remembered.

    Raises:
        Problem: If nothing is enrolled, now or then.
        RequestDiffers: If another request had the name.
    """
    before = None if name is None else service.vault.find_answer(name)
    if before is not None:
        return _respond(_recall(caller, items, before), _REPLAYED)
    report = enroll()
    answer = answers.enrollment(caller, report)
    if name is not None:
        kept = json.dumps([_status(answer), _nameless(answer).model_dump_json()])
        service.vault.keep_answer(name, kept, _enrolled(service, report))
    return _respond(answer, {})


def request_name(
    caller: Caller, name: str | None, items: list[EnrollmentItem], rest: tuple[object, ...]
) -> RequestName | None:
    """What the caller calls the request, with a digest of all that it says."""
    if name is None:
        return None
    digest = hashlib.sha256(json.dumps(rest).encode())
    for item in items:
        digest.update(json.dumps(item.signer).encode() + hashlib.sha256(_bytes(item)).digest())
    return RequestName(caller.id, name, digest.hexdigest())


def _respond(answer: schemas.Enrollment, headers: dict[str, str]) -> Response:
    """An answer as it is sent.

    Raises:
        Problem: If nothing is enrolled.
    """
    status = _status(answer)
    if status < 400:
        return Response(answer.model_dump_json(), status, headers, media_type="application/json")
    results = [result.model_dump(mode="json") for result in answer.results]
    raise Problem(
        _refusal(answer), answer.results[0].message, headers=headers, extra={"results": results}
    )


def _status(answer: schemas.Enrollment) -> int:
    """201 if anything was new, 200 if nothing had to be."""
    if answer.enrolled or answer.already:
        return 201 if answer.enrolled else 200
    return _refusal(answer).status


def _refusal(answer: schemas.Enrollment) -> Kind:
    """Why nothing is enrolled."""
    others = all(one.error == DUPLICATE.name for one in answer.results)
    return DUPLICATE if others else NOTHING_ENROLLED


def _nameless(answer: schemas.Enrollment) -> schemas.Enrollment:
    """An answer without signers, also those who have an image already, and without digests."""
    results = [
        one.model_copy(
            update={
                "signer": "",
                "digest": None if one.digest is None else "",
                "message": answers.DUPLICATE_WORDS if one.error == DUPLICATE.name else one.message,
            }
        )
        for one in answer.results
    ]
    return answer.model_copy(update={"results": results})


def _recall(caller: Caller, items: list[EnrollmentItem], kept: str) -> schemas.Enrollment:
    """What was remembered of the answer to a request, with what the request names.

    Answers that earlier versions remembered hold it already.
    """
    _, content = json.loads(kept)
    answer = schemas.Enrollment.model_validate_json(content)
    for item, result in zip(items, answer.results, strict=True):
        result.signer = caller.outside(item.signer)
        if result.digest is not None:
            result.digest = hashlib.sha256(_bytes(item)).hexdigest()
    return answer


def _enrolled(service: Service, report: EnrollmentReport) -> list[SignerId]:
    """Those of a request's signers who are enrolled: with them, its answer has to go."""
    found = {one.signer for one in report.results if one.outcome is not EnrollmentOutcome.FAILED}
    for signer in {one.signer for one in report.results} - found:
        try:
            service.vault.signer(signer)
        except UnknownSigner:
            continue
        found.add(signer)
    return sorted(found)


def _bytes(item: EnrollmentItem) -> bytes:
    return item.source if isinstance(item.source, bytes) else b""
