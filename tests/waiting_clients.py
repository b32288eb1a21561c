"""Both clients, waited for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sigvault.client import AsyncClient, Client


class Waiting:
    """An AsyncClient that is waited for, so that one test asks both clients the same."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args, **options):
            found = method(*args, **options)
            if isinstance(found, AsyncIterator):
                return iter(self._loop.run_until_complete(_collect(found)))
            assert inspect.isawaitable(found)
            return self._loop.run_until_complete(found)

        return call

    def end(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@contextmanager
def asking(kind: str, *args, **options) -> Iterator[Any]:
    """A client of a kind, ``"Client"`` or ``"AsyncClient"``, that is waited for."""
    if kind == "Client":
        with Client(*args, **options) as client:
            yield client
        return
    client = Waiting(AsyncClient(*args, **options))
    try:
        yield client
    finally:
        client.end()
