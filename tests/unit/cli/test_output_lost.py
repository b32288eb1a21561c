"""What is said, and with which code a command ends, where nothing was decided."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from command_line import FAKE_PROGRAM, TESTS, run_process

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.cli import output
from sigvault.cli.tables import short_time
from sigvault.domain.identifiers import SignerId

FULL = Path("/dev/full")


def _ended(arguments, **redirected):
    """A command in its own process with another stdout: its code, and what it said on stderr."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent))),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FAKE_PROGRAM, *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **redirected,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_result_that_can_not_be_written_is_no_decision(enrolled, draw, options):
    with FULL.open("w") as full:
        code, said = _ended(["verify", "--signer", "1", draw(2, 9), *options], stdout=full)
    assert code == 4
    assert said.startswith("sigvault: the result can't be written to stdout (")
    assert said.count("\n") == 1


@pytest.mark.parametrize("signer", ["1", "9"])
def test_a_closed_stdout_is_no_decision(enrolled, draw, signer):
    arguments = ["verify", "--signer", signer, draw(2, 9), "--json"]
    code, said = _ended(arguments, preexec_fn=lambda: os.close(1))
    assert code == 4
    assert said.startswith("sigvault: ")
    assert said.count("\n") == 1


def test_whoever_stops_reading_is_told_nothing(enrolled):
    reading, writing = os.pipe()
    os.close(reading)
    code, said = _ended(["audit", "log"], stdout=writing)
    os.close(writing)
    assert (code, said) == (4, "")


def test_a_library_that_ends_the_process_decides_nothing(run, vault, monkeypatch):
    monkeypatch.setattr(output.Output, "result", lambda *_: (_ for _ in ()).throw(SystemExit(3)))
    assert run("status").code == 4


def test_a_taken_port_is_found_out_before_anything_is_loaded(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = run("--vault", tmp_path / "none", "serve", "--port", str(port))
    assert outcome.code == 4
    assert f"port {port} is taken: give another --port" in outcome.err


@pytest.mark.parametrize("days", ["-1", "0", "nan", "1e9"])
def test_days_of_a_key_are_checked(run, vault, days):
    outcome = run("key", "create", "anna", "--role", "auditor", "--days", days, "--json")
    assert (outcome.code, outcome.error) == (2, "UsageError")


def test_a_report_replaces_an_earlier_one_and_nothing_else(run, enrolled, draw, tmp_path):
    probe, report, page = draw(1, 9), tmp_path / "report.html", tmp_path / "mine.html"
    page.write_text("<!DOCTYPE html><title>mine</title>")
    disguised = tmp_path / "probe.html"
    disguised.write_bytes(draw_signature(1, 9))

    for refused in (probe, page, disguised, tmp_path / "report.txt"):
        outcome = run("verify", "--signer", "1", disguised, "--report", refused)
        assert (outcome.code, "--report" in outcome.err) == (2, True)
    for _ in range(2):
        assert run("verify", "--signer", "1", probe, "--report", report).code in {0, 1, 3}

    assert probe.read_bytes() == draw_signature(1, 9)
    assert "mine" in page.read_text()


def test_a_name_that_the_locale_can_not_write_is_written_all_the_same(run, enrolled, draw):
    run("enroll", "--signer", "3", "--name", "Zo\u00eb", draw(3))
    ascii_only = {
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "SIGVAULT_VAULT": str(enrolled),
    }
    people = run_process(["signer", "list"], env=ascii_only)
    program = run_process(["signer", "list", "--json"], env=ascii_only)
    assert people.code == 0, people.err
    assert "Zo\\xeb" in people.out
    assert "Zo\u00eb" in [one["name"] for one in program.document["signers"]]


def test_messages_say_what_to_give(run, vault, tmp_path):
    choices = run("evaluate", tmp_path, "--protocol", "p9").err
    assert "\N{REPLACEMENT CHARACTER}" not in choices
    assert len(choices.splitlines()[-1]) > 60
    assert "before the command" in run("verify", "--vault", "vault").err
    assert "there is no such file" in run("enroll", "--manifest", tmp_path / "no.csv").err
    (tmp_path / "a.png").write_bytes(b"")
    assert "--overwrite" in run("synth", tmp_path).err


def test_the_log_says_who_did_what(run, vault, monkeypatch):
    monkeypatch.setenv("SIGVAULT_BY", "berta")
    key = run("key", "create", "anna", "--role", "auditor", "--json").document["key"]["id"]
    shown = run("audit", "log").out
    assert "When (UTC)" in shown
    assert f"anna key {key} by berta" in " ".join(shown.split())


def test_a_pipe_is_as_wide_as_columns_says(run, enrolled, monkeypatch):
    wide = run("audit", "log").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run("audit", "log").out
    assert max(map(len, narrow.splitlines())) <= 80 < max(map(len, wide.splitlines())) + 30
    assert "reference-enrolled" in narrow


def test_a_ratio_at_its_bound_says_so(run, enrolled, draw):
    told = "at the limit of what the data support"
    document = run("verify", "--signer", "1", draw(1, 9), "--json").document
    with open_vault(enrolled, embedder=FakeEmbedder()) as vault:
        ratio = vault.verify(SignerId("1"), draw(1, 9)).evidence.threshold.likelihood_ratio
    at_bound = document["llr"] in {ratio.lower, ratio.upper}
    shown = " ".join(run("verify", "--signer", "1", draw(1, 9)).out.split())
    assert (told in shown) is at_bound


def test_times_are_shown_in_utc():
    at = datetime(2024, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert short_time(at) == "2024-01-01 23:00:00"
