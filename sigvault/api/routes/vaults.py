"""What decides, what happened, and whether the service lives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import (
    ANYBODY,
    EventCursor,
    LimitQuery,
    ServiceParameter,
    allow,
    read_cursor,
    write_cursor,
)
from sigvault.api.errors import BUSY, NOT_ALLOWED, NOT_READY, Problem
from sigvault.api.openapi import told
from sigvault.api.routes.reviews import SignerQuery
from sigvault.api.service import json_answer
from sigvault.domain.access import Role
from sigvault.domain.errors import StorageFailed, UnknownSigner

router = APIRouter(tags=["vault"])
health = APIRouter(tags=["health"])
Anybody = Annotated[Caller, allow(*ANYBODY)]
Auditing = Annotated[Caller, allow(Role.AUDITOR)]


@router.get("/v1/generations", **told(schemas.Page[schemas.Generation]))
async def list_generations(
    request: Request, caller: Anybody, service: ServiceParameter
) -> Response:
    """All generations, oldest first, all on one page; exactly one is active."""

    def work() -> Response:
        items = [answers.generation(caller, one) for one in service.vault.generations()]
        return json_answer(schemas.Page[schemas.Generation](items=items, next=None))

    return await service.reading.run(request, work)


@router.get("/v1/thresholds", **told(schemas.Page[schemas.Threshold]))
async def list_thresholds(request: Request, caller: Anybody, service: ServiceParameter) -> Response:
    """What the active generation decides by, for each number of references, all on one page."""
    del caller

    def work() -> Response:
        items = [answers.threshold(one) for one in service.vault.thresholds()]
        return json_answer(schemas.Page[schemas.Threshold](items=items, next=None))

    return await service.reading.run(request, work)


@router.get("/v1/audit", **told(schemas.Page[schemas.AuditRecord], UnknownSigner))
async def read_audit_log(
    request: Request,
    caller: Auditing,
    service: ServiceParameter,
    signer: SignerQuery = None,
    limit: LimitQuery = 50,
    cursor: EventCursor = None,
) -> Response:
    """Events in order, exactly as the hash chain covers them; a namespace sees one signer's."""
    if caller.namespace and signer is None:
        raise Problem(NOT_ALLOWED, "a key of a namespace reads the events of one signer: name it")

    def work() -> Response:
        found = service.vault.audit_log(
            after=read_cursor(cursor, int) or 0,
            limit=limit + 1,
            signer=None if signer is None else caller.inside(signer),
        )
        page = found[:limit]
        items = [answers.audit_record(record) for record in page]
        more = write_cursor(page[-1].number) if len(found) > limit else None
        return json_answer(schemas.Page[schemas.AuditRecord](items=items, next=more))

    return await service.reading.run(request, work)


@router.get("/v1/audit/check", **told(schemas.AuditCheck))
async def check_audit_log(caller: Auditing, service: ServiceParameter) -> Response:
    """Check that the vault is what its log says; reads everything, and takes its time.

    Who asks while a check goes on gets the answer of that one.
    """
    if caller.namespace:
        raise Problem(NOT_ALLOWED, "a key of a namespace can't check the whole vault")
    return json_answer(answers.audit_check(await service.audit_check.join()))


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "As Prometheus reads it."}},
    **told(None),
)
async def show_metrics(request: Request, caller: Auditing, service: ServiceParameter) -> Response:
    """What the service tells Prometheus; it is about everybody, so not for a namespace."""
    if caller.namespace:
        raise Problem(NOT_ALLOWED, "a key of a namespace can't see the whole service's figures")
    for lane in service.lanes:
        service.metrics.queue.labels(lane.name, "waiting").set(lane.waiting)
        service.metrics.queue.labels(lane.name, "working").set(lane.working)
    text = await service.reading.run(request, service.metrics.text)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@health.get("/health/live", **told(schemas.Health, keyless=True))
async def live() -> Response:
    """Whether the service lives."""
    return json_answer(schemas.Health(status="live"))


@health.get("/health/ready", **told(schemas.Health, NOT_READY, StorageFailed, BUSY, keyless=True))
async def ready(request: Request, service: ServiceParameter) -> Response:
    """Whether the model is loaded and the database answers."""
    service.require_ready()
    await service.reading.run(request, service.vault.readiness)
    return json_answer(schemas.Health(status="ready"))
