"""Without keys this computer alone is answered, and only while nobody was given one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from service_answers import problem

from sigvault.domain.access import Role


@pytest.fixture
def at_once(monkeypatch):
    """What was read of the keys is not believed for a second, but never."""
    monkeypatch.setattr("sigvault.api.callers._TRUSTED_SECONDS", -1.0)


@pytest.mark.usefixtures("at_once")
def test_the_first_key_closes_the_service(client, bearer):
    assert client.get("/v1/signers").status_code == 200
    key = bearer(Role.VERIFIER)
    refused = client.get("/v1/signers")
    problem(refused, 401, "no-key")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert client.get("/v1/signers", headers=key).status_code == 200


@pytest.mark.usefixtures("at_once")
def test_a_key_that_is_refused_by_now_keeps_it_closed(client, vault):
    vault.create_key("anna", frozenset({Role.VERIFIER}), expires=timedelta(microseconds=1))
    problem(client.get("/v1/signers"), 401, "no-key")
    vault.revoke_key(vault.keys()[0].id)
    problem(client.get("/v1/signers"), 401, "no-key")


def test_whether_there_are_keys_is_not_read_for_each_request(client, vault, monkeypatch):
    read = []
    keys = type(vault).keys
    monkeypatch.setattr(type(vault), "keys", lambda self: read.append(1) or keys(self))
    monkeypatch.setattr("sigvault.api.callers._TRUSTED_SECONDS", 600.0)
    for _ in range(5):
        assert client.get("/v1/thresholds").status_code == 200
    assert len(read) == 1


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "x-forwarded-port"],
)
def test_what_a_proxy_passes_on_is_refused(client, header):
    found = problem(client.get("/v1/signers", headers={header: "for=127.0.0.1"}), 403, "passed-on")
    assert "key" in found["remedy"]


def test_with_a_key_a_proxy_may_pass_requests_on(serve, bearer):
    headers = bearer(Role.VERIFIER) | {"X-Forwarded-For": "192.0.2.7"}
    assert serve(keys=True).get("/v1/signers", headers=headers).status_code == 200
