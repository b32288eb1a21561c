"""Whether, and after how long, a request is sent again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from sigvault.client.calls import Call
from sigvault.client.reading import retry_after

_PASSING = frozenset({429, 502, 503, 504})
"""What may be otherwise a moment later."""

_UNDER_WAY = 409
"""With Retry-After: the same request is being answered at this moment."""

_TIMED_OUT = 504


@dataclass(frozen=True)
class Retries:
    """How patient a client is with requests that may be repeated: reading, and enrolling.

    The n-th wait is drawn from half to all of ``first_wait * 2**(n - 1)``, so that many clients
    don't come back at once. Where the service says how long to wait, the client waits so long.

    Attributes:
        attempts: how often a request is sent at most; 1 never repeats any.
        first_wait: the longest first wait, in seconds.
        longest_wait: the longest wait, in seconds. If the service asks for more, the client doesn't
            wait at all, but raises.
    """

    attempts: int = 4
    first_wait: float = 0.25
    longest_wait: float = 20.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If a number can't be used.
        """
        if self.attempts < 1 or self.first_wait < 0 or self.longest_wait < 0:
            raise ValueError("there is an attempt at least, and nobody waits for less than 0 s")

    def wait(
        self,
        call: Call[Any],
        outcome: httpx.Response | httpx.HTTPError,
        attempt: int,
        chance: float,
    ) -> float | None:
        """How long to wait before the next attempt, in seconds; None if there is none.

        Args:
            call: what was asked.
            outcome: what came of it.
            attempt: how often it was sent, from 1.
            chance: a number drawn from [0, 1).
        """
        if not call.repeatable or attempt >= self.attempts or not _may_pass(outcome):
            return None
        if call.timeout is not None and _ran_out(outcome):
            return None
        asked = retry_after(outcome) if isinstance(outcome, httpx.Response) else None
        if asked is not None:
            return asked if asked <= self.longest_wait else None
        most: float = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        return most * (1 + chance) / 2


def _ran_out(outcome: httpx.Response | httpx.HTTPError) -> bool:
    """Whether all the time that there was has passed, for the service or for the client."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code == _TIMED_OUT
    return isinstance(outcome, httpx.ReadTimeout)


def _may_pass(outcome: httpx.Response | httpx.HTTPError) -> bool:
    if isinstance(outcome, httpx.Response):
        status = outcome.status_code
        return status in _PASSING or (status == _UNDER_WAY and "retry-after" in outcome.headers)
    return not isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
