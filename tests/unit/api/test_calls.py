from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from service_answers import PROBE, encoded, problem
from starlette.testclient import TestClient

from fakes import FakeEmbedder, draw_blank, draw_signature
from sigvault.api.app import create_api
from sigvault.api.limits import ServiceLimits
from sigvault.bootstrap import create_vault
from sigvault.domain.access import Role
from sigvault.domain.errors import StorageFailed
from sigvault.vault import EnrollmentItem

pytestmark = pytest.mark.usefixtures("vault")


def test_signers_are_listed_in_pages(client):
    first = client.get("/v1/signers", params={"limit": 2}).json()
    assert [one["signer"] for one in first["items"]] == ["1", "2"]
    second = client.get("/v1/signers", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["signer"] for one in second["items"]] == ["cheques/53"]
    assert second["next"] is None


def test_a_signer_is_shown_also_with_a_slash_in_the_name(client):
    shown = client.get("/v1/signers/cheques%2F53").json()
    assert (shown["signer"], shown["references"]) == ("cheques/53", 3)
    assert len(shown["reference_list"]) == 3
    problem(client.get("/v1/signers/nobody"), 404, "unknown-signer")


def test_an_identifier_with_percent_signs_is_itself(client):
    body = {"images": [encoded(draw_signature(8))]}
    assert client.post("/v1/signers/a%252Fb%25/references", json=body).status_code == 201
    assert client.get("/v1/signers/a%252Fb%25").json()["signer"] == "a%2Fb%"


def test_references_and_their_pictures_are_shown(client):
    listed = client.get("/v1/signers/1/references").json()["items"]
    picture = client.get(f"/v1/signers/1/references/{listed[0]['id']}/image")
    assert picture.content == draw_signature(1, 0)
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-disposition"].startswith("attachment")
    assert picture.headers["x-content-type-options"] == "nosniff"
    other = f"/v1/signers/2/references/{listed[0]['id']}/image"
    problem(client.get(other), 404, "unknown-reference")


@pytest.mark.parametrize("form", [True, False])
def test_references_are_enrolled_as_json_and_as_a_form(client, form):
    images = [draw_signature(60, number) for number in range(2)]
    if form:
        sent = {
            "files": [("images", ("../../x.png", image)) for image in images],
            "data": {"signer_name": "N. N."},
        }
    else:
        sent = {"json": {"images": [encoded(image) for image in images], "signer_name": "N. N."}}
    response = client.post("/v1/signers/60/references", **sent)
    assert response.status_code == 201
    assert [one["outcome"] for one in response.json()["results"]] == ["enrolled"] * 2
    assert client.get("/v1/signers/60").json()["name"] == "N. N."
    again = client.post("/v1/signers/60/references", **sent)
    assert (again.status_code, again.json()["already"]) == (200, 2)


def test_bad_images_do_not_stop_the_others(client):
    images = [draw_signature(60), b"no picture", draw_blank()]
    found = client.post(
        "/v1/signers/60/references", json={"images": [encoded(image) for image in images]}
    )
    assert found.status_code == 201
    assert [one["error"] for one in found.json()["results"]] == [
        None,
        "unsupported-image",
        "failure-to-enroll",
    ]
    none = client.post("/v1/signers/61/references", json={"images": [encoded(b"no picture")]})
    assert problem(none, 422, "nothing-enrolled")["results"][0]["image"] == 1
    problem(client.get("/v1/signers/61"), 404, "unknown-signer")


def test_many_signers_are_enrolled_at_once(client):
    images = [encoded(draw_signature(seed)) for seed in (70, 71)]
    body = {"signers": ["70", "71"], "images": images}
    assert client.post("/v1/enrollments", json=body).json()["enrolled"] == 2
    files = [("images", draw_signature(seed)) for seed in (72, 73)]
    made = client.post("/v1/enrollments", files=files, data={"signers": ["72", "73"]})
    assert [one["signer"] for one in made.json()["results"]] == ["72", "73"]
    uneven = client.post("/v1/enrollments", json=body | {"signers": ["70"]})
    problem(uneven, 422, "invalid-request")


@pytest.mark.parametrize("form", [True, False])
def test_a_probe_is_verified(client, vault, form):
    sent = {"files": {"image": PROBE}} if form else {"json": {"image": encoded(PROBE)}}
    found = client.post("/v1/signers/1/verify", **sent).json()
    recorded = vault.replay(found["event"])
    assert found["decision"] == recorded.recorded.value == "accept"
    assert found["score"] == recorded.evidence.score.value
    assert len(found["references"]) == 3
    assert found["threshold"]["references"] == 3
    assert vault.audit_log(after=found["event"] - 1)[0].personal["by"] == "local"


def test_a_probe_is_verified_at_a_rate(client):
    body = {"image": encoded(PROBE), "aim": "fmr=0.05"}
    found = client.post("/v1/signers/1/verify", json=body)
    assert found.status_code == 200, found.text
    assert "moved" in found.json()["threshold"]["origin"]["protocol"]
    form = client.post("/v1/signers/1/verify", files={"image": PROBE}, data={"aim": "fmr=0.05"})
    assert form.json()["threshold"] == found.json()["threshold"]
    body["aim"] = "fmr=0.0000001"
    problem(client.post("/v1/signers/1/verify", json=body), 409, "unsupported-aim")
    body["aim"] = "fmr=1"
    problem(client.post("/v1/signers/1/verify", json=body), 422, "invalid-request")


def test_probes_that_cannot_serve(client):
    for image, kind in ((b"", "unsupported-image"), (draw_blank(), "failure-to-acquire")):
        found = client.post("/v1/signers/1/verify", json={"image": encoded(image)})
        problem(found, 422, kind)
    unknown = client.post("/v1/signers/nobody/verify", json={"image": encoded(PROBE)})
    problem(unknown, 404, "unknown-signer")


def test_several_probes_are_verified_at_once(client):
    images = [encoded(image) for image in (PROBE, draw_signature(2, 9), b"x", PROBE)]
    found = client.post(
        "/v1/verifications", json={"signers": ["1", "2", "1", "nobody"], "images": images}
    ).json()
    assert (found["decided"], found["failed"]) == (2, 2)
    assert [one["error"] for one in found["results"]] == [
        None,
        None,
        "unsupported-image",
        "unknown-signer",
    ]
    assert [one["image"] for one in found["results"]] == [1, 2, 3, 4]
    assert found["results"][0]["verification"]["decision"] == "accept"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StorageFailed("/srv/vault is full"), "storage-failed"),
        (ZeroDivisionError("/srv/vault"), "server-error"),
    ],
)
def test_where_the_service_fails_at_one_probe_the_others_have_their_answers(
    client, vault, monkeypatch, error, kind
):
    real = type(vault).verify

    def verify(self, signer, *args, **options):
        if signer == "2":
            raise error
        return real(self, signer, *args, **options)

    monkeypatch.setattr(type(vault), "verify", verify)
    body = {"signers": ["1", "2", "1"], "images": [encoded(PROBE)] * 3}
    response = client.post("/v1/verifications", json=body)
    found = response.json()
    assert (response.status_code, found["decided"], found["failed"]) == (200, 2, 1)
    assert [one["error"] for one in found["results"]] == [None, kind, None]
    assert found["results"][1]["message"]
    assert "/srv" not in response.text
    events = {one["verification"]["event"] for one in found["results"] if one["verification"]}
    assert len(events) == 2


def test_a_probe_is_identified(client):
    found = client.post("/v1/identify", json={"image": encoded(PROBE), "top": 2}).json()
    assert found["candidates"][0]["signer"] == "1"
    assert len(found["candidates"]) == 2
    assert (found["signers"], found["searched"]) == (3, 9)


def test_a_copied_reference_is_named_and_not_accepted(tmp_path):
    with create_vault(tmp_path / "watchful", embedder=FakeEmbedder(copy_limit=0.99)) as vault:
        vault.enroll([EnrollmentItem("1", draw_signature(1, number)) for number in range(3)])
        app = create_api(vault, open_to_loopback=True)
        with TestClient(app, base_url="http://127.0.0.1") as caller:
            copy = caller.post("/v1/identify", files={"image": draw_signature(1, 2)}).json()
            other = caller.post("/v1/identify", files={"image": draw_signature(1, 9)}).json()
    (candidate,) = copy["candidates"]
    assert candidate["copied"] == candidate["references"][2]["reference"]
    assert copy["decision"] == "review"
    assert other["candidates"][0]["copied"] is None


def test_a_traced_reference_is_named_and_not_accepted(tmp_path):
    embedder = FakeEmbedder(copy_limit=0.9999, trace_limit=0.3)
    with create_vault(tmp_path / "watchful", embedder=embedder) as vault:
        vault.enroll([EnrollmentItem("1", draw_signature(1, number)) for number in range(1)])
        app = create_api(vault, open_to_loopback=True)
        with TestClient(app, base_url="http://127.0.0.1") as caller:
            found = caller.post("/v1/identify", files={"image": draw_signature(1, 9)}).json()
            picture = {"image": draw_signature(1, 9)}
            verified = caller.post("/v1/signers/1/verify", files=picture).json()
    (candidate,) = found["candidates"]
    assert candidate["traced"] in {each["reference"] for each in candidate["references"]}
    assert candidate["copied"] is None
    assert found["decision"] == verified["decision"] == "review"
    assert verified["threshold"]["trace_limit"] == 0.3
    assert "traced" in {each["name"] for each in verified["findings"]}


@pytest.mark.usefixtures("strict")
def test_a_case_is_reviewed(client, vault):
    event = client.post("/v1/signers/1/verify", files={"image": PROBE}).json()["event"]
    (case,) = client.get("/v1/reviews").json()["items"]
    assert (case["event"], case["state"], case["probe_kept"]) == (event, "open", True)
    assert client.get(f"/v1/reviews/{event}/probe").content == PROBE
    said = {"verdict": "refuse", "reason": "traced", "blind": True}
    record = client.post(f"/v1/reviews/{event}/verdicts", json=said)
    assert (record.status_code, record.json()["kind"]) == (201, "reviewed")
    shown = client.get(f"/v1/reviews/{event}").json()
    assert (shown["state"], shown["outcome"]) == ("decided", "refuse")
    assert shown["verification"]["decision"] == "review"
    late = client.post(f"/v1/reviews/{event}/verdicts", json=said)
    problem(late, 409, "already-reviewed")
    assert client.get("/v1/reviews").json()["items"] == []
    decided = client.get("/v1/reviews", params={"state": "decided", "signer": "1"}).json()
    assert [one["event"] for one in decided["items"]] == [event]
    problem(client.get("/v1/reviews/1"), 404, "unknown-event")
    assert vault.audit_check().whole


def test_a_probe_that_is_not_kept_says_so(client):
    event = client.post("/v1/signers/1/verify", files={"image": PROBE}).json()["event"]
    problem(client.get(f"/v1/reviews/{event}/probe"), 404, "probe-not-kept")


def test_cases_come_in_pages(client, strict):
    events = [
        client.post("/v1/signers/1/verify", files={"image": PROBE}).json()["event"]
        for _ in range(3)
    ]
    first = client.get("/v1/reviews", params={"limit": 2}).json()
    second = client.get("/v1/reviews", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["event"] for one in first["items"] + second["items"]] == events


def test_what_decides_is_shown(client, vault):
    assert [one["status"] for one in client.get("/v1/generations").json()["items"]] == ["active"]
    found = client.get("/v1/thresholds").json()["items"]
    assert [one["references"] for one in found] == [one.references for one in vault.thresholds()]


def test_the_audit_log_is_read_and_checked(client, vault):
    log, cursor = [], None
    while True:
        params = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/audit", params=params).json()
        log += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [one["hash"] for one in log] == [record.hash for record in vault.audit_log()]
    about = client.get("/v1/audit", params={"signer": "2"}).json()["items"]
    assert {one["personal"]["signer"] for one in about} == {"2"}
    assert client.get("/v1/audit/check").json()["whole"]


def test_who_asks_for_a_check_while_one_goes_on_gets_its_answer(vault, serve, monkeypatch):
    let_go, begun, real = threading.Event(), [], type(vault).audit_check

    def check(self):
        begun.append(1)
        assert let_go.wait(60)
        return real(self)

    monkeypatch.setattr(type(vault), "audit_check", check)
    limits = ServiceLimits(work_seconds=0.5, check_seconds=60.0, wait_seconds=0.1)
    client = serve(limits=limits)
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(client.get, "/v1/audit/check") for _ in range(6)]
        done, _ = wait(asked, timeout=1.5)  # longer than other work may take
        assert not done
        let_go.set()
        found = [one.result(60) for one in asked]
    assert [one.status_code for one in found] == [200] * 6
    assert all(one.json()["whole"] for one in found)
    assert len(begun) == 1


def test_a_signer_is_erased(client, vault):
    gone = client.delete("/v1/signers/2").json()
    assert (gone["references"], gone["images_removed"], gone["log_clean"]) == (3, 3, True)
    problem(client.get("/v1/signers/2"), 404, "unknown-signer")
    problem(client.delete("/v1/signers/2"), 404, "unknown-signer")
    assert vault.audit_check().whole


def test_a_reference_is_erased(client, vault):
    first, second, third = (one.id for one in vault.signer("2").references)
    path = f"/v1/signers/2/references/{second}"
    gone = client.delete(path, params={"reason": "another person's: 名前 & <b>"})
    assert gone.status_code == 200
    said = gone.json()
    event = said.pop("event")
    assert said == {
        "signer": "2",
        "reference": second,
        "references_left": 2,
        "images_removed": 1,
        "audit_parts": 1,
        "log_clean": True,
    }
    assert vault.audit_log()[event - 1].personal["reason"] == "another person's: 名前 & <b>"
    problem(client.get(f"{path}/image"), 404, "unknown-reference")
    problem(client.delete(path, params={"reason": "again"}), 404, "unknown-reference")
    listed = client.get("/v1/signers/2/references").json()["items"]
    assert [one["id"] for one in listed] == [first, third]
    verified = client.post("/v1/signers/2/verify", files={"image": draw_signature(2, 9)}).json()
    assert [one["reference"] for one in verified["references"]] == [first, third]
    assert vault.audit_check().whole


def test_the_last_reference_is_not_erased(client, vault):
    *others, last = (one.id for one in vault.signer("2").references)
    for reference in others:
        client.delete(f"/v1/signers/2/references/{reference}", params={"reason": "wrong"})
    refused = client.delete(f"/v1/signers/2/references/{last}", params={"reason": "wrong"})
    told = problem(refused, 409, "last-reference")
    assert "erase the signer" in told["detail"]
    assert [one.id for one in vault.signer("2").references] == [last]


@pytest.mark.parametrize(
    ("signer", "reference", "query", "status", "kind"),
    [
        ("nobody", "{0}", {"reason": "wrong"}, 404, "unknown-signer"),
        ("1", "{0}", {"reason": "wrong"}, 404, "unknown-reference"),
        ("2", "f" * 32, {"reason": "wrong"}, 404, "unknown-reference"),
        ("2", "F" * 32, {"reason": "wrong"}, 422, "invalid-request"),
        ("2", "x", {"reason": "wrong"}, 422, "invalid-request"),
        ("2", "{0}", {}, 422, "invalid-request"),
        ("2", "{0}", {"reason": ""}, 422, "invalid-request"),
        ("2", "{0}", {"reason": " \n"}, 422, "invalid-request"),
        ("2", "{0}", {"reason": "\x1c\x1f\x85"}, 422, None),
        ("2", "{0}", {"reason": "x" * 501}, 422, "invalid-request"),
        ("2", "{0}", {"reason": "wrong", "force": "true"}, 422, "invalid-request"),
    ],
)
def test_a_reference_that_cannot_be_erased(client, vault, signer, reference, query, status, kind):
    events = vault.audit_size()
    chosen = reference.format(vault.signer("2").references[0].id)
    answer = client.delete(f"/v1/signers/{signer}/references/{chosen}", params=query)
    problem(answer, status, kind or answer.json()["type"].rpartition(":")[2])
    assert vault.audit_size() == events


def test_an_enrollment_that_is_sent_again_after_its_reference_is_erased_is_done_again(
    client, vault
):
    """What was remembered of its answer named the reference, so it went with it."""
    sent = {"json": REQUEST, "headers": {"Idempotency-Key": "wrong"}}
    enrolled = client.post("/v1/signers/1/references", **sent).json()["results"][0]
    path = f"/v1/signers/1/references/{enrolled['reference']}"
    assert client.delete(path, params={"reason": "wrong"}).status_code == 200
    again = client.post("/v1/signers/1/references", **sent)
    assert again.status_code == 201
    assert "Idempotency-Replayed" not in again.headers
    assert again.json()["results"][0]["reference"] != enrolled["reference"]


REQUEST = {"images": [encoded(draw_signature(80))]}


def test_a_request_under_a_name_is_answered_once(client, vault):
    name = {"Idempotency-Key": "first"}
    first = client.post("/v1/signers/80/references", json=REQUEST, headers=name)
    events = vault.status().events
    again = client.post("/v1/signers/80/references", json=REQUEST, headers=name)
    assert (
        (again.status_code, again.json())
        == (first.status_code, first.json())
        == (201, first.json())
    )
    assert again.headers["idempotency-replayed"] == "true"
    form = client.post(
        "/v1/signers/80/references", files={"images": draw_signature(80)}, headers=name
    )
    assert form.json() == first.json()
    assert vault.status().events == events
    for path, body in (
        ("/v1/signers/80/references", REQUEST | {"signer_name": "other"}),
        ("/v1/signers/81/references", REQUEST),
        ("/v1/signers/80/references", {"images": [encoded(draw_signature(81))]}),
    ):
        problem(client.post(path, json=body, headers=name), 409, "request-differs")
    client.delete("/v1/signers/80")
    anew = client.post("/v1/signers/80/references", json=REQUEST, headers=name)
    assert anew.json()["results"][0]["reference"] != first.json()["results"][0]["reference"]


def test_the_name_of_a_request_is_the_keys_own(serve, bearer):
    client = serve(keys=True)
    name = {"Idempotency-Key": "first"}
    for key in (bearer(Role.ENROLLER), bearer(Role.ENROLLER, name="bert")):
        found = client.post("/v1/signers/80/references", json=REQUEST, headers=name | key)
        assert "idempotency-replayed" not in found.headers
