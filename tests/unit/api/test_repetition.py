"""A request under a name is done once, whatever became of it and however long it took."""

from __future__ import annotations

import json
import sqlite3
import threading
import time

import pytest
from service_answers import encoded, problem

from fakes import draw_blank, draw_signature
from sigvault.api.limits import ServiceLimits

NAME = {"Idempotency-Key": "first"}
GOOD = {"images": [encoded(draw_signature(80))]}
BAD = {"images": [encoded(b"no picture"), encoded(draw_blank())]}


@pytest.fixture
def blocked(vault, monkeypatch):
    """Enrolling waits to be let go; how often it began is counted."""
    let_go, begun, real = threading.Event(), [], type(vault).enroll

    def enroll(self, *args, **options):
        begun.append(1)
        assert let_go.wait(60)
        return real(self, *args, **options)

    monkeypatch.setattr(type(vault), "enroll", enroll)
    yield let_go, begun
    let_go.set()


def kept_answers(folder) -> str:
    """All that is remembered, as it lies in the database."""
    with sqlite3.connect(folder / "vault.sqlite3") as database:
        return str(database.execute("SELECT * FROM answers").fetchall())


def test_what_goes_on_after_a_timeout_is_not_begun_again(serve, vault, blocked):
    let_go, begun = blocked
    client = serve(limits=ServiceLimits(work_seconds=3.0))
    late = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    problem(late, 504, "timed-out")
    events, service = vault.status().events, client.app.state.service
    early = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    problem(early, 409, "request-under-way")
    assert service.bodies._buffered > 0  # it is still worked on
    let_go.set()
    patience = time.monotonic() + 60
    while service.under_way:
        assert time.monotonic() < patience
        time.sleep(0.01)
    assert service.bodies._buffered == 0
    again = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    assert again.status_code == 201, again.text
    assert again.headers["idempotency-replayed"] == "true"
    assert len(begun) == 1
    assert vault.status().events == events + 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/signers/80/references", BAD),
        ("/v1/signers/1/references", BAD),
        ("/v1/enrollments", BAD | {"signers": ["80", "81"]}),
    ],
)
def test_a_request_of_which_nothing_was_enrolled_is_answered_once(client, vault, path, body):
    first = problem(client.post(path, json=body, headers=NAME), 422, "nothing-enrolled")
    events = vault.status().events
    response = client.post(path, json=body, headers=NAME)
    again = problem(response, 422, "nothing-enrolled")
    assert response.headers["idempotency-replayed"] == "true"
    del first["request_id"], again["request_id"]
    assert again == first
    assert vault.status().events == events
    other = body | {"images": [encoded(draw_signature(80)), encoded(draw_signature(81))]}
    problem(client.post(path, json=other, headers=NAME), 409, "request-differs")
    assert client.post(path, json=other, headers={"Idempotency-Key": "second"}).status_code == 201


def test_a_request_that_failed_in_part_is_answered_once(client, vault):
    body = {"signers": ["80", "81"], "images": [encoded(draw_signature(80)), encoded(b"x")]}
    first = client.post("/v1/enrollments", json=body, headers=NAME)
    events = vault.status().events
    again = client.post("/v1/enrollments", json=body, headers=NAME)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.json()) == (201, first.json())
    assert vault.status().events == events


def test_a_duplicate_is_answered_once_without_remembering_whose(client, vault, tmp_path):
    body = {"images": [encoded(draw_signature(53, 0))]}
    first = client.post("/v1/signers/80/references", json=body, headers=NAME)
    assert "cheques/53" in problem(first, 409, "duplicate-across-signers")["detail"]
    events = vault.status().events
    again = client.post("/v1/signers/80/references", json=body, headers=NAME)
    (result,) = problem(again, 409, "duplicate-across-signers")["results"]
    assert (result["signer"], result["digest"]) == ("80", first.json()["results"][0]["digest"])
    assert vault.status().events == events
    assert "cheques" not in kept_answers(tmp_path / "vault")


def test_nothing_is_remembered_that_names_somebody_who_is_not_enrolled(client, tmp_path):
    found = client.post(
        "/v1/signers/anna-miller/references",
        json={"images": [encoded(draw_blank())]},
        headers=NAME,
    )
    (result,) = problem(found, 422, "nothing-enrolled")["results"]
    kept = kept_answers(tmp_path / "vault")
    assert "failure-to-enroll" in kept
    assert "anna-miller" not in kept
    assert result["digest"]
    assert result["digest"] not in kept


def test_what_failed_for_an_enrolled_signer_goes_with_the_signer(client, tmp_path):
    client.post("/v1/signers/2/references", json=BAD, headers=NAME)
    assert "failure-to-enroll" in kept_answers(tmp_path / "vault")
    client.delete("/v1/signers/2")
    assert "failure-to-enroll" not in kept_answers(tmp_path / "vault")


def test_what_the_service_failed_at_is_tried_again(client, vault, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(type(vault), "enroll", fail)
        failed = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
        problem(failed, 500, "server-error")
    found = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    assert found.status_code == 201


def test_answers_that_earlier_versions_remembered_are_given_again(client, tmp_path):
    first = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    with sqlite3.connect(tmp_path / "vault" / "vault.sqlite3") as database:
        earlier = json.dumps([201, first.text])
        database.execute("UPDATE answers SET answer = ?", (earlier,))
    again = client.post("/v1/signers/80/references", json=GOOD, headers=NAME)
    assert (again.status_code, again.json()) == (201, first.json())
