from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sigvault.domain.errors import StorageFailed
from sigvault.domain.identifiers import SignerId
from sigvault.services import pending_images
from sigvault.services.acquisition import digest_of
from sigvault.services.pending_images import PendingImages, count_unsettled, settle_pending
from sigvault.storage import schema
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.driver import directly
from sigvault.storage.engine import make_engine, write_session
from sigvault.storage.orphaned_images import note_orphans
from sigvault.storage.references import add_reference
from sigvault.storage.signers import add_signer

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path):
    engine = make_engine(tmp_path / "vault.sqlite3")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def images(tmp_path) -> ImageFolder:
    return ImageFolder(tmp_path / "images")


@pytest.fixture
def pending(tmp_path) -> PendingImages:
    return PendingImages(tmp_path / "pending")


def test_without_notes_there_is_nothing_to_settle(engine, images, pending):
    digest = images.write(b"somebody's")
    assert settle_pending(engine, images, pending) == 0
    assert images.path(digest).is_file()


def test_an_image_that_an_erasure_noted_goes_unless_something_needs_it(engine, images, pending):
    needed, stray = images.write(b"needed"), images.write(b"stray")
    with write_session(engine) as session:
        assert note_orphans(directly(session), [needed, stray]) == tuple(sorted([needed, stray]))
        signer = add_signer(session, SignerId("1"), "", NOW)
        add_reference(
            session, signer.key, image_digest=needed, image_bytes=6, findings=(), at=NOW, by=""
        )
    assert count_unsettled(engine, pending) == 2
    assert settle_pending(engine, images, pending) == 1
    assert count_unsettled(engine, pending) == 0
    assert images.read(needed) == b"needed"
    assert not images.path(stray).exists()


def test_an_image_goes_unless_a_reference_needs_it(engine, images, pending):
    needed, stray = images.write(b"needed"), images.write(b"stray")
    with write_session(engine) as session:
        signer = add_signer(session, SignerId("1"), "", NOW)
        add_reference(
            session, signer.key, image_digest=needed, image_bytes=6, findings=(), at=NOW, by=""
        )
    for digest in (needed, stray, "0" * 64):
        pending.note(digest)
    assert settle_pending(engine, images, pending) == 1
    assert (images.has(needed), images.has(stray)) == (True, False)
    assert pending.names() == ()


def test_what_was_never_finished_of_a_noted_image_goes_and_no_other(engine, images, pending):
    noted, other = images.write(b"noted"), images.write(b"other")
    halves = [images.path(each).with_name(".unfinished-half") for each in (noted, other)]
    for half in halves:
        half.write_bytes(b"not")
    assert images.unfinished(noted) == halves[:1]
    pending.note(noted)
    assert settle_pending(engine, images, pending) == 1
    assert [half.exists() for half in halves] == [False, True]


def test_each_clears_the_note_that_it_made(pending):
    one, other = pending.note("a" * 64), pending.note("a" * 64)
    pending.clear(one)
    pending.clear(one)
    assert pending.names() == (other,)


def test_a_note_that_cannot_be_removed_is_no_matter(pending, monkeypatch):
    name = pending.note("a" * 64)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refuse)
    pending.clear(name)
    assert pending.names() == (name,)


def test_a_full_disk_is_named(pending, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(StorageFailed, match="full"):
        pending.note("a" * 64)


def test_files_that_are_no_notes_are_left_alone(engine, images, pending, tmp_path):
    (tmp_path / "pending").mkdir()
    for name in ("cafe.txt", "café.txt", f"{'A' * 64}.x", f"{'a' * 63}.x", "abc"):
        (tmp_path / "pending" / name).touch()
    assert (pending.names(), settle_pending(engine, images, pending)) == ((), 0)
    assert len(list((tmp_path / "pending").iterdir())) == 5


@pytest.mark.parametrize("marked", [False, True])
def test_notes_stay_while_the_folder_of_images_is_missing(
    engine, images, pending, marked, tmp_path
):
    """A folder that isn't mounted has none of the images, and none of them is gone."""
    if marked:
        images.give_to("0" * 32)
    stray = images.write(b"stray")
    with write_session(engine) as session:
        note_orphans(directly(session), [stray])
    pending.note(stray)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    if marked:
        (tmp_path / "images").mkdir()  # where it would be mounted
    with pytest.raises(StorageFailed, match=r"missing or empty.*mount it"):
        settle_pending(engine, images, pending)
    assert count_unsettled(engine, pending) == 2
    if marked:
        (tmp_path / "images").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "images")
    assert settle_pending(engine, images, pending) == 1
    assert not images.has(stray)


def test_a_note_may_hold_the_image_and_goes_with_it(engine, images, pending, tmp_path):
    images.write(b"another")
    name = pending.note(digest_of(b"signature"), b"signature")
    assert pending.has(name)
    assert pending.path(name).read_bytes() == b"signature"
    assert settle_pending(engine, images, pending) == 0
    assert not pending.has(name)
    assert not list((tmp_path / "pending").iterdir())


def test_of_a_note_that_cannot_be_written_nothing_is_left(pending, monkeypatch, tmp_path):
    def refuse(path, content):
        path.write_bytes(content[:2])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(pending_images, "write_through", refuse)
    with pytest.raises(StorageFailed, match="full"):
        pending.note("a" * 64, b"signature")
    assert not list((tmp_path / "pending").iterdir())
