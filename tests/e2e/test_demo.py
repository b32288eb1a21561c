"""The demonstration, from end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run_process

from fakes import draw_signature

pytestmark = pytest.mark.e2e


def _check_report(report: Path, cases: int) -> None:
    html = report.read_text()
    for number in range(1, cases + 1):
        assert f'href="#case-{number}"' in html
        assert f'id="case-{number}"' in html
    assert 'id="identification-1"' in html


def test_on_synthetic_signers(run, tmp_path):
    out = tmp_path / "out"

    outcome = run("demo", "--out", out, "--json")
    again = run("demo", "--out", out, "--json")

    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert document["folder"] == str(out)
    assert len(document["signers"]) == 10
    assert [case["signer"] for case in document["cases"]] == [document["signers"][0]] * 4
    assert document["cases"][0]["score"] > document["cases"][2]["score"]
    assert document["identification"]["candidates"]
    _check_report(out / "report.html", 4)
    assert run("--vault", out / "vault", "audit", "check").code == 0
    assert again.code == 4, "nothing is ever overwritten"


def _write_cedar(root: Path) -> None:
    for folder, name, hand in (("original", "original", 0), ("forged", "forgeries", 100)):
        (root / folder).mkdir(parents=True)
        for signer in range(1, 4):
            for number in range(1, 8):
                picture = root / folder / f"{name}_{signer}_{number}.png"
                picture.write_bytes(draw_signature(hand + signer, number))


def test_on_a_folder_for_people(tmp_path):
    """In a process of its own: a new folder, and never the database that the settings name."""
    root = tmp_path / "cedar"
    _write_cedar(root)

    outcome = run_process(
        ["demo", root],
        env={
            "TMPDIR": str(tmp_path),
            "SIGVAULT_DATABASE_URL": "postgresql://nobody@localhost:1/no",
        },
    )

    assert outcome.code == 0, outcome.err
    folder = Path(outcome.out.splitlines()[-1])
    assert folder.parent == tmp_path
    _check_report(folder / "report.html", 4)
    assert (folder / "vault" / "vault.sqlite3").is_file()
    assert "A skilled forgery of signer 1's signature." in outcome.out
    assert "Enrolling 15 references of 3 signers" in outcome.err
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "vault"]


def test_on_a_folder_that_is_none(run, tmp_path):
    outcome = run("demo", tmp_path / "nothing", "--out", tmp_path / "out", "--json")

    assert outcome.code == 4
    assert outcome.error == "DatasetError"
