"""Backing up: a copy of all that a vault needs, made while others use it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sigvault.domain.audit import BackedUp
from sigvault.domain.backup import (
    CARD,
    DATABASE,
    MODELS,
    WEIGHTS,
    BackupFile,
    BackupManifest,
    image_path,
)
from sigvault.domain.errors import ConfigurationError, VaultBusy, VaultDamaged
from sigvault.domain.identifiers import EventNumber
from sigvault.services.resources import Resources
from sigvault.storage.audit_log import append
from sigvault.storage.backup_folder import UnfinishedBackup, unfinished
from sigvault.storage.database_copy import CopyContents, copy_database, read_copy
from sigvault.storage.engine import write_session
from sigvault.storage.vault_state import count_erasures

_TRIES = 5
"""How often the database is copied at most, where somebody is erased each time meanwhile."""

Advance = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made.

    Attributes:
        location: its folder.
        event: where the audit log records it.
        manifest_sha256: SHA-256 of its manifest, hex, which the audit log holds too.
        manifest: what it says of itself.
    """

    location: Path
    event: EventNumber
    manifest_sha256: str
    manifest: BackupManifest


def back_up(
    resources: Resources,
    vault: Path,
    target: Path,
    *,
    by: str,
    progress: Advance | None = None,
) -> Backup:
    """Make a backup: a copy of one moment of the database, and of what lies beside it.

    Nobody waits for it but for the moment in which it gets its name, and that moment's event is
    committed. Who is erased while it is made isn't in it: the database is copied once more then.

    Args:
        resources: the vault's.
        vault: the vault's folder.
        target: the backup's folder, which isn't there yet.
        by: who makes it.
        progress: told what is done, how much of it, and of how much.

    Raises:
        ConfigurationError: If the vault lies in PostgreSQL, or the target can't be used.
        VaultExists: If something lies at the target.
        VaultBusy: If signers are erased all the time.
        VaultDamaged: If the database is broken.
        StorageFailed: If the disk is full, or something can't be read.
    """
    if resources.engine.dialect.name != "sqlite":
        raise ConfigurationError(
            "this vault's rows lie in PostgreSQL, which is backed up by its own tools: run "
            "`pg_dump` first, then copy the vault's folder, and keep both together; see 'Backing "
            "up with PostgreSQL' in docs/vault-operations.md"
        )
    target = target.absolute()
    with unfinished(target, vault) as folder:
        work = _Work(resources, vault, folder, progress or _tell_nobody)
        for _ in range(_TRIES):
            manifest = work.copy()
            sha256 = folder.seal(manifest)
            event = _finish(resources, folder, target, manifest, sha256, by)
            if event is not None:
                return Backup(target, event, sha256, manifest)
        raise VaultBusy(
            f"somebody was erased each of {_TRIES} times that the database was copied: try again "
            "at a quieter time"
        )


def _tell_nobody(_what: str, _done: int, _of: int) -> None:
    """Where nobody wants to know."""


def _finish(
    resources: Resources,
    folder: UnfinishedBackup,
    target: Path,
    manifest: BackupManifest,
    sha256: str,
    by: str,
) -> EventNumber | None:
    """Name the backup and record it, both or neither; None if somebody was erased meanwhile."""
    end = manifest.last_event
    recorded = BackedUp(
        backup=manifest.backup,
        through=end.number,
        hash=end.hash,
        manifest=sha256,
        files=len(manifest.files),
        size=manifest.size,
        by=by,
    )
    with write_session(resources.engine) as session:
        if count_erasures(session, end.number):
            return None
        event = append(session, recorded, resources.clock())
        folder.rename(target)
    return event


class _Work:
    """What is copied so far: a second copy of the database needs few images more."""

    def __init__(
        self,
        resources: Resources,
        vault: Path,
        folder: UnfinishedBackup,
        progress: Advance,
    ) -> None:
        self._resources = resources
        self._vault = vault
        self._folder = folder
        self._progress = progress
        self._backup = uuid.uuid4().hex
        self._images: dict[str, BackupFile] = {}

    def copy(self) -> BackupManifest:
        """Copy all that the vault needs at this moment."""
        made_at = self._resources.clock()
        database, contents = self._copy_database()
        missing = self._copy_images(contents)
        models, without = self._copy_models(contents)
        if contents.vault_id is None:
            raise VaultDamaged(
                "the vault has no id of its own, since its images are not there: mount their "
                "folder, or give the right one, and back it up then"
            )
        files = [database, *self._images.values(), *models]
        return BackupManifest(
            backup=self._backup,
            vault=contents.vault_id,
            version=version("sigvault"),
            revision=contents.revision,
            made_at=made_at,
            last_event=contents.last_event,
            last_change=contents.last_change,
            signers=contents.signers,
            references=contents.references,
            missing=tuple(missing),
            missing_models=tuple(without),
            files=tuple(sorted(files, key=lambda file: file.path)),
        )

    def _copy_database(self) -> tuple[BackupFile, CopyContents]:
        self._folder.remove(DATABASE)
        path = self._folder.path(DATABASE)
        path.touch(mode=0o600)
        copy_database(
            self._resources.engine,
            path,
            lambda done, of: self._progress("Copying the database", done, of),
        )
        return self._folder.measure(DATABASE), read_copy(path)

    def _copy_images(self, contents: CopyContents) -> list[str]:
        """Copy images that aren't copied yet; the digests of those that can't be had."""
        for digest in self._images.keys() - set(contents.images):
            self._folder.remove(self._images.pop(digest).path)
        missing = []
        for done, digest in enumerate(contents.images, start=1):
            if digest not in self._images:
                try:
                    content = self._resources.images.read(digest)
                except VaultDamaged:  # or erased since, which `_finish` finds out
                    missing.append(digest)
                else:
                    self._images[digest] = self._folder.write(image_path(digest), content)
            self._progress("Copying images", done, len(contents.images))
        return missing

    def _copy_models(self, contents: CopyContents) -> tuple[list[BackupFile], list[str]]:
        """Copy the models of all generations; the ids of those that can't be had."""
        files: list[BackupFile] = []
        missing: list[str] = []
        for done, (model, sha256) in enumerate(contents.models.items(), start=1):
            names = [f"{MODELS}/{model}/{name}" for name in (WEIGHTS, CARD)]
            try:
                copied = [self._copy_anew(name) for name in names]
            except FileNotFoundError:
                copied = []
            if copied and copied[0].sha256 == sha256:
                files += copied
            else:
                for name in names:
                    self._folder.remove(name)
                missing.append(model)
            self._progress("Copying models", done, len(contents.models))
        return files, missing

    def _copy_anew(self, name: str) -> BackupFile:
        self._folder.remove(name)
        return self._folder.copy(self._vault / name, name)
