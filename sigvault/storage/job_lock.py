"""Work that only one process may do at a time: who comes second is told, and never waits."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sigvault.domain.errors import VaultBusy
from sigvault.storage.failures import translate_os


@contextmanager
def job_lock(path: Path, job: str) -> Iterator[None]:
    """Hold a lock for the block; the system lets go of it when the process ends, however it ends.

    Args:
        path: the lock's file; who holds it is written beside it.
        job: what is done, for whoever comes second.

    Raises:
        VaultBusy: If another process holds it.
        StorageFailed: If the file can't be written.
    """
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise VaultBusy(
            f"{holder(path) or 'another process'} is at it: wait until it is done, or stop it; "
            "what it has finished is kept"
        ) from error
    except OSError as error:
        raise translate_os(error, path) from error
    note = _note(path)
    try:
        _say_who(note, job)
        yield
    finally:
        with suppress(OSError):  # nobody believes a note whose lock is free
            note.unlink(missing_ok=True)
        lock.release()


def _say_who(note: Path, job: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"job": job, "pid": os.getpid(), "host": platform.node(), "since": since}
    try:
        note.write_text(json.dumps(said))
    except OSError as error:
        raise translate_os(error, note) from error


def holder(path: Path) -> str:
    """Who holds a lock, in words; empty if nobody says so.

    A process that was killed leaves its note behind, but not its lock.
    """
    try:
        said = json.loads(_note(path).read_text())
        return f"{said['job']} (process {said['pid']} on {said['host']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at this moment."""
    if not path.exists():
        return False
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def _note(path: Path) -> Path:
    return path.with_suffix(".json")
