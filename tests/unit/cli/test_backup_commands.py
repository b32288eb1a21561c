"""`backup`, `restore` and the erasures of the audit log, as people and programs see them."""

from __future__ import annotations

import shutil

import pytest

from sigvault.recovery import restore_vault


@pytest.fixture
def backup(run, enrolled, tmp_path):
    """A backup of a vault with three references of the signers 1 and 2."""
    target = tmp_path / "backup"
    assert run("backup", target).code == 0
    return target


@pytest.fixture
def elsewhere(enrolled, tmp_path, monkeypatch):
    """Commands without --vault use another path from now on; the vault stays where it is."""
    monkeypatch.setenv("SIGVAULT_VAULT", str(tmp_path / "restored"))
    return tmp_path / "restored"


def test_a_backup_as_people_and_programs_see_it(run, enrolled, tmp_path):
    shown = run("backup", tmp_path / "first")
    assert shown.code == 0
    for part in ("Backed up to", "audit event 10", "event 9", "signers", "MB", "is not in it"):
        assert part in shown.out
    document = run("backup", tmp_path / "second", "--json").document
    assert document["location"] == str(tmp_path / "second")
    assert (document["event"], document["last_event"]["number"]) == (11, 10)
    assert (document["signers"], document["references"], document["files"]) == (2, 6, 7)
    assert len(document["manifest_sha256"]) == 64
    log = run("audit", "log").out
    assert "backed-up" in log
    assert "through 9" in log


def test_a_backup_replaces_nothing_and_stays_outside(run, backup, enrolled, tmp_path):
    for target, error in (
        (backup, "VaultExists"),
        (enrolled / "backup", "ConfigurationError"),
        (tmp_path / "nowhere" / "backup", "ConfigurationError"),
    ):
        refused = run("backup", target, "--json")
        assert (refused.code, refused.error) == (4, error)


def test_lost_pictures_are_told_by_the_exit_code(run, enrolled, tmp_path):
    next(path for path in enrolled.glob("images/??/*")).unlink()
    shown = run("backup", tmp_path / "backup")
    assert shown.code == 1
    assert "1 pictures are not in it" in shown.out
    restored = run(
        "--vault", tmp_path / "v", "restore", tmp_path / "backup", "--erased-since", enrolled
    )
    assert restored.code == 1
    assert "1 pictures are missing" in restored.out


def test_a_backup_is_checked_without_restoring(run, backup, elsewhere):
    shown = run("restore", backup, "--check")
    assert shown.code == 0
    assert "whole" in shown.out
    assert run("restore", backup, "--check", "--json").document["references"] == 6
    (backup / "database.sqlite3").write_bytes(b"")
    damaged = run("restore", backup, "--check", "--json")
    assert (damaged.code, damaged.error) == (4, "BackupDamaged")
    shutil.rmtree(backup)
    assert run("restore", backup, "--check", "--json").error == "BackupNotFound"
    assert not elsewhere.exists()


def test_a_restored_vault_as_people_see_it(run, backup, enrolled, elsewhere):
    run("--vault", enrolled, "signer", "erase", "1", "--yes")
    shown = run("restore", backup, "--erased-since", enrolled)
    assert shown.code == 0
    for part in (
        "Restored to event 9",
        "audit event 10",
        "1 signers, 0 single references",
        "known until event 11",
        "11 events: the chain is whole",
        "an id of its own",
    ):
        assert part in shown.out
    assert "no signer 1" in run("signer", "show", "1").err
    assert "vault-restored" in run("audit", "log").out
    assert run("audit", "check").code == 0


def test_a_restored_vault_as_programs_see_it(run, backup, enrolled, elsewhere, tmp_path):
    run("--vault", enrolled, "signer", "erase", "1", "--yes")
    ledger = tmp_path / "ledger.json"
    wrote = run("--vault", enrolled, "audit", "erasures", ledger, "--json")
    assert wrote.document["through"]["number"] == 11
    document = run("restore", backup, "--erased-since", ledger, "--json").document
    assert document["erased_again"] == {"signers": 1, "references": 0, "probes": 0, "keys": 0}
    assert document["known_through"]["number"] == 11
    assert document["audit"]["whole"]
    assert document["healthy"]


def test_without_knowing_of_erasures_it_takes_a_word(run, backup, enrolled, elsewhere):
    run("--vault", enrolled, "key", "create", "anna", "--role", "auditor")
    later = backup.with_name("later")
    run("--vault", enrolled, "backup", later)
    refused = run("restore", later, "--json")
    assert (refused.code, refused.error) == (4, "ErasuresUnknown")
    assert "after event 11" in refused.err
    assert not elsewhere.exists()
    shown = run("restore", later, "--accept-unknown-erasures")
    assert shown.code == 0
    assert "is not known: erase them again" in shown.out
    assert "all are revoked" in shown.out


@pytest.mark.parametrize(
    "options",
    [
        ["--check", "--accept-unknown-erasures"],
        ["--check", "--keep-keys"],
        ["--erased-since", "x", "--accept-unknown-erasures"],
        ["--erased-since", "x", "--keep-keys"],
        ["--keep-keys"],
    ],
)
def test_options_that_contradict_each_other_are_wrong_usage(run, backup, elsewhere, options):
    assert run("restore", backup, *options).code == 2
    assert not elsewhere.exists()


def test_what_lies_there_is_left_alone(run, backup, enrolled):
    refused = run("restore", backup, "--accept-unknown-erasures", "--json")
    assert (refused.code, refused.error) == (4, "VaultExists")
    assert len(run("signer", "list", "--json").document["signers"]) == 2


def test_erasures_are_repeated_in_a_vault_that_something_else_brought_back(
    run, enrolled, tmp_path, monkeypatch
):
    shutil.copytree(enrolled, tmp_path / "copy")
    run("signer", "erase", "2", "--yes")
    assert "Wrote 1 erasures" in run("audit", "erasures", tmp_path / "ledger.json").out
    monkeypatch.setenv("SIGVAULT_VAULT", str(tmp_path / "copy"))
    shown = run("audit", "repeat-erasures", tmp_path / "ledger.json")
    assert shown.code == 0
    assert "1 signers, 0 single references" in shown.out
    again = run("audit", "repeat-erasures", tmp_path / "ledger.json", "--json")
    assert again.document["again"]["signers"] == 0
    assert run("audit", "check").code == 0


def test_interrupted_it_says_so_and_leaves_nothing(run, enrolled, tmp_path, monkeypatch):
    def interrupt(*_given, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("sigvault.services.backing_up._Work._copy_images", interrupt)
    stopped = run("backup", tmp_path / "backup", "--json")
    assert (stopped.code, stopped.error) == (130, "Interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["vault"]


def test_the_same_from_python(backup, enrolled, tmp_path):
    restored = restore_vault(backup, tmp_path / "restored", erased_since=enrolled)
    assert restored.audit.whole
