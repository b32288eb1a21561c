"""Forms are read within limits, and only once it is known who may send them."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace

import pytest

from sigvault.domain.access import Role
from sigvault.web.app import create_pages
from sigvault.web.page_settings import PageSettings


def _send(app, path, receive, *, cookie="", length=100):
    """What the server answers to a form that comes as `receive` has it; its status and text."""
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", str(length).encode()),
        (b"cookie", cookie.encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    scope |= {"query_string": b"", "scheme": "http", "server": ("localhost", 80)}
    scope |= {"client": ("127.0.0.1", 9), "root_path": "", "http_version": "1.1"}
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]).decode()


async def _read_nothing():
    raise AssertionError("the form was read")


async def _come_slowly():
    await asyncio.sleep(0.02)
    return {"type": "http.request", "body": b"a", "more_body": True}


def _cookie(browser) -> str:
    browser.get("/sign-in")
    return "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())


def test_a_form_that_comes_slowly_is_given_up(vault, browse):
    app = create_pages(vault, PageSettings(form_seconds=0.1))
    status, text = _send(app, "/enroll", _come_slowly, cookie=_cookie(browse(vault, app=app)))
    assert status == 408
    assert "0.1 s" in text
    assert "What to do" in text


def test_a_form_that_breaks_off_is_no_mistake_of_the_program(vault, browse, caplog):
    async def go_away():
        return {"type": "http.disconnect"}

    app = create_pages(vault)
    status, _ = _send(app, "/enroll", go_away, cookie=_cookie(browse(vault, app=app)))
    assert status == 400
    assert "failed" not in caplog.text


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/enroll"])
def test_nothing_is_read_of_who_has_no_session(vault, path):
    status, text = _send(create_pages(vault), path, _read_nothing)
    assert status == 403
    assert "nothing was done" in text


def test_nothing_is_read_of_who_has_no_right(vault, person):
    vault.create_key("anna", frozenset({Role.AUDITOR}))
    app = create_pages(vault)
    assert _send(app, "/enroll", _read_nothing)[0] == 303
    anna = person(vault, Role.AUDITOR, name="bela")
    assert anna.post("/enroll", files={"pictures": ("a.png", b"x")}).status_code == 403


def test_nothing_is_read_of_what_is_said_to_be_too_large(vault, browse):
    app = create_pages(vault)
    cookie = _cookie(browse(vault, app=app))
    for length in (64 * 1024 + 1, 10**30):
        status, text = _send(app, "/sign-in", _read_nothing, cookie=cookie, length=length)
        assert (status, "more than 64 KiB" in text) == (413, True)


def test_who_has_no_right_fills_no_disk(vault, browse, monkeypatch):
    spooled = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", spooled.append)

    def chunks():
        yield b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
        for _ in range(64):
            yield b"0" * 65536

    browser = browse(vault)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    browser.get("/sign-in")
    answer = browser.client.post("/sign-in", content=chunks(), headers=headers)
    assert answer.status_code == 413
    assert spooled == []


def test_a_form_of_another_site_leaves_the_session_alone(vault, browse):
    browser = browse(vault, replace(PageSettings(), open_without_keys=False))
    answer = browser.client.post("/queue", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 405
    answer = browser.client.post("/blind", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
