"""From the browser to a page's function, and back: sessions, keys, forms and errors."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sigvault.domain.errors import SigvaultError
from sigvault.web.advice import Advice, advise
from sigvault.web.forms import ANYBODYS, comes_from_elsewhere, has_token, read_form
from sigvault.web.rendering import render
from sigvault.web.rights import Right, Visitor, local_visitor, visitor_of
from sigvault.web.sessions import Session, load_session, save_session
from sigvault.web.visits import Desk, Visit

_LOG = logging.getLogger(__name__)

_MISTAKE = "The program made a mistake, which the server has logged."

_TOO_OLD = "The form is too old, or came from elsewhere, so nothing was done. "
_SEND_AGAIN = "Open the page again, and send it."
_SIGNED_OUT = "You are not signed in, so nothing was recorded: sign in, and send it again."

Handler = Callable[[Visit], Response]
"""What a page does; it runs in a thread, so it may wait for the vault."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Page:
    """A page, or what a form on it does.

    Attributes:
        path: its address.
        handler: its function.
        right: what it takes; None for anybody.
        method: GET for looking, POST for doing.
        form_at: for a form, the address of the page that it is on; the same if empty.
        anew: for a form, shows it once more with what was filled in, and says why; None where
            there is little to be filled in.
    """

    path: str
    handler: Handler
    right: Right | None
    method: str = "GET"
    form_at: str = ""
    anew: Callable[[Visit, str], Response] | None = None


def serve_page(desk: Desk, page: Page) -> Endpoint:
    """A page's function as Starlette calls it.

    The session is opened, the key behind it is looked up anew, the right is checked, a form is
    checked to come from our own page and read, and errors become pages.

    Args:
        desk: what all visits share.
        page: the page.
    """

    async def endpoint(request: Request) -> Response:
        carried = load_session(request, desk.settings)
        session = Session() if carried is None else replace(carried)
        visit = Visit(desk, request, session, None)
        if page.method == "POST" and comes_from_elsewhere(request):
            # Such a request has no cookie, so the browser must not get another one for it.
            return error_page(visit, HTTPException(403, "The form came from another site."))
        try:
            visit = replace(visit, visitor=await run_in_threadpool(_recognise, visit))
            response = await _answer(visit, page, fresh=carried is None)
        except (SigvaultError, HTTPException) as error:
            response = error_page(visit, error)
        except Exception:  # the last resort: the page says nothing of the program's inside
            _LOG.exception("%s %s failed", request.method, request.url.path)
            response = error_page(visit, HTTPException(500, _MISTAKE))
        if session != carried:  # a slow answer must not bring back what another one changed
            save_session(request, response, session, desk.settings)
        return response

    return endpoint


async def _answer(visit: Visit, page: Page, *, fresh: bool) -> Response:
    """What a page answers; nothing of a form is read before it is known who may send it.

    Raises:
        HTTPException: If the visitor may not, or the form can't be taken.
    """
    if page.right is not None and visit.visitor is None:
        return _ask_to_sign_in(visit, page)
    _check_right(visit.visitor, page.right)
    if page.method != "POST":
        return await run_in_threadpool(page.handler, visit)
    if fresh and page.anew is None:  # a new session's token is in no form yet
        raise HTTPException(403, _TOO_OLD + _SEND_AGAIN)
    visit = await read_form(
        visit, ANYBODYS if page.right is None else visit.desk.settings.most_upload
    )
    if has_token(visit):
        return await run_in_threadpool(page.handler, visit)
    if page.anew is None:
        raise HTTPException(403, _TOO_OLD + _SEND_AGAIN)
    return await run_in_threadpool(page.anew, visit, _TOO_OLD + "Look at it, and send it again.")


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
    408: ("That took too long", "Try again, with fewer or smaller files or on a faster line."),
    413: ("That is too much at once", "Choose fewer or smaller files."),
}

_OTHERWISE = ("That did not work", "Go back, check what you asked for, and try again.")


def _http_advice(error: HTTPException) -> tuple[Advice, str]:
    title, todo = _HTTP.get(error.status_code, _OTHERWISE)
    return Advice(error.status_code, title, todo), error.detail


def _ask_to_sign_in(visit: Visit, page: Page) -> Response:
    """Send the visitor to sign in, and from there to the page that was asked for.

    That of a form is the page that the form is on: what was filled in is not read before it is
    known whose it is, so it has to be sent again.
    """
    url = visit.request.url
    there = (page.form_at or url.path) + (f"?{url.query}" if url.query else "")
    notice = _SIGNED_OUT if page.method == "POST" else ""
    return visit.to("/sign-in?" + urlencode({"next": there}), notice)


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
