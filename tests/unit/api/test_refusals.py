from __future__ import annotations

import io
import json
import logging

import pytest
from service_answers import PROBE, encoded, problem

from fakes import draw_signature
from sigvault.api.limits import ServiceLimits
from sigvault.api.logs import LOGGER, JsonLines
from sigvault.domain.access import Role
from sigvault.domain.errors import StorageFailed

IMAGE = {"image": encoded(PROBE)}
OF_ROLES = {
    ("GET", "/v1/signers"): {Role.ENROLLER, Role.VERIFIER, Role.REVIEWER},
    ("GET", "/v1/signers/1/references"): {Role.ENROLLER, Role.VERIFIER, Role.REVIEWER},
    ("POST", "/v1/signers/1/references"): {Role.ENROLLER},
    ("POST", "/v1/enrollments"): {Role.ENROLLER},
    ("DELETE", "/v1/signers/nobody"): set(),
    ("POST", "/v1/signers/1/verify"): {Role.VERIFIER},
    ("POST", "/v1/verifications"): {Role.VERIFIER},
    ("POST", "/v1/identify"): {Role.VERIFIER},
    ("GET", "/v1/reviews"): {Role.REVIEWER, Role.AUDITOR},
    ("GET", "/v1/reviews/1/probe"): {Role.REVIEWER},
    ("GET", "/v1/generations"): set(Role),
    ("GET", "/v1/thresholds"): set(Role),
    ("GET", "/v1/audit"): {Role.AUDITOR},
    ("GET", "/v1/audit/check"): {Role.AUDITOR},
    ("GET", "/metrics"): {Role.AUDITOR},
    ("GET", "/openapi.json"): set(Role),
}


@pytest.fixture
def guarded(serve):
    """A service that takes keys."""
    return serve(keys=True)


def test_nothing_but_health_is_open_without_a_key(guarded):
    for method, path in OF_ROLES:
        found = guarded.request(method, path)
        problem(found, 401, "no-key")
        assert found.headers["www-authenticate"] == "Bearer"
    problem(guarded.get("/v1/nothing"), 401, "no-key")
    assert guarded.get("/health/live").json() == {"status": "live"}
    assert guarded.get("/health/ready").status_code in (200, 503)


def test_a_parameter_that_a_call_does_not_take_is_told(client, guarded):
    found = problem(client.get("/v1/signers?curser=x&limit=1"), 422, "invalid-request")
    assert "takes cursor, limit" in found["detail"]
    assert "curser" not in found["detail"]  # whatever it is, it isn't sent back
    problem(client.post("/v1/identify?top=3", json=IMAGE), 422, "invalid-request")
    assert client.get("/v1/signers?limit=1").status_code == 200
    problem(guarded.get("/v1/signers?curser=x"), 401, "no-key")  # that first


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer sv_x", "Basic YTpi", "Bearer sv_" + "0" * 60, "\xff"]
)
def test_a_wrong_key_opens_nothing(guarded, header):
    found = guarded.get("/v1/signers", headers={"Authorization": header.encode("latin-1")})
    problem(found, 401, "key-refused")


@pytest.mark.parametrize("role", Role)
def test_roles_open_what_is_theirs(guarded, bearer, role):
    key = bearer(role)
    for (method, path), roles in OF_ROLES.items():
        allowed = role in roles or role is Role.ADMINISTRATOR
        found = guarded.request(method, path, headers=key)
        assert (found.status_code != 403) is allowed, (method, path)
        if not allowed:
            problem(found, 403, "not-allowed")


def test_a_verdict_is_a_reviewers_alone(guarded, bearer):
    said = {"verdict": "accept", "reason": "same"}
    for role in set(Role) - {Role.REVIEWER}:
        found = guarded.post("/v1/reviews/1/verdicts", json=said, headers=bearer(role))
        problem(found, 403, "not-allowed")
    found = guarded.post("/v1/reviews/1/verdicts", json=said, headers=bearer(Role.REVIEWER))
    problem(found, 404, "unknown-event")


def test_a_revoked_key_is_refused_soon(guarded, bearer, vault, monkeypatch):
    key = bearer(Role.VERIFIER)
    assert guarded.get("/v1/signers", headers=key).status_code == 200
    vault.revoke_key(vault.keys()[0].id)
    monkeypatch.setattr("sigvault.api.callers._TRUSTED_SECONDS", 0.0)
    problem(guarded.get("/v1/signers", headers=key), 401, "key-refused")


def test_a_namespace_sees_its_own_signers_alone(guarded, bearer, vault, strict):
    key = bearer(*Role, namespace="cheques")
    listed = guarded.get("/v1/signers", headers=key).json()["items"]
    assert [one["signer"] for one in listed] == ["53"]
    assert guarded.get("/v1/signers/53", headers=key).json()["signer"] == "53"
    hidden = problem(guarded.get("/v1/signers/1", headers=key), 404, "unknown-signer")
    assert "cheques/" not in hidden["detail"]
    found = guarded.post("/v1/identify", json=IMAGE, headers=key).json()
    assert [one["signer"] for one in found["candidates"]] == ["53"]
    assert (found["signers"], found["searched"]) == (1, 3)

    theirs = vault.verify("1", PROBE).event
    own = guarded.post("/v1/signers/53/verify", json=IMAGE, headers=key).json()
    assert own["signer"] == "53"
    cases = guarded.get("/v1/reviews", headers=key).json()["items"]
    assert [(one["event"], one["signer"]) for one in cases] == [(own["event"], "53")]
    for path in (f"/v1/reviews/{theirs}", f"/v1/reviews/{theirs}/probe"):
        problem(guarded.get(path, headers=key), 404, "unknown-event")
    said = {"verdict": "accept", "reason": "same"}
    away = guarded.post(f"/v1/reviews/{theirs}/verdicts", json=said, headers=key)
    problem(away, 404, "unknown-event")
    for path in ("/v1/audit", "/v1/audit/check", "/metrics"):
        problem(guarded.get(path, headers=key), 403, "not-allowed")
    log = guarded.get("/v1/audit", params={"signer": "53"}, headers=key).json()["items"]
    assert own["event"] in [one["number"] for one in log]


def test_a_namespace_does_not_learn_how_many_others_there_are(guarded, bearer):
    for namespace, vectors, missing in (("", 9, 0), ("cheques", None, None)):
        key = bearer(Role.VERIFIER, namespace=namespace)
        (found,) = guarded.get("/v1/generations", headers=key).json()["items"]
        assert (found["vectors"], found["missing"]) == (vectors, missing)
        assert found["status"] == "active"


def test_a_namespace_does_not_learn_whose_image_it_is(guarded, bearer):
    key = bearer(Role.ENROLLER, namespace="cheques")
    body = {"images": [encoded(draw_signature(1, 0))]}
    found = guarded.post("/v1/signers/99/references", json=body, headers=key)
    (result,) = problem(found, 409, "duplicate-across-signers")["results"]
    assert result["error"] == "duplicate-across-signers"
    assert "signer 1" not in found.text
    assert result["signer"] == "99"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": ""},
    ],
)
def test_without_keys_no_foreign_page_is_answered(client, headers):
    problem(client.get("/v1/signers", headers=headers), 403, "foreign-page")


def test_without_keys_the_own_page_is_answered(client):
    assert client.get("/v1/signers", headers={"Origin": "http://127.0.0.1"}).status_code == 200
    assert client.get("/v1/signers", headers={"Host": "localhost:80"}).status_code == 200


def test_a_key_is_counted(serve, bearer):
    client = serve(keys=True, limits=ServiceLimits(per_minute=3))
    key, other = bearer(Role.VERIFIER), bearer(Role.VERIFIER)
    for _ in range(3):
        assert client.get("/v1/signers", headers=key).status_code == 200
    found = client.get("/v1/signers", headers=key)
    problem(found, 429, "too-many-requests")
    assert 1 <= int(found.headers["retry-after"]) <= 61
    assert client.get("/v1/signers", headers=other).status_code == 200


def test_a_large_request_is_refused(serve):
    client = serve(limits=ServiceLimits(body_bytes=1000))
    body = {"image": "A" * 2000}
    problem(client.post("/v1/signers/1/verify", json=body), 413, "request-too-large")

    def parts():
        yield b'{"image": "'
        for _ in range(100):
            yield b"A" * 100

    streamed = client.post(
        "/v1/signers/1/verify", content=parts(), headers={"Content-Type": "application/json"}
    )
    problem(streamed, 413, "request-too-large")
    assert client.app.state.service.bodies._buffered == 0
    small = client.post("/v1/signers/1/verify", json={"image": ""})
    problem(small, 422, "unsupported-image")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_another_media_type_is_refused(client, media):
    found = client.post("/v1/identify", content=b"x", headers={"Content-Type": media})
    problem(found, 415, "wrong-media-type")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"image": NaN}', b"[" * 100_000, b"{}"],
)
def test_what_is_no_request_is_refused(client, content):
    found = client.post(
        "/v1/identify", content=content, headers={"Content-Type": "application/json"}
    )
    assert problem(found, 422, "invalid-request")["errors"]


@pytest.mark.parametrize(
    "body",
    [
        {"image": 7},
        {"image": None},
        {"image": "no base64!"},
        IMAGE | {"top": 0},
        IMAGE | {"top": "5"},
        IMAGE | {"top": 2.5},
        IMAGE | {"fpir": 1.0},
        IMAGE | {"unknown": 1},
    ],
)
def test_a_request_has_to_be_as_described(client, body):
    found = problem(client.post("/v1/identify", json=body), 422, "invalid-request")
    assert found["errors"][0]["where"].startswith("body.")
    assert encoded(PROBE)[:40] not in json.dumps(found)


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\nend',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_what_is_no_form_is_refused(client, content, media):
    found = client.post("/v1/identify", content=content, headers={"Content-Type": media})
    problem(found, 422, "invalid-request")


def test_a_picture_whose_file_nobody_named_is_a_picture_all_the_same(client):
    head = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
    media = {"Content-Type": "multipart/form-data; boundary=b"}
    found = client.post("/v1/identify", content=head + b"x\r\n--b--\r\n", headers=media)
    problem(found, 422, "unsupported-image")


def test_a_form_with_a_field_twice_or_too_many_is_refused(client):
    twice = client.post("/v1/identify", files=[("image", PROBE), ("image", PROBE)])
    problem(twice, 422, "invalid-request")
    many = client.post("/v1/enrollments", data={"signers": ["1"] * 300}, files={"images": PROBE})
    problem(many, 422, "invalid-request")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/signers?limit=0",
        "/v1/signers?limit=201",
        "/v1/signers?limit=x",
        "/v1/signers?cursor=x",
        "/v1/signers?cursor=WzFd",
        "/v1/signers?cursor=WyJcdWQ4MDAiXQ",
        "/v1/reviews?cursor=WyJhIl0",
        "/v1/reviews?cursor=Wy0xXQ",
        "/v1/reviews?state=perhaps",
        "/v1/reviews?signer=%20a",
        "/v1/reviews/0",
        "/v1/reviews/x",
        "/v1/reviews/99999999999999999999",
        "/v1/signers/%20a",
        "/v1/signers/a%00",
        "/v1/signers/" + "a" * 201,
        "/v1/signers/1/references/x/image",
    ],
)
def test_parameters_have_to_be_as_described(client, path):
    assert problem(client.get(path), 422, "invalid-request")["errors"]


def test_unknown_paths_and_methods(client):
    problem(client.get("/v1/nothing"), 404, "no-such-path")
    problem(client.get("/nothing"), 404, "no-such-path")
    found = client.put("/v1/signers/1")
    problem(found, 405, "no-such-method")
    assert found.headers["allow"] == "DELETE, GET"
    problem(client.post("/health/live"), 405, "no-such-method")


def test_a_balancer_may_ask_for_the_head_alone(client):
    assert client.head("/health/live").status_code == 200
    assert client.head("/health/ready").status_code in (200, 503)


def test_a_request_keeps_its_own_id_if_it_is_harmless(client):
    found = client.get("/health/live", headers={"X-Request-Id": "abc-1"})
    assert found.headers["x-request-id"] == "abc-1"
    for wrong in ("a b", "x" * 65, "<script>", '"'):
        answer = client.get("/health/live", headers={"X-Request-Id": wrong})
        assert answer.headers["x-request-id"] != wrong


def test_a_failure_of_the_servers_says_nothing_of_it(client, vault, monkeypatch):
    for error, status, kind in (
        (ZeroDivisionError("secret of /srv/vault"), 500, "server-error"),
        (StorageFailed("/srv/vault/vault.sqlite3 is full"), 503, "storage-failed"),
    ):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(type(vault), "signers", fail)
        found = client.get("/v1/signers")
        problem(found, status, kind)
        assert "/srv" not in found.text
        assert "ZeroDivision" not in found.text


def test_the_log_holds_no_signer_no_score_and_no_message(client, vault, monkeypatch):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    monkeypatch.setattr(LOGGER, "propagate", False)
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    client.get("/v1/signers/signer-no-9876")
    client.post("/v1/signers/1/verify", files={"image": PROBE})
    monkeypatch.setattr(type(vault), "signers", lambda *_, **__: [][int("signer-no-9876"[-1])])
    client.get("/v1/signers")
    LOGGER.setLevel(before)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    answered = [line for line in lines if line["event"] == "answered"]
    assert [line["route"] for line in answered] == [
        "/v1/signers/{signer}",
        "/v1/signers/{signer}/verify",
        "/v1/signers",
    ]
    assert [line["status"] for line in answered] == [404, 200, 500]
    (failed,) = [line for line in lines if line["event"] == "failed"]
    assert failed["error"] == "IndexError"
    assert failed["where"]
    assert "9876" not in stream.getvalue()
    assert "out of range" not in stream.getvalue()
