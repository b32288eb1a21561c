"""Enrolling references, one or many, looking at them, and erasing one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import (
    IdempotencyHeader,
    ReasonQuery,
    ReferencePath,
    ServiceParameter,
    SignerPath,
    allow,
)
from sigvault.api.errors import NOTHING_ENROLLED, REPEATED_AT_ONCE
from sigvault.api.openapi import told
from sigvault.api.pictures import picture_answer
from sigvault.api.repetition import alone, once, request_name
from sigvault.api.service import json_answer
from sigvault.domain.access import Role
from sigvault.domain.errors import (
    DuplicateAcrossSigners,
    LastReference,
    RequestDiffers,
    UnknownReference,
    UnknownSigner,
)
from sigvault.domain.identifiers import ReferenceId
from sigvault.vault import EnrollmentItem

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


@router.delete(
    "/v1/signers/{signer}/references/{reference}",
    **told(schemas.ReferenceErasure, UnknownSigner, UnknownReference, LastReference),
)
async def erase_reference(
    request: Request,
    signer: SignerPath,
    reference: ReferencePath,
    reason: ReasonQuery,
    caller: Annotated[Caller, allow(Role.ADMINISTRATOR)],
    service: ServiceParameter,
) -> Response:
    """Erase one reference for good, with its picture and vectors; the signer keeps the others."""

    def work() -> Response:
        gone = service.vault.erase_reference(
            caller.inside(signer), ReferenceId(reference), reason=reason, by=caller.name
        )
        return json_answer(answers.reference_erasure(caller, gone))

    return await service.enrolling.run(request, work)


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
        return once(
            service,
            caller,
            request_name(caller, name, items, (asked.signer_name, asked.force)),
            items,
            lambda: service.vault.enroll(items, names=names, by=caller.name, force=asked.force),
        )

    return await service.with_body(
        request,
        service.enrolling,
        schemas.EnrollmentRequest,
        work,
        alone(service, caller, name),
    )


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
        return once(
            service,
            caller,
            request_name(caller, name, items, (asked.force,)),
            items,
            lambda: service.vault.enroll(items, by=caller.name, force=asked.force),
        )

    return await service.with_body(
        request,
        service.enrolling,
        schemas.BulkEnrollmentRequest,
        work,
        alone(service, caller, name),
    )


def _items(caller: Caller, signers: list[str], images: list[bytes]) -> list[EnrollmentItem]:
    """Images under their places: what a client calls its files is nobody's business."""
    return [
        EnrollmentItem(caller.inside(signer), image, str(place))
        for place, (signer, image) in enumerate(zip(signers, images, strict=True), start=1)
    ]
