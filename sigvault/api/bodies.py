"""The bodies of requests: read whole within limits, as JSON or as a form with files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header
from starlette.requests import ClientDisconnect, Request

from sigvault.api.errors import BUSY, INVALID, TOO_LARGE, TOO_SLOW, WRONG_MEDIA, Problem
from sigvault.api.lanes import ClientGone
from sigvault.api.limits import ServiceLimits

_MOST_FIELDS = 256
_LONGEST_FIELD = 64 * 1024
_PICTURES = {"image", "images"}
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Body:
    """A body that has arrived.

    Attributes:
        kind: ``"json"`` or ``"form"``.
        content_type: as it was sent.
        data: the bytes.
    """

    kind: str
    content_type: str
    data: bytes


class BodyReader:
    """Reads bodies whole, as long as all together stay below a limit."""

    def __init__(self, limits: ServiceLimits) -> None:
        """Take the limits."""
        self._limits = limits
        self._buffered = 0

    async def read(self, request: Request) -> Body:
        """Read a body; `release` gives its room back.

        Raises:
            Problem: If it is too large, too slow, or of another media type.
            ClientGone: If the client went away.
        """
        kind = _kind(request)
        self._check_length(request)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                data = await self._collect(request)
        except TimeoutError as error:
            raise Problem(
                TOO_SLOW, f"it didn't arrive within {self._limits.body_seconds:g} s"
            ) from error
        except ClientDisconnect as error:
            raise ClientGone from error
        return Body(kind, request.headers.get("content-type", ""), data)

    def release(self, body: Body) -> None:
        """Give the room of a body back, once it is answered."""
        self._buffered -= len(body.data)

    async def _collect(self, request: Request) -> bytes:
        """The bytes; their room is taken while they come."""
        parts: list[bytes] = []
        size = 0
        try:
            async for part in request.stream():
                size += len(part)
                self._buffered += len(part)
                self._require_room(size)
                parts.append(part)
        except BaseException:
            self._buffered -= size
            raise
        return b"".join(parts)

    def _require_room(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise self._too_large()
        if self._buffered > self._limits.buffered_bytes:
            raise Problem(BUSY, "too many large requests at once", headers={"Retry-After": "1"})

    def _check_length(self, request: Request) -> None:
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._limits.body_bytes:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(
            TOO_LARGE,
            f"a request may have {self._limits.body_bytes} bytes",
            headers={"Connection": "close"},
        )


def _kind(request: Request) -> str:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == "application/json":
        return "json"
    if media == "multipart/form-data":
        return "form"
    raise Problem(WRONG_MEDIA, "the request is neither application/json nor multipart/form-data")


def parse(body: Body, model: type[_Model]) -> _Model:
    """What a body says, checked; the same whether it came as JSON or as a form.

    Raises:
        Problem: If it isn't as the model says.
    """
    try:
        if body.kind == "json":
            return model.model_validate_json(body.data, strict=True)
        return model.model_validate(_from_form(body, model))
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), "body") from error


def invalid(errors: list[Any], where: str = "") -> Problem:
    """Pydantic's errors as a problem; what was sent is not repeated."""
    found = [
        {
            "where": ".".join(str(part) for part in ([where] if where else []) + [*one["loc"]]),
            "what": one["msg"],
        }
        for one in errors[:20]
    ]
    shown = "; ".join(f"{one['where']}: {one['what']}" for one in found[:3])
    return Problem(INVALID, shown, extra={"errors": found})


def _from_form(body: Body, model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a form; those that the model has as lists may come several times."""
    several = {
        name
        for name, field in model.model_fields.items()
        if getattr(field.annotation, "__origin__", None) is list
    }
    content: dict[str, Any] = {}

    def add(name: str, value: object) -> None:
        if name in several:
            content.setdefault(name, []).append(value)
        elif name in content:
            raise Problem(INVALID, f"the field {name[:100]!r} came twice")
        else:
            content[name] = value

    try:
        _feed(body, add)
    except Problem:
        raise
    except Exception as error:  # hostile bytes make the parser raise anything
        raise Problem(INVALID, "the body is no form as multipart/form-data has it") from error
    return content


def _feed(body: Body, add: Callable[[str, object], None]) -> None:
    _, options = parse_options_header(body.content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Problem(INVALID, "the form's media type names no boundary")
    ended = []
    count = 0

    def on_field(field: Field) -> None:
        name, value = _name(field.field_name), field.value or b""
        # A file that nobody named comes as a field; a picture is a picture all the same.
        add(name, value if name in _PICTURES else value.decode("utf-8"))
        check()

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        add(_name(file.field_name), file.file_object.read())
        file.close()
        check()

    def check() -> None:
        nonlocal count
        count += 1
        if count > _MOST_FIELDS:
            raise Problem(INVALID, f"the form has more than {_MOST_FIELDS} fields")

    parser = FormParser(
        "multipart/form-data",
        on_field,
        on_file,
        on_end=lambda: ended.append(True),
        boundary=boundary,
        config={
            "MAX_MEMORY_FILE_SIZE": len(body.data) + 1,  # never a file on the disk
            "MAX_FIELD_SIZE": _LONGEST_FIELD,
        },
    )
    parser.write(body.data)
    parser.finalize()
    if not ended:
        raise FormParserError("the form ends early")


def _name(name: bytes | None) -> str:
    return (name or b"").decode("utf-8")
