"""A service that listens at a port of this computer, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Serve an app until the block ends.

    Yields:
        Its address, once it is ready.
    """
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        patience = time.monotonic() + 240
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
