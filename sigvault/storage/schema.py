"""The database's schema: making it, bringing it up to date, and knowing it when seen."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Make the tables, or bring those of an earlier version up to date, in one transaction.

    Raises:
        VaultTooNew: If a later version of sigvault made them.
        StorageFailed: If the database can't be written.
    """
    raise NotImplementedError


def check(engine: Engine) -> None:
    """Make sure that the database holds a vault that this version can work with.

    Raises:
        VaultNotFound: If there are no tables.
        VaultTooNew: If a later version of sigvault made them.
        VaultDamaged: If tables are missing, or the vault must be upgraded first.
    """
    raise NotImplementedError


def current_revision(engine: Engine) -> str | None:
    """The revision of the schema, or None before the first."""
    raise NotImplementedError


def head_revision() -> str:
    """The revision that this version of sigvault works with."""
    raise NotImplementedError


def migrations_folder() -> Path:
    """Where the migrations lie."""
    raise NotImplementedError
