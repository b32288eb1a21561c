"""The database and the folder of images belong together, and both know it."""

from __future__ import annotations

import shutil

import pytest
from sqlalchemy import text

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.errors import FolderMismatch, StorageFailed
from sigvault.settings import Settings
from sigvault.storage.engine import make_engine
from sigvault.vault import EnrollmentItem


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "vault", by="tester")


@pytest.fixture
def mark(settings):
    return settings.vault / "images" / "vault-id"


@pytest.fixture
def with_images(settings):
    with create_vault(settings, embedder=FakeEmbedder()) as vault:
        vault.enroll([EnrollmentItem("1", draw_signature(1, each)) for each in range(3)])
    return settings


def reopen(settings):
    open_vault(settings, embedder=FakeEmbedder()).close()


def forget_id(settings):
    """As it was before vaults had one."""
    engine = make_engine(settings.vault / "vault.sqlite3")
    with engine.begin() as connection:
        connection.execute(text("UPDATE vault_state SET vault_id = NULL"))
    engine.dispose()


def test_a_new_vault_has_an_id_that_its_folder_holds_too(settings, mark):
    create_vault(settings, embedder=FakeEmbedder()).close()
    assert len(mark.read_text().strip()) == 32
    mark.unlink()  # there are no images yet, so nothing is missing
    reopen(settings)
    assert len(mark.read_text().strip()) == 32


def test_a_vault_of_an_earlier_version_gets_an_id_when_it_is_opened(with_images, mark):
    mark.unlink()
    forget_id(with_images)
    reopen(with_images)
    marked = mark.read_text()
    forget_id(with_images)  # a database restored from a backup of before takes up the folder's
    reopen(with_images)
    assert mark.read_text() == marked


def test_a_vault_of_an_earlier_version_whose_images_are_not_there_gets_none(with_images, mark):
    mark.unlink()
    forget_id(with_images)
    mark.parent.rename(mark.parent.with_name("elsewhere"))
    reopen(with_images)
    assert not mark.parent.exists()


@pytest.mark.parametrize("known", [True, False])
def test_another_vaults_folder_is_refused(with_images, mark, tmp_path, known):
    other = Settings(tmp_path / "other", by="tester")
    with create_vault(other, embedder=FakeEmbedder()) as vault:
        vault.enroll([EnrollmentItem("2", draw_signature(2))])
    if not known:
        forget_id(with_images)
    theirs = other.vault / "images"
    mark.parent.rename(mark.parent.with_name("elsewhere"))
    theirs.rename(mark.parent)
    with pytest.raises(FolderMismatch, match=r"another vault.*that belong together"):
        reopen(with_images)
    assert len(list(mark.parent.glob("??/*"))) == 1
    mark.parent.rename(theirs)
    mark.parent.with_name("elsewhere").rename(mark.parent)
    reopen(with_images)
    reopen(other)


def test_a_folder_that_is_not_mounted_is_refused(with_images, mark):
    images = mark.parent
    marked = mark.read_text()
    images.rename(images.with_name("elsewhere"))
    with pytest.raises(StorageFailed, match=rf"mount the folder.*{marked.strip()}"):
        reopen(with_images)
    images.mkdir()
    with pytest.raises(StorageFailed, match="mount the folder"):
        reopen(with_images)
    mark.write_text(marked)  # as the message says, where they are lost for good
    reopen(with_images)


def test_images_from_a_backup_of_before_are_taken(with_images, mark):
    mark.unlink()
    reopen(with_images)
    assert len(mark.read_text().strip()) == 32


def test_an_erasure_without_the_folder_fails_and_is_finished_later(with_images, mark):
    images, elsewhere = mark.parent, mark.parent.with_name("elsewhere")
    vault = open_vault(with_images, embedder=FakeEmbedder())
    images.rename(elsewhere)
    with pytest.raises(StorageFailed, match="missing or empty"):
        vault.erase("1")
    assert vault.signers() == ()
    vault.close()
    elsewhere.rename(images)
    reopen(with_images)
    assert not list(images.glob("*/*"))
    shutil.rmtree(images)
    reopen(with_images)  # nothing is missing any more
