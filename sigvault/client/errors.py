"""Every error that the client raises on purpose.

::

    ClientError
    ├── ServiceUnreachable        no connection, or no answer in time: perhaps it was done
    ├── AnswerNotUnderstood       what answered is no sigvault, or another version
    └── ServiceProblem            the service says what went wrong (RFC 9457)
        ├── RequestInvalid        400, 405, 408, 413, 415, 422: correct it
        ├── NotAuthenticated      401: no key, or one that opens nothing
        ├── NotAllowed            403: the key may not do this
        ├── NotFound              404: no such signer, reference, verification or path
        ├── Conflict              409: as things stand, it can't be done
        ├── TooManyRequests       429: the key has used up its requests
        └── ServiceFailed         500 and above
            ├── ServiceUnavailable    503: busy, starting or without its database
            └── TimedOut              504: the work may go on

Which of several it was, is in ``error.problem.kind``, such as ``"unknown-signer"``.
"""

from __future__ import annotations

from sigvault.client.answers import EnrollmentResult, Problem
from sigvault.domain.errors import SigvaultError


class ClientError(SigvaultError):
    """The root: whatever the client raises on purpose.

    Attributes:
        request_id: what the request was sent under; the service's log tells more under it.
    """

    def __init__(self, message: str, request_id: str = "") -> None:
        """Take the message, and what the request was sent under."""
        super().__init__(message)
        self.request_id = request_id


class ServiceUnreachable(ClientError):
    """There is no connection, or no answer came in time: what was asked for may have been done."""


class AnswerNotUnderstood(ClientError):
    """What answered is no sigvault service, or one of a version that this client doesn't know."""


class ServiceProblem(ClientError):
    """The service says what went wrong.

    Attributes:
        problem: what it says.
        retry_after: after how many seconds to ask again; None if the service didn't say.
    """

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        """Take what the service said."""
        remedy = f" {problem.remedy}" if problem.remedy else ""
        super().__init__(
            f"{problem.detail} ({problem.status} {problem.kind}).{remedy}", problem.request_id
        )
        self.problem = problem
        self.retry_after = retry_after

    @property
    def results(self) -> tuple[EnrollmentResult, ...]:
        """What became of each image, where nothing could be enrolled."""
        return self.problem.results


class RequestInvalid(ServiceProblem):
    """The request isn't as it has to be: an image, a value, its size."""


class NotAuthenticated(ServiceProblem):
    """No key was sent, or one that opens nothing."""


class NotAllowed(ServiceProblem):
    """The key may not do this."""


class NotFound(ServiceProblem):
    """There is no such signer, reference, verification or path."""


class Conflict(ServiceProblem):
    """As things stand it can't be done: no threshold, a verdict too late, another's image."""


class TooManyRequests(ServiceProblem):
    """The key has used up its requests; see ``retry_after``."""


class ServiceFailed(ServiceProblem):
    """The service failed; its log tells more under the request's id."""


class ServiceUnavailable(ServiceFailed):
    """The service is busy, starting, or without its database; see ``retry_after``."""


class TimedOut(ServiceFailed):
    """The answer took too long: the work may go on, so look before asking again."""


_BY_STATUS: dict[int, type[ServiceProblem]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: TooManyRequests,
    503: ServiceUnavailable,
    504: TimedOut,
}


def error_of(problem: Problem, retry_after: float | None) -> ServiceProblem:
    """A problem as an error of its status's class."""
    default = ServiceFailed if problem.status >= 500 else RequestInvalid
    return _BY_STATUS.get(problem.status, default)(problem, retry_after)
