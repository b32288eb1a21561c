"""Going back to a backup, without bringing back who was erased since."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.audit import VaultRestored
from sigvault.domain.backup import (
    DATABASE,
    MODELS,
    BackupFile,
    BackupManifest,
    LogEnd,
    image_path,
)
from sigvault.domain.erasure_ledger import ErasureLedger
from sigvault.domain.identifiers import EventNumber
from sigvault.services.cleaning import rewrite_file
from sigvault.services.erasing_again import ErasedAgain, erase_again, revoke_all
from sigvault.storage import schema
from sigvault.storage.audit_log import append
from sigvault.storage.backup_folder import MANIFEST, BackupFolder, sync_tree
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.database_copy import images_of, read_copy, require_sound
from sigvault.storage.driver import directly, read_directly
from sigvault.storage.durability import make_folder
from sigvault.storage.engine import make_engine, write_session
from sigvault.storage.failures import translate_os
from sigvault.storage.orphaned_images import clear_orphans, list_orphans
from sigvault.storage.vault_state import (
    note_clean_log,
    note_rewritten,
    put_vault_id,
    read_state,
)

Advance = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class ReadBackup:
    """A backup whose manifest is read.

    Attributes:
        folder: its files.
        manifest: what it says of itself.
        sha256: of the manifest, hex.
    """

    folder: BackupFolder
    manifest: BackupManifest
    sha256: str


@dataclass(frozen=True)
class RestorePlan:
    """Where a backup goes, and what is to go again.

    Attributes:
        database: the vault's database, a file that isn't there yet.
        images: the folder of its images.
        models: the folder of its models.
        known: what was erased and revoked since; None if that isn't known.
        keep_keys: whether keys stay valid where it isn't known which were revoked since.
        by: who restores.
    """

    database: Path
    images: Path
    models: Path
    known: ErasureLedger | None
    keep_keys: bool
    by: str


@dataclass(frozen=True)
class VaultRestoration:
    """A vault that went back to a backup.

    Attributes:
        manifest: what the backup said of itself.
        event: where the audit log records it.
        vault: the vault's new id.
        known_through: up to where it is known what was erased and revoked since the backup; None
            if it isn't known at all.
        again: what was erased and revoked again.
    """

    manifest: BackupManifest
    event: EventNumber
    vault: str
    known_through: LogEnd | None
    again: ErasedAgain


def read_backup(root: Path) -> ReadBackup:
    """Read a backup's manifest; nothing else is compared yet.

    Raises:
        BackupNotFound: If there is none.
        BackupDamaged: If it is not what was written.
        VaultTooNew: If a later version of sigvault made it.
        StorageFailed: If it can't be read.
    """
    folder = BackupFolder(root)
    manifest, sha256 = folder.read_manifest()
    schema.require_known(manifest.revision)
    return ReadBackup(folder, manifest, sha256)


def check_backup(backup: ReadBackup, progress: Advance) -> None:
    """Read every file of a backup, and see whether they belong together.

    Raises:
        BackupDamaged: If a file is missing or not what was written, or they don't.
        StorageFailed: If one can't be read.
    """
    manifest = backup.manifest
    for done, file in enumerate(manifest.files, start=1):
        backup.folder.check(file)
        progress("Checking the backup", done, len(manifest.files))
    database = next(backup.folder.path(each) for each in manifest.files if each.path == DATABASE)
    require_sound(database)
    contents = read_copy(database)
    held = (contents.vault_id, contents.revision, contents.last_event, contents.last_change)
    told = (manifest.vault, manifest.revision, manifest.last_event, manifest.last_change)
    there = {file.path for file in manifest.files}
    lacking = [each for each in contents.images if image_path(each) not in there]
    if held != told or not set(lacking) <= set(manifest.missing):
        raise backup.folder.damaged(MANIFEST, "doesn't say what its database says")


def restore(
    backup: ReadBackup, plan: RestorePlan, *, at: datetime, progress: Advance
) -> VaultRestoration:
    """Make a vault of a backup that was checked, in an empty folder.

    Who was erased since is erased before a single image is copied, so the images never get there,
    and the database is written anew afterwards.

    Raises:
        BackupDamaged: If a file changed since it was checked.
        VaultDamaged: If the database contradicts itself.
        StorageFailed: If the disk is full, or something can't be read or written.
    """
    files = {file.path: file for file in backup.manifest.files}
    progress("Restoring the database", 0, 1)
    backup.folder.copy(files[DATABASE], plan.database)
    engine = make_engine(plan.database)
    try:
        schema.check(engine)
        schema.upgrade(engine)
        done = _record(engine, backup, plan, at)
        if done.again.anything:
            rewrite_file(engine)
        progress("Restoring the database", 1, 1)
        with read_directly(engine) as transaction:
            needed = [image_path(digest) for digest in images_of(transaction)]
    finally:
        engine.dispose()
    ImageFolder(plan.images).give_to(done.vault)
    models = [path for path in files if path.startswith(f"{MODELS}/")]
    wanted = [*(path for path in needed if path in files), *models]
    for number, path in enumerate(wanted, start=1):
        root = plan.models if path.startswith(f"{MODELS}/") else plan.images
        _copy(backup, files[path], root)
        progress("Restoring files", number, len(wanted))
    sync_tree(plan.database.parent)
    return done


def _copy(backup: ReadBackup, file: BackupFile, root: Path) -> None:
    """Copy an image or a file of a model to the vault's folder of them."""
    target = root.joinpath(*file.path.split("/")[1:])
    try:
        make_folder(root)
        target.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise translate_os(error, target) from error
    backup.folder.copy(file, target)


def _record(
    engine: Engine, backup: ReadBackup, plan: RestorePlan, at: datetime
) -> VaultRestoration:
    """Give the vault an id of its own, record where it comes from, and erase again."""
    manifest, known = backup.manifest, plan.known
    vault = uuid.uuid4().hex
    with write_session(engine) as session:
        _settle_state(session, vault)
        recorded = VaultRestored(
            backup=manifest.backup,
            vault=manifest.vault,
            through=manifest.last_event.number,
            hash=manifest.last_event.hash,
            manifest=backup.sha256,
            known_through=None if known is None else known.through.number,
            by=plan.by,
        )
        event = append(session, recorded, at)
        if known is not None:
            again = erase_again(session, known.after(manifest.last_event.number), by=plan.by, at=at)
        elif plan.keep_keys:
            again = ErasedAgain()
        else:
            again = revoke_all(session, by=plan.by, at=at)
        clear_orphans(session, list_orphans(session))  # their files are not copied
    return VaultRestoration(manifest, event, vault, None if known is None else known.through, again)


def _settle_state(session: Session, vault: str) -> None:
    """A vault of its own, whose database was written anew when it was backed up."""
    transaction = directly(session)
    state = read_state(transaction)
    put_vault_id(transaction, vault)
    note_clean_log(transaction, state.erased_through)
    note_rewritten(transaction, state.erased_through)
