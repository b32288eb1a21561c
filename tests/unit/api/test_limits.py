"""Requests a minute, each caller's by itself, without a thread for each."""

from __future__ import annotations

import threading

import pytest

from sigvault.api.errors import TOO_MANY, Problem
from sigvault.api.limits import RateLimits


@pytest.fixture
def threads(monkeypatch):
    """How often a thread was started."""
    started = []
    start = threading.Thread.start

    def counted(thread):
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", counted)
    return started


def test_a_caller_has_so_many_requests_and_the_next_caller_as_many(threads):
    limits = RateLimits(5)
    for caller in ("a", "b"):
        for _ in range(5):
            limits.count(caller)
        with pytest.raises(Problem, match="5 times a minute") as refused:
            limits.count(caller)
        assert refused.value.kind is TOO_MANY
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 60


def test_counting_starts_hardly_any_threads(threads):
    limits = RateLimits(10_000)
    for _ in range(300):
        limits.count("a")
    # One when it is made, and one a window: there may be two of them.
    assert len(threads) <= 3


def test_requests_at_the_same_time_are_all_counted():
    limits, refused = RateLimits(200), []

    def ask():
        for _ in range(100):
            try:
                limits.count("a")
            except Problem:
                refused.append(1)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert len(refused) >= 200
