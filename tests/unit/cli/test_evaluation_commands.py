"""``evaluate``: its protocols, its pages, and what it refuses."""

from __future__ import annotations

import pytest

from fakes import draw_signature


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six signers with four genuine signatures and two forgeries each."""
    root = tmp_path_factory.mktemp("sets") / "data"
    for signer in range(1, 7):
        for kind, count, shift in (("genuine", 4, 0), ("forged", 2, 100)):
            folder = root / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(draw_signature(signer + shift, number))
    return root


QUICK = ("--references", "1", "--draws", "1", "--no-identification")


def test_figures_say_where_they_come_from(run, data):
    outcome = run("evaluate", data, "--references", "1", "--draws", "1")

    assert outcome.code == 0, outcome.err
    for words in ("Skilled EER", "skilled forgery", "FNIR at FPIR", "the model's card, frozen"):
        assert words in outcome.out
    assert "The gates (P0)" in outcome.out


@pytest.mark.parametrize("protocol", ["p0", "P2", "notebook", "p5"])
def test_protocols_go_by_name(run, data, protocol):
    outcome = run("evaluate", data, *QUICK, "--protocol", protocol)

    assert outcome.code == 0, outcome.err
    assert f"{protocol.lower()}: fake-" in outcome.out


def test_a_caveat_comes_with_a_replica(run, data):
    assert "not an error rate" in run("evaluate", data, *QUICK, "--protocol", "notebook").out


def test_choices_by_folds_and_from_another_set(run, data):
    folds = run("evaluate", data, *QUICK, "--folds", "2", "--json")
    assert folds.code == 0, folds.err
    assert folds.document["subject"]["choices"].startswith("2 folds")
    carried = run("evaluate", data, *QUICK, "--choose-on", data, "--json")
    assert carried.document["subject"]["protocol"] == "p4"
    assert any("share images" in line for line in carried.document["subject"]["warnings"])


def test_a_page_with_pictures(run, data, tmp_path):
    page = tmp_path / "figures.html"

    outcome = run("evaluate", data, *QUICK, "--report", page, "--json")

    assert outcome.code == 0, outcome.err
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert outcome.document["report"] == str(page)


def test_two_models_are_compared(run, data, tmp_path):
    page = tmp_path / "comparison.md"

    outcome = run("evaluate", data, *QUICK, "--compare", "one", "other", "--report", page)
    document = run("evaluate", data, *QUICK, "--compare", "one", "other", "--json").document

    assert outcome.code == 0, outcome.err
    assert "FNMR at FMR 1 %" in outcome.out
    assert "beyond chance" in page.read_text(encoding="utf-8")
    assert {one["difference"]["value"] for one in document["differences"]} == {0.0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--report", "figures.pdf"), "no .html and no .md"),
        (("--unseen-only", "--force"), "contradict"),
        (("--folds", "1"), "no others to choose on"),
        (("--folds", "2", "--protocol", "p2"), "belongs to protocol p1"),
        (("--compare", "a", "b", "--protocol", "p3"), "goes with protocol p1"),
        (("--compare", "a", "b", "--report", "x.html"), "written as .md"),
        (("--choose-on", ".", "--protocol", "p3"), "belongs to protocol p4"),
        (("--protocol", "p9"), "p9"),
    ],
)
def test_what_does_not_go_together_is_refused(run, data, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)

    outcome = run("evaluate", data, *arguments, "--json")

    assert outcome.code == 2
    assert outcome.error == "UsageError"
    assert words in outcome.err


def test_p4_without_another_set(run, data):
    outcome = run("evaluate", data, "--protocol", "p4", "--json")
    assert outcome.code == 2
    assert outcome.error == "UsageError"
    assert "--choose-on" in outcome.err
