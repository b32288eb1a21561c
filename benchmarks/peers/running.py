"""Running the stores one after another, each phase in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.catalogue import PEERS
from peers.material import make_material

_BENCHMARKS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        names: the stores.
        rounds: in how many processes each is measured, taking turns with the others.
        seconds: how long each workload is repeated in a round.
        fill_limit: seconds after which filling a store is stopped.
        serve_limit: the same for a round of measuring.
        python: the interpreter with the peers' packages.
    """

    names: Sequence[str]
    rounds: int
    seconds: float
    fill_limit: float
    serve_limit: float
    python: Path


class Failed(Exception):
    """A phase did not come to its end; the message is the reason, for people."""


def measure_size(plan: Plan, count: int, scratch: Path, say: Callable[[str], None]) -> list[Any]:
    """All stores with so many references; one dictionary a store, with a reason where it failed."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix=f"peers-{count}-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # PostgreSQL doesn't run as root
        material = folder / "material"
        material.mkdir()
        make_material(material, count)
        results = [_fill(plan, name, count, folder, say) for name in plan.names]
        for turn in range(plan.rounds):
            for result in results:
                if not result["reason"]:
                    _serve(plan, result, folder, turn, say)
        return results


def _fill(
    plan: Plan, name: str, count: int, folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    result: dict[str, Any] = {"peer": name, "references": count, "reason": "", "rounds": []}
    store = folder / name.replace(" ", "-")
    store.mkdir()
    try:
        result["fill"] = _run(plan, name, "fill", folder, plan.fill_limit)
        filled = result["fill"]
        say(f"{name}: filled in {filled['stored']:.1f} s, built in {filled['built']:.1f} s")
    except Failed as failure:
        _give_up(plan, result, folder, failure, say)
    return result


def _serve(
    plan: Plan, result: dict[str, Any], folder: Path, turn: int, say: Callable[[str], None]
) -> None:
    options = ["--seconds", str(plan.seconds), "--round", str(turn)]
    try:
        result["rounds"].append(
            _run(plan, result["peer"], "serve", folder, plan.serve_limit, options)
        )
        say(f"{result['peer']}: round {turn + 1} measured")
    except Failed as failure:
        _give_up(plan, result, folder, failure, say)


def _give_up(
    plan: Plan, result: dict[str, Any], folder: Path, failure: Failed, say: Callable[[str], None]
) -> None:
    result["reason"] = str(failure)
    say(f"{result['peer']}: {failure}")
    with suppress(Failed):  # it was not installed, or nothing was left running
        _run(plan, result["peer"], "stop", folder, 60)
    shutil.rmtree(folder / result["peer"].replace(" ", "-"), ignore_errors=True)


def _run(
    plan: Plan, name: str, phase: str, folder: Path, limit: float, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a phase and read what it wrote.

    Raises:
        Failed: If it failed, or took longer than the limit.
    """
    out = folder / "out.json"
    out.unlink(missing_ok=True)
    python = sys.executable if PEERS[name].own else str(plan.python)
    command = [python, "-m", "peers.process", name, phase]
    command += ["--folder", str(folder / name.replace(" ", "-"))]
    command += ["--material", str(folder / "material"), "--out", str(out)]
    command += ["--spawned", str(time.monotonic()), *options]
    with (folder / "errors").open("w+b") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=_BENCHMARKS,
            env=_environment(folder, PEERS[name].own),
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            doing = "filling it" if phase == "fill" else "measuring it"
            raise Failed(f"stopped: {doing} took longer than {limit:.0f} s") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if status or (phase != "stop" and not out.exists()):
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise Failed(f"failed in phase {phase}: {lines[-1][:200]}")
    return json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}


def _environment(folder: Path, own: bool) -> dict[str, str]:
    """The environment; sigvault alone sees the checkout."""
    paths = [str(_BENCHMARKS)] + ([str(_BENCHMARKS.parent)] if own else [])
    runtime = folder / "runtime"  # platformdirs warns without one
    runtime.mkdir(exist_ok=True)
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "XDG_RUNTIME_DIR": str(runtime)}
