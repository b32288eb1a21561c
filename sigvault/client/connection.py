"""How the service is reached: what both clients hand to httpx."""

from __future__ import annotations

import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from sigvault.client.reading import REQUEST_ID

TIMEOUT = httpx.Timeout(90.0, connect=5.0)
"""The service answers within 70 seconds, of which 10 are spent waiting for a turn at most."""


def connection(url: str, key: str | None, timeout: httpx.Timeout | float) -> dict[str, Any]:
    """The arguments of httpx's clients.

    Raises:
        ValueError: If the address or the key can't be one; the key isn't repeated.
    """
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is no address such as https://signatures.example")
    headers = {"Accept": "application/json, */*", "User-Agent": f"sigvault-client/{_version()}"}
    if key is not None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the key can't be one: take it as `sigvault key create` showed it")
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": parsed, "headers": headers, "timeout": timeout, "follow_redirects": False}


def with_request_id(arguments: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The arguments of a request with an id of its own, and the id."""
    request_id = uuid.uuid4().hex
    return {**arguments, "headers": {**arguments["headers"], REQUEST_ID: request_id}}, request_id


def _version() -> str:
    try:
        return version("sigvault")
    except PackageNotFoundError:  # imported from a folder
        return "0"
