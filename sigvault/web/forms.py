"""Forms: read within limits of size and time, and from our own pages alone."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from urllib.parse import urlsplit

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from sigvault.web.visits import Upload, Visit

_MOST_FILES = 200
_LONGEST_FIELD = 64 * 1024

ANYBODYS = 64 * 1024
"""Bytes of a form that takes no right, such as the one for a key: nobody is known to send it."""


def comes_from_elsewhere(request: Request) -> bool:
    """Whether another site sends the form; browsers say where it comes from."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    strange = origin is not None and urlsplit(origin).netloc != request.url.netloc
    return strange or site not in ("same-origin", "none")


async def read_form(visit: Visit, most: int) -> Visit:
    """The visit with what was filled in; whether it has the token is still to be seen.

    Args:
        visit: whose form it is.
        most: bytes that it may have.

    Raises:
        HTTPException: If it is too large, too slow, or no form.
    """
    try:
        async with asyncio.timeout(visit.desk.settings.form_seconds):
            return await _parse(visit, _limited(visit.request, most))
    except TimeoutError as error:
        seconds = visit.desk.settings.form_seconds
        raise HTTPException(408, f"It didn't arrive within {seconds:g} s.") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "It didn't arrive whole.") from error


def has_token(visit: Visit) -> bool:
    """Whether a form has the session's token, as those of our own pages have."""
    sent = visit.request.headers.get("x-sigvault-token") or visit.fields.get("token", "")
    return secrets.compare_digest(sent.encode(), visit.session.token.encode())


async def _parse(visit: Visit, request: Request) -> Visit:
    async with request.form(
        max_files=_MOST_FILES, max_fields=100, max_part_size=_LONGEST_FIELD
    ) as form:
        fields, uploads = {}, []
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields[name] = value
            elif value.filename:
                uploads.append(Upload(value.filename, await value.read()))
    return replace(visit, fields=fields, uploads=tuple(uploads))


def _limited(request: Request, most: int) -> Request:
    """The request, of which no more than so many bytes are read."""
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and (len(stated) > len(str(most)) or int(stated) > most):
        raise _too_much(most)
    return Request(request.scope, _counting(request.receive, most))


def _counting(receive: Receive, most: int) -> Receive:
    read = 0

    async def receive_some() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise _too_much(most)
        return message

    return receive_some


def _too_much(most: int) -> HTTPException:
    size = f"{most / 2**20:.3g} MiB" if most >= 2**20 else f"{most / 2**10:.3g} KiB"
    return HTTPException(413, f"It has more than {size}.")
