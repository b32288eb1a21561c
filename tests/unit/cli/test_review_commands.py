from __future__ import annotations

import pytest

from sigvault.domain.errors import ConfigurationError
from sigvault.settings import load_settings


@pytest.fixture
def case(run, enrolled, draw):
    """The event of a verification, with its probe kept."""
    outcome = run("verify", "--signer", "1", draw(1, 9), "--json")
    return outcome.document["event"]


@pytest.fixture(autouse=True)
def keep_all(monkeypatch):
    monkeypatch.setenv("SIGVAULT_KEEP_PROBES", "always")
    monkeypatch.setenv("SIGVAULT_BY", "anna")


def test_a_case_is_listed_shown_and_decided(run, case, draw, tmp_path):
    shown = run("review", "show", case, "--probe", tmp_path / "probe.png", "--json")
    assert shown.document["state"] == "not-asked"
    assert (tmp_path / "probe.png").read_bytes() == draw(1, 9).read_bytes()

    decided = run("review", "decide", case, "refuse", "--reason", "traced", "--json")
    assert decided.document["public"]["verdict"] == "refuse"
    listed = run("review", "list", "--state", "decided", "--json")
    assert [one["event"] for one in listed.document["cases"]] == [case]
    assert run("review", "list", "--json").document["cases"] == []

    words = run("review", "show", case).out
    assert "traced" in words
    assert "anna" in words
    assert "accept" in words
    assert "decided" in run("review", "list", "--state", "decided").out


def test_a_case_is_decided_once(run, case):
    assert (
        "the case is decided"
        in run("review", "decide", case, "accept", "--reason", "same", "--blind").out
    )
    again = run("review", "decide", case, "accept", "--reason", "same", "--json")
    assert (again.code, again.error) == (4, "AlreadyReviewed")


def test_a_key_is_created_listed_and_revoked(run, vault):
    created = run(
        "key", "create", "anna", "--role", "verifier", "--role", "reviewer", "--days", 30, "--json"
    ).document
    assert created["secret"].startswith(f"sv_{created['key']['id']}_")
    assert created["key"]["roles"] == ["reviewer", "verifier"]
    listed = run("key", "list", "--json").document
    assert listed["keys"] == [created["key"]]
    assert "reviewer, verifier" in run("key", "list").out
    assert "refused from now on" in run("key", "revoke", created["key"]["id"]).out
    assert "revoked" in run("key", "list").out


def test_a_new_secret_is_alone_on_stdout(run, vault):
    outcome = run("key", "create", "anna", "--role", "verifier", "--namespace", "cheques")
    assert outcome.out.strip().startswith("sv_")
    assert len(outcome.out.split()) == 1
    assert "not shown again" in outcome.err


@pytest.mark.parametrize(
    "env",
    [
        {"SIGVAULT_KEEP_PROBES": "sometimes"},
        {"SIGVAULT_REVIEWERS": "3"},
        {"SIGVAULT_REVIEWERS": "0"},
        {"SIGVAULT_REVIEWERS": "two"},
    ],
)
def test_settings_of_reviews_are_checked(env):
    (variable,) = env
    with pytest.raises(ConfigurationError, match=variable):
        load_settings(env=env)
