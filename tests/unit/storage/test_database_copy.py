"""A copy of the database is one moment, whole, and holds nothing that was deleted."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import text

from sigvault.domain.audit import KeyRevoked, VaultCreated
from sigvault.domain.errors import BackupDamaged, StorageFailed, VaultDamaged
from sigvault.storage import audit_log, database_copy
from sigvault.storage.database_copy import copy_database, read_copy, require_sound
from sigvault.storage.engine import make_engine, write_session
from sigvault.storage.schema import head_revision

SECRET = "a name that somebody wanted to be forgotten"


def copy(engine, target, progress=lambda _done, _of: None):
    copy_database(engine, target, progress)
    return target


@pytest.fixture
def filled(sqlite_engine, add_generation, enroll, now):
    """A vault of three signers with four references each."""
    with write_session(sqlite_engine) as session:
        audit_log.append(session, VaultCreated("0.1.0"), now)
        generation = add_generation(session)
        for signer in range(3):
            seeds = list(range(signer * 4, signer * 4 + 4))
            enroll(session, generation, f"signer {signer}", seeds)
        session.execute(text("UPDATE vault_state SET vault_id = :it"), {"it": "1" * 32})
    return sqlite_engine


def test_it_holds_what_the_database_holds(filled, tmp_path):
    contents = read_copy(copy(filled, tmp_path / "copy"))
    assert (contents.vault_id, contents.revision) == ("1" * 32, head_revision())
    assert (contents.signers, contents.references) == (3, 12)
    assert contents.images == tuple(f"{seed:064x}" for seed in range(12))
    assert contents.last_event.number == 1
    assert contents.last_change == 12
    assert list(contents.models) == ["tiny-abababababab"]
    require_sound(tmp_path / "copy")


def test_it_holds_nothing_that_was_deleted(filled, tmp_path):
    with filled.begin() as connection:
        connection.execute(text("PRAGMA secure_delete = OFF"))
        connection.execute(text("UPDATE signers SET name = :it"), {"it": SECRET})
        connection.execute(text("UPDATE signers SET name = ''"))
    whole = (tmp_path / "vault.sqlite3").read_bytes()
    log = (tmp_path / "vault.sqlite3-wal").read_bytes()
    assert SECRET.encode() in whole + log
    copied = copy(filled, tmp_path / "copy").read_bytes()
    assert SECRET.encode() not in copied


def test_reading_it_leaves_it_as_it_is(filled, tmp_path):
    target = copy(filled, tmp_path / "copy")
    before = target.read_bytes()
    read_copy(target)
    require_sound(target)
    assert target.read_bytes() == before
    assert {path.name for path in tmp_path.glob("copy*")} == {"copy"}


def test_others_write_meanwhile_and_it_stays_one_moment(filled, tmp_path, monkeypatch, now):
    monkeypatch.setattr(database_copy, "_STEPS", 20)
    wrote = []

    def write():
        with write_session(filled) as session:
            wrote.append(audit_log.append(session, KeyRevoked("0" * 16, "x"), now))

    def progress(_done, _of):
        if len(wrote) < 3:
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(10)
            assert not thread.is_alive()

    contents = read_copy(copy(filled, tmp_path / "copy", progress))
    assert wrote == [2, 3, 4]
    assert contents.last_event.number == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("of progress")])
def test_it_can_be_interrupted(filled, tmp_path, monkeypatch, error):
    monkeypatch.setattr(database_copy, "_STEPS", 20)

    def progress(_done, _of):
        raise error

    with pytest.raises(type(error)):
        copy(filled, tmp_path / "copy", progress)
    with write_session(filled) as session:  # nothing is left that would interrupt others
        session.execute(text("UPDATE signers SET name = name"))


def test_a_full_disk_is_told_of_the_copy(filled, tmp_path):
    with pytest.raises(StorageFailed, match=r"missing/copy"):
        copy(filled, tmp_path / "missing" / "copy")


def test_a_broken_database_is_told_of_the_vault(filled, tmp_path):
    filled.dispose()
    path = tmp_path / "vault.sqlite3"
    content = bytearray(path.read_bytes())
    for page in range(8192, len(content), 4096):
        content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)
    engine = make_engine(path)
    with pytest.raises(VaultDamaged, match=r"vault\.sqlite3.*damaged"):
        copy(engine, tmp_path / "copy")
    engine.dispose()


def test_a_copy_with_a_trigger_is_none_of_a_vaults(filled, tmp_path):
    target = copy(filled, tmp_path / "copy")
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("CREATE TRIGGER evil AFTER INSERT ON signers BEGIN SELECT 1; END")
    with pytest.raises(VaultDamaged, match="evil"):
        read_copy(target)


@pytest.mark.parametrize("content", [b"", b"nothing of SQLite's" * 100, b"SQLite format 3\0" * 300])
def test_other_files_are_no_copies(tmp_path, content):
    target = tmp_path / "copy"
    target.write_bytes(content)
    with pytest.raises((VaultDamaged, StorageFailed)):
        read_copy(target)


def test_pages_that_do_not_fit_together_are_noticed(filled, tmp_path):
    target = copy(filled, tmp_path / "copy")
    content = bytearray(target.read_bytes())
    content[-4096:] = b"\xff" * 4096
    target.write_bytes(content)
    with pytest.raises(BackupDamaged):
        require_sound(target)


def test_a_log_without_an_end_is_damage(filled, tmp_path):
    target = copy(filled, tmp_path / "copy")
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("UPDATE audit_head SET number = 5")
        connection.commit()
    with pytest.raises(VaultDamaged, match="end of the audit log"):
        read_copy(target)
