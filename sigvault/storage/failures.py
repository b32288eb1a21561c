"""What the database or the file system says went wrong, in sigvault's words."""

from __future__ import annotations

import errno
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from sigvault.domain.errors import StorageFailed, VaultDamaged, VaultError

_FULL = "the disk is full; nothing was written: make room and try again"
_BUSY = "another process is writing and didn't finish in time; nothing was written: try again"
_FORBIDDEN = "it can't be written: check the permissions of the file and its folder"
_DAMAGED = "it is damaged: restore it from a backup"
_TABLES = "tables are missing: restore the vault from a backup, or create a new one"
_UNREACHABLE = "it can't be reached: check that it is there, and its address and password"
_REFUSED = "it refused a contradictory change; nothing was written: please report this"

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
    "53": _FULL,
    "57": "the server stopped or cancelled the work; nothing was written: try again",
    "55": _BUSY,
    "40": _BUSY,
    "42": _TABLES,
    "23": _REFUSED,
    "25": "something was written where only reading is allowed: please report this",
    "XX": _DAMAGED,
}
"""By the class of PostgreSQL's SQLSTATE (PostgreSQL manual, appendix A)."""

_DAMAGE = {_DAMAGED, _TABLES}


def translate(error: BaseException, url: URL) -> VaultError:
    """Turn a database driver's error into one of sigvault's.

    Args:
        error: SQLAlchemy's or the driver's own.
        url: where the database lies; its password is not shown.
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    advice = _advise(original)
    message = (
        f"the database {url.render_as_string(hide_password=True)}: {advice} ({_brief(original)})"
    )
    return VaultDamaged(message) if advice in _DAMAGE else StorageFailed(message)


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


def _advise(error: BaseException | None) -> str:
    text = str(error)
    if "no such table" in text or "no such column" in text:
        return _TABLES
    name = getattr(error, "sqlite_errorname", None)
    if name:
        # Extended codes append to the primary one: SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_WRITE.
        return _SQLITE.get("_".join(name.split("_")[:2]), "it failed; nothing was written")
    state = getattr(error, "sqlstate", None)
    if state:
        return _POSTGRESQL.get(state[:2], "it failed; nothing was written")
    return _UNREACHABLE


def _brief(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
