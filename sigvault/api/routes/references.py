"""Enrolling references, one or many, and looking at them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import (
    IdempotencyHeader,
    ReferencePath,
    ServiceParameter,
    SignerPath,
    allow,
)
from sigvault.api.errors import NOTHING_ENROLLED, REPEATED_AT_ONCE, Problem, kind_of
from sigvault.api.openapi import told
from sigvault.api.pictures import picture_answer
from sigvault.api.service import Service, json_answer
from sigvault.domain.access import Role
from sigvault.domain.errors import (
    DuplicateAcrossSigners,
    RequestDiffers,
    UnknownReference,
    UnknownSigner,
)
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.vault import EnrollmentItem, RequestName

DUPLICATE = kind_of(DuplicateAcrossSigners)
router = APIRouter(tags=["signers"])
Enrolling = Annotated[Caller, allow(Role.ENROLLER)]
Looking = Annotated[Caller, allow(Role.ENROLLER, Role.VERIFIER, Role.REVIEWER)]
Seeing = Annotated[Caller, allow(Role.ENROLLER, Role.REVIEWER)]


@router.get(
    "/v1/signers/{signer}/references", **told(schemas.Page[schemas.Reference], UnknownSigner)
)
async def list_references(
    request: Request, signer: SignerPath, caller: Looking, service: ServiceParameter
) -> Response:
    """A signer's references in order of enrollment, all on one page."""

    def work() -> Response:
        items = answers.references(service.vault.signer(caller.inside(signer)))
        return json_answer(schemas.Page[schemas.Reference](items=items, next=None))

    return await service.reading.run(request, work)


@router.get(
    "/v1/signers/{signer}/references/{reference}/image",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}, "description": "The bytes as enrolled."}},
    **told(None, UnknownSigner, UnknownReference),
)
async def show_reference_image(
    request: Request,
    signer: SignerPath,
    reference: ReferencePath,
    caller: Seeing,
    service: ServiceParameter,
) -> Response:
    """The enrolled bytes of a reference, as they were."""

    def work() -> Response:
        detail = service.vault.signer(caller.inside(signer))
        if reference not in {one.id for one in detail.references}:
            raise UnknownReference(f"the signer has no reference {reference}")
        return picture_answer(service.vault.reference_image(ReferenceId(reference)), reference)

    return await service.reading.run(request, work)


@router.post(
    "/v1/signers/{signer}/references",
    status_code=201,
    responses={200: {"model": schemas.Enrollment, "description": "All were there before."}},
    **told(
        schemas.Enrollment,
        NOTHING_ENROLLED,
        DuplicateAcrossSigners,
        REPEATED_AT_ONCE,
        RequestDiffers,
        takes=schemas.EnrollmentRequest,
    ),
)
async def enroll(
    request: Request,
    signer: SignerPath,
    caller: Enrolling,
    service: ServiceParameter,
    name: IdempotencyHeader = None,
) -> Response:
    """Enroll references of a signer, who is added if new; bad images don't stop the others."""

    def work(asked: schemas.EnrollmentRequest) -> Response:
        items = _items(caller, [signer] * len(asked.images), asked.images)
        names = {items[0].signer: asked.signer_name} if asked.signer_name else {}
        return _once(
            service,
            _named(caller, name, items, (asked.signer_name, asked.force)),
            [item.signer for item in items],
            lambda: _enroll(service, caller, items, names, force=asked.force),
        )

    with _alone(service, caller, name):
        return await service.with_body(request, service.enrolling, schemas.EnrollmentRequest, work)


@router.post(
    "/v1/enrollments",
    status_code=201,
    responses={200: {"model": schemas.Enrollment, "description": "All were there before."}},
    **told(
        schemas.Enrollment,
        NOTHING_ENROLLED,
        DuplicateAcrossSigners,
        REPEATED_AT_ONCE,
        RequestDiffers,
        takes=schemas.BulkEnrollmentRequest,
    ),
)
async def enroll_many(
    request: Request,
    caller: Enrolling,
    service: ServiceParameter,
    name: IdempotencyHeader = None,
) -> Response:
    """Enroll references of several signers; bad images don't stop the others."""

    def work(asked: schemas.BulkEnrollmentRequest) -> Response:
        items = _items(caller, asked.signers, asked.images)
        return _once(
            service,
            _named(caller, name, items, (asked.force,)),
            [item.signer for item in items],
            lambda: _enroll(service, caller, items, {}, force=asked.force),
        )

    with _alone(service, caller, name):
        return await service.with_body(
            request, service.enrolling, schemas.BulkEnrollmentRequest, work
        )


def _items(caller: Caller, signers: list[str], images: list[bytes]) -> list[EnrollmentItem]:
    """Images under their places: what a client calls its files is nobody's business."""
    return [
        EnrollmentItem(caller.inside(signer), image, str(place))
        for place, (signer, image) in enumerate(zip(signers, images, strict=True), start=1)
    ]


def _enroll(
    service: Service,
    caller: Caller,
    items: list[EnrollmentItem],
    names: dict[SignerId, str],
    *,
    force: bool,
) -> tuple[int, str]:
    """Enroll, and say what became of it: 201 if anything is new, 200 if nothing had to be.

    Raises:
        Problem: If nothing is enrolled now.
    """
    report = service.vault.enroll(items, names=names, by=caller.name, force=force)
    answer = answers.enrollment(caller, report)
    if not report.enrolled and not report.already:
        first = answer.results[0].message
        results = [result.model_dump(mode="json") for result in answer.results]
        others = all(one.error == DUPLICATE.name for one in answer.results)
        raise Problem(DUPLICATE if others else NOTHING_ENROLLED, first, extra={"results": results})
    return (201 if report.enrolled else 200), answer.model_dump_json()


def _named(
    caller: Caller, name: str | None, items: list[EnrollmentItem], rest: tuple[object, ...]
) -> RequestName | None:
    """What the caller calls the request, with a digest of all that it says."""
    if name is None:
        return None
    digest = hashlib.sha256(json.dumps(rest).encode())
    for item in items:
        content = item.source if isinstance(item.source, bytes) else b""
        digest.update(json.dumps(item.signer).encode() + hashlib.sha256(content).digest())
    return RequestName(caller.id, name, digest.hexdigest())


def _once(
    service: Service,
    name: RequestName | None,
    signers: list[SignerId],
    work: Callable[[], tuple[int, str]],
) -> Response:
    """The answer that the same request was given before, or a new one, which is remembered."""
    if name is None:
        return _response(*work())
    before = service.vault.find_answer(name)
    if before is not None:
        status, content = json.loads(before)
        response = _response(status, content)
        response.headers["Idempotency-Replayed"] = "true"
        return response
    status, content = work()
    service.vault.keep_answer(name, json.dumps([status, content]), signers)
    return _response(status, content)


def _response(status: int, content: str) -> Response:
    return Response(content, status, media_type="application/json")


@contextmanager
def _alone(service: Service, caller: Caller, name: str | None) -> Iterator[None]:
    """Keep the same request from being answered twice at once; on the event loop alone.

    Raises:
        Problem: If it is being answered.
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
