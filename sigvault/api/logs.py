"""A line of JSON for each request: no picture, no score, no name of a signer or of a person."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

LOGGER = logging.getLogger("sigvault.service")
_WRITTEN = ("sigvault", "uvicorn.error")
_REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)


class JsonLines(logging.Formatter):
    """Records as JSON; of an exception, where it was raised and of which class, not its message."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if record.name == LOGGER.name else record.name,
        }
        if (request_id := _REQUEST_ID.get()) is not None:
            line["request_id"] = request_id
        line |= getattr(record, "facts", {})
        if record.name != LOGGER.name:
            line["message"] = _without_errors(record)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = [
                f"{frame.filename.rpartition('sigvault')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])[-12:]
            ]
        return json.dumps(line)


def _without_errors(record: logging.LogRecord) -> str:
    """What a record says: an error's own words may name a signer, all others are the program's."""
    if record.exc_info or not isinstance(record.args, tuple):
        return str(record.msg)
    named = [type(one).__name__ if isinstance(one, BaseException) else one for one in record.args]
    return str(record.msg) % tuple(named) if named else str(record.msg)


@contextmanager
def request_named(request_id: str) -> Iterator[None]:
    """What is written in the block belongs to a request, also in threads with its context."""
    token = _REQUEST_ID.set(request_id)
    try:
        yield
    finally:
        _REQUEST_ID.reset(token)


def write_json_logs(stream: TextIO | None = None) -> None:
    """Send all records of sigvault's and the server's to a stream, stderr if none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name in _WRITTEN:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def log(event: str, *, error: BaseException | None = None, **facts: object) -> None:
    """Write a line.

    Args:
        event: what happened.
        error: what was raised, if anything.
        facts: what is known of it.
    """
    level = logging.INFO if error is None else logging.ERROR
    info = None if error is None else (type(error), error, error.__traceback__)
    LOGGER.log(level, event, exc_info=info, extra={"facts": facts})
