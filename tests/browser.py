"""A real browser without a screen; a conftest takes the fixtures by importing them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

AXE = Path(__file__).parent / "e2e" / "vendor" / "axe.min.js"
"""Deque's axe-core, which finds what keeps people with a screen reader or a keyboard out."""

PATIENCE = 120_000
"""Milliseconds that a page may take: the computer may be slow, and busy with other tests."""

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; the tests that need one are skipped without.

    It goes with the module: Playwright's event loop runs in the thread of the tests as long, in
    which no other test could run one of its own.
    """
    path = find_chromium()
    if path is None:
        pytest.skip("no chromium is installed: `apt-get install chromium`")
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu", *root])
        yield browser
        browser.close()


@contextmanager
def watched_page(chromium: Browser, address: str, **context: object) -> Iterator[Page]:
    """A page that must not complain, nor ask anybody but the pages' own server.

    An answer of 4xx is a complaint of the browser's own and none of the page's.
    """
    complaints: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "the server responded" not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    def note_request(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            complaints.append(f"request to {request.url}")

    opened = chromium.new_context(base_url=address, **context)
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page = opened.new_page()
    page.on("console", note_message)
    page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    page.on("request", note_request)
    yield page
    opened.close()
    assert complaints == []


def violations(page: Page) -> list[str]:
    """What axe finds wrong with a page as it is shown now."""
    # Run beside the page and not by a script of it, which the policy would forbid.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]
