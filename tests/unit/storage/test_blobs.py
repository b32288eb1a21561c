from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.errors import StorageFailed, VaultDamaged
from sigvault.storage.blobs import ImageFolder

CONTENT = b"an image, as far as the folder is concerned"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path):
    return ImageFolder(tmp_path / "images")


def files(folder):
    root = folder.path(DIGEST).parents[1]
    return sorted(path for path in root.rglob("*") if path.is_file())


def failing(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_an_image_lies_under_its_digest_and_comes_back(folder):
    assert folder.write(CONTENT) == DIGEST

    assert folder.read(DIGEST) == CONTENT
    assert folder.has(DIGEST)
    assert files(folder) == [folder.path(DIGEST)]
    assert folder.path(DIGEST).parts[-3:] == ("images", DIGEST[:2], DIGEST[2:])


def test_a_file_that_is_adopted_is_an_image_by_another_name(folder, tmp_path):
    file = tmp_path / "note"
    file.write_bytes(CONTENT)
    for _ in range(2):
        folder.adopt(file, DIGEST, CONTENT)
        assert folder.path(DIGEST).samefile(file)
    file.unlink()
    assert folder.read(DIGEST) == CONTENT


@pytest.mark.parametrize("damage", [b"another", None])
def test_what_cannot_be_adopted_is_written(folder, tmp_path, damage):
    """The file is gone, or a damaged image has the name."""
    if damage is not None:
        folder.write(CONTENT)
        folder.path(DIGEST).write_bytes(damage)
    folder.adopt(tmp_path / "nowhere", DIGEST, CONTENT)
    assert folder.read(DIGEST) == CONTENT
    assert files(folder) == [folder.path(DIGEST)]


@given(content=st.binary(max_size=200))
def test_any_bytes_come_back(tmp_path_factory, content):
    folder = ImageFolder(tmp_path_factory.getbasetemp() / "any-images")
    assert folder.read(folder.write(content)) == content


def test_the_same_image_twice_is_one_file_that_is_left_alone(folder):
    folder.write(CONTENT)
    before = folder.path(DIGEST).stat()

    folder.write(CONTENT)

    assert folder.path(DIGEST).stat().st_ino == before.st_ino
    assert files(folder) == [folder.path(DIGEST)]


def test_a_damaged_image_is_reported_and_mended_by_writing_it_again(folder):
    folder.write(CONTENT)
    folder.path(DIGEST).write_bytes(CONTENT[:-1])

    with pytest.raises(VaultDamaged, match="was changed: restore"):
        folder.read(DIGEST)
    folder.write(CONTENT)
    assert folder.read(DIGEST) == CONTENT


def test_a_missing_image_is_reported(folder):
    assert not folder.has(DIGEST)
    with pytest.raises(VaultDamaged, match="missing: restore"):
        folder.read(DIGEST)


def test_deleting_takes_the_file_off_the_disk(folder):
    folder.write(CONTENT)

    assert folder.delete(DIGEST)
    assert not folder.delete(DIGEST)
    assert files(folder) == []
    assert list(folder.digests()) == []


@pytest.mark.parametrize("digest", ["", "ab", "../" + "a" * 61, DIGEST.upper(), DIGEST + "\n"])
def test_what_is_no_digest_names_no_file(folder, digest):
    with pytest.raises(ValueError, match="no SHA-256"):
        folder.path(digest)
    with pytest.raises(VaultDamaged, match="no SHA-256"):
        folder.read(digest)
    assert not folder.has(digest)


def test_only_the_owner_can_read_the_images(folder):
    folder.write(CONTENT)

    path = folder.path(DIGEST)
    assert [place.stat().st_mode & 0o077 for place in (path, *path.parents[:2])] == [0, 0, 0]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch, call):
    target = os if call == "fsync" else Path
    monkeypatch.setattr(target, call, failing(errno.ENOSPC))

    with pytest.raises(StorageFailed, match="the disk is full; nothing was written"):
        folder.write(CONTENT)

    assert files(folder) == []


def test_an_interruption_leaves_nothing_behind(folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)

    with pytest.raises(KeyboardInterrupt):
        folder.write(CONTENT)

    assert files(folder) == []


def test_a_path_that_is_no_folder_says_so(tmp_path):
    (tmp_path / "images").write_bytes(b"a file in the way")
    folder = ImageFolder(tmp_path / "images")

    for call in (lambda: folder.write(CONTENT), lambda: folder.read(DIGEST)):
        with pytest.raises(StorageFailed, match="images"):
            call()
    with pytest.raises(StorageFailed, match="images"):
        folder.delete(DIGEST)


def test_what_may_not_be_removed_says_so(folder, monkeypatch):
    folder.write(CONTENT)
    monkeypatch.setattr(Path, "unlink", failing(errno.EACCES))

    with pytest.raises(StorageFailed, match="permissions"):
        folder.delete(DIGEST)


def test_the_content_is_on_the_disk_before_it_has_its_name(folder, monkeypatch):
    happened = []
    real = {"fsync": os.fsync, "replace": Path.replace}
    monkeypatch.setattr(os, "fsync", lambda file: (happened.append("fsync"), real["fsync"](file)))
    monkeypatch.setattr(
        Path, "replace", lambda one, two: (happened.append("rename"), real["replace"](one, two))
    )

    folder.write(CONTENT)

    # the two new folders' names, the content, the rename, and the rename's own trace
    assert happened == ["fsync", "fsync", "fsync", "rename", "fsync"]


def test_strays_are_what_no_reference_points_to(folder):
    kept, lost = folder.write(CONTENT), folder.write(b"lost")
    unfinished = folder.path(kept).with_name(".unfinished-abc")
    unfinished.write_bytes(b"half")

    assert set(folder.strays(frozenset({kept}))) == {unfinished, folder.path(lost)}
    assert list(folder.digests()) == sorted([kept, lost])


def test_a_mark_says_whose_images_they_are(folder):
    assert folder.owner() is None
    folder.give_to("a" * 32)
    folder.give_to("a" * 32)
    assert folder.owner() == "a" * 32
    folder.give_to("b" * 32)
    assert folder.owner() == "b" * 32
    folder.require()
    assert list(folder.strays(frozenset())) == []


def test_a_mark_that_cannot_be_read_or_written_says_so(folder):
    folder.mark.mkdir(parents=True)
    with pytest.raises(StorageFailed, match="can't be used"):
        folder.owner()
    folder.mark.rmdir()
    folder.mark.parent.rmdir()
    folder.mark.parent.touch()
    with pytest.raises(StorageFailed, match="can't be used"):
        folder.give_to("a" * 32)
