"""From the browser to a page's function, and back: sessions, keys, forms and errors."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sigvault.domain.errors import SigvaultError
from sigvault.web.advice import Advice, advise
from sigvault.web.rendering import render
from sigvault.web.rights import Right, Visitor, local_visitor, visitor_of
from sigvault.web.sessions import Session, load_session, save_session
from sigvault.web.visits import Desk, Upload, Visit

_LOG = logging.getLogger(__name__)

_MISTAKE = "The program made a mistake, which the server has logged."

_MOST_FILES = 200
_LONGEST_FIELD = 64 * 1024

Handler = Callable[[Visit], Response]
"""What a page does; it runs in a thread, so it may wait for the vault."""

Endpoint = Callable[[Request], Awaitable[Response]]


def page(desk: Desk, handler: Handler, right: Right | None) -> Endpoint:
    """A page's function as Starlette calls it.

    The session is opened, the key behind it is looked up anew, a form is read and checked to come
    from our own page, the right is checked, and errors become pages.

    Args:
        desk: what all visits share.
        handler: the page's function.
        right: what it takes; None for a page that anybody may see.
    """

    async def endpoint(request: Request) -> Response:
        carried = load_session(request, desk.settings)
        session = Session() if carried is None else replace(carried)
        visit = Visit(desk, request, session, None)
        try:
            visitor = await run_in_threadpool(_recognise, visit)
            visit = Visit(desk, request, session, visitor)
            if right is not None and visitor is None:
                response = _ask_to_sign_in(visit)
            else:
                _check_right(visitor, right)
                if request.method == "POST":
                    visit = await _with_form(visit)
                response = await run_in_threadpool(handler, visit)
        except (SigvaultError, HTTPException) as error:
            response = error_page(visit, error)
        except Exception:  # the last resort: the page says nothing of the program's inside
            _LOG.exception("%s %s failed", request.method, request.url.path)
            response = error_page(visit, HTTPException(500, _MISTAKE))
        if session != carried:  # a slow answer must not bring back what another one changed
            save_session(request, response, session, desk.settings)
        return response

    return endpoint


def error_page(visit: Visit, error: SigvaultError | HTTPException) -> Response:
    """An error as a page: what happened and what to do."""
    if isinstance(error, SigvaultError):
        advice, detail = advise(error), str(error)
    else:
        advice, detail = _http_advice(error)
    return render(visit, "error", status=advice.status, advice=advice, detail=detail)


_HTTP = {
    403: ("That is not allowed", "Ask an administrator for a key with that role."),
    404: ("There is no such page", "Start from the menu above."),
    405: ("That can't be done this way", "Start from the menu above."),
    413: ("That is too much at once", "Choose fewer or smaller files."),
}

_OTHERWISE = ("That did not work", "Go back, check what you asked for, and try again.")


def _http_advice(error: HTTPException) -> tuple[Advice, str]:
    title, todo = _HTTP.get(error.status_code, _OTHERWISE)
    return Advice(error.status_code, title, todo), error.detail


def _ask_to_sign_in(visit: Visit) -> Response:
    request = visit.request
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return visit.to("/sign-in?" + urlencode({"next": there if request.method == "GET" else "/"}))


def _check_right(visitor: Visitor | None, right: Right | None) -> None:
    if right is None or (visitor is not None and visitor.may(right)):
        return
    has = "" if visitor is None else ", ".join(sorted(visitor.roles))
    raise HTTPException(403, f"Your key's roles ({has}) don't include this: {right.value}.")


def _recognise(visit: Visit) -> Visitor | None:
    """Whoever it is: the holder of a key that is still valid, or ``local``."""
    keys = visit.vault.keys()
    if not keys and visit.desk.settings.open_without_keys and visit.is_local:
        return local_visitor()
    for key in keys:
        if key.id == visit.session.key and key.is_valid(datetime.now(UTC)):
            return visitor_of(key)
    return None


async def _with_form(visit: Visit) -> Visit:
    """The visit with its form, which has to come from one of our own pages.

    Raises:
        HTTPException: If it doesn't, or can't be read.
    """
    request = visit.request
    _check_origin(request)
    async with request.form(
        max_files=_MOST_FILES, max_fields=100, max_part_size=_LONGEST_FIELD
    ) as form:
        fields, uploads = {}, []
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif value.filename:
                uploads.append(Upload(value.filename, await value.read()))
    sent = request.headers.get("x-sigvault-token") or fields.get("token", "")
    if not secrets.compare_digest(sent.encode(), visit.session.token.encode()):
        raise HTTPException(
            403, "The form is too old, or came from elsewhere. Open the page again, and send it."
        )
    return Visit(visit.desk, request, visit.session, visit.visitor, fields, tuple(uploads))


def _check_origin(request: Request) -> None:
    """Refuse what another site sends; browsers say where a form comes from."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if (origin and urlsplit(origin).netloc != request.url.netloc) or site not in (
        "same-origin",
        "none",
    ):
        raise HTTPException(403, "The form came from another site.")
