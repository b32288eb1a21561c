from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault import bootstrap
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.errors import (
    SigvaultError,
    StorageFailed,
    UnknownModel,
    VaultDamaged,
    VaultExists,
    VaultNotFound,
    VaultTooNew,
)
from sigvault.embedding.card import (
    CARD_FILE,
    WEIGHTS_FILE,
    bundled_model,
    read_card,
    write_card,
)
from sigvault.services.enrollment import EnrollmentItem
from sigvault.settings import Settings
from sigvault.storage import schema


def test_a_new_vault_knows_its_model_and_thresholds(vault, embedder, settings):
    status = vault.status()
    assert status.location == settings.vault
    assert (status.signers, status.references, status.vectors) == (0, 0, 0)
    assert (status.model, status.licence) == (embedder.model, "not stated")
    assert status.thresholds == (1, 3, 5)
    assert vault.thresholds() == embedder.card.thresholds
    assert vault.models() == (embedder.card,)
    assert [record.kind for record in vault.audit_log()] == [
        "vault-created",
        "generation-activated",
        "calibrated",
    ]
    assert vault.audit_check().whole


def test_the_models_licence_is_shown(settings):
    embedder = FakeEmbedder()
    embedder.card = replace(embedder.card, licence="for research alone")
    with create_vault(settings, embedder=embedder) as vault:
        assert vault.status().licence == "for research alone"


def test_it_can_be_opened_again(vault, reopen):
    assert reopen().status() == vault.status()


def test_a_model_without_thresholds_makes_a_vault_without(settings):
    with create_vault(settings, embedder=FakeEmbedder(references=())) as vault:
        assert vault.thresholds() == ()
        assert vault.audit_check().whole


def test_it_is_not_made_twice(vault, settings, embedder):
    before = vault.status()
    with pytest.raises(VaultExists, match=r"not empty|already"):
        create_vault(settings, embedder=embedder)
    assert vault.status() == before


@pytest.mark.postgres
def test_two_vaults_do_not_share_a_database(settings, embedder, tmp_path):
    if settings.database_url is None:
        pytest.skip("an SQLite file lies in its own vault")
    create_vault(settings, embedder=embedder).close()
    with pytest.raises(VaultExists, match="database"):
        create_vault(replace(settings, vault=tmp_path / "second"), embedder=embedder)
    assert not (tmp_path / "second").exists()
    open_vault(settings, embedder=embedder).close()


def test_an_empty_folder_may_be_there_already(settings, embedder):
    settings.vault.mkdir()
    create_vault(settings, embedder=embedder).close()


@pytest.mark.postgres
def test_what_another_process_writes_meanwhile_is_left_alone(settings, embedder, monkeypatch):
    if settings.database_url is None:
        pytest.skip("an SQLite file lies in its own vault")
    create_vault(settings, embedder=embedder).close()
    revision = schema.current_revision

    def enroll_first(engine):
        (settings.vault / "images").mkdir()
        return revision(engine)

    monkeypatch.setattr(schema, "current_revision", enroll_first)
    with pytest.raises(VaultExists):
        create_vault(settings, embedder=embedder)
    assert [path.name for path in settings.vault.iterdir()] == ["images"]


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_left_behind_if_it_fails_half_way(settings, embedder, monkeypatch, there):
    def fail(*args, **kwargs):
        raise StorageFailed("the disk is full")

    target = replace(settings, vault=settings.vault / "in" / "here")
    if there:
        target.vault.mkdir(parents=True)
    with monkeypatch.context() as broken:
        broken.setattr(bootstrap, "found", fail)
        with pytest.raises(StorageFailed):
            create_vault(target, embedder=embedder)
    assert target.vault.exists() is there
    assert settings.vault.exists() is there
    assert not there or not list(target.vault.iterdir())
    create_vault(target, embedder=embedder).close()


def test_a_path_that_is_a_file_is_named(file_settings, embedder):
    file_settings.vault.write_text("not a vault")
    with pytest.raises(VaultNotFound, match="is a file"):
        open_vault(file_settings)
    with pytest.raises(VaultExists, match="is a file"):
        create_vault(file_settings, embedder=embedder)
    assert file_settings.vault.read_text() == "not a vault"


def test_a_folder_below_a_file_cannot_be_made(tmp_path, embedder):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        create_vault(Settings(tmp_path / "file" / "vault"), embedder=embedder)


def test_a_folder_with_something_in_it_is_left_alone(file_settings, embedder):
    file_settings.vault.mkdir()
    (file_settings.vault / "letter.txt").write_text("dear")
    with pytest.raises(VaultExists, match="not empty"):
        create_vault(file_settings, embedder=embedder)
    assert [path.name for path in file_settings.vault.iterdir()] == ["letter.txt"]
    with pytest.raises(VaultNotFound, match="sigvault init"):
        open_vault(file_settings)


def test_a_missing_vault_is_not_made_by_opening_it(settings):
    with pytest.raises(VaultNotFound, match="sigvault init"):
        open_vault(settings)
    assert not settings.vault.exists()


def test_an_unfinished_vault_says_so(file_settings, embedder):
    create_vault(file_settings, embedder=embedder).close()
    (file_settings.vault / ".being-set-up").touch()
    with pytest.raises(VaultDamaged, match="set up"):
        open_vault(file_settings)


def test_a_vault_from_a_later_version_is_refused(file_settings, embedder):
    create_vault(file_settings, embedder=embedder).close()
    with closing(sqlite3.connect(file_settings.vault / "vault.sqlite3")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
    with pytest.raises(VaultTooNew, match="upgrade sigvault"):
        open_vault(file_settings)


def test_a_database_that_is_none_is_named(file_settings):
    file_settings.vault.mkdir()
    (file_settings.vault / "vault.sqlite3").write_bytes(b"something else" * 100)
    with pytest.raises(StorageFailed, match="no SQLite database"):
        open_vault(file_settings)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, embedder):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageFailed, match="permissions"):
        create_vault(Settings(tmp_path / "closed" / "vault"), embedder=embedder)


def test_a_string_or_a_path_will_do(tmp_path, embedder):
    create_vault(str(tmp_path / "vault"), embedder=embedder).close()
    with open_vault(tmp_path / "vault", embedder=embedder) as vault:
        assert vault.status().location == tmp_path / "vault"


def _write_model(folder: Path) -> Path:
    folder.mkdir()
    card = FakeEmbedder().card
    write_card(folder, replace(card, architecture=card.architecture | {"dimension": 104}))
    (folder / WEIGHTS_FILE).write_bytes(b"weights")
    return folder


def test_the_model_is_kept_with_the_vault(file_settings, tmp_path):
    folder = _write_model(tmp_path / "model")
    with create_vault(replace(file_settings, model=folder)) as vault:
        model = vault.embedder.model
    (folder / CARD_FILE).unlink()
    with open_vault(file_settings) as vault:
        assert vault.embedder.model == model == vault.status().model


def test_a_missing_model_leaves_nothing_behind(file_settings, tmp_path):
    with pytest.raises(UnknownModel):
        create_vault(replace(file_settings, model=tmp_path / "nowhere"))
    assert not file_settings.vault.exists()


def test_what_needs_no_model_works_without_one(file_settings, tmp_path):
    folder = _write_model(tmp_path / "model")
    create_vault(replace(file_settings, model=folder)).close()
    with open_vault(replace(file_settings, model=tmp_path / "nowhere")) as vault:
        assert vault.signers() == ()
        assert vault.audit_check().whole
        with pytest.raises(SigvaultError):
            _ = vault.embedder


def test_a_kept_model_is_mended_and_its_card_renewed(file_settings, tmp_path):
    """Half a copy is what a power cut may leave; thresholds may come after a model was kept."""
    source = tmp_path / "source"
    shutil.copytree(bundled_model(), source)
    released = read_card(source)
    bare = replace(released, thresholds=())
    write_card(source, bare)
    with create_vault(replace(file_settings, model=source)) as vault:
        kept = file_settings.vault / "models" / released.id
        weights = (kept / WEIGHTS_FILE).read_bytes()
        (kept / WEIGHTS_FILE).write_bytes(weights[:-1])
        vault._resources.models.keep(source)
        assert (kept / WEIGHTS_FILE).read_bytes() == weights
        write_card(source, released)
        vault._resources.models.keep(source)
        assert read_card(kept) == released
        write_card(source, bare)
        vault._resources.models.keep(source)
        assert read_card(kept) == released  # it says more
        (kept / CARD_FILE).write_text("{")
        vault._resources.models.keep(source)
        assert read_card(kept) == bare
        assert sorted(path.name for path in kept.iterdir()) == [CARD_FILE, WEIGHTS_FILE]


def test_a_kept_model_survives_a_power_cut(file_settings, monkeypatch):
    synced = set()
    fsync = os.fsync

    def note(handle: int) -> None:
        synced.add(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    create_vault(file_settings).close()
    models = file_settings.vault / "models"
    assert {models, models.parent} <= synced
    assert len([path for path in synced if path.parent.parent == models]) == 2


def test_a_vault_whose_database_is_gone_is_closed_all_the_same(file_settings, embedder):
    vault = create_vault(file_settings, embedder=embedder)
    vault.enroll([EnrollmentItem("1", draw_signature(1, number)) for number in range(3)])
    vault.identify(draw_signature(1, 9), fpir=0.2)
    vault._resources.engine.dispose()
    for path in file_settings.vault.glob("vault.sqlite3*"):
        path.unlink()
    vault.close()
    assert vault._resources.engine.pool.checkedin() == 0


def test_a_file_that_is_no_note_of_an_image_does_not_keep_a_vault_from_opening(
    vault, reopen, settings
):
    (settings.vault / "pending").mkdir(exist_ok=True)
    (settings.vault / "pending" / "cafe.txt").touch()
    assert reopen().status() == vault.status()
