"""Backing up a vault that is in use."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.audit import BackedUp
from sigvault.domain.backup import DATABASE, image_path
from sigvault.domain.errors import (
    BackupDamaged,
    BackupNotFound,
    StorageFailed,
    VaultBusy,
    VaultDamaged,
    VaultExists,
    VaultNotFound,
)
from sigvault.recovery import verify_backup
from sigvault.services import backing_up
from sigvault.settings import Settings
from sigvault.storage.backup_folder import BackupFolder, UnfinishedBackup
from sigvault.storage.blobs import ImageFolder
from sigvault.vault import EnrollmentItem, KeepProbes


@pytest.fixture
def kind() -> str:
    """PostgreSQL is backed up by its own tools."""
    return "sqlite"


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "backup"


def left_over(target) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path.name != "vault")


def last_event(vault):
    return vault.audit_log()[-1]


def test_a_backup_holds_all_and_the_log_tells_of_it(enrolled, target):
    event = enrolled.verify("1", draw_signature(1, 9), keep_probe=KeepProbes.ALWAYS).event
    told = []
    made = enrolled.back_up(target, by="ann", progress=lambda *at: told.append(at))
    manifest = verify_backup(target)
    assert manifest == made.manifest
    assert (manifest.signers, manifest.references) == (5, 15)
    assert manifest.last_event.number == event == made.event - 1
    assert len(manifest.files) == 17  # the probe is one of the images
    assert manifest.missing == ()
    record = last_event(enrolled)
    assert (record.number, record.kind) == (made.event, BackedUp.kind)
    assert record.personal == {"by": "ann"}
    assert record.public == {
        "backup": manifest.backup,
        "through": manifest.last_event.number,
        "hash": manifest.last_event.hash,
        "manifest": made.manifest_sha256,
        "files": 17,
        "bytes": manifest.size,
    }
    assert enrolled.audit_check().whole
    assert {what for what, _, _ in told} >= {"Copying images", "Copying models"}
    assert left_over(target) == ["backup"]


def test_it_holds_neither_index_nor_locks_nor_secrets(enrolled, enrolled_settings, target):
    (enrolled_settings.vault / "session-secret").write_bytes(b"x" * 64)
    enrolled.back_up(target)
    assert sorted(path.name for path in target.iterdir()) == [
        DATABASE,
        "images",
        "manifest.json",
        "manifest.sha256",
    ]


def test_it_is_not_opened_as_a_vault(enrolled, target):
    enrolled.back_up(target)
    with pytest.raises(VaultNotFound):
        open_vault(target, embedder=FakeEmbedder())


def test_a_second_backup_takes_another_name(enrolled, target):
    first = enrolled.back_up(target)
    with pytest.raises(VaultExists):
        enrolled.back_up(target)
    second = enrolled.back_up(target.with_name("second"))
    assert first.manifest.backup != second.manifest.backup
    assert second.manifest.last_event.number == first.event
    assert verify_backup(target) == first.manifest


def once(act):
    """Does something at the first call alone."""
    done = []

    def do():
        if not done:
            done.append(True)
            act()

    return do


@pytest.fixture
def before_images(monkeypatch):
    """Does something each time before the first image is read."""

    def arrange(act):
        real = backing_up._Work._copy_images

        def copy(work, contents):
            act()
            return real(work, contents)

        monkeypatch.setattr(backing_up._Work, "_copy_images", copy)

    return arrange


def test_who_is_erased_while_it_is_made_is_not_in_it(enrolled, target, before_images):
    digests = {one.digest for one in enrolled.signer("2").references}
    before_images(once(lambda: enrolled.erase("2")))
    made = enrolled.back_up(target)
    assert made.manifest.signers == 4
    assert made.manifest.missing == ()
    assert not {image_path(digest) for digest in digests} & {
        file.path for file in made.manifest.files
    }
    assert b'"2"' not in b"".join(file.read_bytes() for file in target.glob("*.sqlite3"))
    verify_backup(target)


def test_a_reference_that_is_erased_after_its_image_was_copied_is_not_in_it(
    enrolled, target, monkeypatch
):
    reference = enrolled.signer("2").references[0]
    erase = once(lambda: enrolled.erase_reference("2", reference.id, reason="another's"))
    real = UnfinishedBackup.seal
    monkeypatch.setattr(UnfinishedBackup, "seal", lambda *given: (erase(), real(*given))[1])
    made = enrolled.back_up(target)
    assert made.manifest.references == 14
    assert not (target / image_path(reference.digest)).exists()
    verify_backup(target)


def test_where_somebody_is_erased_all_the_time_it_gives_up(
    enrolled, target, before_images, monkeypatch
):
    monkeypatch.setattr(backing_up, "_TRIES", 3)
    signers = iter("0123")
    before_images(lambda: enrolled.erase(next(signers)))
    with pytest.raises(VaultBusy, match="each of 3 times"):
        enrolled.back_up(target)
    assert left_over(target) == []
    assert [one.signer for one in enrolled.signers()] == ["3", "4"]


def test_enrollments_meanwhile_belong_to_the_next_backup(enrolled, target, before_images):
    before_images(lambda: enrolled.enroll([EnrollmentItem("9", draw_signature(9))]))
    made = enrolled.back_up(target)
    assert made.manifest.signers == 5
    assert made.event == made.manifest.last_event.number + 2
    verify_backup(target)


@pytest.mark.parametrize("how", ["lost", "changed"])
def test_pictures_that_the_vault_has_lost_are_named(enrolled, enrolled_settings, target, how):
    digest = enrolled.signer("1").references[0].digest
    path = ImageFolder(enrolled_settings.vault / "images").path(digest)
    path.unlink() if how == "lost" else path.write_bytes(b"another picture")
    made = enrolled.back_up(target)
    assert made.manifest.missing == (digest,)
    assert verify_backup(target).missing == (digest,)


@pytest.mark.parametrize("stage", ["Copying the database", "Copying images", "Copying models"])
def test_interrupted_it_leaves_nothing(enrolled, target, stage, monkeypatch):
    monkeypatch.setattr("sigvault.storage.database_copy._STEPS", 50)
    events = enrolled.audit_size()

    def progress(what, _done, _of):
        if what == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enrolled.back_up(target, progress=progress)
    assert left_over(target) == []
    assert enrolled.audit_size() == events
    verify_backup(enrolled.back_up(target).location)


def test_without_its_event_there_is_no_backup(enrolled, target, monkeypatch):
    def fail(*_given):
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(backing_up, "append", fail)
    with pytest.raises(StorageFailed):
        enrolled.back_up(target)
    assert left_over(target) == []


def test_without_its_name_there_is_no_event(enrolled, target, monkeypatch):
    events = enrolled.audit_size()
    real = UnfinishedBackup.rename
    monkeypatch.setattr(UnfinishedBackup, "rename", lambda one, to: (to.mkdir(), real(one, to))[1])
    with pytest.raises(VaultExists):
        enrolled.back_up(target)
    assert enrolled.audit_size() == events
    assert left_over(target) == ["backup"]
    assert not list(target.iterdir())


def test_models_of_all_generations_come_along(tmp_path, target, monkeypatch):
    settings = Settings(tmp_path / "vault", by="tester")
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        vault.enroll([EnrollmentItem("1", draw_signature(1))])
        (card,) = vault.models()
        folder = settings.vault / "models" / card.id
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"not the fake's weights")
        (folder / "card.json").write_text("{}")
        assert vault.back_up(target).manifest.missing_models == (card.id,)
        assert not list(target.glob("models/*/*"))
        (folder / "model.safetensors").write_bytes(b"fake")  # whose digest its card holds
        made = vault.back_up(target.with_name("whole"))
    assert made.manifest.missing_models == ()
    paths = [file.path for file in made.manifest.files if file.path.startswith("models/")]
    assert paths == [f"models/{card.id}/card.json", f"models/{card.id}/model.safetensors"]
    verify_backup(made.location)


def test_every_file_that_is_damaged_is_found(enrolled, target):
    enrolled.back_up(target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    assert len(files) == 18
    for path in files:
        whole = path.read_bytes()
        flipped = bytes([whole[0] ^ 1])
        for content in (flipped + whole[1:], whole[:-1], whole + b"x", b"", None):
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            with pytest.raises((BackupDamaged, BackupNotFound), match=r"damaged|no backup"):
                verify_backup(target)
            path.write_bytes(whole)
    verify_backup(target)


def test_a_manifest_that_does_not_fit_its_database_is_damage(enrolled, target):
    enrolled.back_up(target)
    manifest, _ = BackupFolder(target).read_manifest()
    image = next(file for file in manifest.files if file.path.startswith("images/"))
    for wrong in (
        replace(manifest, last_change=99),
        replace(manifest, files=tuple(one for one in manifest.files if one != image)),
    ):
        UnfinishedBackup(target).seal(wrong)
        with pytest.raises(BackupDamaged, match="what its database says"):
            verify_backup(target)


def test_a_folder_moved_elsewhere_is_still_one(enrolled, target, tmp_path):
    made = enrolled.back_up(target)
    moved = shutil.copytree(target, tmp_path / "copied")
    assert verify_backup(moved) == made.manifest


def test_a_vault_of_an_earlier_version_without_its_images_is_not_backed_up(
    enrolled, enrolled_settings, target
):
    enrolled.close()
    with closing(sqlite3.connect(enrolled_settings.vault / "vault.sqlite3")) as connection:
        connection.execute("UPDATE vault_state SET vault_id = NULL")
        connection.commit()
    (enrolled_settings.vault / "images").rename(target.with_name("elsewhere"))
    with open_vault(enrolled_settings, embedder=FakeEmbedder()) as vault:
        with pytest.raises(VaultDamaged, match="images are not there"):
            vault.back_up(target)
        assert vault.signers()
    assert left_over(target) == ["elsewhere"]
