"""Going back to a backup: nothing but what was there, and nobody who was erased since."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.access import Role
from sigvault.domain.audit import VaultRestored
from sigvault.domain.backup import DATABASE
from sigvault.domain.errors import (
    BackupDamaged,
    ConfigurationError,
    ErasuresUnknown,
    FolderMismatch,
    HistoryDiffers,
    KeyRefused,
    StorageFailed,
    UnknownSigner,
    VaultDamaged,
    VaultExists,
    VaultTooNew,
)
from sigvault.recovery import restore_vault
from sigvault.services import restoring
from sigvault.settings import Settings
from sigvault.storage.backup_folder import BackupFolder, UnfinishedBackup
from sigvault.storage.blobs import ImageFolder
from sigvault.vault import EnrollmentItem, KeepProbes

AUDITOR = frozenset({Role.AUDITOR})


@pytest.fixture
def kind() -> str:
    """PostgreSQL is backed up by its own tools."""
    return "sqlite"


@pytest.fixture
def backup(enrolled, tmp_path) -> Path:
    """A backup of a vault of five signers with three references each."""
    return enrolled.back_up(tmp_path / "backup").location


@pytest.fixture
def now(enrolled_settings) -> Path:
    """The vault as it is now."""
    return enrolled_settings.vault


@pytest.fixture
def fresh(tmp_path) -> Settings:
    """Where a vault is restored to."""
    return Settings(tmp_path / "restored", by="restorer")


@pytest.fixture
def restore(backup, fresh):
    """Restores the backup."""

    def do(**options):
        return restore_vault(backup, fresh, embedder=FakeEmbedder(), **options)

    return do


def reopen(settings):
    return open_vault(settings, embedder=FakeEmbedder())


def signers(vault) -> list[str]:
    return [str(one.signer) for one in vault.signers()]


def contents(folder: Path) -> bytes:
    """All bytes of all files of a vault."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_restored_vault_decides_as_the_other_did(enrolled, restore, fresh, now):
    before = enrolled.verify("1", draw_signature(1, 9)).evidence
    done = restore(erased_since=now)
    assert done.sound
    with reopen(fresh) as vault:
        assert signers(vault) == signers(enrolled)
        assert vault.verify("1", draw_signature(1, 9)).evidence.score == before.score
        assert vault.identify(draw_signature(3, 9)).searched == 15
        for one in vault.signer("4").references:
            assert vault.reference_image(one.id) == enrolled.reference_image(one.id)


def test_the_log_goes_on_and_tells_where_it_comes_from(enrolled, restore, fresh, now, backup):
    own = enrolled.audit_log()
    enrolled.verify("1", draw_signature(1, 9))
    restore(erased_since=now)
    manifest, sha256 = BackupFolder(backup).read_manifest()
    with reopen(fresh) as vault:
        log = vault.audit_log()
        assert vault.audit_check().whole
    assert log[:-1] == own[:-1]  # the last is that of the backup
    assert log[-1].kind == VaultRestored.kind
    assert log[-1].public == {
        "backup": manifest.backup,
        "vault": manifest.vault,
        "through": manifest.last_event.number,
        "hash": manifest.last_event.hash,
        "manifest": sha256,
        "known_through": enrolled.audit_size(),
    }
    assert log[-1].personal == {"by": "restorer"}


def test_who_was_erased_since_stays_erased(enrolled, restore, fresh, now):
    digests = [one.digest for one in enrolled.signer("1").references]
    reference = enrolled.signer("2").references[0]
    enrolled.erase("1")
    enrolled.erase_reference("2", reference.id, reason="another's")
    done = restore(erased_since=now)
    assert done.sound
    assert (done.restoration.again.signers, done.restoration.again.references) == (1, 1)
    with reopen(fresh) as vault:
        assert signers(vault) == ["0", "2", "3", "4"]
        with pytest.raises(UnknownSigner):
            vault.signer("1")
        assert reference.id not in {one.id for one in vault.signer("2").references}
        assert vault.identify(draw_signature(1, 9)).searched == 11
        check = vault.audit_check()
        assert check.whole
        assert check.erased_parts == 4
    images = ImageFolder(fresh.vault / "images")
    assert not [each for each in [*digests, reference.digest] if images.has(each)]
    assert len(list(images.digests())) == 11


def test_nothing_of_them_is_left_in_any_file(enrolled, tmp_path, fresh):
    name = "an identifier that nobody else has"
    enrolled.enroll([EnrollmentItem(name, draw_signature(77, each)) for each in range(3)])
    digests = [one.digest for one in enrolled.signer(name).references]
    enrolled.back_up(tmp_path / "backup")
    assert name.encode() in contents(tmp_path / "backup")
    enrolled.erase(name)
    enrolled.export_erasures(tmp_path / "ledger.json")
    restore_vault(
        tmp_path / "backup",
        fresh,
        erased_since=tmp_path / "ledger.json",
        embedder=FakeEmbedder(),
    )
    left = contents(fresh.vault)
    assert name.encode() not in left
    assert not [each for each in digests if each.encode() in left]


def test_an_identifier_given_to_somebody_else_since_is_still_the_first_ones(
    enrolled, restore, fresh, now
):
    enrolled.erase("1")
    enrolled.enroll([EnrollmentItem("1", draw_signature(50, 0))])
    done = restore(erased_since=now)
    assert done.restoration.again.signers == 1
    with reopen(fresh) as vault:
        assert "1" not in signers(vault)  # the new one was enrolled after the backup


def test_probes_forgotten_since_stay_forgotten(enrolled, tmp_path, fresh, now):
    event = enrolled.verify("1", draw_signature(1, 9), keep_probe=KeepProbes.ALWAYS).event
    enrolled.back_up(tmp_path / "backup")
    enrolled.forget_probes(timedelta(0))
    done = restore_vault(tmp_path / "backup", fresh, erased_since=now, embedder=FakeEmbedder())
    assert done.sound
    assert done.restoration.again.probes == 1
    with reopen(fresh) as vault:
        assert not vault.review(event).probe_kept
    assert len(list(ImageFolder(fresh.vault / "images").digests())) == 15


def test_erasures_that_nobody_knows_have_to_be_accepted(enrolled, restore, fresh):
    enrolled.erase("1")
    with pytest.raises(ErasuresUnknown, match=r"after event 1\d \(20.*--erased-since"):
        restore()
    assert not fresh.vault.exists()
    done = restore(accept_unknown=True)
    assert done.sound
    assert done.restoration.known_through is None
    with reopen(fresh) as vault:
        assert "1" in signers(vault)
        assert vault.audit_log()[-1].public["known_through"] is None


@pytest.mark.parametrize("source", ["vault", "database", "ledger", "later backup"])
def test_erasures_are_known_from(enrolled, restore, now, tmp_path, source):
    enrolled.erase("1")
    given = {
        "vault": now,
        "database": now / "vault.sqlite3",
        "ledger": tmp_path / "ledger.json",
        "later backup": tmp_path / "later",
    }[source]
    enrolled.export_erasures(tmp_path / "ledger.json")
    enrolled.back_up(tmp_path / "later")
    before = contents(tmp_path / "later")
    assert restore(erased_since=given).restoration.again.signers == 1
    assert contents(tmp_path / "later") == before


def test_a_ledger_of_before_the_backup_is_refused(enrolled, tmp_path, fresh):
    enrolled.export_erasures(tmp_path / "ledger.json")
    enrolled.back_up(tmp_path / "earlier")
    backup = enrolled.back_up(tmp_path / "backup").location
    for source in ("ledger.json", "earlier"):
        with pytest.raises(HistoryDiffers, match="before the backup"):
            restore_vault(backup, fresh, erased_since=tmp_path / source, embedder=FakeEmbedder())
    assert not fresh.vault.exists()


def test_another_vaults_log_is_refused(restore, fresh, tmp_path):
    with create_vault(tmp_path / "other", embedder=FakeEmbedder()) as other:
        for number in range(20):
            other.create_key(f"key {number}", AUDITOR)
        other.export_erasures(tmp_path / "ledger.json")
    for source in ("other", "ledger.json"):
        with pytest.raises(HistoryDiffers, match="another vault's"):
            restore(erased_since=tmp_path / source)
    assert not fresh.vault.exists()


def test_what_tells_of_no_erasures_is_refused(restore, fresh, tmp_path):
    (tmp_path / "text").write_text("nothing")
    (tmp_path / "folder").mkdir()
    for source in ("text", "folder"):
        with pytest.raises(ConfigurationError, match="sigvault audit erasures"):
            restore(erased_since=tmp_path / source)
    with pytest.raises(StorageFailed, match="nowhere"):
        restore(erased_since=tmp_path / "nowhere")
    ledger = {"erasure_ledger": 2}
    (tmp_path / "text").write_text(json.dumps(ledger))
    with pytest.raises(VaultTooNew, match="later version"):
        restore(erased_since=tmp_path / "text")
    assert not fresh.vault.exists()


def alter(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_events WHERE kind = 'signer-erased'",
        "UPDATE audit_events SET public = '{}' WHERE kind = 'signer-erased'",
        "UPDATE audit_events SET public = 'x' WHERE kind = 'signer-erased'",
        "UPDATE audit_events SET kind = 'identified' WHERE kind = 'signer-erased'",
    ],
)
def test_a_log_that_somebody_changed_tells_nothing(enrolled, restore, fresh, now, statement):
    enrolled.erase("1")
    enrolled.verify("2", draw_signature(2, 9))
    enrolled.close()
    alter(now / "vault.sqlite3", statement)
    with pytest.raises(VaultDamaged, match=r"broken at event|can't be read"):
        restore(erased_since=now)
    assert not fresh.vault.exists()


def test_a_backup_that_was_made_up_is_known_by_the_log(enrolled, restore, backup, fresh, now):
    manifest, _ = BackupFolder(backup).read_manifest()
    UnfinishedBackup(backup).seal(replace(manifest, version="0.0.9"))  # whole, but another
    with pytest.raises(BackupDamaged, match="not the one that was made"):
        restore(erased_since=now)
    assert not fresh.vault.exists()


def test_keys_revoked_since_stay_revoked(enrolled, tmp_path, fresh, now):
    kept = enrolled.create_key("kept", AUDITOR)
    revoked = enrolled.create_key("revoked", AUDITOR)
    enrolled.back_up(tmp_path / "backup")
    enrolled.revoke_key(revoked.key.id)
    done = restore_vault(tmp_path / "backup", fresh, erased_since=now, embedder=FakeEmbedder())
    assert done.restoration.again.keys == 1
    with reopen(fresh) as vault:
        assert vault.authenticate(kept.secret).id == kept.key.id
        with pytest.raises(KeyRefused, match="revoked"):
            vault.authenticate(revoked.secret)
        assert vault.audit_log()[-1].kind == "key-revoked"


@pytest.mark.parametrize("keep_keys", [False, True])
def test_where_revocations_are_unknown_all_keys_are_revoked(enrolled, tmp_path, fresh, keep_keys):
    issued = enrolled.create_key("anna", AUDITOR)
    enrolled.back_up(tmp_path / "backup")
    done = restore_vault(
        tmp_path / "backup",
        fresh,
        accept_unknown=True,
        keep_keys=keep_keys,
        embedder=FakeEmbedder(),
    )
    assert done.restoration.again.keys == (0 if keep_keys else 1)
    with reopen(fresh) as vault:
        if keep_keys:
            assert vault.authenticate(issued.secret).id == issued.key.id
        else:
            with pytest.raises(KeyRefused):
                vault.authenticate(issued.secret)


def test_both_vaults_go_on_and_know_each_other_apart(enrolled, restore, fresh, now):
    restore(erased_since=now)
    with reopen(fresh) as vault:
        vault.erase("1")
        assert "1" in signers(enrolled)
        assert enrolled.reference_image(enrolled.signer("1").references[0].id)
        enrolled.enroll([EnrollmentItem("8", draw_signature(8))])
        assert "8" not in signers(vault)
    marks = [(each / "images" / "vault-id").read_text() for each in (now, fresh.vault)]
    assert marks[0] != marks[1]
    enrolled.close()
    shutil.rmtree(fresh.vault / "images")
    shutil.copytree(now / "images", fresh.vault / "images")
    with pytest.raises(FolderMismatch):
        reopen(fresh)


def test_a_restored_vault_is_backed_up_and_restored_again(enrolled, restore, fresh, tmp_path, now):
    enrolled.erase("1")
    restore(erased_since=now)
    with reopen(fresh) as vault:
        backup = vault.back_up(tmp_path / "second").location
        vault.erase("2")
    with pytest.raises(HistoryDiffers):
        restore_vault(
            backup, Settings(tmp_path / "third"), erased_since=now, embedder=FakeEmbedder()
        )
    done = restore_vault(
        backup,
        Settings(tmp_path / "third"),
        erased_since=fresh.vault,
        embedder=FakeEmbedder(),
    )
    assert done.sound
    with reopen(Settings(tmp_path / "third")) as vault:
        assert signers(vault) == ["0", "3", "4"]


def test_the_same_backup_is_restored_again_from_what_became_of_it(
    enrolled, restore, backup, fresh, tmp_path, now
):
    restore(erased_since=now)
    with reopen(fresh) as vault:
        vault.erase("3")
        vault.export_erasures(tmp_path / "ledger.json")
    for number, source in enumerate((fresh.vault, tmp_path / "ledger.json")):
        other = Settings(tmp_path / f"again {number}")
        restore_vault(backup, other, erased_since=source, embedder=FakeEmbedder())
        with reopen(other) as vault:
            assert "3" not in signers(vault)


def test_nothing_is_overwritten(enrolled, restore, fresh, now):
    fresh.vault.mkdir()
    (fresh.vault / "precious").write_text("it")
    with pytest.raises(VaultExists, match="not empty"):
        restore(erased_since=now)
    assert [path.name for path in fresh.vault.iterdir()] == ["precious"]
    (fresh.vault / "precious").unlink()
    assert restore(erased_since=now).sound
    with pytest.raises(VaultExists):
        restore(erased_since=now)
    with reopen(fresh) as vault:
        assert len(signers(vault)) == 5


def test_what_is_restored_is_its_owners_alone(restore, fresh, now):
    restore(erased_since=now)
    paths = [fresh.vault, *fresh.vault.rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_vault_in_postgresql_is_not_restored_to(backup, tmp_path):
    settings = Settings(tmp_path / "restored", database_url="postgresql://nowhere/vault")
    with pytest.raises(ConfigurationError, match="SIGVAULT_DATABASE_URL"):
        restore_vault(backup, settings, accept_unknown=True)


def test_no_damaged_file_is_restored(restore, backup, fresh):
    for path in sorted(each for each in backup.rglob("*") if each.is_file()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BackupDamaged, match="damaged"):
            restore(accept_unknown=True)
        assert not fresh.vault.exists()
        path.write_bytes(whole)
    assert restore(accept_unknown=True).sound


def test_a_file_that_changes_after_it_was_checked_is_not_restored(
    restore, backup, fresh, monkeypatch
):
    image = next(path for path in backup.glob("images/*/*"))
    real = restoring._record
    monkeypatch.setattr(
        restoring, "_record", lambda *given: (image.write_bytes(b"x"), real(*given))[1]
    )
    with pytest.raises(BackupDamaged):
        restore(accept_unknown=True)
    assert not fresh.vault.exists()


@pytest.mark.parametrize(
    "stage", ["Checking the backup", "Restoring the database", "Restoring files"]
)
def test_interrupted_it_leaves_nothing(restore, fresh, stage):
    def progress(what, done, of):
        if what == stage and done == of:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(accept_unknown=True, progress=progress)
    assert not fresh.vault.exists()
    assert restore(accept_unknown=True).sound


def test_nobody_opens_it_before_it_is_whole(restore, fresh):
    """Nor what `kill -9` leaves, which is the same."""
    seen = []

    def progress(what, done, of):
        if what == "Restoring files" and done == of:
            with pytest.raises(VaultDamaged, match="interrupted"):
                reopen(fresh)
            seen.append(what)

    assert restore(accept_unknown=True, progress=progress).sound
    assert seen


def test_a_backup_of_a_later_schema_is_said_to_be_one(backup, restore, fresh):
    manifest, _ = BackupFolder(backup).read_manifest()
    UnfinishedBackup(backup).seal(replace(manifest, revision="9999"))
    with pytest.raises(VaultTooNew, match="9999"):
        restore(accept_unknown=True)
    assert not fresh.vault.exists()


def test_pictures_that_the_vault_had_lost_are_told(enrolled, tmp_path, fresh, now):
    digest = enrolled.signer("1").references[0].digest
    ImageFolder(now / "images").path(digest).unlink()
    enrolled.back_up(tmp_path / "backup")
    done = restore_vault(tmp_path / "backup", fresh, erased_since=now, embedder=FakeEmbedder())
    assert not done.sound
    assert done.audit.images_missing == (digest,)
    assert not done.diagnosis.healthy


def test_models_are_restored(tmp_path, fresh):
    settings = Settings(tmp_path / "vault", by="tester")
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        (card,) = vault.models()
        folder = settings.vault / "models" / card.id
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"fake")
        (folder / "card.json").write_text("{}")
        vault.back_up(tmp_path / "backup")
    restore_vault(tmp_path / "backup", fresh, erased_since=settings.vault, embedder=FakeEmbedder())
    restored = fresh.vault / "models" / card.id
    assert (restored / "model.safetensors").read_bytes() == b"fake"
    assert sorted(path.name for path in restored.iterdir()) == ["card.json", "model.safetensors"]


def test_a_backup_with_a_trigger_is_refused(backup, restore, fresh):
    alter(backup / DATABASE, "CREATE VIEW evil AS SELECT 1")
    manifest, _ = BackupFolder(backup).read_manifest()
    unsealed = UnfinishedBackup(backup)
    files = tuple(
        unsealed.measure(DATABASE) if one.path == DATABASE else one for one in manifest.files
    )
    unsealed.seal(replace(manifest, files=files))
    with pytest.raises(VaultDamaged, match="evil"):
        restore(accept_unknown=True)
    assert not fresh.vault.exists()
