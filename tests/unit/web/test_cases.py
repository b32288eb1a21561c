"""Cases: the queue, verdicts, two people, blind mode."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.domain.access import Role
from sigvault.domain.errors import VaultBusy
from sigvault.domain.identifiers import SignerId
from sigvault.domain.verdicts import KeepProbes, ReviewState, Verdict
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem
from sigvault.web.app import create_pages
from sigvault.web.page_settings import PageSettings

VERDICT = re.compile(r">(Accept|Refuse|Can.t tell)<")
"""The sign of a person's verdict; the machine's are called otherwise."""


def _decide(browser, event, verdict="refuse", reason="the line is slow"):
    return browser.post(f"/cases/{event}", {"verdict": verdict, "reason": reason})


def test_the_queue_shows_what_is_open_and_filters(local, vault, doubtful):
    first, second = doubtful(vault), doubtful(vault, number=10)
    vault.verify(SignerId("2"), draw_signature(2, 9))
    page = local.get("/queue").text
    assert f"/cases/{first}" in page
    assert f"/cases/{second}" in page
    assert page.count("Needs review") == 2
    assert f"/cases/{first}" in local.get("/queue?signer=2").text
    assert "Nothing waits" in local.get("/queue?signer=1").text
    assert "there is no signer nobody" in local.get("/queue?signer=nobody").text
    assert "Nobody disagrees" in local.get("/queue?state=disputed").text


def test_a_long_queue_has_pages(local, vault, doubtful):
    events = [doubtful(vault, number=9) for _ in range(30)]
    page = local.get("/queue").text
    more = re.search(r'href="(/queue[^"]*after[^"]*)"', page)[1].replace("&amp;", "&")
    rest = local.get(more).text
    assert all((f'/cases/{event}"' in page) != (f'/cases/{event}"' in rest) for event in events)


def test_a_case_shows_evidence_and_signatures(local, vault, doubtful):
    event = doubtful(vault)
    page = local.get(f"/cases/{event}").text
    score = vault.review(event).evidence.score
    assert f"{score.value:.3f}" in page
    assert "Needs review" in page
    assert "support" in page
    assert "Reference 3" in page
    assert f'/pictures/probe?event={event}&amp;view=scan"' in page
    for reference in score.per_reference:
        assert reference.reference in page
        assert f"{reference.cosine:.3f}" in page
    pictures = {link.replace("&amp;", "&") for link in re.findall(r'"(/pictures/[^"]+)"', page)}
    assert len(pictures) == 12
    for picture in pictures:
        answer = local.get(picture)
        assert answer.status_code == 200
        assert answer.content.startswith(b"\x89PNG")
        assert answer.headers["cache-control"] == "no-store"
    assert local.get(f"/pictures/probe?event={event}&view=ink&tone=red").status_code == 400


def test_a_verdict_is_recorded_and_the_next_case_follows(local, vault, doubtful):
    first, second = doubtful(vault), doubtful(vault, number=10)
    answer = _decide(local, first)
    assert answer.headers["location"] == f"/cases/{second}"
    page = local.get(f"/cases/{second}").text
    assert f"Case {first}: your verdict “Refuse” is recorded" in page
    assert "recorded" not in local.get(f"/cases/{second}").text  # said once
    case = vault.review(first)
    assert case.state is ReviewState.DECIDED
    (said,) = case.verdicts
    assert (said.verdict, said.by, said.reason) == (Verdict.REFUSE, "local", "the line is slow")
    assert case.evidence.decision == "review"  # the machine's stays
    assert vault.audit_log(after=said.event - 1)[0].kind == "reviewed"
    decided = local.get(f"/cases/{first}").text
    assert "the line is slow" in decided
    assert "Did signer" not in decided
    assert _decide(local, second, "cannot-tell", "a smear").headers["location"] == "/queue"
    listed = local.get("/queue?state=decided").text
    assert "tell" in listed
    assert f"/cases/{first}" in listed


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"verdict": "refuse", "reason": "  "}, "Say why"),
        ({"verdict": "maybe", "reason": "so"}, "Choose a verdict"),
        ({"reason": "so"}, "Choose a verdict"),
        ({"verdict": "refuse", "reason": "x" * 5000}, "characters"),
    ],
)
def test_a_verdict_without_a_reason_is_none(local, vault, doubtful, form, problem):
    event = doubtful(vault)
    answer = local.post(f"/cases/{event}", form)
    assert answer.status_code == 400
    assert problem in answer.text
    assert vault.review(event).verdicts == ()


def test_a_verdict_that_comes_twice_is_recorded_once(local, vault, doubtful):
    event = doubtful(vault)
    _decide(local, event)
    answer = _decide(local, event)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{event}")
    page = local.get(f"/cases/{event}").text
    assert "your verdict “Refuse” is recorded, once" in page
    assert "Did signer" not in page
    assert len(vault.review(event).verdicts) == 1


def test_nobody_decides_twice(local, vault, doubtful):
    event = doubtful(vault)
    _decide(local, event)
    answer = _decide(local, event, "accept", "on second thoughts")
    assert answer.headers["location"] == f"/cases/{event}"
    page = local.get(f"/cases/{event}").text
    assert "your verdict “Refuse” was recorded before" in page
    assert "“Accept” is not recorded" in page
    assert len(vault.review(event).verdicts) == 1


def test_who_comes_too_late_sees_what_others_decided(local, vault, doubtful):
    event = doubtful(vault)
    vault.decide_review(event, Verdict.REFUSE, reason="patched", by="bela", blind=False)
    assert _decide(local, event).headers["location"] == f"/cases/{event}"
    page = local.get(f"/cases/{event}").text
    assert f"Others have decided case {event} meanwhile" in page
    assert "patched" in page


def test_a_verdict_after_the_session_is_said_to_be_lost(vault, person, doubtful):
    event = doubtful(vault)
    anna = person(vault, Role.REVIEWER)
    vault.revoke_key(vault.keys()[0].id)
    answer = _decide(anna, event)
    assert answer.headers["location"] == f"/sign-in?next=%2Fcases%2F{event}"
    page = anna.get(answer.headers["location"]).text
    assert "nothing was recorded" in page
    assert f'value="/cases/{event}"' in page
    assert vault.review(event).verdicts == ()


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/signers/erase?signer=1", "/signers/show?signer=1"),
        ("/signers/erase-reference?signer=1", "/signers/show?signer=1"),
        ("/generations/rollback", "/generations"),
        ("/blind", "/queue"),
        ("/verify", "/verify"),
    ],
)
def test_who_signs_in_comes_back_to_the_page_of_the_form(vault, person, form, page):
    anna = person(vault, *Role)
    vault.revoke_key(vault.keys()[0].id)
    following = anna.post(form).headers["location"]
    assert parse_qs(urlsplit(following).query) == {"next": [page]}


@pytest.mark.parametrize("token", ["", "of an older page"])
def test_a_form_that_is_too_old_keeps_what_was_filled_in(local, vault, doubtful, token):
    event = doubtful(vault)
    form = {"token": token, "verdict": "refuse", "reason": "a <slow> line"}
    answer = local.client.post(f"/cases/{event}", data=form)
    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert 'value="a &lt;slow&gt; line"' in answer.text
    assert re.search(r'value="refuse" required checked', answer.text)
    assert vault.review(event).verdicts == ()
    form["token"] = re.search(r'name="token" value="([^"]+)"', answer.text)[1]
    local.client.post(f"/cases/{event}", data=form)
    assert vault.review(event).verdicts[0].reason == "a <slow> line"


def test_what_was_filled_in_stays_where_the_vault_is_busy(local, vault, doubtful, monkeypatch):
    event = doubtful(vault)

    def busy(*_args, **_options):
        raise VaultBusy("somebody restores it")

    monkeypatch.setattr(vault, "decide_review", busy)
    answer = _decide(local, event)
    assert answer.status_code == 409
    assert "Nothing was recorded: somebody restores it" in answer.text
    assert 'value="the line is slow"' in answer.text


def test_two_people_decide_apart_from_each_other(opened, person, doubtful):
    vault = opened(reviewers=2)
    event = doubtful(vault)
    app = create_pages(vault, PageSettings(reviewers=2))
    anna = person(vault, Role.REVIEWER, name="anna", app=app)
    bela = person(vault, Role.REVIEWER, name="bela", app=app)
    assert "You are the first" in anna.get(f"/cases/{event}").text
    assert _decide(anna, event, "refuse", "patched line").headers["location"] == "/queue"
    assert "patched line" in anna.get(f"/cases/{event}").text
    assert "you decided" in anna.get("/queue").text
    page = bela.get(f"/cases/{event}").text
    assert "1 person has decided" in page
    assert "patched line" not in page
    for looked_at in (page, bela.get("/signers/show?signer=2").text):
        history = looked_at[looked_at.index('id="history-title"') :]
        assert "Verdict given" in history
        assert not VERDICT.search(history)
    assert VERDICT.search(anna.get("/signers/show?signer=2").text)
    _decide(bela, event, "accept", "fluent")
    assert vault.review(event).state is ReviewState.DISPUTED
    cara = person(vault, Role.REVIEWER, name="cara", app=app)
    assert f"/cases/{event}" in cara.get("/queue?state=disputed").text
    _decide(cara, event, "refuse", "patched")
    assert vault.review(event).outcome is Verdict.REFUSE
    page = bela.get(f"/cases/{event}").text
    assert "patched line" in page
    assert VERDICT.search(page[page.index('id="history-title"') :])


def test_blind_mode_hides_the_machines_answer_until_a_verdict(local, vault, doubtful):
    event = doubtful(vault)
    score = vault.review(event).evidence.score
    said = [f"{score.value:.3f}", "Needs review", "support", "refuse below"]
    said += [f"{each.cosine:.3f}" for each in score.per_reference]
    assert local.post("/blind", {"blind": "on"}).headers["location"] == "/queue"
    for page in (local.get("/queue").text, local.get(f"/cases/{event}").text):
        for word in said:
            assert word not in page
    history = local.get("/signers/show?signer=2").text
    assert f"{score.value:.3f}" not in history
    answer = _decide(local, event)
    assert "Needs review" in local.get(answer.headers["location"]).text  # told afterwards
    assert vault.review(event).verdicts[0].blind
    shown = local.get(f"/cases/{event}").text
    assert f"{score.value:.3f}" in shown
    assert ", blind" in shown


def test_a_copy_of_a_reference_is_an_alarm_that_blind_mode_hides(tmp_path, browse):
    settings = Settings(tmp_path / "vault", keep_probes=KeepProbes.REVIEW, by="tester")
    with create_vault(settings, embedder=FakeEmbedder(copy_limit=0.99)) as vault:
        pictures = [draw_signature(2, number) for number in range(3)]
        vault.enroll([EnrollmentItem(SignerId("2"), picture) for picture in pictures])
        event = vault.verify(SignerId("2"), pictures[1]).event
        browser = browse(vault)
        page = browser.get(f"/cases/{event}").text
        assert "perhaps a pasted picture" in page
        assert "<strong>Copy</strong>" in page
        assert "Perhaps a copy" in page
        assert "Perhaps a copy" in browser.get("/queue").text
        browser.post("/blind", {"blind": "on"})
        hidden = browser.get(f"/cases/{event}").text
        assert "pasted" not in hidden
        assert "<strong>Copy</strong>" not in hidden
        assert "Perhaps a copy" not in hidden
        assert "Perhaps a copy" not in browser.get("/queue").text
        _decide(browser, event, "refuse", "the same picture")
        assert "<strong>Copy</strong>" in browser.get(f"/cases/{event}").text


def test_a_tracing_is_an_alarm_that_blind_mode_hides(tmp_path, browse):
    settings = Settings(tmp_path / "vault", keep_probes=KeepProbes.REVIEW, by="tester")
    embedder = FakeEmbedder(copy_limit=0.9999, trace_limit=0.3)
    with create_vault(settings, embedder=embedder) as vault:
        pictures = [draw_signature(2, number) for number in range(1)]
        vault.enroll([EnrollmentItem(SignerId("2"), picture) for picture in pictures])
        event = vault.verify(SignerId("2"), draw_signature(2, 9)).event
        browser = browse(vault)
        page = browser.get(f"/cases/{event}").text
        assert "perhaps traced from" in page
        assert "Perhaps traced" in page
        assert "Perhaps traced" in browser.get("/queue").text
        browser.post("/blind", {"blind": "on"})
        hidden = browser.get(f"/cases/{event}").text
        assert "traced" not in hidden.lower()
        assert "Perhaps traced" not in browser.get("/queue").text


def test_who_saw_the_answer_before_is_not_blind(local, vault, doubtful):
    event = doubtful(vault)
    local.get(f"/cases/{event}")
    local.post("/blind", {"blind": "on", "case": str(event)})
    assert "will not count as blind" in local.get(f"/cases/{event}").text
    _decide(local, event)
    assert not vault.review(event).verdicts[0].blind


@pytest.mark.parametrize("page", ["/queue", "/signers/show?signer=2", "/audit"])
def test_who_saw_the_answer_in_a_list_is_not_blind(local, vault, doubtful, page):
    event = doubtful(vault)
    assert f"{vault.review(event).evidence.score.value:.3f}" in local.get(page).text
    local.post("/blind", {"blind": "on"})
    assert "will not count as blind" in local.get(f"/cases/{event}").text
    _decide(local, event)
    assert not vault.review(event).verdicts[0].blind


def test_who_saw_the_answer_beside_another_case_is_not_blind(local, vault, doubtful):
    first, second = doubtful(vault), doubtful(vault, number=10)
    local.get(f"/cases/{second}")
    local.post("/blind", {"blind": "on"})
    assert "will not count as blind" in local.get(f"/cases/{first}").text


def test_blind_mode_hides_what_waits_beside_a_decided_case(local, vault, doubtful):
    first, second = doubtful(vault), doubtful(vault, number=10)
    score = f"{vault.review(second).evidence.score.value:.3f}"
    local.post("/blind", {"blind": "on"})
    _decide(local, first)
    assert score not in local.get(f"/cases/{first}").text
    assert "Your verdict will be recorded as blind" in local.get(f"/cases/{second}").text


def test_blind_mode_can_be_set_for_everybody(vault, browse, doubtful):
    event = doubtful(vault)
    browser = browse(vault, PageSettings(blind=True))
    page = browser.get(f"/cases/{event}").text
    assert "hidden until you have decided" in page
    assert "Show the machine" not in page
    assert "Blind mode" not in browser.get("/queue").text
    browser.post("/blind", {})
    assert "hidden until you have decided" in browser.get(f"/cases/{event}").text


def test_a_probe_that_is_not_kept_is_said(opened, browse, doubtful):
    vault = opened(keep_probes="never")
    event = doubtful(vault)
    browser = browse(vault)
    page = browser.get(f"/cases/{event}")
    assert page.status_code == 200
    assert "There is no picture" in page.text
    assert browser.get(f"/pictures/probe?event={event}").status_code == 404


def test_a_case_whose_reference_is_erased_says_so_in_its_place(local, vault, doubtful):
    event = doubtful(vault)
    chosen = vault.signer(SignerId("2")).references[1].id
    vault.erase_reference(SignerId("2"), chosen, reason="a bad scan")
    page = local.get(f"/cases/{event}")
    assert page.status_code == 200
    assert page.text.count("There is no picture") == 1
    assert f"there is no reference {chosen}: it was erased" in page.text
    assert "Reference erased" in page.text  # in the signer's history
    assert local.post(f"/cases/{event}", {"verdict": "accept", "reason": "so"}).status_code == 303


def test_the_case_of_an_erased_signer_is_gone(local, vault, doubtful):
    event = doubtful(vault)
    local.get(f"/cases/{event}")
    vault.erase(SignerId("2"))
    assert local.get(f"/cases/{event}").status_code == 404
    assert local.get(f"/pictures/probe?event={event}").status_code == 404
    assert _decide(local, event).status_code == 404


def test_a_case_by_a_threshold_that_is_gone_shows_its_points(local, vault, doubtful):
    event = doubtful(vault)
    page = local.get(f"/cases/{event}").text
    assert "only its points are drawn" in page  # the fake's threshold has but two points
    assert "refuse below" in page
