"""What is sent again, when, and what is not; services that fail as they are told to."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from waiting_clients import asking

from sigvault.client import (
    AnswerNotUnderstood,
    Conflict,
    Retries,
    ServiceFailed,
    ServiceProblem,
    ServiceUnavailable,
    ServiceUnreachable,
    TimedOut,
    TooManyRequests,
    Verdict,
    calls,
)
from sigvault.client.reading import retry_after

AT_ONCE = Retries(attempts=3, first_wait=0.0)
HEALTHY = httpx.Response(200, json={"items": [], "next": None})
CHECKED = httpx.Response(
    200,
    json={
        "events": 1,
        "whole": True,
        "first_broken": None,
        "reason": "",
        "images_missing": [],
        "erased_parts": 0,
        "replayed": 0,
    },
)
ENROLLED = httpx.Response(201, json={"enrolled": 1, "already": 0, "failed": 0, "results": []})


def problem(status: int, kind: str, **headers: str) -> httpx.Response:
    content = {
        "type": f"urn:problem-type:sigvault:{kind}",
        "title": "What happened",
        "status": status,
        "detail": "what happened this time",
        "remedy": "Do this.",
        "request_id": "abc",
        "errors": None,
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    media = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, json=content, headers={**media, **named})


BUSY = problem(503, "busy", Retry_After="0")


class Failing:
    """A service that answers as it is told, one after the other, and keeps what it was asked."""

    def __init__(self, *outcomes: httpx.Response | Exception) -> None:
        self.outcomes = list(outcomes)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)


def before(kind, service, **options):
    options = {"retries": AT_ONCE, "transport": httpx.MockTransport(service), **options}
    return asking(kind, "http://service.example/sigvault", "sv_key", **options)


@pytest.mark.parametrize(
    "failure",
    [
        BUSY,
        problem(429, "too-many-requests", Retry_After="0"),
        problem(504, "timed-out"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut off"),
    ],
    ids=lambda failure: getattr(failure, "status_code", type(failure).__name__),
)
def test_reading_is_repeated_until_it_works(kind, failure):
    service = Failing(failure, failure, HEALTHY)
    with before(kind, service) as client:
        assert list(client.signers()) == []
    first, *others = service.requests
    assert len(others) == 2
    for other in others:
        assert (other.url, other.headers) == (first.url, first.headers)


def test_enrolling_is_repeated_under_one_name(kind):
    service = Failing(httpx.ReadTimeout("slow"), problem(409, "request-under-way", Retry_After="0"))
    service.outcomes.append(ENROLLED)
    with before(kind, service) as client:
        assert client.enroll("1", [b"picture"]).enrolled == 1
        service.outcomes.append(ENROLLED)
        client.enroll("1", [b"picture"])
    names = [request.headers["idempotency-key"] for request in service.requests]
    assert names[0] == names[1] == names[2] != names[3]
    bodies = [request.content.partition(b"\r\n") for request in service.requests]
    assert {rest.replace(boundary, b"") for boundary, _, rest in bodies[:3]} == {
        bodies[0][2].replace(bodies[0][0], b"")
    }


@pytest.mark.parametrize(
    "failure", [problem(504, "timed-out"), httpx.ReadTimeout("slow")], ids=["service", "client"]
)
def test_a_long_check_is_not_repeated_when_time_ran_out(kind, failure):
    service = Failing(failure)
    with before(kind, service) as client, pytest.raises((TimedOut, ServiceUnreachable)):
        client.audit_check()
    assert len(service.requests) == 1
    service = Failing(BUSY, httpx.ConnectError("refused"), CHECKED)
    with before(kind, service) as client:
        assert client.audit_check().whole


def test_a_long_check_is_waited_for_longer_than_other_answers(kind):
    service = Failing(CHECKED, CHECKED, HEALTHY)
    with before(kind, service, timeout=7.0) as client:
        client.audit_check()
        client.audit_check(timeout=20.0)
        list(client.signers())
    waits = [request.extensions["timeout"]["read"] for request in service.requests]
    assert waits == [3660.0, 20.0, 7.0]
    assert service.requests[0].extensions["timeout"]["connect"] == 5.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.verify("1", b"picture"),
        lambda client: client.verify_many([("1", b"picture")]),
        lambda client: client.identify(b"picture"),
        lambda client: client.erase("1"),
        lambda client: client.erase_reference("1", "f" * 32, reason="wrong"),
        lambda client: client.decide_review(1, Verdict.ACCEPT, reason="So."),
    ],
)
@pytest.mark.parametrize("failure", [BUSY, httpx.ReadTimeout("slow")], ids=["busy", "slow"])
def test_what_leaves_an_event_of_its_own_is_sent_once(kind, ask, failure):
    service = Failing(failure)
    with before(kind, service) as client, pytest.raises((ServiceUnavailable, ServiceUnreachable)):
        ask(client)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [problem(500, "server-error"), problem(404, "unknown-signer"), problem(409, "not-calibrated")],
    ids=lambda failure: failure.status_code,
)
def test_what_waiting_does_not_change_is_not_repeated(kind, failure):
    service = Failing(failure)
    with before(kind, service) as client, pytest.raises(ServiceProblem) as caught:
        client.signer("1")
    assert caught.value.problem.status == failure.status_code
    assert caught.value.request_id == "abc"


def test_it_ends(kind):
    service = Failing(BUSY, BUSY, BUSY)
    with before(kind, service) as client, pytest.raises(ServiceUnavailable) as caught:
        client.signer("1")
    assert caught.value.retry_after == 0.0
    assert len(service.requests) == 3
    service = Failing(*[httpx.ConnectError("refused")] * 3)
    with before(kind, service) as client, pytest.raises(ServiceUnreachable, match="3 attempts"):
        client.signer("1")
    with (
        before(kind, Failing(httpx.ReadTimeout(""))) as client,
        pytest.raises(ServiceUnreachable, match="may have been done") as caught,
    ):
        client.verify("1", b"picture")
    assert len(caught.value.request_id) == 32


def test_nobody_waits_longer_than_told(kind):
    service = Failing(problem(429, "too-many-requests", Retry_After="60"))
    with before(kind, service) as client, pytest.raises(TooManyRequests) as caught:
        client.signer("1")
    assert caught.value.retry_after == 60.0
    assert len(service.requests) == 1


def test_waits_double_are_drawn_by_lot_and_have_an_end():
    retries = Retries(attempts=9, first_wait=1.0, longest_wait=4.0)
    call, outcome = calls.ready(), httpx.ConnectError("refused")
    assert [retries.wait(call, outcome, n, 0.0) for n in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 2.0]
    assert retries.wait(call, outcome, 1, 0.5) == 0.75
    assert retries.wait(call, outcome, 9, 0.0) is None
    assert retries.wait(call, problem(503, "busy", Retry_After="3"), 1, 0.0) == 3.0
    assert retries.wait(call, problem(503, "busy", Retry_After="5"), 1, 0.0) is None
    for wrong in ({"attempts": 0}, {"first_wait": -1.0}, {"longest_wait": -1.0}):
        with pytest.raises(ValueError, match="attempt"):
            Retries(**wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Sat, 31 Jan 2026 09:30:20 GMT", 20.0),
        ("Sat, 31 Jan 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert retry_after(httpx.Response(503, headers={"Retry-After": text}), now) == seconds


def test_somebody_elses_failure_is_told_as_such(kind):
    answers = [
        httpx.Response(500, text="<html>"),
        httpx.Response(
            504, json={"type": "x"}, headers={"Content-Type": "application/problem+json"}
        ),
    ]
    with before(kind, Failing(*answers), retries=Retries(attempts=1)) as client:
        with pytest.raises(ServiceFailed, match="no answer of sigvault's") as caught:
            client.signer("1")
        assert caught.value.problem.type == "about:blank"
        assert len(caught.value.request_id) == 32
        with pytest.raises(TimedOut):
            client.signer("1")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(200, text="<html>"), "Expecting value"),
        (httpx.Response(200, json=[]), "the answer is of type list, not an object"),
        (httpx.Response(200, json={"status": 1}), "enrolled is missing"),
        (httpx.Response(200, json={"enrolled": "1"}), "enrolled is of type str, not a value of"),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example"}), "302"),
    ],
)
def test_what_is_no_answer_is_said_so(kind, answer, why):
    service = Failing(answer)
    with before(kind, service) as client, pytest.raises(AnswerNotUnderstood) as caught:
        client.enroll("1", [b"picture"])
    assert why in str(caught.value)
    assert len(service.requests) == 1  # the key goes nowhere else


def test_what_a_later_service_adds_is_passed_over(kind):
    answer = httpx.Response(200, json={"items": [], "next": None, "total": 0})
    with before(kind, Failing(answer)) as client:
        assert list(client.signers()) == []


def test_the_address_may_have_a_path_and_the_key_is_sent_as_it_is(kind):
    service = Failing(HEALTHY)
    with before(kind, service) as client:
        list(client.signers())
    (request,) = service.requests
    assert request.url == "http://service.example/sigvault/v1/signers?limit=100"
    assert request.headers["authorization"] == "Bearer sv_key"
    assert request.headers["user-agent"].startswith("sigvault-client/")


@pytest.mark.parametrize("url", ["", "service", "ftp://service", "https://"])
def test_an_address_that_is_none_is_refused(kind, url):
    with pytest.raises(ValueError, match="address"), asking(kind, url):
        pass


@pytest.mark.parametrize("secret", ["", "sv_a b", "sv_é", "sv_\n"])
def test_a_key_that_is_none_is_refused_and_not_repeated(kind, secret):
    with (
        pytest.raises(ValueError, match="the key can't be one") as caught,
        asking(kind, "http://service.example", secret),
    ):
        pass
    assert not secret or secret not in str(caught.value)


def test_under_way_without_a_time_is_told(kind):
    service = Failing(problem(409, "request-differs"))
    with before(kind, service) as client, pytest.raises(Conflict):
        client.enroll("1", [b"picture"])
