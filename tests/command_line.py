"""Running the command line in tests: within the process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent

FAKE_PROGRAM = """
import sys
from fakes import FakeEmbedder
from sigvault.cli.app import main
sys.exit(main(embedder=FakeEmbedder()))
"""
"""The command line with an embedder that needs no network."""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind.

    Attributes:
        code: the exit code.
        out: stdout.
        err: stderr.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def error(self) -> str:
        """The name of the error, having checked that people are told about it in one line."""
        error = self.document["error"]
        assert set(error) == {"name", "message"}
        assert error["message"]
        assert "Traceback" not in self.err
        return str(error["name"])


def start_process(
    arguments: Sequence[str | Path],
    *,
    program: Sequence[str] = ("-c", FAKE_PROGRAM),
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
    }
    environment |= {
        "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent))),
        "OMP_NUM_THREADS": "1",
        "XDG_DATA_HOME": os.environ["XDG_DATA_HOME"],
        **(env or {}),
    }
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def run_process(arguments: Sequence[str | Path], **options: Any) -> Outcome:
    """Run the command line in a process of its own, to its end."""
    process = start_process(arguments, **options)
    out, err = process.communicate()
    return Outcome(process.returncode, out, err)
