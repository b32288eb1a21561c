"""What a call's function asks for: the service, the caller, a signer's identifier, a page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, cast
from urllib.parse import unquote

from fastapi import Depends, Header, Path, Query
from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request

from sigvault.api.callers import Caller
from sigvault.api.errors import INVALID, Problem
from sigvault.api.schemas import SIGNER_SCHEMA, check_signer
from sigvault.api.service import Service
from sigvault.domain.access import Role

ANYBODY = frozenset(Role)


def get_service(request: Request) -> Service:
    """The app's service."""
    return cast(Service, request.app.state.service)


async def _service(request: Request) -> Service:
    """The same as a dependency; not a plain function, which would be run in a thread."""
    return get_service(request)


ServiceParameter = Annotated[Service, Depends(_service)]


def allow(*roles: Role) -> Any:  # noqa: ANN401 - as FastAPI's Depends
    """A dependency: the caller, if it has one of the roles; administrators have them all but one.

    A verdict is for reviewers alone, so that nobody gives verdicts on what they administrate.
    """
    wanted = frozenset(roles)
    if wanted != {Role.REVIEWER}:
        wanted |= {Role.ADMINISTRATOR}
    return Depends(_require(wanted))


def _require(wanted: frozenset[Role]) -> Callable[[Request], Awaitable[Caller]]:
    async def recognise(request: Request) -> Caller:
        caller = await get_service(request).recognise(request)
        caller.require(wanted)
        _refuse_unknown_parameters(request)
        return caller

    return recognise


def _refuse_unknown_parameters(request: Request) -> None:
    """A misspelt parameter is told, and not passed over.

    Raises:
        Problem: If the query has a parameter that the call doesn't take.
    """
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        takes = f"takes {', '.join(sorted(known))}" if known else "takes none"
        what = {
            "where": "query",
            "what": f"there is a parameter that the call doesn't take: {takes}",
        }
        words = f"the query has a parameter that this call doesn't take; it {takes}"
        raise Problem(INVALID, words, extra={"errors": [what]})


def _from_path(value: str) -> str:
    """An identifier as it stood in the path; `middleware` left ``%2F`` and ``%25`` as they were."""
    return check_signer(unquote(value))


SignerPath = Annotated[
    str,
    Path(description="The signer's identifier, percent-encoded."),
    AfterValidator(_from_path),
    WithJsonSchema(SIGNER_SCHEMA),
]
EventPath = Annotated[
    int, Path(ge=1, le=2**53, description="The number of the verification's audit event.")
]
ReferencePath = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="The reference, 32 hex digits.")
]
ReasonQuery = Annotated[
    str,
    Query(
        min_length=1,
        max_length=500,
        pattern=r"\S",
        description="Why, for the audit log. Proxies may log addresses: name nobody in it.",
    ),
]
LimitQuery = Annotated[int, Query(ge=1, le=200, description="Items of a page at most.")]
_CURSOR = Query(max_length=2000, description="`next` of the page before; the first without it.")
SignerCursor = Annotated[
    str | None, _CURSOR, WithJsonSchema({"type": "string", "format": "signer-cursor"})
]
EventCursor = Annotated[
    str | None, _CURSOR, WithJsonSchema({"type": "string", "format": "event-cursor"})
]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="The caller's own name for the request: sent again within a day, it changes "
        "nothing and gets the same answer, also where nothing was enrolled. Only what the service "
        "itself failed at is tried again.",
    ),
]


def write_cursor(after: str | int) -> str:
    """A cursor behind an item."""
    return base64.urlsafe_b64encode(json.dumps([after]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, kind: type[str] | type[int]) -> Any:  # noqa: ANN401
    """What a cursor stands behind; None without one.

    Raises:
        Problem: If it is none of the service's.
    """
    if cursor is None:
        return None
    try:
        content = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", True))
        (after,) = content
        str(after).encode()  # half a character (a lone surrogate) can't be looked for
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise _bad_cursor() from error
    if type(after) is not kind or (isinstance(after, int) and not 0 <= after < 2**53):
        raise _bad_cursor()
    return after


def _bad_cursor() -> Problem:
    what = {"where": "query.cursor", "what": "this is no cursor of the service's"}
    words = "the cursor is none of the service's: take `next` as it was"
    return Problem(INVALID, words, extra={"errors": [what]})
