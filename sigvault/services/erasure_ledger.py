"""What was erased, told to a backup that was made before: writing it down and reading it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigvault.domain import backup
from sigvault.domain.backup import BackupManifest, LogEnd
from sigvault.domain.erasure_ledger import (
    FORMAT,
    ErasureLedger,
    ledger_from_dict,
    ledger_to_dict,
)
from sigvault.domain.errors import BackupDamaged, ConfigurationError, HistoryDiffers, VaultTooNew
from sigvault.services.cleaning import rewrite_file
from sigvault.services.erasing_again import ErasedAgain, erase_again
from sigvault.services.erasure import take_off_the_disk
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.resources import Resources
from sigvault.storage.database_copy import is_database
from sigvault.storage.driver import directly, read_directly
from sigvault.storage.durability import write_whole
from sigvault.storage.engine import write_session
from sigvault.storage.failures import translate_os
from sigvault.storage.log_reading import follow_log, read_ledger


@dataclass(frozen=True)
class RepeatedErasures:
    """What was erased once more in a vault.

    Attributes:
        again: how much.
        known_through: the end of the log that told of it.
        log_clean: whether nothing of it is left in the database's log and file; see `Erasure`.
    """

    again: ErasedAgain
    known_through: LogEnd
    log_clean: bool


def export_erasures(resources: Resources, target: Path) -> ErasureLedger:
    """Write down what was erased and revoked, in one step; an earlier ledger there is replaced.

    Raises:
        ConfigurationError: If something else lies there.
        StorageFailed: If it can't be written.
    """
    with read_directly(resources.engine) as transaction:
        ledger = read_ledger(transaction)
    text = json.dumps(ledger_to_dict(ledger), indent=1) + "\n"
    try:
        if target.exists() and not _is_ledger(target):
            raise ConfigurationError(
                f"{target} is there and no ledger of erasures: give another path"
            )
        write_whole(target.parent, lambda file: file.write(text.encode()), lambda: target)
    except OSError as error:
        raise translate_os(error, target) from error
    return ledger


def read_erasures(
    source: Path, manifest: BackupManifest, sha256: str, vault_database: str
) -> ErasureLedger:
    """What was erased after a backup, as a vault, a later backup or a ledger has it.

    Args:
        source: a vault's folder or its database's file, a later backup, or a ledger.
        manifest: the backup's.
        sha256: of the manifest, hex.
        vault_database: how a vault calls its database.

    Raises:
        ConfigurationError: If the source is none of these.
        HistoryDiffers: If it is another vault's, or of before the backup.
        BackupDamaged: If it tells that the backup was another when it was made, or is damaged.
        VaultDamaged: If the log is broken.
        VaultTooNew: If a later version of sigvault wrote the ledger.
        StorageFailed: If it can't be read.
    """
    try:
        database, immutable = _find_database(source, vault_database)
        if database is not None:
            ledger = follow_log(database, manifest.last_event, immutable=immutable)
        else:
            ledger = _read(source)
    except OSError as error:
        raise translate_os(error, source) from error
    _require_origin(ledger, source, manifest, sha256, needed=database is None)
    return ledger


def repeat_erasures(
    resources: Resources, index: GalleryIndex[Any], source: Path, *, by: str
) -> RepeatedErasures:
    """Erase in a vault who is erased in a ledger, after something else brought the vault back.

    Such as PostgreSQL's own tools, or a copy of the whole disk. It may be done at any time.

    Args:
        resources: the vault's.
        index: over all galleries.
        source: what `export_erasures` wrote.
        by: who has it done.

    Raises:
        ConfigurationError: If it is no ledger.
        HistoryDiffers: If it is another vault's.
        VaultTooNew: If a later version of sigvault wrote it.
        StorageFailed: If the database or an image can't be changed.
        IndexFailed: If a kept index can't be removed.
    """
    try:
        ledger = _read(source)
    except OSError as error:
        raise translate_os(error, source) from error
    with write_session(resources.engine) as session:
        own = {one.hash for one in read_ledger(directly(session)).events}
        if own.isdisjoint(one.hash for one in ledger.events):
            raise HistoryDiffers(f"{source} is another vault's: give this one's")
        again = erase_again(session, ledger.events, by=by, at=resources.clock())
        if again.anything:
            index.discard_files()  # a crash after the commit then leaves no vector in a file
    clean = True
    if again.anything:
        _, clean = take_off_the_disk(resources, index, [])
        clean = clean and rewrite_file(resources.engine)
    return RepeatedErasures(again, ledger.through, clean)


def _require_origin(
    ledger: ErasureLedger, source: Path, manifest: BackupManifest, sha256: str, *, needed: bool
) -> None:
    """Compare the backup with what the log says of it; one in full need not say anything."""
    origin = ledger.origin(manifest.backup)
    end = manifest.last_event
    if origin is None and not needed:
        return
    told = {} if origin is None else origin.public
    if (told.get("through"), told.get("hash")) != (end.number, end.hash):
        raise HistoryDiffers(
            f"{source} knows nothing of this backup: it is another vault's, or was written before "
            "the backup was made; write it again with `sigvault audit erasures`"
        )
    if told.get("manifest") != sha256:
        raise BackupDamaged(
            f"the backup is not the one that was made: its manifest has the digest {sha256}, and "
            f"{source} says {told.get('manifest')}; use another copy of it"
        )


def _find_database(source: Path, vault_database: str) -> tuple[Path | None, bool]:
    """A database to read, and whether nobody can be using it."""
    if source.is_dir():
        for name, immutable in ((vault_database, False), (backup.DATABASE, True)):
            if (source / name).is_file():
                return source / name, immutable
        raise ConfigurationError(
            f"{source} holds neither a vault nor a backup with a database in a file: give one, or "
            "what `sigvault audit erasures` wrote"
        )
    return (source if is_database(source) else None), False


def _read(source: Path) -> ErasureLedger:
    try:
        content = json.loads(source.read_bytes())
        form = content["erasure_ledger"]
        if isinstance(form, int) and form > FORMAT:
            raise VaultTooNew(f"{source} was written by a later version of sigvault: upgrade it")
        return ledger_from_dict(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(
            f"{source} is no ledger of erasures, or not what was written ({error}): write it again "
            "with `sigvault audit erasures`"
        ) from error


def _is_ledger(path: Path) -> bool:
    try:
        return "erasure_ledger" in json.loads(path.read_bytes())
    except (ValueError, TypeError, RecursionError):
        return False
