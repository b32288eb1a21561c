"""The secret that signs the session cookies, kept from one start of the server to the next."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from sigvault.domain.errors import ConfigurationError

_LEAST = 32
"""Bytes; fewer can be guessed."""


def kept_secret(path: Path) -> bytes:
    """The secret in a file, which is made where there is none that is safe.

    One that is short, or that others than its owner may read, is replaced: whoever has it can
    make the cookie of any session.

    Args:
        path: the file.

    Raises:
        ConfigurationError: If the file can't be read or written.
    """
    try:
        found = path.read_bytes() if _is_private(path) else b""
        return found if len(found) >= _LEAST else _make(path)
    except OSError as error:
        raise ConfigurationError(
            f"the secret of the pages' sessions in {path} can't be kept: {error}; let the user "
            "that serves them read and write it"
        ) from error


def _is_private(path: Path) -> bool:
    """Whether there is a file that its owner alone may read; Windows has no such modes."""
    return path.is_file() and (os.name != "posix" or not path.stat().st_mode & 0o077)


def _make(path: Path) -> bytes:
    """Write a new secret beside the file, for the owner alone, and put it in its place whole."""
    secret = secrets.token_hex(_LEAST).encode("ascii")
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return secret
