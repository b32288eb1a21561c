"""What the service lets a caller cost: bytes, pixels, images, time, and requests a minute."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, field

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from sigvault.api.errors import TOO_MANY, Problem

_MEBIBYTE = 2**20


@dataclass(frozen=True)
class ServiceLimits:
    """What a caller may cost.

    Attributes:
        body_bytes: bytes of a request at most.
        buffered_bytes: bytes of all requests that are arriving or waiting, together.
        pixels: width times height of an image at most.
        images: images in one request at most.
        body_seconds: how long a request may take to arrive.
        wait_seconds: how long a request waits for its turn.
        work_seconds: how long an answer may take.
        check_seconds: how long the check of the audit log may take, which reads everything.
        deciding: verifications and identifications under way at the same time; enough to fill
            the next forward pass while others are decoded and recorded.
        waiting: requests that wait for their turn, in each lane.
        per_minute: requests of one key in a minute.
    """

    body_bytes: int = 16 * _MEBIBYTE
    buffered_bytes: int = 256 * _MEBIBYTE
    pixels: int = 20_000_000
    images: int = 32
    body_seconds: float = 30.0
    wait_seconds: float = 10.0
    work_seconds: float = 60.0
    check_seconds: float = 3600.0
    deciding: int = field(default_factory=lambda: 16 + 8 * (os.cpu_count() or 1))
    waiting: int = 64
    per_minute: int = 6000


class _Counters(MemoryStorage):
    """Counters in memory, which look for old ones once in a caller's window.

    The library's do so with each request, in a thread of their own: where requests come seldom, in
    a new one for each.
    """

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """See MemoryStorage."""
        if not self.get(key):
            return super().incr(key, expiry, amount)
        with self.locks[key]:
            self.storage[key] += amount
            return int(self.storage[key])


class RateLimits:
    """Requests a minute of each key, counted over a sliding window in memory."""

    def __init__(self, per_minute: int) -> None:
        """Take what a key may use."""
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(_Counters())

    def count(self, caller: str) -> None:
        """Count a request.

        Raises:
            Problem: If the caller has none left.
        """
        if self._limiter.hit(self._item, caller):
            return
        left = self._limiter.get_window_stats(self._item, caller).reset_time - time.time()
        seconds = max(1, math.ceil(left))
        raise Problem(
            TOO_MANY,
            f"this key may ask {self._item.amount} times a minute; there is room in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )
