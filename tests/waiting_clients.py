"""Services that listen at a port of this computer, and both clients, waited for."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from sigvault.client import AsyncClient, Client


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve an app until the block ends; gives its address once it is ready."""
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        patience = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < patience
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        while httpx.get(f"{address}/health/ready", timeout=30).status_code != 200:
            assert time.monotonic() < patience
            time.sleep(0.05)
        yield address
    finally:
        server.should_exit = True
        thread.join(60)


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
