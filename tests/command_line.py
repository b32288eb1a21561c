"""Running the command line in tests: within the process, or in one of its own.

A conftest takes the fixtures by importing them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.cli.app import main
from sigvault.domain.identifiers import SignerId
from sigvault.vault import EnrollmentItem

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
        # A process that is limited or killed must not leave pieces of bytecode for the others.
        "PYTHONDONTWRITEBYTECODE": "1",
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


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys, monkeypatch) -> Run:
    """Run a command in this process, with an embedder that needs no network."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run_command(*arguments: str | Path, embedder: FakeEmbedder | None = None) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments], embedder or FakeEmbedder())
        captured = capsys.readouterr()
        return Outcome(int(code), captured.out, captured.err)

    return run_command


@pytest.fixture(scope="session")
def templates(tmp_path_factory) -> Path:
    """A new vault and one with references, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("templates")
    with create_vault(folder / "new", embedder=FakeEmbedder()):
        pass
    items = [
        EnrollmentItem(SignerId(str(signer)), draw_signature(signer, number))
        for signer in (1, 2)
        for number in range(3)
    ]
    with create_vault(folder / "enrolled", embedder=FakeEmbedder()) as vault:
        assert vault.enroll(items).enrolled == len(items)
    return folder


@pytest.fixture
def use_vault(templates, tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Take a copy of a template as the vault that commands without --vault use."""

    def use(template: str) -> Path:
        folder = tmp_path / "vault"
        shutil.copytree(templates / template, folder)
        monkeypatch.setenv("SIGVAULT_VAULT", str(folder))
        return folder

    return use


@pytest.fixture
def vault(use_vault) -> Path:
    """A vault without references."""
    return use_vault("new")


@pytest.fixture
def enrolled(use_vault) -> Path:
    """A vault with three references of the signers 1 and 2."""
    return use_vault("enrolled")


@pytest.fixture
def draw(tmp_path) -> Callable[..., Path]:
    """Draw a signature to a file."""

    def draw_file(signer: int, number: int = 0) -> Path:
        path = tmp_path / f"{signer}_{number}.png"
        path.write_bytes(draw_signature(signer, number))
        return path

    return draw_file


def write_dataset(
    root: Path, draw: Callable[..., Path], signers: int, *, genuine: int = 8, forged: int = 4
) -> Path:
    """A data set whose forgeries are nothing like: what is measured is not what is tested."""
    for signer in range(1, signers + 1):
        for kind, hand, count in (("genuine", signer, genuine), ("forged", 99 + signer, forged)):
            folder = root / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(count):
                draw(hand, number).rename(folder / f"{number}.png")
    return root
