"""Whatever of sigvault's writes a line, it is one of JSON, and holds no error's own words."""

from __future__ import annotations

import io
import json
import logging

import pytest
from starlette.testclient import TestClient

from sigvault.api.app import create_api
from sigvault.api.logs import log, request_named, write_json_logs
from sigvault.web.app import create_pages
from sigvault.web.page_settings import PageSettings

WRITERS = ("sigvault", "sigvault.service", "sigvault.web.endpoints", "uvicorn.error")


@pytest.fixture
def stream():
    """What is logged as it is when the service runs; the loggers are put back."""
    loggers = [logging.getLogger(name) for name in WRITERS]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    stream = io.StringIO()
    write_json_logs(stream)
    yield stream
    for one, handlers, level, propagate in before:
        one.handlers[:] = handlers
        one.setLevel(level)
        one.propagate = propagate


def fail(*_, **__):
    raise RuntimeError("anna miller")


def lines(stream) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("name", ["sigvault.web.endpoints", "sigvault.indexing", "uvicorn.error"])
def test_an_error_is_told_by_its_type_and_places(stream, capsys, name):
    try:
        fail()
    except RuntimeError:
        with request_named("abc"):
            logging.getLogger(name).exception("%s failed", "anna miller")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["request_id"]) == (name, "error", "abc")
    assert line["error"] == "RuntimeError"
    assert line["where"][-1].endswith(" fail")
    assert "miller" not in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_an_error_that_a_message_names_is_told_by_its_type(stream):
    error = RuntimeError("anna miller")
    logging.getLogger("sigvault.indexing").warning("the index is not kept: %s, %d", error, 3)
    logging.getLogger("sigvault.indexing").warning("%d %% are found", 7)
    logging.getLogger("sigvault.indexing").warning("100 % are found")
    said = [line["message"] for line in lines(stream)]
    assert said == ["the index is not kept: RuntimeError, 3", "7 % are found", "100 % are found"]
    assert "request_id" not in lines(stream)[0]


def test_the_services_own_lines_are_written_once(stream):
    log("ready")
    assert [line["event"] for line in lines(stream)] == ["ready"]


def test_a_page_that_fails_is_told_with_its_requests_id(stream, vault, monkeypatch):
    monkeypatch.setattr(type(vault), "thresholds", fail)
    app = create_api(vault, open_to_loopback=True)
    app.mount("/", create_pages(vault, PageSettings(open_without_keys=True)))
    address = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 5)}
    with TestClient(app, **address, raise_server_exceptions=False) as browser:
        found = browser.get("/thresholds", headers={"X-Request-Id": "abc"})
    assert found.status_code == 500
    (line,) = [one for one in lines(stream) if one["event"] == "sigvault.web.endpoints"]
    assert (line["request_id"], line["error"]) == ("abc", "RuntimeError")
    assert "miller" not in stream.getvalue()
