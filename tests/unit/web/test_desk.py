"""Enrolling, verifying and identifying by hand, signers, audit, thresholds, generations."""

from __future__ import annotations

import re

import pytest
import sqlalchemy

from fakes import FakeEmbedder, draw_blank, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.domain.access import Role
from sigvault.domain.identifiers import SignerId
from sigvault.services.reindexing import ReindexPlan
from sigvault.storage.tables import AuditEventRow
from sigvault.vault import EnrollmentItem


def _pictures(*drawn: bytes):
    return [("pictures", (f"{place}.png", data, "image/png")) for place, data in enumerate(drawn)]


def test_dropped_pictures_are_enrolled_and_compared(local, vault):
    drawn = [draw_signature(50, number) for number in range(3)]
    form = {"signer": "53", "name": "Berta Example"}
    page = local.post("/enroll", form, files=_pictures(*drawn)).text
    assert "3 enrolled, 0 already there, 0 failed" in page
    assert "The references go together" in page
    assert page.count("Like the others") == 3
    detail = vault.signer(SignerId("53"))
    assert detail.summary.name == "Berta Example"
    assert {each.enrolled_by for each in detail.references} == {"local"}


def test_a_reference_that_differs_is_pointed_at(local, vault):
    drawn = [*(draw_signature(50, number) for number in range(3)), draw_signature(77)]
    page = local.post("/enroll", {"signer": "53"}, files=_pictures(*drawn)).text
    assert "The fourth differs from the others" in page
    assert "Differs from the others" in page


def test_each_picture_is_settled_on_its_own(local):
    drawn = [draw_signature(50), draw_blank(), b"no picture", draw_signature(1, 0)]
    page = local.post("/enroll", {"signer": "53"}, files=_pictures(*drawn)).text
    assert "1 enrolled, 0 already there, 3 failed" in page
    assert "under signer 1" in page
    assert "nothing to compare it with" in page


@pytest.mark.parametrize(
    ("path", "form", "files", "problem"),
    [
        ("/enroll", {"signer": "53"}, None, "Choose pictures"),
        ("/enroll", {}, _pictures(b"x"), "an identifier"),
        ("/verify", {"signer": "1"}, None, "Choose a picture"),
        ("/verify", {}, _pictures(b"x"), "Say who"),
        ("/identify", {}, None, "Choose a picture"),
    ],
)
def test_a_form_that_is_not_filled_in_says_what_is_missing(local, path, form, files, problem):
    answer = local.post(path, form, files=files)
    assert answer.status_code == 400
    assert problem in answer.text


def test_verifying_by_hand_shows_the_answer_and_its_evidence(local, vault):
    answer = local.post("/verify", {"signer": "1"}, files=_pictures(draw_signature(1, 9)))
    assert answer.status_code == 200
    assert "Accepted" in answer.text
    assert "data:image/png;base64," in answer.text  # the probe isn't kept, but shown once
    event = re.search(r"/cases/(\d+)", answer.text)[1]
    case = vault.review(int(event))
    assert not case.probe_kept
    assert vault.audit_log(after=case.event - 1)[0].personal["by"] == "local"
    assert (
        "Refused"
        in local.post("/verify", {"signer": "0"}, files=_pictures(draw_signature(1, 9))).text
    )


@pytest.mark.parametrize(
    ("signer", "picture", "status", "words"),
    [
        ("nobody", draw_signature(1, 9), 404, "there is no signer nobody"),
        ("1", b"no picture", 415, "Save it as PNG"),
        ("1", draw_blank(), 422, "Nothing was decided"),
    ],
)
def test_what_can_not_be_verified_is_said_in_the_form(local, signer, picture, status, words):
    answer = local.post("/verify", {"signer": signer}, files=_pictures(picture))
    assert answer.status_code == status
    assert words in answer.text
    assert f'value="{signer}"' in answer.text


def test_identifying_names_candidates(local):
    page = local.post("/identify", files=_pictures(draw_signature(3, 9))).text
    assert "12 references" in page
    assert page.index("signer=3") < page.index("signer=1")
    assert local.post("/identify", files=_pictures(draw_blank())).status_code == 422


def test_identifying_tells_of_a_copy(tmp_path, browse):
    with create_vault(tmp_path / "vault", embedder=FakeEmbedder(copy_limit=0.99)) as vault:
        pictures = [draw_signature(2, number) for number in range(3)]
        vault.enroll([EnrollmentItem(SignerId("2"), picture) for picture in pictures])
        browser = browse(vault)
        copied = browser.post("/identify", files=_pictures(pictures[1])).text
        assert "Perhaps a copy" in copied
        assert "stroke for stroke like a reference of signer 2" in copied
        other = browser.post("/identify", files=_pictures(draw_signature(2, 9))).text
        assert "a copy" not in other
        assert "stroke for stroke" not in other


def test_identifying_tells_of_a_tracing(tmp_path, browse):
    embedder = FakeEmbedder(copy_limit=0.9999, trace_limit=0.3)
    with create_vault(tmp_path / "vault", embedder=embedder) as vault:
        pictures = [draw_signature(2, number) for number in range(1)]
        vault.enroll([EnrollmentItem(SignerId("2"), picture) for picture in pictures])
        page = browse(vault).post("/identify", files=_pictures(draw_signature(2, 9))).text
    assert "Perhaps traced" in page
    assert "liker to a reference of signer 2" in page
    assert "Perhaps a copy" not in page


def test_signers_are_found_by_identifier_and_name(local, vault):
    assert local.get("/signers").text.count("/signers/show") == 4
    assert local.get("/signers?search=aDa").text.count("/signers/show") == 1
    assert local.get("/signers?search=3").text.count("/signers/show") == 1
    assert "Nobody of that" in local.get("/signers?search=zzz").text
    items = [
        EnrollmentItem(SignerId(f"n{place:03}"), draw_signature(60 + place)) for place in range(52)
    ]
    vault.enroll(items)
    page = local.get("/signers").text
    assert page.count("/signers/show") == 50
    more = re.search(r'href="(/signers\?after=[^"]+)"', page)[1]
    assert local.get(more).text.count("/signers/show") == 6


def test_a_signers_page_shows_references_spread_and_history(local, vault):
    vault.verify(SignerId("1"), draw_signature(1, 9))
    page = local.get("/signers/show?signer=1").text
    assert "Ada Example" in page
    assert page.count("<figure") == 3
    assert "spread: mean cosine" in page
    assert page.count("Reference enrolled") == 3
    assert "Verified" in page
    assert local.get("/signers/show?signer=nobody").status_code == 404


def test_a_long_history_is_not_read_whole(local, vault, doubtful):
    event = [doubtful(vault) for _ in range(60)][-1]
    read = []

    def note(row, _context):
        read.append(row.number)

    for path, most in ((f"/cases/{event}", 40), ("/signers/show?signer=2", 40)):
        read.clear()
        sqlalchemy.event.listen(AuditEventRow, "load", note)
        try:
            assert "Verified" in local.get(path).text
        finally:
            sqlalchemy.event.remove(AuditEventRow, "load", note)
        assert len(read) < most
    assert local.get("/audit?signer=2").text.count('id="event-') == 50
    assert local.get("/audit?signer=2&page=2").text.count('id="event-') == 13


def test_erasing_takes_the_identifier_once_more(local, vault):
    for typed in ("", "2", "1 or 2"):
        answer = local.post("/signers/erase?signer=1", {"typed": typed})
        assert answer.status_code == 400
        assert "Nothing was erased" in answer.text
    assert len(vault.signers()) == 4
    answer = local.post("/signers/erase?signer=1", {"typed": "1"})
    assert answer.headers["location"] == "/signers"
    assert "Signer 1 is erased: 3 references" in local.get("/signers").text
    assert len(vault.signers()) == 3
    assert vault.audit_log(after=vault.status().events - 1)[0].personal["by"] == "local"


def test_a_reference_is_erased_with_a_reason(local, vault):
    first, second, third = (each.id for each in vault.signer(SignerId("1")).references)
    page = local.get("/signers/show?signer=1").text
    for number in (1, 2, 3):
        assert f"<summary>Erase reference {number}</summary>" in page
        assert f">Erase reference {number} for good</button>" in page
        assert page.count(f'id="reason-{number}"') == page.count(f'id="lost-{number}"') == 1
    assert "<details open" not in page
    answer = local.post(
        "/signers/erase-reference?signer=1", {"reference": second, "reason": "<another> person's"}
    )
    assert answer.headers["location"] == "/signers/show?signer=1"
    page = local.get("/signers/show?signer=1").text
    assert "Reference 2 is erased; 2 references left" in page
    assert "Reference erased" in page
    assert "&lt;another&gt; person&#39;s" in page
    assert second not in page
    assert [each.id for each in vault.signer(SignerId("1")).references] == [first, third]
    record = vault.latest_events(limit=1)[0]
    assert (record.personal["by"], record.personal["reason"]) == ("local", "<another> person's")


@pytest.mark.parametrize("reason", ["", " \n ", "x<b>" * 200])
def test_a_reference_is_not_erased_without_a_reason_of_some_length(local, vault, reason):
    chosen = vault.signer(SignerId("1")).references[1].id
    answer = local.post(
        "/signers/erase-reference?signer=1", {"reference": chosen, "reason": reason}
    )
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "Nothing was erased" in answer.text
    assert answer.text.count('<details class="erasing" open>') == 1  # with what was filled in
    assert ("x&lt;b&gt;" in answer.text) == ("<b>" in reason)
    assert vault.signer(SignerId("1")).summary.references == 3


@pytest.mark.parametrize(
    ("signer", "reference", "status", "words"),
    [
        ("nobody", "f" * 32, 404, "There is no such signer"),
        ("1", "f" * 32, 404, "There is no such reference"),
        ("1", "", 404, "There is no such reference"),
        ("2", None, 404, "There is no such reference"),
    ],
)
def test_a_reference_that_is_not_there_can_not_be_erased(
    local, vault, signer, reference, status, words
):
    known = vault.signer(SignerId("1")).references[0].id
    form = {"reference": known if reference is None else reference, "reason": "wrong"}
    answer = local.post(f"/signers/erase-reference?signer={signer}", form)
    assert answer.status_code == status
    assert words in answer.text
    assert vault.status().references == 12


def test_the_only_reference_has_no_form_and_is_refused(local, vault):
    *others, last = (each.id for each in vault.signer(SignerId("1")).references)
    for each in others:
        local.post("/signers/erase-reference?signer=1", {"reference": each, "reason": "wrong"})
    page = local.get("/signers/show?signer=1").text
    assert "It is the only reference" in page
    assert "/signers/erase-reference" not in page
    answer = local.post("/signers/erase-reference?signer=1", {"reference": last, "reason": "wrong"})
    assert answer.status_code == 409
    assert vault.signer(SignerId("1")).summary.references == 1


@pytest.mark.parametrize("role", [Role.ENROLLER, Role.VERIFIER, Role.REVIEWER])
def test_who_may_not_erase_sees_no_form_for_it(vault, person, role):
    page = person(vault, role).get("/signers/show?signer=1").text
    assert "erase-reference" not in page
    assert "Erase" not in page


def test_the_audit_log_is_paged_newest_first(local, vault):
    for number in range(60):
        vault.verify(SignerId("1"), draw_signature(1, number % 3))
    total = vault.status().events
    page = local.get("/audit").text
    numbers = [int(each) for each in re.findall(r'id="event-(\d+)"', page)]
    assert numbers == list(range(total, total - 50, -1))
    older = local.get("/audit?page=2").text
    numbers = [int(each) for each in re.findall(r'id="event-(\d+)"', older)]
    assert numbers == list(range(total - 50, 0, -1))
    assert local.get("/audit?page=9").status_code == 200
    of_signer = local.get("/audit?signer=0").text
    assert of_signer.count("Reference enrolled") == 3
    assert "there is no signer nobody" in local.get("/audit?signer=nobody").text


def test_the_check_says_whether_the_chain_is_whole(local, vault):
    assert "The chain is whole" in local.post("/audit").text
    picture = next((vault.status().location / "images").glob("??/*"))
    picture.chmod(0o600)
    picture.write_bytes(b"changed")
    page = local.post("/audit").text
    assert "Something is wrong" in page
    assert "missing or changed" in page


def test_a_threshold_says_what_it_costs(local):
    page = local.get("/thresholds?references=3").text
    assert "3 references" in page
    assert "Genuine signatures not accepted" in page
    assert "What isn't known" in page.replace("&#39;", "'")
    assert "no verifications by this threshold yet" in page


def test_moving_the_accept_point_shows_what_it_would_mean(local, vault, doubtful):
    for number in range(3):
        doubtful(vault, number=9 + number)
    now = local.get("/thresholds?references=3").text
    assert "0 were above the accept point, 3 in between and 0 below" in now
    moved = local.get("/thresholds?references=3&at=0").text  # the lowest point: 0.6
    assert "Moved, 0.600" in moved
    assert "3 would be accepted (0 now)" in moved
    assert vault.thresholds()[1].accept == 0.85  # nothing is changed by looking
    assert local.get("/thresholds?references=3&at=999").status_code == 200
    assert local.get("/thresholds?references=77").status_code == 200


def test_generations_are_listed_activated_and_dropped(local, vault):
    vault.reindex(FakeEmbedder("other"), ReindexPlan(activate=False))
    page = local.get("/generations").text
    assert "Generation 1" in page
    assert "being built" in page
    answer = local.post("/generations/drop", {"generation": "2", "typed": "no"})
    assert answer.status_code == 400
    answer = local.post("/generations/drop", {"generation": "2", "typed": "2"})
    assert answer.headers["location"] == "/generations"
    assert "Generation 2 is removed" in local.get("/generations").text
    assert local.post("/generations/activate", {"generation": "2"}).status_code == 404
    assert local.post("/generations/activate", {"generation": "x"}).status_code == 400
    assert local.post("/generations/rollback").status_code == 409
