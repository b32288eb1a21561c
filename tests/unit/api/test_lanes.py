from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sigvault.api.errors import BUSY, TIMED_OUT, Problem
from sigvault.api.lanes import ClientGone, Lane


class Connection:
    """A request whose client is there until it goes."""

    def __init__(self):
        self.gone = asyncio.Event()

    async def receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Work:
    """Work that goes on until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.done = 0

    def __call__(self):
        assert self.let_go.wait(20)
        self.done += 1
        return self.done


def run(scenario):
    """In a thread of its own: this one may have a browser's event loop from another test."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, scenario).result()


def lane(**options):
    usual = {"threads": 1, "waiting": 1, "wait_seconds": 20.0, "work_seconds": 20.0}
    return Lane("test", **usual | options)


async def settle(lane, *, working, waiting):
    async with asyncio.timeout(20):
        while (lane.working, lane.waiting) != (working, waiting):
            await asyncio.sleep(0.001)


def test_work_waits_for_its_turn_and_too_much_is_refused():
    async def scenario():
        some, work = lane(), Work()
        first, second = (asyncio.ensure_future(some.run(Connection(), work)) for _ in range(2))
        await settle(some, working=1, waiting=1)
        with pytest.raises(Problem) as refused:
            await some.run(Connection(), work)
        assert refused.value.kind is BUSY
        assert int(refused.value.headers["Retry-After"]) >= 1
        work.let_go.set()
        assert {await first, await second} == {1, 2}
        await settle(some, working=0, waiting=0)
        assert await some.run(Connection(), work) == 3
        some.close()

    run(scenario())


def test_who_goes_away_gives_the_place_up():
    async def scenario():
        some, work = lane(), Work()
        first = asyncio.ensure_future(some.run(Connection(), work))
        await settle(some, working=1, waiting=0)
        leaving = Connection()
        second = asyncio.ensure_future(some.run(leaving, work))
        await settle(some, working=1, waiting=1)
        leaving.gone.set()
        with pytest.raises(ClientGone):
            await second
        third = asyncio.ensure_future(some.run(Connection(), work))
        await settle(some, working=1, waiting=1)
        work.let_go.set()
        await first
        assert await third == 2
        some.close()

    run(scenario())


def test_a_cancelled_request_gives_its_turn_on():
    async def scenario():
        some, work = lane(waiting=2), Work()
        first = asyncio.ensure_future(some.run(Connection(), work))
        await settle(some, working=1, waiting=0)
        second, third = (asyncio.ensure_future(some.run(Connection(), work)) for _ in range(2))
        await settle(some, working=1, waiting=2)
        second.cancel()
        work.let_go.set()
        await first
        assert await third == 2
        with pytest.raises(asyncio.CancelledError):
            await second
        some.close()

    run(scenario())


def test_who_waits_too_long_is_told_to_come_back():
    async def scenario():
        some, work = lane(wait_seconds=0.05), Work()
        first = asyncio.ensure_future(some.run(Connection(), work))
        await settle(some, working=1, waiting=0)
        with pytest.raises(Problem) as refused:
            await some.run(Connection(), work)
        assert refused.value.kind is BUSY
        work.let_go.set()
        assert await first == 1
        some.close()

    run(scenario())


def test_an_answer_that_takes_too_long_keeps_its_turn_until_it_is_over():
    async def scenario():
        some, work = lane(work_seconds=0.05), Work()
        with pytest.raises(Problem) as refused:
            await some.run(Connection(), work)
        assert refused.value.kind is TIMED_OUT
        assert some.working == 1
        work.let_go.set()
        await settle(some, working=0, waiting=0)
        assert work.done == 1
        some.close()

    run(scenario())


def test_errors_come_through_and_free_the_turn():
    async def scenario():
        some = lane()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await some.run(Connection(), lambda: 1 // 0)
        await settle(some, working=0, waiting=0)
        some.close()

    run(scenario())
