"""Going back to a backup: wires as `bootstrap` does, for a vault that isn't there yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sigvault.bootstrap import DATABASE, IMAGES, MODELS, diagnose, new_folder, open_vault
from sigvault.domain.backup import BackupManifest
from sigvault.domain.diagnosis import Diagnosis
from sigvault.domain.errors import ConfigurationError, ErasuresUnknown
from sigvault.domain.ports import Embedder
from sigvault.services.auditing import AuditCheck
from sigvault.services.erasure_ledger import read_erasures
from sigvault.services.resources import utc_now
from sigvault.services.restoring import (
    ReadBackup,
    RestorePlan,
    VaultRestoration,
    check_backup,
    read_backup,
    restore,
)
from sigvault.settings import Settings, load_settings


@dataclass(frozen=True)
class RestoredVault:
    """A vault that went back to a backup, and what a look at it found.

    Attributes:
        restoration: what was done.
        audit: whether the vault is what its audit log says.
        diagnosis: what is wrong with it otherwise.
    """

    restoration: VaultRestoration
    audit: AuditCheck
    diagnosis: Diagnosis

    @property
    def sound(self) -> bool:
        """Whether nothing was found to be wrong."""
        return self.audit.whole and not self.audit.images_missing and self.diagnosis.healthy


def verify_backup(
    backup: str | os.PathLike[str],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> BackupManifest:
    """Say whether a backup is whole, without restoring anything.

    Args:
        backup: its folder.
        progress: told what is done, how much of it, and of how much.

    Returns:
        What it says of itself.

    Raises:
        BackupNotFound: If there is none.
        BackupDamaged: If a file is missing or not what was written.
        VaultTooNew: If a later version of sigvault made it.
        StorageFailed: If it can't be read.
    """
    found = read_backup(Path(backup))
    check_backup(found, progress or _tell_nobody)
    return found.manifest


def restore_vault(
    backup: str | os.PathLike[str],
    settings: Settings | str | os.PathLike[str] | None = None,
    *,
    erased_since: str | os.PathLike[str] | None = None,
    accept_unknown: bool = False,
    keep_keys: bool = False,
    embedder: Embedder | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RestoredVault:
    """Make a vault of a backup, erase again who was erased since, and look for faults.

    Args:
        backup: the backup's folder.
        settings: the settings, or the new vault's folder; by default what the environment says.
        erased_since: the vault as it is now, a later backup of it, or what `export_erasures`
            wrote: who is erased there is erased here, too, and keys revoked there are revoked.
        accept_unknown: whether to go on where that isn't known; every key is revoked then.
        keep_keys: whether keys stay valid then.
        embedder: what embeds instead of the models that are kept with the vault.
        progress: told what is done, how much of it, and of how much.

    Raises:
        ConfigurationError: If the settings can't be used, or the ledger is none.
        BackupNotFound: If there is no backup.
        BackupDamaged: If it is not whole, or not the one that was made.
        VaultTooNew: If a later version of sigvault made it.
        ErasuresUnknown: If it isn't known who was erased since, and that isn't accepted.
        HistoryDiffers: If `erased_since` is another vault's, or of before the backup.
        VaultExists: If something lies at the vault's path already.
        VaultDamaged: If what the backup holds contradicts itself.
        StorageFailed: If the disk is full, or something can't be read or written.
    """
    advance = progress or _tell_nobody
    settings = settings if isinstance(settings, Settings) else load_settings(settings)
    if settings.database_url:
        raise ConfigurationError(
            "a backup holds an SQLite database, and this vault's is to lie in PostgreSQL: unset "
            "SIGVAULT_DATABASE_URL, or restore from what pg_dump wrote"
        )
    found = read_backup(Path(backup))
    if erased_since is None and not accept_unknown:
        raise _unknown(found)
    known = None
    if erased_since is not None:
        known = read_erasures(Path(erased_since), found.manifest, found.sha256, DATABASE)
    plan = RestorePlan(
        database=settings.vault / DATABASE,
        images=settings.vault / IMAGES,
        models=settings.vault / MODELS,
        known=known,
        keep_keys=keep_keys,
        by=settings.by,
    )
    with new_folder(settings.vault):
        try:
            check_backup(found, advance)
            done = restore(found, plan, at=utc_now(), progress=advance)
        except BaseException:
            shutil.rmtree(plan.images, ignore_errors=True)
            raise
    with open_vault(settings, embedder=embedder) as vault:
        audit = vault.audit_check()
    return RestoredVault(done, audit, diagnose(settings, embedder=embedder))


def _unknown(found: ReadBackup) -> ErasuresUnknown:
    manifest = found.manifest
    return ErasuresUnknown(
        f"who was erased after {manifest.last_event.in_words()} would come back with this backup: "
        "give --erased-since with the vault as it is now, a later backup, or what `sigvault audit "
        "erasures` wrote. If none of these is left, --accept-unknown-erasures restores without: "
        "erase everybody again who asked for it since, and give out new keys"
    )


def _tell_nobody(_what: str, _done: int, _of: int) -> None:
    """Where nobody wants to know."""
