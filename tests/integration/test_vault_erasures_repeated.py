"""PostgreSQL is backed up by its own tools; erasures are repeated after that, too."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from databases import fresh_database
from sqlalchemy import make_url

from fakes import draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.access import Role
from sigvault.domain.errors import ConfigurationError, HistoryDiffers, StorageFailed, VaultDamaged
from sigvault.services.erasing_again import erase_again
from sigvault.settings import Settings
from sigvault.storage.engine import write_session


@pytest.fixture
def brought_back(request, kind, tmp_path, embedder):
    """The vault as it was before, as if a disk or `pg_restore` had brought it back."""
    folder = tmp_path / "before"
    if kind == "sqlite":
        shutil.copytree(request.getfixturevalue("sqlite_template"), folder)
        with open_vault(Settings(folder, by="restorer"), embedder=embedder) as vault:
            yield vault
        return
    template = request.getfixturevalue("postgres_template")
    shutil.copytree(template.vault, folder)
    name = str(make_url(template.database_url).database)
    with fresh_database(request.getfixturevalue("postgres_server"), name) as url:
        settings = Settings(folder, database_url=url, by="restorer")
        with open_vault(settings, embedder=embedder) as vault:
            yield vault


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgresql"])
def test_a_vault_in_postgresql_is_left_to_pg_dump(enrolled, tmp_path):
    with pytest.raises(ConfigurationError, match="pg_dump"):
        enrolled.back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_erasures_of_a_ledger_are_repeated(enrolled, brought_back, tmp_path):
    reference = enrolled.signer("2").references[0]
    enrolled.erase("1")
    enrolled.erase_reference("2", reference.id, reason="another's")
    enrolled.export_erasures(tmp_path / "ledger.json")
    brought_back.identify(draw_signature(1, 9))  # its index is open
    done = brought_back.repeat_erasures(tmp_path / "ledger.json")
    assert (done.again.signers, done.again.references) == (1, 1)
    assert done.known_through.number == enrolled.audit_size()
    assert done.log_clean
    assert [one.signer for one in brought_back.signers()] == ["0", "2", "3", "4"]
    assert len(brought_back.signer("2").references) == 2
    assert brought_back.identify(draw_signature(1, 9)).searched == 11
    check = brought_back.audit_check()
    assert check.whole
    assert not check.images_missing
    assert [one for one in brought_back.examine(deep=True) if one.severity == "problem"] == []
    records = [one for one in brought_back.audit_log() if one.kind.endswith("erased")]
    assert [one.personal["by"] for one in records] == ["restorer", "restorer"]
    assert not any(vars(brought_back.repeat_erasures(tmp_path / "ledger.json").again).values())
    brought_back.export_erasures(tmp_path / "own.json")
    assert not any(vars(brought_back.repeat_erasures(tmp_path / "own.json").again).values())


def test_a_ledger_names_nobody_and_replaces_only_a_ledger(enrolled, tmp_path):
    enrolled.create_key("a name of somebody's", frozenset({Role.AUDITOR}))
    enrolled.revoke_key(enrolled.keys()[0].id)
    enrolled.erase_reference(
        "2", enrolled.signer("2").references[0].id, reason="of somebody's brother"
    )
    enrolled.erase("1")
    target = tmp_path / "ledger.json"
    ledger = enrolled.export_erasures(target)
    assert ledger.erasures() == 3
    assert target.stat().st_mode & 0o777 == 0o600
    text = target.read_text()
    assert "somebody" not in text
    assert '"1"' not in text
    enrolled.export_erasures(target)
    (tmp_path / "other.json").write_text(json.dumps({"precious": True}))
    with pytest.raises(ConfigurationError, match="no ledger"):
        enrolled.export_erasures(tmp_path / "other.json")
    assert json.loads((tmp_path / "other.json").read_text()) == {"precious": True}
    (tmp_path / "other.txt").write_text("precious")
    with pytest.raises(ConfigurationError, match="no ledger"):
        enrolled.export_erasures(tmp_path / "other.txt")
    with pytest.raises(StorageFailed, match="nowhere"):
        enrolled.export_erasures(tmp_path / "nowhere" / "ledger.json")
    with pytest.raises(StorageFailed, match="nowhere"):
        enrolled.repeat_erasures(tmp_path / "nowhere")


def test_another_vaults_ledger_is_refused(enrolled, embedder, tmp_path):
    with create_vault(tmp_path / "elsewhere", embedder=embedder) as other:
        other.export_erasures(tmp_path / "ledger.json")
    with pytest.raises(HistoryDiffers, match="another vault's"):
        enrolled.repeat_erasures(tmp_path / "ledger.json")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"erasure_ledger": 1}', "\xff" * 30])
def test_what_is_no_ledger_is_refused(enrolled, tmp_path, content):
    (tmp_path / "ledger.json").write_text(content)
    with pytest.raises(ConfigurationError, match="no ledger"):
        enrolled.repeat_erasures(tmp_path / "ledger.json")


@pytest.mark.parametrize("kind", ["sqlite"])
def test_an_event_that_says_nothing_is_no_reason_to_erase(enrolled):
    (first, *_) = enrolled.audit_log()
    wrong = replace(first, kind="probes-forgotten", public={"before": "once"})
    with (
        write_session(enrolled._resources.engine) as session,
        pytest.raises(VaultDamaged, match="event 1 of the log"),
    ):
        erase_again(session, [first, wrong], by="me", at=first.at)
    assert len(enrolled.signers()) == 5
