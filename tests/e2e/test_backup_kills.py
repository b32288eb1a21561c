"""Backups of a vault that is hard at work, and backing up and restoring that is cut short."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import run_process, start_process

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, diagnose, open_vault
from sigvault.domain.audit import BackedUp, SignerErased
from sigvault.domain.diagnosis import Severity
from sigvault.domain.errors import VaultDamaged
from sigvault.recovery import restore_vault, verify_backup
from sigvault.settings import Settings
from sigvault.vault import EnrollmentItem

BACKUPS = int(os.environ.get("SIGVAULT_BACKUPS", "2"))
"""How many are made of a vault at work, and how often each command is killed."""

WORKER = Path(__file__).with_name("kill_worker.py")
MODELS = (FakeEmbedder(), FakeEmbedder("new"))


@pytest.fixture
def worker(tmp_path):
    """Enrolls, erases, re-indexes and verifies in a vault of its own until the test ends."""
    folder, log = tmp_path / "vault", tmp_path / "log"
    with create_vault(folder, embedder=MODELS[0]):
        pass
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), str(log), "1"],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        patience = time.monotonic() + 120
        while not log.exists() or log.read_text().count("done") < 10:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < patience
            time.sleep(0.05)
        yield folder
        assert process.poll() is None, process.stderr.read().decode()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def faults(settings: Settings) -> list[str]:
    found = diagnose(settings, embedder=MODELS, deep=True)
    return [
        one.message
        for one in found.findings
        if one.severity in (Severity.PROBLEM, Severity.WARNING)
    ]


@pytest.mark.slow
@pytest.mark.timeout(300 + 120 * BACKUPS)
def test_backups_of_a_vault_at_work_are_whole(worker, tmp_path):
    made = []
    for number in range(BACKUPS):
        target = tmp_path / f"backup-{number}"
        outcome = run_process(["--vault", worker, "backup", target, "--json"])
        if outcome.code == 4:  # somebody was erased each time
            assert outcome.error == "VaultBusy"
            assert not target.exists()
            continue
        assert outcome.code == 0, outcome.err
        assert verify_backup(target).missing == ()
        made.append(target)
    assert made
    ledger = tmp_path / "ledger.json"
    assert run_process(["--vault", worker, "audit", "erasures", ledger]).code == 0
    for target in made:
        settings = Settings(tmp_path / f"{target.name}-restored", by="restorer")
        done = restore_vault(target, settings, erased_since=ledger, embedder=MODELS)
        assert done.audit.whole
        assert not done.audit.images_missing
        assert faults(settings) == []
        with open_vault(worker, embedder=MODELS) as vault:
            through = done.restoration.known_through.number
            gone = {
                one.public["signer"]
                for one in vault.audit_log(limit=through)
                if one.kind == SignerErased.kind
            }
        with open_vault(settings, embedder=MODELS) as vault:
            keys = {
                one.public["signer"]
                for one in vault.audit_log()
                if one.kind == "reference-enrolled" and one.personal is not None
            }
            assert not keys & gone
            if vault.signers():
                vault.identify(draw_signature(1, 1))


@pytest.fixture
def some(tmp_path) -> Path:
    """A vault of some signers."""
    items = [
        EnrollmentItem(str(signer), draw_signature(signer, number))
        for signer in range(12)
        for number in range(3)
    ]
    with create_vault(tmp_path / "vault", embedder=MODELS[0]) as vault:
        vault.enroll(items)
    return tmp_path / "vault"


def cut_short(arguments, seconds: float, how: signal.Signals) -> int:
    """Start a command and end it after so long; its exit code."""
    process = start_process(arguments)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
    process.communicate()
    return process.returncode


@pytest.mark.slow
@pytest.mark.timeout(300 + 120 * BACKUPS)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_backup_that_is_cut_short_has_no_name(some, tmp_path, how):
    rng = random.Random(int(how))
    for number in range(BACKUPS):
        target = tmp_path / f"backup-{number}"
        began = time.monotonic()
        whole = tmp_path / f"whole-{number}"
        assert cut_short(["--vault", some, "backup", whole], 300, how) == 0
        took = time.monotonic() - began
        code = cut_short(["--vault", some, "backup", target], rng.uniform(0.4, 1.0) * took, how)
        if target.exists():
            made = verify_backup(target)
            with open_vault(some, embedder=MODELS) as vault:
                told = [
                    one.public["backup"] for one in vault.audit_log() if one.kind == BackedUp.kind
                ]
            # Killed between its name and its event, it is whole, and the log doesn't know it.
            assert made.backup in told or code == -signal.SIGKILL
        elif how == signal.SIGINT:
            assert code in (130, -signal.SIGINT)
            assert not list(tmp_path.glob(".backup-*"))
    assert faults(Settings(some)) == []


@pytest.mark.slow
@pytest.mark.timeout(300 + 120 * BACKUPS)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_restoration_that_is_cut_short_leaves_no_vault_that_is_half(some, tmp_path, how):
    rng = random.Random(int(how))
    backup = tmp_path / "backup"
    assert run_process(["--vault", some, "backup", backup]).code == 0
    command = ["restore", backup, "--erased-since", some]
    began = time.monotonic()
    assert run_process(["--vault", tmp_path / "whole", *command]).code == 0
    took = time.monotonic() - began
    for number in range(BACKUPS):
        target = tmp_path / f"restored-{number}"
        code = cut_short(["--vault", target, *command], rng.uniform(0.3, 1.0) * took, how)
        if not target.exists() or not any(target.iterdir()):
            assert code != 0
        elif (target / ".being-set-up").exists():
            assert code == -signal.SIGKILL
            with pytest.raises(VaultDamaged, match="interrupted"):
                open_vault(target, embedder=MODELS)
        else:
            with open_vault(target, embedder=MODELS) as vault:
                assert len(vault.signers()) == 12
                check = vault.audit_check()
            assert check.whole
            assert not check.images_missing


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_nothing(some, tmp_path):
    database = (some / "vault.sqlite3").stat().st_size
    for limit in (0, database // 2):  # bytes of a file: of the first, and of the database
        full = run_process(
            ["--vault", some, "backup", tmp_path / "backup", "--json"],
            preexec_fn=lambda limit=limit: resource.setrlimit(
                resource.RLIMIT_FSIZE, (limit, limit)
            ),
        )
        assert full.code == 4
        assert full.error == "StorageFailed"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["vault"]
    assert run_process(["--vault", some, "backup", tmp_path / "backup"]).code == 0
    command = ["restore", tmp_path / "backup", "--erased-since", some, "--json"]
    full = run_process(
        ["--vault", tmp_path / "restored", *command],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (database // 2,) * 2),
    )
    assert full.code == 4
    assert full.error == "StorageFailed"
    assert not (tmp_path / "restored").exists()
