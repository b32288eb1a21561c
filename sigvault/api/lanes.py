"""Blocking work off the event loop, in lanes of bounded length.

A lane has a few threads, and a few places to wait for one; whoever finds none is told to come back.
A request whose client goes away while it waits gives its place up; work that has begun goes on to
its end, since it may be recorded already.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Generic, TypeVar

from starlette.requests import Request

from sigvault.api.errors import BUSY, TIMED_OUT, Problem

_T = TypeVar("_T")


class ClientGone(Exception):
    """Nobody is there any more to be answered."""


class Lane:
    """Threads for one kind of work."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        waiting: int,
        wait_seconds: float,
        work_seconds: float | None,
        observe: Callable[[str, float], None] = lambda _name, _seconds: None,
    ) -> None:
        """Make the threads when they are first needed.

        Args:
            name: of the lane, for metrics.
            threads: how many work at the same time.
            waiting: how many may wait for one.
            wait_seconds: how long.
            work_seconds: how long an answer may take; None for as long as it does.
            observe: told the lane's name and the seconds that a request waited.
        """
        self.name = name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"sigvault-{name}")
        self._free = threads
        self._line: deque[asyncio.Future[None]] = deque()
        self._places = waiting
        self._wait_seconds = wait_seconds
        self._work_seconds = work_seconds
        self._observe = observe
        self._working = 0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._line)

    @property
    def working(self) -> int:
        """How many are worked on."""
        return self._working

    async def run(
        self, request: Request | None, work: Callable[[], _T], held: ExitStack | None = None
    ) -> _T:
        """Do blocking work in one of the lane's threads.

        Args:
            request: whose client may go away while it waits. Its body has been read: watching
                takes whatever arrives. None to wait without watching.
            work: what blocks.
            held: what is let go when the work is over, even if nobody waits for it any more;
                left as it is where the work doesn't begin.

        Raises:
            Problem: If there is no place to wait, or it takes too long.
            ClientGone: If the client went away before its turn.
        """
        await self._take_turn(request)
        self._working += 1
        context = contextvars.copy_context()  # of a trace
        future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        future.add_done_callback(self._give_turn)
        if held is not None:
            kept = held.pop_all()
            future.add_done_callback(lambda _: kept.close())
        try:
            # Work that has begun can't be stopped, and keeps its turn until it is over.
            return await asyncio.wait_for(asyncio.shield(future), self._work_seconds)
        except TimeoutError as error:
            if self._work_seconds is None or future.done():
                raise  # the work's own
            raise _too_late(self._work_seconds) from error

    def close(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown(wait=True)

    def _give_turn(self, future: asyncio.Future[_T]) -> None:
        self._working -= 1
        self._call_next()
        if not future.cancelled():
            future.exception()  # seen, also where nobody waits for it any more

    def _call_next(self) -> None:
        """Give a turn to whoever waits longest, or keep it for the next who comes."""
        if self._line:
            self._line.popleft().set_result(None)
        else:
            self._free += 1

    async def _take_turn(self, request: Request | None) -> None:
        began = time.perf_counter()
        if self._free:
            self._free -= 1
        elif len(self._line) >= self._places:
            raise self._busy(f"{self._places} requests wait already, as many as may")
        else:
            await self._wait(request)
        self._observe(self.name, time.perf_counter() - began)

    async def _wait(self, request: Request | None) -> None:
        """Wait for a turn, for the client to go away, or for too long."""
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait(
                {turn, gone}, timeout=self._wait_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            if turn.done():
                self._call_next()
            raise
        finally:
            gone.cancel()
            if not turn.done():
                self._line.remove(turn)
        if turn.done():
            return
        if gone.done():
            raise ClientGone
        raise self._busy(f"there was no turn within {self._wait_seconds:g} s")

    def _busy(self, why: str) -> Problem:
        return Problem(BUSY, why, headers={"Retry-After": "1"})


class SharedWork(Generic[_T]):
    """Long work that is done once for all who ask for it while it goes on."""

    def __init__(self, lane: Lane, work: Callable[[], _T], *, seconds: float) -> None:
        """Begin nothing yet.

        Args:
            lane: where it is done; one that sets no time of its own.
            work: what blocks.
            seconds: how long each who asks waits for its end.
        """
        self._lane = lane
        self._work = work
        self._seconds = seconds
        self._under_way: asyncio.Future[_T] | None = None

    async def join(self) -> _T:
        """What the work gives that goes on, or that begins now.

        Raises:
            Problem: If it takes too long. It goes on, and who asks again waits for the same.
        """
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._lane.run(None, self._work))
            self._under_way.add_done_callback(self._end)
        try:
            return await asyncio.wait_for(asyncio.shield(self._under_way), self._seconds)
        except TimeoutError as error:
            if self._under_way is None:
                raise  # the work's own
            raise _too_late(self._seconds) from error

    def _end(self, done: asyncio.Future[_T]) -> None:
        self._under_way = None
        if not done.cancelled():
            done.exception()  # seen, also where nobody waits for it any more


def _too_late(seconds: float) -> Problem:
    return Problem(TIMED_OUT, f"there was no answer within {seconds:g} s")


async def _disconnected(request: Request | None) -> None:
    """Wait until the client goes away; its request has arrived before."""
    if request is None:
        await asyncio.Event().wait()  # for ever: whoever waits besides ends it
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass
