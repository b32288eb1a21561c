"""Each role sees its pages and no others; a namespace sees its signers and no others."""

from __future__ import annotations

import pytest

from fakes import draw_signature
from sigvault.domain.access import Role
from sigvault.domain.identifiers import SignerId
from sigvault.domain.verdicts import Verdict
from sigvault.vault import EnrollmentItem

LOOKING = {
    "/queue": {Role.REVIEWER, Role.ADMINISTRATOR},
    "/verify": {Role.VERIFIER, Role.ADMINISTRATOR},
    "/identify": {Role.VERIFIER, Role.ADMINISTRATOR},
    "/signers": {Role.ENROLLER, Role.VERIFIER, Role.REVIEWER, Role.ADMINISTRATOR},
    "/signers/show?signer=1": {Role.ENROLLER, Role.VERIFIER, Role.REVIEWER, Role.ADMINISTRATOR},
    "/enroll": {Role.ENROLLER, Role.ADMINISTRATOR},
    "/audit": {Role.AUDITOR, Role.ADMINISTRATOR},
    "/thresholds": {Role.AUDITOR, Role.ADMINISTRATOR},
    "/generations": {Role.AUDITOR, Role.ADMINISTRATOR},
}

DOING = {
    "/blind": {Role.REVIEWER},
    "/verify": {Role.VERIFIER, Role.ADMINISTRATOR},
    "/identify": {Role.VERIFIER, Role.ADMINISTRATOR},
    "/enroll": {Role.ENROLLER, Role.ADMINISTRATOR},
    "/signers/erase?signer=none": {Role.ADMINISTRATOR},
    "/signers/erase-reference?signer=none": {Role.ADMINISTRATOR},
    "/audit": {Role.AUDITOR, Role.ADMINISTRATOR},
    "/generations/activate": {Role.ADMINISTRATOR},
    "/generations/rollback": {Role.ADMINISTRATOR},
    "/generations/drop": {Role.ADMINISTRATOR},
}


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_its_own_pages(vault, person, role):
    anna = person(vault, role)
    menu = anna.get("/sign-in").text
    for path, roles in LOOKING.items():
        assert anna.get(path).status_code == (200 if role in roles else 403), path
        if "?" not in path:
            assert (f'href="{path}"' in menu) == (role in roles), path


@pytest.mark.parametrize("role", Role)
def test_each_role_does_its_own_deeds(vault, person, role):
    anna = person(vault, role)
    for path, roles in DOING.items():
        refused = anna.post(path).status_code == 403
        assert refused == (role not in roles), path


@pytest.mark.parametrize("role", Role)
def test_the_first_page_is_one_that_the_role_may_see(vault, person, role):
    anna = person(vault, role)
    there = anna.get("/").headers["location"]
    assert anna.get(there).status_code == 200


def test_verdicts_are_the_reviewers_alone(vault, person, doubtful):
    event = doubtful(vault)
    chief = person(vault, Role.ADMINISTRATOR, name="chief")
    page = chief.get(f"/cases/{event}").text
    assert "Did signer" not in page
    verdict = {"verdict": "accept", "reason": "alike"}
    assert chief.post(f"/cases/{event}", verdict).status_code == 403
    assert vault.review(event).verdicts == ()


def test_verdicts_are_not_shown_to_who_may_not_look_at_cases(vault, person, doubtful):
    event = doubtful(vault)
    vault.decide_review(event, Verdict.REFUSE, reason="patched", by="bela", blind=False)
    vera = person(vault, Role.VERIFIER)
    files = {"pictures": ("a.png", draw_signature(2, 8), "image/png")}
    answer = vera.post("/verify", {"signer": "2"}, files=files)
    assert "Accepted" in answer.text
    history = answer.text[answer.text.index('id="history-title"') :]
    assert "Verdict given" in history
    assert ">Refuse<" not in history
    assert ">Review<" not in history
    assert "score" not in history


def test_a_namespace_sees_its_own_signers_alone(vault, person):
    for number in range(3):
        item = EnrollmentItem(SignerId("cheques/53"), draw_signature(8, number))
        vault.enroll([item])
    clerk = person(vault, *Role, namespace="cheques")
    signers = clerk.get("/signers").text
    assert ">53<" in signers
    assert "Ada Example" not in signers
    assert clerk.get("/signers?search=Ada").text.count("<tr>") <= 1
    assert clerk.get("/signers/show?signer=53").status_code == 200
    assert clerk.get("/signers/show?signer=1").status_code == 404
    files = {"pictures": ("a.png", draw_signature(8, 7), "image/png")}
    assert "Signer 53" in clerk.post("/verify", {"signer": "53"}, files=files).text
    files = {"pictures": ("a.png", draw_signature(1, 7), "image/png")}
    found = clerk.post("/identify", files=files).text
    assert "signer=53" in found
    assert "signer=1" not in found
    files = {"pictures": ("a.png", draw_signature(1, 0), "image/png")}
    answer = clerk.post("/enroll", {"signer": "54"}, files=files)
    assert answer.status_code == 422
    assert "under another signer" in answer.text
    assert "signer 1:" not in answer.text
    files = {"pictures": ("a.png", draw_signature(9), "image/png")}
    assert clerk.post("/enroll", {"signer": "54"}, files=files).status_code == 200
    assert "cheques/54" in {each.signer for each in vault.signers()}


def test_a_namespace_sees_no_cases_nor_pictures_of_others(vault, person, doubtful):
    event = doubtful(vault)
    reference = vault.signer(SignerId("2")).references[0].id
    clerk = person(vault, *Role, namespace="cheques")
    assert clerk.get(f"/cases/{event}").status_code == 404
    assert clerk.get(f"/pictures/probe?event={event}").status_code == 404
    for signer in ("2", "53", "../2"):
        path = f"/pictures/reference?reference={reference}&signer={signer}"
        assert clerk.get(path).status_code == 404
    assert f"/cases/{event}" not in clerk.get("/queue").text
    verdict = {"verdict": "accept", "reason": "alike"}
    assert clerk.post(f"/cases/{event}", verdict).status_code == 404


def test_what_concerns_the_whole_vault_takes_a_key_for_it(vault, person):
    clerk = person(vault, *Role, namespace="cheques")
    for path in ("/audit", "/thresholds", "/generations"):
        assert clerk.get(path).status_code == 403
    assert clerk.post("/generations/rollback").status_code == 403
