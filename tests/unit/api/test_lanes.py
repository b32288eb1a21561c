from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from sigvault.api.errors import BUSY, TIMED_OUT, Problem
from sigvault.api.lanes import ClientGone, Lane, SharedWork


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


def test_what_is_held_is_let_go_when_the_work_is_over():
    async def scenario():
        some, work, gone = lane(waiting=0, work_seconds=0.05), Work(), []
        for name in ("late", "refused"):
            with ExitStack() as held:
                held.callback(gone.append, name)
                with pytest.raises(Problem):
                    await some.run(Connection(), work, held)
        assert gone == ["refused"]
        work.let_go.set()
        await settle(some, working=0, waiting=0)
        await asyncio.sleep(0)
        assert gone == ["refused", "late"]
        some.close()

    run(scenario())


def test_an_error_of_the_works_own_is_no_timeout():
    def work():
        raise TimeoutError("the disk's")

    async def scenario():
        some = lane()
        with pytest.raises(TimeoutError, match="disk"):
            await some.run(Connection(), work)
        shared = SharedWork(lane(work_seconds=None), work, seconds=20.0)
        for _ in range(2):
            with pytest.raises(TimeoutError, match="disk"):
                await shared.join()
        some.close()

    run(scenario())


def test_shared_work_is_done_once_for_all_who_ask_meanwhile():
    async def scenario():
        some, work = lane(waiting=0, work_seconds=None), Work()
        shared = SharedWork(some, work, seconds=20.0)
        asking = [asyncio.ensure_future(shared.join()) for _ in range(3)]
        await settle(some, working=1, waiting=0)
        asking[0].cancel()
        asking.append(asyncio.ensure_future(shared.join()))
        work.let_go.set()
        assert await asyncio.gather(*asking[1:]) == [1, 1, 1]
        assert await shared.join() == 2
        some.close()

    run(scenario())


def test_who_gave_up_joins_shared_work_again():
    async def scenario():
        some, work = lane(waiting=0, work_seconds=None), Work()
        shared = SharedWork(some, work, seconds=0.2)
        with pytest.raises(Problem) as refused:
            await shared.join()
        assert refused.value.kind is TIMED_OUT
        again = asyncio.ensure_future(shared.join())
        await asyncio.sleep(0)
        work.let_go.set()
        assert await again == 1
        some.close()

    run(scenario())
