"""Getting what was erased off the disk, too: out of the database's log and its file."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from sigvault.domain.errors import StorageFailed
from sigvault.storage.driver import read_directly, write_directly
from sigvault.storage.engine import CLEANING_SECONDS, checkpoint
from sigvault.storage.traces import (
    REWRITTEN_AT_ONCE,
    SEARCHED_AT_MOST,
    file_size,
    is_traced,
    rewrite,
)
from sigvault.storage.vault_state import note_clean_log, note_rewritten, read_state


def clean_log(engine: Engine, *, seconds: float = CLEANING_SECONDS) -> bool:
    """Empty the log, if something was erased since it was emptied last.

    Args:
        engine: the database.
        seconds: how long to try while others read; once if zero.

    Returns:
        False if readers kept it from being emptied: whoever opens the vault next, erases somebody,
        closes it or examines it tries again.

    Raises:
        StorageFailed: If the database can't be written.
    """
    if engine.dialect.name != "sqlite":  # PostgreSQL sees to its own
        return True
    with read_directly(engine) as transaction:
        state = read_state(transaction)
    if state.erased_through <= state.log_clean_through:
        return True
    if not checkpoint(engine, seconds=seconds):
        return False
    with write_directly(engine) as transaction:
        note_clean_log(transaction, state.erased_through)
    return True


def clean_up(engine: Engine, traces: Sequence[bytes]) -> bool:
    """Empty the log, look for what is left in the file, and write that anew if need be.

    Args:
        engine: the database.
        traces: what to look for; see `traces.traces_of`.

    Returns:
        Whether nothing is left of it. False also where a file is too large to be searched or to
        be written anew at once: `rewrite_file` is for quiet times.

    Raises:
        StorageFailed: If the database can't be written or read.
    """
    if engine.dialect.name != "sqlite":
        return True
    if not clean_log(engine):
        return False
    size = file_size(engine)
    if size > SEARCHED_AT_MOST:
        return False
    if not is_traced(engine, traces):
        return True
    if size > REWRITTEN_AT_ONCE:
        return False
    try:
        return rewrite_file(engine)
    except StorageFailed:  # no room, or a writer that takes long: erased it is all the same
        return False


def rewrite_file(engine: Engine) -> bool:
    """Write the database's file anew, however large it is; see `traces.rewrite`.

    Returns:
        False if a reader kept what was there before from being overwritten: try again later.

    Raises:
        StorageFailed: If there isn't enough room, or writers take too long.
    """
    with read_directly(engine) as transaction:
        state = read_state(transaction)
    if not rewrite(engine):
        return False
    with write_directly(engine) as transaction:
        note_clean_log(transaction, state.erased_through)
        note_rewritten(transaction, state.erased_through)
    return True
