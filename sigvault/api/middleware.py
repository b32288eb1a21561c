"""Around every request: its id, its path, its line in the log, and the last resort."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any
from urllib.parse import unquote

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sigvault.api.errors import MEDIA_TYPE, Problem, unforeseen
from sigvault.api.lanes import ClientGone
from sigvault.api.logs import log, request_named
from sigvault.api.metrics import ServiceMetrics

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OURS = "/v1/"
_HEADERS = {
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
}


class RequestScope:
    """Gives each request an id, times and logs it, and answers whatever else went wrong."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics) -> None:
        """Take what it wraps."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["path"] = _encoded_path(scope)
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(message["headers"], request_id)
            await send(message)

        try:
            with request_named(request_id):
                await self._app(scope, receive, send_with_id)
        except ClientGone:
            status = 499  # nobody is there to read it; the log's convention
        except Exception as error:
            log("failed", error=error, request_id=request_id, route=route_of(scope))
            if status:
                raise
            await problem_response(unforeseen(), request_id)(scope, receive, send_with_id)
        finally:
            self._tell(scope, request_id, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.requests.labels(route, scope["method"], str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        caller = scope["state"].get("caller")
        log(
            "answered",
            request_id=request_id,
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(seconds, 6),
            key=None if caller is None else caller.id,
        )


def problem_response(problem: Problem, request_id: str) -> Response:
    """A problem as an answer."""
    return JSONResponse(
        problem.document(request_id),
        problem.kind.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is harmless, a new one otherwise."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return uuid.uuid4().hex


def route_of(scope: Scope) -> str:
    """The route's pattern, never the path itself, which names signers."""
    path = getattr(scope.get("route"), "path", None)
    if path is None or path.endswith("{rest:path}"):
        return "other"
    return str(path)


def _encoded_path(scope: Scope) -> str:
    """The path with the slashes and percent signs inside of a segment still encoded.

    So that a signer's identifier may hold a slash: servers hand paths over decoded.
    """
    raw: Any = scope.get("raw_path")
    path: str = scope["path"]
    if not raw or not path.startswith(_OURS) or b"%" not in raw:
        return path
    segments = raw.partition(b"?")[0].decode("latin-1").split("/")
    decoded = (unquote(segment) for segment in segments)
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in decoded)


def _with_headers(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    more = [(name, value) for name, value in _HEADERS.items() if name not in there]
    return [*headers, *more, (b"x-request-id", request_id.encode())]
