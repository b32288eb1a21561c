"""Asking the service in tests, and what a problem has to look like."""

from __future__ import annotations

import base64
from typing import Any

from fakes import draw_signature

PROBE = draw_signature(1, 99)


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode()


def problem(response, status: int, kind: str) -> dict[str, Any]:
    """The problem that was answered, having checked that it is whole."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["type"] == f"urn:problem-type:sigvault:{kind}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["remedy"]
    assert found["request_id"] == response.headers["x-request-id"]
    return found
