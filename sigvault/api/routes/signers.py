"""``/v1/signers``: who is enrolled, and erasing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from starlette.requests import Request

from sigvault.api import answers, schemas
from sigvault.api.callers import Caller
from sigvault.api.dependencies import (
    LimitQuery,
    ServiceParameter,
    SignerCursor,
    SignerPath,
    allow,
    read_cursor,
    write_cursor,
)
from sigvault.api.openapi import told
from sigvault.api.service import json_answer
from sigvault.domain.access import Role
from sigvault.domain.errors import UnknownSigner

router = APIRouter(tags=["signers"])
Looking = Annotated[Caller, allow(Role.ENROLLER, Role.VERIFIER, Role.REVIEWER)]


@router.get("/v1/signers", **told(schemas.Page[schemas.SignerSummary]))
async def list_signers(
    request: Request,
    caller: Looking,
    service: ServiceParameter,
    limit: LimitQuery = 50,
    cursor: SignerCursor = None,
) -> Response:
    """The signers that are enrolled, by identifier."""

    def work() -> Response:
        found = service.vault.signers(
            after=read_cursor(cursor, str), limit=limit + 1, namespace=caller.namespace
        )
        page = found[:limit]
        items = [answers.signer_summary(caller, one) for one in page]
        more = write_cursor(page[-1].signer) if len(found) > limit else None
        return json_answer(schemas.Page[schemas.SignerSummary](items=items, next=more))

    return await service.reading.run(request, work)


@router.get("/v1/signers/{signer}", **told(schemas.SignerDetail, UnknownSigner))
async def show_signer(
    request: Request, signer: SignerPath, caller: Looking, service: ServiceParameter
) -> Response:
    """A signer with the references."""

    def work() -> Response:
        detail = service.vault.signer(caller.inside(signer))
        return json_answer(answers.signer_detail(caller, detail))

    return await service.reading.run(request, work)


@router.delete("/v1/signers/{signer}", **told(schemas.Erasure, UnknownSigner))
async def erase_signer(
    request: Request,
    signer: SignerPath,
    caller: Annotated[Caller, allow(Role.ADMINISTRATOR)],
    service: ServiceParameter,
) -> Response:
    """Erase a signer for good, with every reference, picture, probe and personal audit part."""

    def work() -> Response:
        gone = service.vault.erase(caller.inside(signer), by=caller.name)
        return json_answer(answers.erasure(caller, gone))

    return await service.enrolling.run(request, work)
