"""Transactions by the database driver alone, for the few statements that every decision takes.

A session of SQLAlchemy's costs several times what the statements of a decision do. These
transactions come from the same engine and its pool, and keep the promises of
`engine.read_session` and `engine.write_session`: one snapshot, one writer, all or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.storage.engine import WRITER_LOCK, Mode, set_mode
from sigvault.storage.failures import UNSTORABLE, driver_errors, refuse_values, translate

Values = tuple[object, ...]
Row = tuple[Any, ...]


class DriverTransaction:
    """Statements in one transaction; they are written with ``?`` for each value.

    A value that no database can hold raises ConfigurationError.
    """

    def __init__(self, connection: Any, *, sqlite: bool) -> None:  # noqa: ANN401 - the driver's
        """Take the driver's own connection, on which the transaction has begun."""
        self._connection = connection
        self._sqlite = sqlite

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        """What a statement finds."""
        found: list[Row] = self._run(statement, values).fetchall()
        return found

    def run(self, statement: str, values: Values = ()) -> int:
        """Execute a statement; how many rows it touched."""
        return int(self._run(statement, values).rowcount)

    def run_many(self, statement: str, values: Sequence[Values]) -> None:
        """Execute a statement once for each tuple of values."""
        if not values:
            return
        try:
            self._connection.cursor().executemany(self._marked(statement), values)
        except UNSTORABLE as error:
            raise refuse_values(error) from error

    def time(self, at: datetime) -> object:
        """A moment as the driver takes it, as `tables.UtcDateTime` writes it."""
        moment = at.astimezone(UTC)
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f") if self._sqlite else moment

    def _run(self, statement: str, values: Values) -> Any:  # noqa: ANN401 - the driver's cursor
        try:
            return self._connection.execute(self._marked(statement), values)
        except UNSTORABLE as error:
            raise refuse_values(error) from error

    def _marked(self, statement: str) -> str:
        return statement if self._sqlite else _in_percent(statement)


def directly(session: Session) -> DriverTransaction:
    """A session's own transaction; what the session holds back is written first."""
    session.flush()
    connection = session.connection()
    return DriverTransaction(
        connection.connection.driver_connection, sqlite=connection.dialect.name == "sqlite"
    )


@lru_cache(maxsize=256)
def _in_percent(statement: str) -> str:
    """The statement with PostgreSQL's marks; ours hold no ``?`` or ``%`` of their own."""
    return statement.replace("?", "%s")


@contextmanager
def read_directly(engine: Engine) -> Iterator[DriverTransaction]:
    """One snapshot, to be read from alone.

    Raises:
        StorageFailed: If the database is unreachable.
        VaultDamaged: If the database is broken or tables are missing.
    """
    begin = ("BEGIN",), ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    with _transaction(engine, None, *begin) as transaction:
        yield transaction


@contextmanager
def write_directly(engine: Engine) -> Iterator[DriverTransaction]:
    """A unit of work: commits at the end of the block, or leaves nothing if it is left early.

    Raises:
        StorageFailed: If the database is full, locked for too long, unreachable or refuses.
        VaultDamaged: If the database is broken or tables are missing.
    """
    begin = ("BEGIN IMMEDIATE",), ("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))
    with _transaction(engine, Mode.WRITE, *begin) as transaction:
        yield transaction


@contextmanager
def _transaction(
    engine: Engine, mode: Mode | None, for_sqlite: tuple[Any, ...], for_postgresql: tuple[Any, ...]
) -> Iterator[DriverTransaction]:
    sqlite = engine.dialect.name == "sqlite"
    try:
        pooled = engine.raw_connection()
        try:
            connection: Any = pooled.driver_connection
            if sqlite and mode is not None:
                set_mode(connection.execute, pooled.info, mode)
            connection.execute(*(for_sqlite if sqlite else for_postgresql))
            try:
                yield DriverTransaction(connection, sqlite=sqlite)
                _end(connection, "COMMIT", sqlite=sqlite)
            except BaseException:
                with suppress(engine.dialect.loaded_dbapi.Error):  # the first error is the one
                    _end(connection, "ROLLBACK", sqlite=sqlite)
                raise
        finally:
            pooled.close()
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error


def _end(connection: Any, how: str, *, sqlite: bool) -> None:  # noqa: ANN401 - the driver's
    if sqlite:
        connection.execute(how)
    elif how == "COMMIT":
        connection.commit()
    else:
        connection.rollback()
