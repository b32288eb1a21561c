"""The pages behind a proxy and in a container, wired as `sigvault serve` wires them."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from fakes import draw_signature
from sigvault.api.limits import ServiceLimits
from sigvault.cli.serving import add_pages, configure_server
from sigvault.domain.access import Role
from sigvault.settings import Settings
from sigvault.web.page_settings import PageSettings

TOKEN = re.compile(r'name="token" value="([^"]+)"')
GATEWAY = "172.30.80.1"


@pytest.fixture
def secret(vault) -> str:
    return vault.create_key("anna", frozenset({Role.AUDITOR})).secret


def _serve(vault, *, comes_from: str, trusted: tuple[str, ...] = (), **limits) -> TestClient:
    """The application as the server calls it, proxies' headers and all."""
    app = FastAPI()
    settings = Settings(vault.status().location, trusted_proxies=trusted)
    add_pages(app, vault, settings, ServiceLimits(**limits), keyless=False)
    config = configure_server(app, "0.0.0.0", 8000, 1, settings.trusted_proxies)
    config.load()
    return TestClient(config.loaded_app, base_url="http://sigvault.test", client=(comes_from, 9))


def _sign_in(client: TestClient, secret: str, **headers: str):
    """Sign in by hand, since the client keeps no secure cookie of what it thinks is plain HTTP."""
    page = client.get("/sign-in", headers=headers)
    headers["cookie"] = page.headers["set-cookie"].partition(";")[0]
    form = {"token": TOKEN.search(page.text)[1], "key": secret}
    return client.post("/sign-in", data=form, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("trusted", [GATEWAY, "172.30.80.0/24"])
def test_a_trusted_proxy_is_believed_that_it_speaks_tls(vault, secret, trusted):
    client = _serve(vault, comes_from=GATEWAY, trusted=("10.0.0.5", trusted))
    told = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    answer = _sign_in(client, secret, origin="https://sigvault.test", **told)
    assert answer.status_code == 303
    assert answer.headers["set-cookie"].startswith("__Host-sigvault=")


@pytest.mark.parametrize("trusted", [(), ("172.30.81.1",)])
def test_others_are_not(vault, secret, trusted):
    client = _serve(vault, comes_from=GATEWAY, trusted=trusted)
    answer = _sign_in(client, secret, **{"x-forwarded-proto": "https"})
    assert answer.status_code == 401
    assert "--trusted-proxy" in answer.text


def test_a_containers_port_is_this_computers(vault, secret, browse):
    trusting = PageSettings(trusted_proxies=(GATEWAY,))
    here = {"address": "http://127.0.0.1:8000", "comes_from": GATEWAY}
    assert browse(vault, trusting, **here).sign_in(secret).get("/audit").status_code == 200
    for browser, headers in (
        (browse(vault, **here), {}),
        (browse(vault, trusting, **{**here, "address": "http://sigvault.test"}), {}),
        (browse(vault, trusting, **{**here, "comes_from": "192.0.2.7"}), {}),
        (browse(vault, trusting, **here), {"x-forwarded-for": "192.0.2.7"}),
    ):
        answer = browser.post("/sign-in", {"key": secret}, headers=headers)
        assert answer.status_code == 401


def test_a_trusted_proxy_opens_nothing_without_a_key(vault, browse):
    trusting = PageSettings(trusted_proxies=(GATEWAY,))
    browser = browse(vault, trusting, address="http://127.0.0.1:8000", comes_from=GATEWAY)
    assert browser.get("/signers").status_code == 303


def test_the_services_limit_is_that_of_the_pages(vault, browse):
    vault.create_key("anna", frozenset({Role.ENROLLER}))
    key = vault.create_key("bela", frozenset({Role.ENROLLER})).secret
    client = _serve(vault, comes_from="127.0.0.1", body_bytes=100_000)
    browser = browse(vault, address="http://127.0.0.1", app=client.app).sign_in(key)
    large = {"pictures": ("a.png", b"0" * 100_000, "image/png")}
    answer = browser.post("/enroll", {"signer": "9"}, files=large)
    assert (answer.status_code, "97.7 KiB" in answer.text) == (413, True)
    small = {"pictures": ("a.png", draw_signature(9), "image/png")}
    assert browser.post("/enroll", {"signer": "9"}, files=small).status_code == 200


def test_sessions_outlive_the_server(vault, secret, browse):
    address = {"address": "http://127.0.0.1"}
    first = _serve(vault, comes_from="127.0.0.1")
    cookies = browse(vault, app=first.app, **address).sign_in(secret).client.cookies
    again = browse(vault, app=_serve(vault, comes_from="127.0.0.1").app, **address)
    assert again.get("/audit").status_code == 303
    again.client.cookies = cookies
    assert again.get("/audit").status_code == 200
    kept = vault.status().location / "session-secret"
    assert kept.stat().st_mode & 0o777 == 0o600
