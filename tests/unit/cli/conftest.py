from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Outcome

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault
from sigvault.cli.app import main
from sigvault.domain.identifiers import SignerId
from sigvault.vault import EnrollmentItem

Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys) -> Run:
    """Run a command in this process, with an embedder that needs no network."""

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
