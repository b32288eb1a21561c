"""``/v1/reviews``: what people look at, and what they say."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import (
    EventCursor,
    EventPath,
    LimitQuery,
    ServiceParameter,
    allow,
    read_cursor,
    write_cursor,
)
from sigvault.api.openapi import told
from sigvault.api.pictures import picture_answer
from sigvault.api.service import Service, json_answer
from sigvault.domain.access import Role
from sigvault.domain.errors import AlreadyReviewed, ProbeNotKept, UnknownEvent, UnknownSigner
from sigvault.domain.identifiers import EventNumber
from sigvault.domain.reviewing import ReviewCase
from sigvault.domain.verdicts import ReviewState

router = APIRouter(tags=["reviews"])
Looking = Annotated[Caller, allow(Role.REVIEWER, Role.AUDITOR)]
Seeing = Annotated[Caller, allow(Role.REVIEWER, Role.ADMINISTRATOR)]
Judging = Annotated[Caller, allow(Role.REVIEWER)]
SignerQuery = Annotated[
    str | None,
    Query(description="Only those of this signer."),
    AfterValidator(lambda value: value if value is None else schemas.check_signer(value)),
    WithJsonSchema(schemas.SIGNER_SCHEMA),
]


@router.get("/v1/reviews", **told(schemas.Page[schemas.Review], UnknownSigner))
async def list_reviews(
    request: Request,
    caller: Looking,
    service: ServiceParameter,
    *,
    state: Annotated[ReviewState, Query(description="Only those in this state.")] = (
        ReviewState.OPEN
    ),
    signer: SignerQuery = None,
    limit: LimitQuery = 50,
    cursor: EventCursor = None,
) -> Response:
    """Cases in order of their verifications."""

    def work() -> Response:
        found = service.vault.reviews(
            state=state,
            signer=None if signer is None else caller.inside(signer),
            after=read_cursor(cursor, int) or 0,
            limit=limit + 1,
            namespace=caller.namespace,
        )
        page = found[:limit]
        items = [answers.review(caller, case) for case in page]
        more = write_cursor(page[-1].event) if len(found) > limit else None
        return json_answer(schemas.Page[schemas.Review](items=items, next=more))

    return await service.reading.run(request, work)


@router.get("/v1/reviews/{event}", **told(schemas.Review, UnknownEvent))
async def show_review(
    request: Request, event: EventPath, caller: Looking, service: ServiceParameter
) -> Response:
    """The case of a verification, also of one that nobody was asked about."""

    def work() -> Response:
        return json_answer(answers.review(caller, _case(service, caller, event)))

    return await service.reading.run(request, work)


@router.get(
    "/v1/reviews/{event}/probe",
    response_class=Response,
    responses={200: {"content": {"image/*": {}}, "description": "The bytes as they came."}},
    **told(None, UnknownEvent, ProbeNotKept),
)
async def show_probe(
    request: Request, event: EventPath, caller: Seeing, service: ServiceParameter
) -> Response:
    """The kept bytes of a verification's probe."""

    def work() -> Response:
        _case(service, caller, event)
        content = service.vault.probe_image(EventNumber(event))
        return picture_answer(content, f"probe-{event}")

    return await service.reading.run(request, work)


@router.post(
    "/v1/reviews/{event}/verdicts",
    status_code=201,
    **told(schemas.AuditRecord, UnknownEvent, AlreadyReviewed, takes=schemas.VerdictRequest),
)
async def decide_review(
    request: Request, event: EventPath, caller: Judging, service: ServiceParameter
) -> Response:
    """Give a verdict on a verification; the machine's decision stays what it was."""

    def work(asked: schemas.VerdictRequest) -> Response:
        _case(service, caller, event)
        record = service.vault.decide_review(
            EventNumber(event),
            asked.verdict,
            reason=asked.reason,
            by=caller.name,
            blind=asked.blind,
        )
        return json_answer(answers.audit_record(record), 201)

    return await service.with_body(request, service.enrolling, schemas.VerdictRequest, work)


def _case(service: Service, caller: Caller, event: int) -> ReviewCase:
    """A case of the caller's namespace.

    Raises:
        UnknownEvent: If there is none.
    """
    case = service.vault.review(EventNumber(event))
    if not caller.sees(case.signer):
        raise UnknownEvent(f"event {event} is no verification, or its evidence was erased")
    return case
