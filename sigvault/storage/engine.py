"""The database behind a vault: SQLite in a file or PostgreSQL at a URL, with one writer at a time.

Every writing transaction waits for the one before it on both databases (BEGIN IMMEDIATE on
SQLite, an advisory lock on PostgreSQL): the audit log is one chain, so writers would queue for
its end anyway, and what a writer has checked stays true until it commits. Reading transactions
see one snapshot and never wait for a writer.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from sigvault.domain.errors import ConfigurationError
from sigvault.storage.failures import UNSTORABLE, driver_errors, refuse_values, translate
from sigvault.storage.spares import SPARES, Spares

WAIT_SECONDS = 30
"""How long a writer waits for the one before it."""

WRITER_LOCK = int.from_bytes(b"sigvault")
"""The advisory lock that PostgreSQL writers queue for: any 63-bit number that nobody else takes."""

CONNECTIONS = 32 + 8 * (os.cpu_count() or 1)
"""Connections of a process at most, where nobody says: more than the service has threads that
read or write at the same time, so that none of them waits for another's."""

_KEPT = 5
"""Connections that stay open: each of SQLite's has memory of its own, each of PostgreSQL's a
process."""

CLEANING_SECONDS = 2.0
"""How long an erasure tries to empty the write-ahead log while others read."""

_BETWEEN_TRIES = 0.01
"""Seconds: a decision reads for less."""

_MODE = "sigvault_mode"


class Mode(StrEnum):
    """What an SQLite connection is set up for; one from the pool keeps what it was set up for."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


CACHE_KIB = 64 * 1024
"""Memory for pages of SQLite's, of each connection, taken as it is needed: with SQLite's own 2 MB,
indexes in random order are read and written over and over by those who write much at a time."""

SERVING_CACHE_KIB = 8 * 1024
"""The same for those who write little at a time through several connections, for weeks: each would
fill its memory in the end, and most with the same pages."""


def make_engine(
    database: Path | str,
    *,
    wait_seconds: float = WAIT_SECONDS,
    cache_kib: int = CACHE_KIB,
    connections: int = CONNECTIONS,
) -> Engine:
    """Make an engine; nothing is opened yet.

    Args:
        database: a path for an SQLite file, or a ``postgresql://`` (or ``sqlite:///``) URL.
        wait_seconds: how long a writer waits for the one before it, and whoever finds all
            connections in use for one of them.
        cache_kib: memory for pages of SQLite's, of each connection, at most.
        connections: how many at most: who asks from so many threads never waits for one.

    Raises:
        ConfigurationError: If the URL can't be read or names another database.
    """
    url = (
        URL.create("sqlite", database=str(database))
        if isinstance(database, Path)
        else _parse(database)
    )
    kept = min(connections, _KEPT)
    pool = {
        "pool_size": kept,
        "max_overflow": connections - kept,
        "pool_timeout": wait_seconds,
        # The connection that wrote last is taken first: the others' pages in memory are of before.
        "pool_use_lifo": True,
    }
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, wait_seconds, cache_kib, pool, Spares(connections))
    engine = create_engine(
        url,
        **pool,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 10,
            "options": f"-c lock_timeout={int(wait_seconds * 1000)}",
        },
    )
    event.listen(engine, "handle_error", _refuse_values)
    return engine


def database_kind(engine: Engine) -> str:
    """The database's name for people: ``"SQLite"`` or ``"PostgreSQL"``."""
    return "SQLite" if engine.dialect.name == "sqlite" else "PostgreSQL"


@contextmanager
def write_session(engine: Engine) -> Iterator[Session]:
    """A unit of work: commits at the end of the block, or leaves nothing if it is left early.

    Rows stay readable after the block.

    Raises:
        StorageFailed: If the database is full, locked for too long, unreachable or refuses.
        VaultDamaged: If the database is broken or tables are missing.
    """
    with _session(engine) as session:
        lock_writers(session.connection())
        yield session
        session.commit()


@contextmanager
def read_session(engine: Engine) -> Iterator[Session]:
    """One snapshot of the database, which can't be written to.

    Raises:
        StorageFailed: If the database is unreachable, or something was written.
        VaultDamaged: If the database is broken or tables are missing.
    """
    with _session(reading(engine)) as session:
        yield session


@contextmanager
def _session(engine: Engine) -> Iterator[Session]:
    try:
        with Session(engine, expire_on_commit=False) as session:
            yield session
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine.execution_options(**{_MODE: Mode.READ})


def lock_writers(connection: Connection) -> None:
    """Wait until no other transaction writes; SQLite has done so when this one began."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(WRITER_LOCK)))


def migrating(engine: Engine) -> Engine:
    """The same engine for migrations: SQLite rebuilds tables, which must not cascade."""
    return engine.execution_options(**{_MODE: Mode.MIGRATE})


def checkpoint(engine: Engine, *, seconds: float = CLEANING_SECONDS) -> bool:
    """Empty SQLite's write-ahead log, which holds older pages with what was deleted since.

    Deleted content is overwritten in the database file itself (``secure_delete``); see `traces`
    for what that leaves. Nobody waits for this: while somebody reads it is tried again and again,
    and the writers' lock is held for single tries alone. PostgreSQL empties its own log in its own
    time, and pages there are rewritten by VACUUM; protect its disk accordingly.

    Args:
        engine: the database.
        seconds: how long to try.

    Returns:
        False if readers or writers kept the log from being emptied: try again later.

    Raises:
        StorageFailed: If the database can't be written.
    """
    if engine.dialect.name != "sqlite":
        return True
    until = time.monotonic() + seconds
    with _impatient(engine) as connection:
        while not _empty_log(connection):
            if time.monotonic() >= until:
                return False
            time.sleep(_BETWEEN_TRIES)
    return True


def _empty_log(connection: sqlite3.Connection) -> bool:
    # Most is copied without the writers' lock; whoever begins to read then needs no log.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


@contextmanager
def _impatient(engine: Engine) -> Iterator[sqlite3.Connection]:
    """A connection to SQLite that waits for nobody."""
    with driver_connection(engine) as connection:
        (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            yield connection
        finally:
            connection.execute(f"PRAGMA busy_timeout = {wait}")


@contextmanager
def driver_connection(engine: Engine) -> Iterator[sqlite3.Connection]:
    """A connection to SQLite outside of any transaction, which may write.

    Raises:
        StorageFailed: If the database can't be opened or written.
        VaultDamaged: If it is broken.
    """
    try:
        pooled = engine.raw_connection()
        try:
            connection: Any = pooled.driver_connection
            set_mode(connection.execute, pooled.info, Mode.WRITE)
            yield connection
        finally:
            pooled.close()
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error


def _parse(database: str) -> URL:
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise ConfigurationError(
            "the database URL can't be read: it should look like "
            "postgresql://user:password@host/database"
        ) from error
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url
    raise ConfigurationError(
        f"a vault can't lie in {url.render_as_string()}: use a file with SQLite, or PostgreSQL"
    )


def _refuse_values(context: ExceptionContext) -> BaseException | None:
    """Say in sigvault's words what a driver raises beside its own errors."""
    error = context.original_exception
    return refuse_values(error) if isinstance(error, UNSTORABLE) else None


def _sqlite_engine(
    url: URL, wait_seconds: float, cache_kib: int, pool: dict[str, Any], spares: Spares
) -> Engine:
    options = {SPARES: spares}
    engine = create_engine(
        url, connect_args={"timeout": wait_seconds}, execution_options=options, **pool
    )
    event.listen(engine, "engine_disposed", spares.close)
    event.listen(engine, "handle_error", _refuse_values)
    event.listen(engine, "connect", partial(_prepare_sqlite, cache_kib))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(cache_kib: int, connection: sqlite3.Connection, _record: object) -> None:
    """Set up a fresh connection; sqlite3's own transactions are switched off (`_begin_sqlite`)."""
    connection.isolation_level = None
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute(f"PRAGMA cache_size = -{cache_kib}")  # below 0: in KiB
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get(_MODE, Mode.WRITE)
    set_mode(connection.exec_driver_sql, connection.info, mode)
    connection.exec_driver_sql("BEGIN" if mode == Mode.READ else "BEGIN IMMEDIATE")


def set_mode(execute: Callable[[str], object], info: MutableMapping[Any, Any], mode: Mode) -> None:
    """Set an SQLite connection up for a transaction that is about to begin.

    Args:
        execute: executes a statement on the connection.
        info: what is noted with the connection for as long as it lives.
        mode: what the transaction is for.
    """
    if info.get(_MODE) == mode:
        return
    execute(f"PRAGMA query_only = {'ON' if mode == Mode.READ else 'OFF'}")
    execute(f"PRAGMA foreign_keys = {'OFF' if mode == Mode.MIGRATE else 'ON'}")
    info[_MODE] = mode
