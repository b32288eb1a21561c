"""``reindex``, ``generation`` and ``doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from fakes import FakeEmbedder
from sigvault.bootstrap import open_vault
from sigvault.cli.generation_options import parse_margins
from sigvault.cli.generation_tables import activation_lines, comparison_tables, reindexing_tables
from sigvault.cli.output import Output
from sigvault.cli.reindexing import NICENESS
from sigvault.evaluation.generation_changes import Margins
from sigvault.services.reindexing import ReindexPlan

NEW = FakeEmbedder("new")


def shown(capsys, *renderables) -> str:
    capsys.readouterr()
    Output(as_json=False).result({}, *renderables)
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture
def prepared(enrolled):
    """A second generation, filled and not activated."""
    with open_vault(enrolled, embedder=[FakeEmbedder(), NEW]) as vault:
        return vault.reindex(NEW, ReindexPlan(activate=False))


def test_generations_are_listed(run, prepared):
    document = run("generation", "list", "--json").document
    assert [(one["id"], one["status"], one["vectors"]) for one in document["generations"]] == [
        (1, "active", 6),
        (2, "building", 6),
    ]
    assert "never" in run("generation", "list").out


def test_a_generation_is_shown_beside_the_active_one(run, prepared):
    document = run("generation", "show", "2", "--json").document
    assert document["generation"]["model"] == NEW.model
    assert document["comparison"]["verdict"] == "unknown"
    assert "2 signers" in run("generation", "show", "2").out
    assert run("generation", "show", "1", "--json").document["comparison"] is None
    outcome = run("generation", "show", "9", "--json")
    assert (outcome.code, outcome.error) == (4, "UnknownGeneration")


def test_who_let_a_generation_decide_is_shown(run, prepared):
    assert run("generation", "show", "2", "--json").document["activation"] is None
    run("generation", "activate", "2", "--force")
    document = run("generation", "show", "2", "--json").document
    by = document["activation"]["personal"]["by"]
    assert document["activation"]["public"]["forced"]
    text = run("generation", "show", "2").out
    assert f"activated by {by}" in " ".join(text.split())


def test_the_comparison_is_written_to_a_file(run, prepared, tmp_path):
    page, document = tmp_path / "page.md", tmp_path / "page.json"
    shown = run("generation", "show", "2", "--report", document, "--json").document
    assert shown["report"] == str(document)
    assert json.loads(document.read_text())["comparison"] == shown["comparison"]
    assert run("generation", "show", "2", "--report", page).code == 0
    assert page.read_text().startswith("# Another generation beside the one that decides")
    assert run("generation", "show", "2", "--report", tmp_path / "page.pdf").code == 2
    assert run("generation", "show", "2", "--report", tmp_path / "nowhere" / "page.md").code == 2


def test_margins_are_read_by_name():
    assert parse_margins(None) == Margins()
    found = parse_margins(["fnmr=0.03", "cllr=1"])
    assert found == replace(Margins(), fnmr=0.03, cllr=1.0)


@pytest.mark.parametrize("given", ["fnmr", "fnmr=", "fnmr=-1", "fnmr=nan", "fnmr=inf", "far=0.1"])
def test_a_margin_that_is_none_is_refused(run, prepared, given):
    assert run("generation", "activate", "2", "--margin", given).code == 2


def test_a_report_of_a_reindex_is_asked_for_before_anything_is_embedded(run, enrolled, tmp_path):
    outcome = run("reindex", "--model", tmp_path, "--report", tmp_path / "page.pdf")
    assert outcome.code == 2


def test_a_reindex_gives_way_as_it_is_told(run, enrolled, tmp_path, given_way):
    run("reindex", "--model", tmp_path, "--no-activate", "--json", embedder=NEW)
    run("reindex", "--model", tmp_path, "--no-activate", "--nice", "0", "--json", embedder=NEW)
    assert given_way == [NICENESS, 0]
    assert run("reindex", "--model", tmp_path, "--nice", "20").code == 2


@pytest.mark.skipif(not hasattr(os, "nice"), reason="the system has no niceness")
def test_giving_way_makes_the_process_nicer():
    code = (
        "import os; from sigvault.cli.reindexing import give_way; give_way({}); print(os.nice(0))"
    )
    nicer, same = (
        int(subprocess.check_output([sys.executable, "-c", code.format(by)])) for by in (3, 0)
    )
    assert nicer == min(19, same + 3)


def test_a_reindex_writes_its_report(run, enrolled, tmp_path):
    page = tmp_path / "page.md"
    outcome = run("reindex", "--model", tmp_path, "--report", page, "--json", embedder=NEW)
    assert outcome.code == 1
    assert outcome.document["report"] == str(page)
    assert "It may NOT decide" in page.read_text()


def test_what_can_not_be_told_is_not_activated_but_by_force(run, prepared):
    outcome = run("generation", "activate", "2", "--json")
    assert (outcome.code, outcome.error) == (1, "GenerationUnfit")
    assert "--force" in run("generation", "activate", "2").err
    text = run("generation", "activate", "2", "--force").out
    assert "decides now" in text
    assert "forced, although" in text


def test_going_back_and_dropping(run, prepared):
    assert run("generation", "activate", "2", "--force").code == 0
    document = run("generation", "rollback", "--json").document
    assert (document["generation"], document["before"]) == (1, 2)
    assert run("generation", "drop", "2", "--json").document == {"dropped": 2}
    outcome = run("generation", "drop", "1", "--json")
    assert (outcome.code, outcome.error) == (4, "GenerationUnfit")
    outcome = run("generation", "rollback", "--json")
    assert (outcome.code, outcome.error) == (4, "GenerationUnfit")


def test_reindexing_with_the_model_that_decides_is_refused(run, enrolled, tmp_path):
    outcome = run("reindex", "--model", tmp_path, "--json")
    assert (outcome.code, outcome.error) == (4, "ConfigurationError")
    assert "decides already" in outcome.err


def test_calibrating_takes_signatures(run, enrolled, tmp_path):
    assert run("reindex", "--model", tmp_path, "--calibrate", "--json").code == 2


def test_a_reindex_is_told_in_tables(prepared, capsys):
    text = shown(
        capsys,
        *comparison_tables(prepared.comparison, "the vault's own galleries"),
        *reindexing_tables(prepared, asked=True),
    )
    assert "equal error rate" in text
    assert "6 references embedded just now" in text
    assert "It does NOT decide" in text
    assert "does NOT decide" in shown(capsys, *reindexing_tables(prepared, asked=False))
    fit = replace(prepared, reasons=())
    text = shown(capsys, *reindexing_tables(fit, asked=False))
    assert "activate 2` lets it decide" in text


def test_an_activation_says_what_was_embedded_first(capsys):
    from sigvault.services.generations import Activation

    done = Activation(2, NEW.model, 1, 3, 9, ("it is worse",))
    text = shown(capsys, *activation_lines(done))
    assert "3 references that it lacked" in text
    assert "forced, although: it is worse" in text


def test_the_doctor_finds_a_vault_sound(run, enrolled):
    outcome = run("doctor", "--json")
    assert outcome.code == 0, outcome.out
    assert outcome.document["healthy"]
    assert {"torch", "FAISS", "database", "images"} <= {
        one["subject"] for one in outcome.document["findings"]
    }
    assert "0 problems" in run("doctor", "--deep").out


def test_the_doctor_says_what_is_wrong_and_what_to_do(run, enrolled):
    next((enrolled / "images").glob("??/*")).unlink()
    outcome = run("doctor")
    assert outcome.code == 1
    text = " ".join(outcome.out.split())
    assert "1 are missing" in text
    assert "backup" in text


def test_the_doctor_repairs_what_is_safe(run, enrolled):
    enrolled.chmod(0o755)
    assert "repaired" in run("doctor", "--repair").out
    assert enrolled.stat().st_mode & 0o777 == 0o700


def test_the_doctor_examines_the_installation_without_a_vault(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGVAULT_VAULT", str(tmp_path / "nowhere"))
    outcome = run("doctor", "--json")
    assert outcome.code == 1
    assert outcome.document["worst"] == "problem"
