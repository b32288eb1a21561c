"""Runs the migrations on the connection that `sigvault.storage.schema` hands in.

For work on the migrations themselves: ``alembic -x database=sqlite:///scratch.sqlite3 ...``.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from sigvault.storage.engine import make_engine, migrating
from sigvault.storage.tables import Base


def run(connection: Connection) -> None:
    """Run the migrations in the caller's transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Take the connection handed in, or open the database named on the command line."""
    handed_in = context.config.attributes.get("connection")
    if handed_in is not None:
        run(handed_in)
        return
    database = context.get_x_argument(as_dictionary=True).get("database")
    if not isinstance(database, str):
        raise SystemExit("name a database: alembic -x database=sqlite:///scratch.sqlite3 ...")
    with migrating(make_engine(database)).begin() as connection:
        run(connection)


main()
