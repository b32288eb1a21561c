"""Pages at ``/`` leave the service's own paths to it."""

from __future__ import annotations

import pytest
from service_answers import problem

from sigvault.web.app import create_pages


@pytest.fixture
def beside(client, vault):
    """The service with pages, as `sigvault serve` puts them together."""
    client.app.mount("/", create_pages(vault))
    return client


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/metrics", "GET"),
        ("DELETE", "/openapi.json", "GET"),
        ("HEAD", "/openapi.json", "GET"),
        ("PUT", "/health/live", "GET, HEAD"),
        ("POST", "/health/ready", "GET, HEAD"),
        ("PUT", "/v1/generations", "GET"),
    ],
)
def test_a_method_that_a_call_does_not_take_is_a_problem(beside, method, path, allowed):
    found = beside.request(method, path)
    assert found.status_code == 405
    assert found.headers["allow"] == allowed
    if method != "HEAD":
        problem(found, 405, "no-such-method")


def test_the_calls_are_answered_as_ever(beside):
    assert beside.head("/health/live").status_code == 200
    assert beside.get("/health/live").json() == {"status": "live"}
    assert beside.get("/openapi.json").json()["openapi"] == "3.1.0"
    assert "sigvault_requests_total" in beside.get("/metrics").text
    problem(beside.get("/v1/nothing"), 404, "no-such-path")
    assert beside.get("/sign-in").headers["content-type"].startswith("text/html")
