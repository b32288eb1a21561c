"""Killed at any moment, a vault opens again with all that was acknowledged and nothing half done.

``SIGVAULT_KILLS=200 pytest tests/e2e/test_kills.py`` kills it so often; a few times is what a usual
run does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes import FakeEmbedder
from sigvault.bootstrap import create_vault, diagnose, open_vault
from sigvault.domain.diagnosis import Severity

KILLS = int(os.environ.get("SIGVAULT_KILLS", "8"))
WORKER = Path(__file__).with_name("kill_worker.py")
MODELS = (FakeEmbedder(), FakeEmbedder("new"))
LONGEST = 3.0
"""Seconds of work before a kill, at most."""


def kill_some_time(folder: Path, log: Path, seed: int, seconds: float) -> None:
    """Let the worker work for so long, and kill it."""
    before = log.stat().st_size if log.exists() else 0
    worker = subprocess.Popen(
        [sys.executable, str(WORKER), str(folder), str(log), str(seed)],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        patience = time.monotonic() + 120
        while (log.stat().st_size if log.exists() else 0) == before:
            assert worker.poll() is None, worker.stderr.read().decode()
            assert time.monotonic() < patience
            time.sleep(0.01)
        time.sleep(seconds)
        assert worker.poll() is None, worker.stderr.read().decode()
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stderr.close()


def replay(log: Path) -> tuple[set[str], dict[str, str]]:
    """The signers that were acknowledged, and what had begun and wasn't told as done."""
    there: set[str] = set()
    open_ends: dict[str, str] = {}
    for line in log.read_text("utf-8").splitlines():
        told = json.loads(line)
        what = told.get("begin") or told.get("done")
        if what not in ("enroll", "erase"):
            continue
        signer = told["signer"]
        if "begin" in told:
            open_ends[signer] = what
            continue
        open_ends.pop(signer, None)
        (there.add if what == "enroll" else there.discard)(signer)
    return there, open_ends


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
def test_whatever_was_acknowledged_is_there_and_nothing_half(tmp_path):
    folder, log = tmp_path / "vault", tmp_path / "log"
    with create_vault(folder, embedder=MODELS[0]):
        pass
    rng = random.Random(1)
    did: set[str] = set()
    for number in range(KILLS):
        kill_some_time(folder, log, number, rng.uniform(0.0, LONGEST))
        found = diagnose(folder, embedder=MODELS, deep=True)
        bad = [
            one for one in found.findings if one.severity in (Severity.PROBLEM, Severity.WARNING)
        ]
        assert not bad, (number, bad)
        there, open_ends = replay(log)
        with open_vault(folder, embedder=MODELS) as vault:
            held = {one.signer: one.references for one in vault.signers()}
            assert vault.audit_check().whole
            if held:
                searched = vault.identify(_a_picture(vault)).searched
                assert searched == sum(held.values())
        for signer in there - open_ends.keys():  # a third one, where it was not erased yet
            assert held.get(signer) in (2, 3), (number, signer, held.get(signer))
        assert held.keys() <= there | open_ends.keys(), number
        for signer, what in open_ends.items():
            if what == "erase":  # all of it, or none
                assert held.get(signer) in (None, 2, 3), (number, signer)
        _settle(log, held, open_ends)
        did |= {json.loads(line).get("done", "") for line in log.read_text("utf-8").splitlines()}
    everything = {"enroll", "erase", "erase-reference", "reindex", "identify"}
    assert everything <= did or KILLS < 20, did


def _a_picture(vault) -> bytes:
    reference = vault.signer(vault.signers()[0].signer).references[0]
    return vault.reference_image(reference.id)


def _settle(log: Path, held: dict[str, int], open_ends: dict[str, str]) -> None:
    """What was open is settled by what is there now."""
    with log.open("a", encoding="utf-8") as told:
        for signer in open_ends:
            what = "enroll" if held.get(signer, 0) >= 2 else "erase"
            told.write(json.dumps({"done": what, "signer": signer}) + "\n")
            if held.get(signer) == 1:
                told.write(json.dumps({"begin": "enroll", "signer": signer}) + "\n")
