"""A few connections to SQLite that the driver's transactions hand on to each other.

The pool's way of lending a connection and taking it back costs as much as all statements of a
decision. These are lent by the pool once, and closed when the engine is disposed of.
"""

from __future__ import annotations

import os
import threading

from sqlalchemy import Engine
from sqlalchemy.pool import PoolProxiedConnection

SPARES = "sigvault_spares"
"""The engine's option that holds its `Spares`; PostgreSQL's has none, since a connection to a
server may have been lost while it was idle, which the pool sees to."""

_MOST = 4
_SHARE = 8
"""One in so many connections may lie idle here, where sessions can't have it."""


class Spares:
    """Idle connections outside of any transaction. Safe for threads.

    Attributes:
        most: how many lie idle at most.
    """

    def __init__(self, connections: int) -> None:
        """Take how many connections the engine may have in all."""
        self.most = min(_MOST, connections // _SHARE)
        self._idle: list[PoolProxiedConnection] = []
        self._process = os.getpid()
        self._lock = threading.Lock()

    def take(self, engine: Engine) -> PoolProxiedConnection:
        """The connection that was used last, or one of the pool's.

        Raises:
            sqlalchemy.exc.TimeoutError: If the pool has none for too long.
        """
        with self._lock:
            if self._idle and self._process == os.getpid():
                return self._idle.pop()
        return engine.raw_connection()

    def give(self, connection: PoolProxiedConnection) -> None:
        """Take a connection whose transaction is over, or hand it back to the pool."""
        with self._lock:
            if len(self._idle) < self.most:
                self._idle.append(connection)
                return
        connection.close()

    def close(self, _engine: Engine) -> None:
        """Close all of them, for good: their pool has been emptied."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.detach()
            connection.close()
