from __future__ import annotations

from datetime import timedelta

import pytest

from fakes import FakeEmbedder
from sigvault.bootstrap import open_vault
from sigvault.cli.serving import is_loopback, may_go_without_keys
from sigvault.domain.access import Role
from sigvault.domain.errors import ConfigurationError

AUDITOR = frozenset({Role.AUDITOR})


@pytest.fixture
def opened(vault):
    with open_vault(vault, embedder=FakeEmbedder()) as opened:
        yield opened


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_addresses_of_this_computer_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "", "localhost.example", "127.1"])
def test_addresses_that_others_may_reach(host):
    assert not is_loopback(host)


def test_without_keys_it_listens_to_this_computer_alone(opened):
    assert may_go_without_keys(opened, "127.0.0.1")
    with pytest.raises(ConfigurationError, match="sigvault key create"):
        may_go_without_keys(opened, "0.0.0.0")


def test_with_a_key_everybody_needs_one(opened):
    key = opened.create_key("anna", AUDITOR).key
    assert not may_go_without_keys(opened, "127.0.0.1")
    assert not may_go_without_keys(opened, "0.0.0.0")
    opened.revoke_key(key.id)
    assert not may_go_without_keys(opened, "127.0.0.1")
    assert not may_go_without_keys(opened, "0.0.0.0")


def test_a_key_that_has_expired_lets_nobody_in(opened):
    opened.create_key("anna", AUDITOR, expires=timedelta(microseconds=1))
    assert not may_go_without_keys(opened, "127.0.0.1")


def test_serving_beyond_this_computer_without_keys_is_refused(run, vault):
    outcome = run("serve", "--host", "0.0.0.0")
    assert outcome.code == 4
    assert "key create" in outcome.err
