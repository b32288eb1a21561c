"""A backup's folder: written whole or not at all, and read without following anything."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime

import pytest

from sigvault.domain.backup import DATABASE, BackupFile, BackupManifest, LogEnd
from sigvault.domain.errors import (
    BackupDamaged,
    BackupNotFound,
    ConfigurationError,
    StorageFailed,
    VaultExists,
    VaultTooNew,
)
from sigvault.domain.identifiers import EventNumber
from sigvault.storage import backup_folder
from sigvault.storage.backup_folder import MANIFEST, MANIFEST_DIGEST, BackupFolder, unfinished

AT = datetime(2026, 3, 4, tzinfo=UTC)
CONTENT = b"rows" * 1000


def manifest_of(*files: BackupFile) -> BackupManifest:
    return BackupManifest(
        backup="1" * 32,
        vault="2" * 32,
        version="0.1.0",
        revision="0006",
        made_at=AT,
        last_event=LogEnd(EventNumber(1), "3" * 64, AT),
        last_change=0,
        signers=0,
        references=0,
        missing=(),
        missing_models=(),
        files=files,
    )


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "vault"
    folder.mkdir()
    return folder


@pytest.fixture
def made(tmp_path, vault):
    """A backup of one file."""
    with unfinished(tmp_path / "backup", vault) as folder:
        folder.seal(manifest_of(folder.write(DATABASE, CONTENT)))
        folder.rename(tmp_path / "backup")
    return tmp_path / "backup"


def reseal(made, text: bytes) -> None:
    """What somebody does who knows how it is made."""
    (made / MANIFEST).write_bytes(text)
    digest = hashlib.sha256(text).hexdigest()
    (made / MANIFEST_DIGEST).write_text(f"{digest}  {MANIFEST}\n")


def only_file(made) -> BackupFile:
    (file,) = BackupFolder(made).read_manifest()[0].files
    return file


def test_it_is_read_as_it_was_written(made, tmp_path):
    manifest, sha256 = BackupFolder(made).read_manifest()
    assert manifest == manifest_of(BackupFile(DATABASE, 4000, hashlib.sha256(CONTENT).hexdigest()))
    assert (made / MANIFEST_DIGEST).read_text() == f"{sha256}  {MANIFEST}\n"
    BackupFolder(made).check(manifest.files[0])
    BackupFolder(made).copy(manifest.files[0], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "copy", "vault"]


def test_it_is_its_owners_alone(made, tmp_path):
    with unfinished(tmp_path / "other", tmp_path / "vault") as folder:
        folder.write(f"images/ab/{'ab' * 31}", b"x")
        folder.rename(tmp_path / "other")
    paths = [made, *made.rglob("*"), tmp_path / "other", *(tmp_path / "other").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


def test_a_backup_that_fails_leaves_nothing(tmp_path, vault):
    def fail():
        with unfinished(tmp_path / "backup", vault) as folder:
            folder.write(DATABASE, CONTENT)
            assert len(list(tmp_path.glob(".backup.unfinished-*"))) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["vault"]


def test_a_backup_whose_event_can_not_be_written_loses_its_name_too(tmp_path, vault):
    def fail():
        with unfinished(tmp_path / "backup", vault) as folder:
            folder.write(DATABASE, CONTENT)
            folder.rename(tmp_path / "backup")
            raise StorageFailed("of the commit")

    with pytest.raises(StorageFailed):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["vault"]


@pytest.mark.parametrize("what", ["file", "folder", "link", "broken link"])
def test_nothing_is_replaced(tmp_path, vault, what):
    target = tmp_path / "backup"
    act = {
        "file": lambda: target.write_bytes(b"precious"),
        "folder": target.mkdir,
        "link": lambda: target.symlink_to(vault),
        "broken link": lambda: target.symlink_to(tmp_path / "nowhere"),
    }
    with unfinished(tmp_path / "later", vault) as folder:
        act[what]()
        with pytest.raises(VaultExists, match="replaces nothing"), unfinished(target, vault):
            pass
        with pytest.raises(VaultExists, match="replaces nothing"):
            folder.rename(target)
    assert os.path.lexists(target)


def test_it_lies_outside_of_the_vault_in_a_folder_that_is_there(tmp_path, vault):
    (tmp_path / "link").symlink_to(vault)
    for target in (vault / "backup", tmp_path / "link" / "backup"):
        with pytest.raises(ConfigurationError, match="inside"), unfinished(target, vault):
            pass
    with (
        pytest.raises(ConfigurationError, match="mount"),
        unfinished(tmp_path / "mnt" / "backup", vault),
    ):
        pass


def test_a_full_disk_is_said(tmp_path, vault, monkeypatch):
    def fail(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_folder.os, "fsync", fail)
    with (
        pytest.raises(StorageFailed, match="disk is full"),
        unfinished(tmp_path / "backup", vault) as folder,
    ):
        folder.write(DATABASE, CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["vault"]


def test_other_folders_are_no_backups(tmp_path, vault):
    for root in (vault, tmp_path / "nowhere"):
        with pytest.raises(BackupNotFound, match="no backup"):
            BackupFolder(root).read_manifest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"format": 0}',
        b'{"format": "1"}',
        b'{"format": 1}',
        b"\xff",
        b"[" * 10**5,
    ],
)
def test_a_manifest_that_is_none_is_damage(made, content):
    reseal(made, content)
    with pytest.raises(BackupDamaged, match=r"manifest\.json is no manifest"):
        BackupFolder(made).read_manifest()


def test_a_manifest_that_was_changed_is_damage(made):
    text = (made / MANIFEST).read_bytes()
    (made / MANIFEST).write_bytes(text.replace(b"0.1.0", b"0.1.1"))
    with pytest.raises(BackupDamaged, match="not what was written"):
        BackupFolder(made).read_manifest()
    (made / MANIFEST).write_bytes(text)
    (made / MANIFEST_DIGEST).unlink()
    with pytest.raises(BackupDamaged, match=r"manifest\.sha256 is missing"):
        BackupFolder(made).read_manifest()


def test_a_later_format_is_said_to_be_one(made):
    content = json.loads((made / MANIFEST).read_bytes()) | {"format": 2, "files": "otherwise"}
    reseal(made, json.dumps(content).encode())
    with pytest.raises(VaultTooNew, match=r"format 2.*upgrade"):
        BackupFolder(made).read_manifest()


def damage(made, how: str) -> None:
    path = made / DATABASE
    if how == "changed":
        path.write_bytes(CONTENT[:-1] + b"x")
    elif how == "truncated":
        path.write_bytes(CONTENT[:-1])
    elif how == "longer":
        path.write_bytes(CONTENT + b"x")
    else:
        path.unlink()
    if how == "a link":
        (made.parent / "elsewhere").write_bytes(CONTENT)
        path.symlink_to(made.parent / "elsewhere")
    elif how == "a folder":
        path.mkdir()
    elif how == "a pipe":
        os.mkfifo(path)


@pytest.mark.parametrize(
    "how", ["changed", "truncated", "longer", "missing", "a link", "a folder", "a pipe"]
)
def test_a_file_that_is_not_as_it_was_is_damage(made, tmp_path, how):
    file = only_file(made)
    damage(made, how)
    with pytest.raises((BackupDamaged, StorageFailed), match=r"database\.sqlite3"):
        BackupFolder(made).check(file)
    with pytest.raises((BackupDamaged, StorageFailed)):
        BackupFolder(made).copy(file, tmp_path / "copy")


def test_a_folder_that_is_a_link_is_not_followed(tmp_path, vault):
    digest = hashlib.sha256(CONTENT).hexdigest()
    name = f"images/{digest[:2]}/{digest[2:]}"
    with unfinished(tmp_path / "backup", vault) as folder:
        file = folder.write(name, CONTENT)
        folder.rename(tmp_path / "backup")
    (tmp_path / "backup" / "images").rename(tmp_path / "elsewhere")
    (tmp_path / "backup" / "images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackupDamaged, match="images is a link"):
        BackupFolder(tmp_path / "backup").check(file)


def test_a_huge_manifest_is_not_read(made, monkeypatch):
    monkeypatch.setattr(backup_folder, "_LARGEST_MANIFEST", 10)
    with pytest.raises(BackupDamaged, match="more than 10 bytes"):
        BackupFolder(made).read_manifest()
