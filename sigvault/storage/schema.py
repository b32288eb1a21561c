"""The database's schema: making it, bringing it up to date, and knowing it when seen."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp, DropTableOp, ModifyTableOps
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from sigvault.domain.errors import ConfigurationError, VaultDamaged, VaultNotFound, VaultTooNew
from sigvault.storage.engine import lock_writers, migrating, reading
from sigvault.storage.failures import driver_errors, translate
from sigvault.storage.tables import Base

_TABLE_OPERATIONS = (CreateTableOp, ModifyTableOps, DropTableOp)


def upgrade(engine: Engine) -> None:
    """Make the tables, or bring those of an earlier version up to date, in one transaction.

    Raises:
        VaultTooNew: If a later version of sigvault made them.
        VaultDamaged: If the tables contradict themselves.
        StorageFailed: If the database can't be written.
    """
    if _known_revision(engine) == head_revision():
        return
    try:
        with migrating(engine).begin() as connection:
            lock_writers(connection)
            command.upgrade(alembic_config(connection), "head")
            _check_foreign_keys(connection)
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error


def check(engine: Engine) -> None:
    """Make sure that the database holds a vault; one of an earlier version is fine.

    Raises:
        VaultNotFound: If there are no tables of sigvault's.
        VaultTooNew: If a later version of sigvault made them.
        VaultDamaged: If some are missing.
        StorageFailed: If the database can't be read.
    """
    revision = _known_revision(engine)
    try:
        with reading(engine).connect() as connection:
            there = set(inspect(connection).get_table_names())
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error
    ours = set(Base.metadata.tables)
    shown = engine.url.render_as_string()
    if revision is None and not ours & there:
        raise VaultNotFound(f"the database {shown} holds no vault: run `sigvault init`")
    missing = sorted(ours - there)
    if revision is None or (revision == head_revision() and missing):
        names = ", ".join(missing or ["alembic_version"])
        raise VaultDamaged(
            f"the database {shown} lacks the tables {names}: restore the vault from a backup"
        )


def current_revision(engine: Engine) -> str | None:
    """The revision of the schema, or None before the first.

    Raises:
        StorageFailed: If the database can't be read.
    """
    try:
        with reading(engine).connect() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error
    return heads[0] if heads else None


def altered_tables(engine: Engine) -> tuple[str, ...]:
    """The vault's tables that aren't as the newest revision makes them, by name.

    Columns, indexes and constraints are compared; other tables in the same database are not
    looked at. A revision's number alone doesn't tell: a version in development may have changed
    its migration after a vault was made.

    Raises:
        StorageFailed: If the database can't be read.
    """
    ours = Base.metadata.tables
    options = {
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "table" or name in ours,
    }
    try:
        with reading(engine).connect() as connection:
            context = MigrationContext.configure(connection, opts=options)
            changes = produce_migrations(context, Base.metadata).upgrade_ops
    except driver_errors(engine) as error:
        raise translate(error, engine.url) from error
    operations = () if changes is None else changes.ops
    return tuple(
        sorted({each.table_name for each in operations if isinstance(each, _TABLE_OPERATIONS)})
    )


def head_revision() -> str:
    """The revision that this version of sigvault works with."""
    return str(_scripts().get_current_head())


def require_known(revision: str) -> None:
    """Make sure that this version of sigvault knows a revision.

    Raises:
        VaultTooNew: If a later version made it.
    """
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise VaultTooNew(
            f"the vault's schema {revision} was made by a later version of sigvault: "
            "upgrade sigvault"
        )


def migrations_folder() -> Path:
    """Where the migrations lie: inside of the installed package, or beside it in the source tree.

    Raises:
        ConfigurationError: If they lie in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise ConfigurationError(
        f"the installation at {package} lacks its migrations: install sigvault again"
    )


def alembic_config(connection: Connection | None = None) -> Config:
    """What Alembic's commands need.

    Args:
        connection: the connection that migrations run on, in a transaction of the caller's.
    """
    config = Config()
    # A percent sign would be read as an interpolation.
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _known_revision(engine: Engine) -> str | None:
    """The current revision, if this version knows it."""
    revision = current_revision(engine)
    if revision is not None:
        require_known(revision)
    return revision


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config())


def _check_foreign_keys(connection: Connection) -> None:
    """SQLite doesn't watch foreign keys during migrations, so look at the end."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise VaultDamaged(
            f"a row of the table {broken[0]} points to nothing in {broken[2]}; the schema was "
            "left as it was: restore the vault from a backup"
        )
