"""Copying SQLite's database while others use it, and reading one that isn't to be written to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Engine

from sigvault.domain.backup import LogEnd
from sigvault.domain.errors import BackupDamaged, StorageFailed, VaultDamaged
from sigvault.domain.identifiers import EventNumber, ModelId
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.engine import driver_connection
from sigvault.storage.failures import translate, translate_os

_STEPS = 20_000
"""Instructions of SQLite's between two looks at how far it is: some dozen a second."""

_SOURCE_AT_FAULT = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@dataclass(frozen=True)
class CopyContents:
    """What a copied database holds, as far as files lie beside it or its origin shows.

    Attributes:
        vault_id: the vault's id, or None if it has none.
        revision: the revision of its schema.
        last_event: the last event of its audit log.
        last_change: the number of the last change of a vector; 0 before the first.
        signers: how many signers are enrolled.
        references: how many references.
        images: digests of all enrolled images and kept probes, in order.
        models: the models of all generations, each with its weights' SHA-256, hex.
    """

    vault_id: str | None
    revision: str
    last_event: LogEnd
    last_change: int
    signers: int
    references: int
    images: tuple[str, ...]
    models: dict[ModelId, str]


def copy_database(engine: Engine, target: Path, progress: Callable[[int, int], None]) -> None:
    """Write one moment of SQLite's database to a file, while others read and write.

    ``VACUUM INTO`` copies rows and no pages, so nothing that was deleted comes along in unused
    parts (see `traces`), and the log that is beside the database needn't be copied. It reads in one
    transaction: nobody waits, but the log can't be emptied meanwhile.

    Args:
        engine: the database.
        target: an empty file, or none; on the disk when this returns.
        progress: told how many bytes are written, of about how many.

    Raises:
        StorageFailed: If the disk is full or either file can't be used.
        VaultDamaged: If the database is broken.
    """
    whole = Path(str(engine.url.database)).stat().st_size
    stopped: list[BaseException] = []

    def look() -> int:
        try:
            progress(min(target.stat().st_size, whole), whole)
        except BaseException as error:
            stopped.append(error)
            return 1
        return 0

    with driver_connection(engine) as connection:
        connection.set_progress_handler(look, _STEPS)
        try:
            connection.execute("VACUUM INTO ?", (str(target),))
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", None) or ""
            if name == "SQLITE_INTERRUPT":  # by Ctrl-C, if `look` hadn't begun yet
                raise (stopped or [KeyboardInterrupt()])[0] from None
            if name.startswith(_SOURCE_AT_FAULT):
                raise
            raise translate(error, URL.create("sqlite", database=str(target))) from error
        finally:
            connection.set_progress_handler(None, 0)
    _flush(target)


def _flush(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise translate_os(error, path) from error


def read_copy(path: Path) -> CopyContents:
    """What a copied database holds; the file is left as it is.

    Raises:
        VaultDamaged: If it contradicts itself, or is no vault's.
    """
    with reading_only(path, immutable=True) as transaction:
        strangers = transaction.rows(
            "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
        )
        if strangers:
            raise VaultDamaged(
                f"{path} holds {strangers[0][0]}, which no version of sigvault made: don't use it"
            )
        ((revision,),) = transaction.rows("SELECT version_num FROM alembic_version")
        ((vault_id,),) = transaction.rows("SELECT vault_id FROM vault_state WHERE id = 1")
        ((last_change,),) = transaction.rows("SELECT max(sequence) FROM index_changes")
        ((signers,),) = transaction.rows("SELECT count(external_id) FROM signers")
        ((references,),) = transaction.rows('SELECT count(*) FROM "references"')
        models = transaction.rows(
            "SELECT DISTINCT m.id, m.sha256 FROM models AS m"
            " JOIN generations AS g ON g.model_id = m.id ORDER BY m.id"
        )
        return CopyContents(
            vault_id=vault_id,
            revision=revision,
            last_event=end_of_log(transaction),
            last_change=last_change or 0,
            signers=signers,
            references=references,
            images=images_of(transaction),
            models={ModelId(model): sha256 for model, sha256 in models},
        )


def images_of(transaction: DriverTransaction) -> tuple[str, ...]:
    """The digests of all enrolled images and kept probes, in order."""
    rows = transaction.rows(
        'SELECT image_digest FROM "references" UNION SELECT image_digest FROM kept_probes'
        " ORDER BY image_digest"
    )
    return tuple(digest for (digest,) in rows)


def end_of_log(transaction: DriverTransaction) -> LogEnd:
    """The last event of the audit log.

    Raises:
        VaultDamaged: If it is missing.
    """
    found = transaction.rows(
        "SELECT e.number, e.hash, e.at FROM audit_head AS h"
        " JOIN audit_events AS e ON e.number = h.number AND e.hash = h.hash WHERE h.id = 1"
    )
    if not found:
        raise VaultDamaged("the end of the audit log is missing: run `sigvault audit check`")
    number, hash_, at = found[0]
    return LogEnd(EventNumber(number), hash_, datetime.fromisoformat(at))


@contextmanager
def reading_only(path: Path, *, immutable: bool) -> Iterator[DriverTransaction]:
    """One snapshot of an SQLite file of a vault's, in which nothing is written, nor beside it.

    Args:
        path: the file.
        immutable: whether nobody uses it: a backup's, which may lie where nothing can be written.

    Raises:
        StorageFailed: If it can't be opened.
        VaultDamaged: If it is broken, or no vault's.
    """
    options = "mode=ro&immutable=1" if immutable else "mode=ro"
    url = URL.create("sqlite", database=str(path))
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            yield DriverTransaction(connection, sqlite=True)
    except sqlite3.Error as error:
        raise translate(error, url) from error


def is_database(path: Path) -> bool:
    """Whether a file is SQLite's.

    SQLite itself is asked: whoever else opens and closes a database that this process uses would
    take its locks off, see `traces`.

    Raises:
        StorageFailed: If it can't be read.
    """
    try:
        with reading_only(path, immutable=False) as transaction:
            transaction.rows("SELECT 1 FROM sqlite_master LIMIT 1")
    except StorageFailed as error:
        if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_NOTADB":
            return False
        raise
    return True


def require_sound(path: Path) -> None:
    """Make sure that a copied database's pages fit together.

    Raises:
        BackupDamaged: If they don't.
    """
    try:
        with reading_only(path, immutable=True) as transaction:
            said = [line for (line,) in transaction.rows("PRAGMA quick_check(1)")]
    except VaultDamaged as error:
        raise BackupDamaged(f"the backup's database can't be read ({error})") from error
    if said != ["ok"]:
        raise BackupDamaged(f"the backup's database contradicts itself: {'; '.join(said)}")
