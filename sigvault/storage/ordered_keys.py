"""Keys that sort by the time they were made, so that what came together lies together.

A signer's references are written, read and erased together. Under random keys each of them is on a
page of its own in every index, and in a generation that is written in the keys' order; under these
they share a few. RFC 9562's version 7 orders UUIDs alike (and takes six bits for other things).
"""

from __future__ import annotations

import secrets
from datetime import datetime


def ordered_key(at: datetime) -> str:
    """A key for what is written at this moment, unlike any other.

    Returns:
        32 hex digits: twelve of the milliseconds since 1970, twenty random ones.
    """
    return f"{int(1000 * at.timestamp()):012x}{secrets.token_hex(10)}"
