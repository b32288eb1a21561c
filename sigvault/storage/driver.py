"""Transactions by the database driver alone, for the few statements that every decision takes.

A session of SQLAlchemy's costs several times what the statements of a decision do. These
transactions come from the same engine and its pool, and keep the promises of
`engine.read_session` and `engine.write_session`: one snapshot, one writer, all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.storage.engine import WRITER_LOCK, Mode, set_mode
from sigvault.storage.failures import UNSTORABLE, driver_errors, refuse_values, translate
from sigvault.storage.spares import SPARES, Spares

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
        try:
            found: list[Row] = self._connection.execute(self._marked(statement), values).fetchall()
        except UNSTORABLE as error:
            raise refuse_values(error) from error
        return found

    def run(self, statement: str, values: Values = ()) -> int:
        """Execute a statement; how many rows it touched."""
        try:
            return int(self._connection.execute(self._marked(statement), values).rowcount)
        except UNSTORABLE as error:
            raise refuse_values(error) from error

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


def read_directly(engine: Engine) -> AbstractContextManager[DriverTransaction]:
    """One snapshot, to be read from alone.

    Raises:
        StorageFailed: If the database is unreachable.
        VaultDamaged: If the database is broken or tables are missing.
    """
    return _OneTransaction(engine, None, _READ)


def write_directly(engine: Engine) -> AbstractContextManager[DriverTransaction]:
    """A unit of work: commits at the end of the block, or leaves nothing if it is left early.

    Raises:
        StorageFailed: If the database is full, locked for too long, unreachable or refuses.
        VaultDamaged: If the database is broken or tables are missing.
    """
    return _OneTransaction(engine, Mode.WRITE, _WRITE)


_Begin = tuple[tuple[Any, ...], tuple[Any, ...]]
"""What is executed first, on SQLite and on PostgreSQL."""

_READ: _Begin = ("BEGIN",), ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",)
_WRITE: _Begin = ("BEGIN IMMEDIATE",), ("SELECT pg_advisory_xact_lock(%s)", (WRITER_LOCK,))


class _OneTransaction:
    """One transaction, for one ``with``; a class, since every decision enters two of them."""

    def __init__(self, engine: Engine, mode: Mode | None, begin: _Begin) -> None:
        self._engine, self._mode, self._begin = engine, mode, begin
        self._sqlite = engine.dialect.name == "sqlite"
        self._spares: Spares | None = engine.get_execution_options().get(SPARES)

    def __enter__(self) -> DriverTransaction:
        try:
            spares = self._spares
            self._pooled = spares.take(self._engine) if spares else self._engine.raw_connection()
            try:
                return self._begun(self._pooled.driver_connection)
            except BaseException:
                self._pooled.close()
                raise
        except driver_errors(self._engine) as error:
            raise translate(error, self._engine.url) from error

    def _begun(self, connection: Any) -> DriverTransaction:  # noqa: ANN401 - the driver's
        if self._sqlite and self._mode is not None:
            set_mode(connection.execute, self._pooled.info, self._mode)
        connection.execute(*self._begin[0 if self._sqlite else 1])
        return DriverTransaction(connection, sqlite=self._sqlite)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        try:
            try:
                if error is None:
                    self._commit()
                else:
                    self._roll_back()
            except BaseException:
                self._pooled.close()
                raise
            if error is None and self._spares:
                self._spares.give(self._pooled)
            else:
                self._pooled.close()
        except driver_errors(self._engine) as failed:
            raise translate(failed, self._engine.url) from failed
        if isinstance(error, driver_errors(self._engine)):
            raise translate(error, self._engine.url) from error

    def _commit(self) -> None:
        try:
            self._end("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with suppress(self._engine.dialect.loaded_dbapi.Error):  # the first error is the one
            self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        connection: Any = self._pooled.driver_connection
        if self._sqlite:
            connection.execute(how)
        elif how == "COMMIT":
            connection.commit()
        else:
            connection.rollback()
