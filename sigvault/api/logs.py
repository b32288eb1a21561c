"""A line of JSON for each request: no picture, no score, no name of a signer or of a person."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

LOGGER = logging.getLogger("sigvault.service")


class JsonLines(logging.Formatter):
    """Records as JSON; of an exception, where it was raised and of which class, not its message."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if record.name == LOGGER.name else record.name,
        }
        line |= getattr(record, "facts", {})
        if record.name != LOGGER.name:
            # An error's own words may name a signer; the server's other words are its own.
            line["message"] = str(record.msg) if record.exc_info else record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = [
                f"{frame.filename.rpartition('sigvault')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])[-12:]
            ]
        return json.dumps(line)


def write_json_logs(stream: TextIO | None = None) -> None:
    """Send the service's and the server's records to a stream, stderr if none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (LOGGER.name, "uvicorn.error"):
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
