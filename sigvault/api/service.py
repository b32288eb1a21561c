"""What all calls share: the vault, who asks, lanes for blocking work, limits and metrics."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TypeVar

from fastapi import Response
from pydantic import BaseModel
from starlette.requests import Request

from sigvault.api.bodies import BodyReader, parse
from sigvault.api.callers import Caller, Gate
from sigvault.api.errors import NOT_READY, Problem
from sigvault.api.lanes import Lane, SharedWork
from sigvault.api.limits import RateLimits, ServiceLimits
from sigvault.api.metrics import ServiceMetrics
from sigvault.vault import Vault

_Model = TypeVar("_Model", bound=BaseModel)
_T = TypeVar("_T")
_Part = TypeVar("_Part")

_BULK_THREADS = 4


class Service:
    """One vault's service.

    Attributes:
        vault: the vault.
        limits: what a caller may cost.
        metrics: what Prometheus is told.
        deciding: the lane of verifications and identifications.
        enrolling: the lane of enrollments and erasures.
        reading: the lane of what is only looked up.
        checking: the lane of the audit check, which reads everything.
        audit_check: that check, which all who ask for it at the same time share.
        under_way: the requests with an Idempotency-Key that are being answered.
    """

    def __init__(
        self,
        vault: Vault,
        limits: ServiceLimits,
        metrics: ServiceMetrics,
        *,
        open_to_loopback: bool,
    ) -> None:
        """Take the vault; nothing runs before the first request."""
        self.vault = vault
        self.limits = limits
        self.metrics = metrics
        self.bodies = BodyReader(limits)
        self.under_way: set[tuple[str, str]] = set()
        self.deciding = self._lane("deciding", limits.deciding, limits.waiting)
        self.enrolling = self._lane("enrolling", 2, limits.waiting)
        self.reading = self._lane("reading", 4, limits.waiting)
        self.checking = self._lane("checking", 1, 0, endless=True)
        self.audit_check = SharedWork(
            self.checking, vault.audit_check, seconds=limits.check_seconds
        )
        self._bulk = ThreadPoolExecutor(_BULK_THREADS, thread_name_prefix="sigvault-bulk")
        self._gate = Gate(vault, open_to_loopback=open_to_loopback)
        self._rates = RateLimits(limits.per_minute)
        self._ready = False

    def start(self) -> None:
        """Load model and index, so that the first request finds them; blocks."""
        self.vault.warm_up()
        self._ready = True

    def stop(self) -> None:
        """Finish what is under way."""
        self._ready = False
        for lane in self.lanes:
            lane.close()
        self._bulk.shutdown(wait=True)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes."""
        return self.deciding, self.enrolling, self.reading, self.checking

    def require_ready(self) -> None:
        """Make sure that requests can be answered at once.

        Raises:
            Problem: If the service is starting or stopping.
        """
        if not self._ready:
            raise Problem(NOT_READY, "the model is being loaded", headers={"Retry-After": "2"})

    async def recognise(self, request: Request) -> Caller:
        """Who asks; one request is counted.

        Raises:
            Problem: If no key was sent, or it has used up its requests.
            KeyRefused: If the key opens nothing.
        """
        caller = self._gate.recall(request)
        if caller is None:
            # Nobody watches whether the client goes away: its body is still to be read.
            caller = await self.reading.run(None, lambda: self._gate.look_up(request))
        request.state.caller = caller
        self._rates.count(caller.id)
        return caller

    async def with_body(
        self,
        request: Request,
        lane: Lane,
        model: type[_Model],
        work: Callable[[_Model], _T],
        alone: AbstractContextManager[None] | None = None,
    ) -> _T:
        """Read the body, then parse it and work on it in a lane.

        Args:
            request: whose body it is.
            lane: where.
            model: what the body is.
            work: what blocks.
            alone: entered before the body is read, and left when the work is over: after a
                timeout, that is later than the answer.
        """
        with ExitStack() as held:
            held.enter_context(alone or nullcontext())
            body = await self.bodies.read(request)
            held.callback(self.bodies.release, body)
            return await lane.run(request, lambda: work(parse(body, model)), held)

    def together(self, work: Callable[[_Part], _T], parts: Iterable[_Part]) -> list[_T]:
        """Work on the parts of one request at the same time, all within its trace; blocks."""
        begun = [
            # A context can't be entered twice at once, so each part has a copy of its own.
            self._bulk.submit(contextvars.copy_context().run, work, part)
            for part in parts
        ]
        return [each.result() for each in begun]

    def _lane(self, name: str, threads: int, waiting: int, *, endless: bool = False) -> Lane:
        return Lane(
            name,
            threads=threads,
            waiting=waiting,
            wait_seconds=self.limits.wait_seconds,
            work_seconds=None if endless else self.limits.work_seconds,
            observe=self.metrics.observe_wait,
        )


def json_answer(answer: BaseModel, status: int = 200) -> Response:
    """An answer, written where it was made, off the event loop."""
    return Response(answer.model_dump_json(), status, media_type="application/json")
