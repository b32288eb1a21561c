"""What the database or the file system says went wrong, in sigvault's words."""

from __future__ import annotations

import errno
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sigvault.domain.errors import (
    ConfigurationError,
    SigvaultError,
    StorageFailed,
    VaultDamaged,
)

_FULL = "the disk is full; nothing was written: make room and try again"
_BUSY = "another process is writing and didn't finish in time; nothing was written: try again"
_FORBIDDEN = "it can't be written: check the permissions of the file and its folder"
_DAMAGED = "it is damaged: restore it from a backup"
_TABLES = "tables are missing: restore the vault from a backup, or create a new one"
_UNREACHABLE = "it can't be reached: check that it is there, and its address and password"
_REFUSED = "it refused a contradictory change; nothing was written: please report this"
_FAILED = "it failed; nothing was written"
_CONNECTIONS = (
    "all connections that this process may have are in use: try again, or allow more of them "
    "with SIGVAULT_CONNECTIONS"
)
_TOO_MANY = (
    "the server has as many connections as it takes; nothing was written: try again, raise its "
    "max_connections, or let each process have fewer with SIGVAULT_CONNECTIONS"
)

_SQLITE: dict[str, str] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_READONLY": _FORBIDDEN,
    "SQLITE_PERM": _FORBIDDEN,
    "SQLITE_CANTOPEN": "the file can't be opened: check the path and the permissions",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": "the file is no SQLite database: check the path",
    "SQLITE_CONSTRAINT": _REFUSED,
    "SQLITE_IOERR": "the disk failed; nothing was written: check it and try again",
}
"""By SQLite's primary result code."""

_POSTGRESQL: dict[str, str] = {
    "08": _UNREACHABLE,
    "28": "it refuses the user or the password: check the URL",
    "3D": "there is no such database: create it first",
    "53": "the server is short of what it needs; nothing was written: try again",
    "53100": _FULL,
    "53300": _TOO_MANY,
    "57": "the server stopped or cancelled the work; nothing was written: try again",
    "55": _BUSY,
    "40": _BUSY,
    "42P01": _TABLES,
    "42703": _TABLES,
    "42501": "its user may not do this; nothing was written: GRANT it all rights on the tables",
    "23": _REFUSED,
    "25": "something was written where only reading is allowed: please report this",
    "XX": _DAMAGED,
}
"""By PostgreSQL's SQLSTATE, or else by its class (PostgreSQL manual, appendix A)."""

_DAMAGE = {_DAMAGED, _TABLES}


UNSTORABLE = (UnicodeEncodeError, OverflowError)
"""What drivers raise of their own accord where they are given what no database holds."""


def driver_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """What SQLAlchemy, its pool of connections and the driver raise: to be translated."""
    return DBAPIError, PoolTimeout, engine.dialect.loaded_dbapi.Error


def translate(error: BaseException, url: URL) -> SigvaultError:
    """Turn a database driver's error into one of sigvault's.

    Args:
        error: SQLAlchemy's or the driver's own.
        url: where the database lies; its password is not shown.
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    if _is_about_values(original):
        return refuse_values(original)
    advice = _advise(original)
    message = (
        f"the database {url.render_as_string(hide_password=True)}: {advice} ({_brief(original)})"
    )
    return VaultDamaged(message) if advice in _DAMAGE else StorageFailed(message)


def refuse_values(error: BaseException | None) -> ConfigurationError:
    """What is said where a name, a text or a number is none that a database can hold."""
    return ConfigurationError(
        f"a value that was given can't be looked up or kept ({_brief(error)}): leave out NUL and "
        "characters that are no valid text, and numbers of 2^63 and more"
    )


def translate_os(error: OSError, path: Path) -> StorageFailed:
    """Turn a file system's error into one of sigvault's."""
    advice = {
        errno.ENOSPC: _FULL,
        errno.EDQUOT: _FULL,
        errno.EACCES: _FORBIDDEN,
        errno.EPERM: _FORBIDDEN,
        errno.EROFS: _FORBIDDEN,
    }.get(error.errno or 0, "it can't be used: check the disk and the permissions")
    return StorageFailed(f"{path}: {advice} ({error.strerror or error})")


def _is_about_values(error: BaseException | None) -> bool:
    """Whether it is what was given that is at fault, and not the database."""
    # By name, as PEP 249 has it: which driver is at work is not known here.
    names = {each.__name__ for each in type(error).__mro__}
    return isinstance(error, UNSTORABLE) or "DataError" in names


def _advise(error: BaseException | None) -> str:
    text = str(error)
    if isinstance(error, PoolTimeout):
        return _CONNECTIONS
    if "no such table" in text or "no such column" in text:
        return _TABLES
    name = getattr(error, "sqlite_errorname", None)
    if name:
        # Extended codes append to the primary one: SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE.
        return _SQLITE.get("_".join(name.split("_")[:2]), _FAILED)
    state = getattr(error, "sqlstate", None)
    if state:
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2], _FAILED)
    # Who is turned away is told in words alone.
    turned_away = "too many clients" in text or "remaining connection slots" in text
    return _TOO_MANY if turned_away else _UNREACHABLE


def _brief(error: BaseException | None) -> str:
    said = error.args[0] if isinstance(error, PoolTimeout) else error  # without SQLAlchemy's link
    lines = str(said).strip().splitlines()
    return lines[0] if lines else type(error).__name__
