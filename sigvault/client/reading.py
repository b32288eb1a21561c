"""From an HTTP answer to a value or an error."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar, cast

import httpx

from sigvault.client.answers import Problem
from sigvault.client.calls import Call
from sigvault.client.decoding import decode
from sigvault.client.errors import AnswerNotUnderstood, ServiceUnreachable, error_of

_T = TypeVar("_T")

REQUEST_ID = "X-Request-Id"
_PROBLEM = "application/problem+json"


def conclude(
    call: Call[_T], outcome: httpx.Response | httpx.HTTPError, request_id: str, attempts: int
) -> _T:
    """The answer to a call, or the error that came of it.

    Args:
        call: what was asked.
        outcome: what came of the last attempt.
        request_id: what it was sent under.
        attempts: how often it was sent.

    Raises:
        ClientError: If there is no answer that was asked for.
    """
    if isinstance(outcome, httpx.HTTPError):
        raise unreachable(outcome, request_id, attempts) from outcome
    return read_answer(call, outcome)


def read_answer(call: Call[_T], response: httpx.Response) -> _T:
    """What was asked for.

    Raises:
        ServiceProblem: If the service, or what stands before it, says that something went wrong.
        AnswerNotUnderstood: If the answer isn't what such a call is answered with.
    """
    if response.status_code >= 400:
        raise error_of(read_problem(response), retry_after(response))
    if not response.is_success:
        raise _strange(response, f"the status is {response.status_code}, which it never answers")
    if call.kind is bytes:
        return cast(_T, response.content)
    if call.kind is str:
        return cast(_T, response.text)
    try:
        return decode(call.kind, response.json())
    except ValueError as error:
        raise _strange(response, str(error)) from error


def read_problem(response: httpx.Response) -> Problem:
    """What went wrong, also where something that stands before the service answered."""
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == _PROBLEM:
        try:
            return decode(Problem, response.json())
        except ValueError:
            pass  # somebody else's problem, with members of its own
    asked = f"{response.request.method} {response.request.url.copy_with(query=None)}"
    return Problem(
        type="about:blank",
        title=response.reason_phrase,
        status=response.status_code,
        detail=f"the answer to {asked} is no answer of sigvault's",
        remedy="See whether the address is right, and what stands before the service.",
        request_id=_request_id(response),
    )


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """After how many seconds to ask again, as the answer says; None if it doesn't.

    Args:
        response: the answer.
        now: the time, UTC; the computer's if None.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def unreachable(error: httpx.HTTPError, request_id: str, attempts: int) -> ServiceUnreachable:
    """A failure on the way as an error of the client's."""
    tried = "" if attempts == 1 else f" after {attempts} attempts"
    if isinstance(error, httpx.TimeoutException):
        words = f"there was no answer in time{tried}: it may have been done all the same, so look"
    else:
        words = f"the service can't be reached{tried}: see whether it runs and the address is right"
    detail = str(error) or type(error).__name__
    return ServiceUnreachable(f"{words} ({detail})", request_id)


def _strange(response: httpx.Response, why: str) -> AnswerNotUnderstood:
    return AnswerNotUnderstood(
        f"the answer can't be understood: {why}; see whether the address is right and the "
        "service's version is the client's",
        _request_id(response),
    )


def _request_id(response: httpx.Response) -> str:
    found: str = response.headers.get(REQUEST_ID) or response.request.headers.get(REQUEST_ID, "")
    return found
