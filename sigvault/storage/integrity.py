"""Whether the database itself is sound, and whether somebody is writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from sqlalchemy import Engine, text

from sigvault.storage.engine import WRITER_LOCK, reading
from sigvault.storage.failures import driver_errors, translate

_MOST_SHOWN = 20
"""Contradictions reported at most: one is as bad as a thousand."""


def contradictions(engine: Engine, *, deep: bool) -> tuple[str, ...]:
    """What the database finds wrong with its own pages, indexes and references; nothing if sound.

    SQLite looks at itself; PostgreSQL does so all the time, so nothing is asked of it.

    Args:
        engine: the database.
        deep: whether indexes are compared with their tables too, which takes far longer.

    Raises:
        StorageFailed: If the database can't be read.
        VaultDamaged: If it can't be read because it is damaged.
    """
    if engine.dialect.name != "sqlite":
        return ()
    check = "integrity_check" if deep else "quick_check"
    try:
        with reading(engine).connect() as connection:
            said = connection.exec_driver_sql(f"PRAGMA {check}({_MOST_SHOWN})").scalars().all()
            strangers = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error
    wrong = [line for line in said if line != "ok"]
    wrong += [
        f"row {row} of {table} refers to a row of {parent} that isn't there"
        for table, row, parent, _ in strangers[:_MOST_SHOWN]
    ]
    return tuple(wrong)


def writer_at_work(engine: Engine) -> bool:
    """Whether another transaction is writing at this moment.

    Raises:
        StorageFailed: If the database can't be reached.
    """
    if engine.dialect.name == "sqlite":
        return _sqlite_is_locked(str(engine.url.database))
    try:
        with engine.connect() as connection:
            free = connection.scalar(
                text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": WRITER_LOCK}
            )
            connection.rollback()
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error
    return not free


def _sqlite_is_locked(path: str) -> bool:
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorname.startswith("SQLITE_BUSY")
        connection.execute("ROLLBACK")
    return False
