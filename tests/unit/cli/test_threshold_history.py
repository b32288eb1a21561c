"""Seeing what a calibration would change, and going back to an earlier one."""

from __future__ import annotations

import pytest
from command_line import write_dataset

from fakes import FakeEmbedder
from sigvault.bootstrap import open_vault
from sigvault.services.reindexing import ReindexPlan


@pytest.fixture
def data(draw, tmp_path):
    """Signatures of six signers."""
    return write_dataset(tmp_path / "data", draw, 6)


@pytest.fixture
def calibrate(run, enrolled, data):
    """Calibrate the vault."""

    def command(*more: str):
        arguments = ("calibrate", data, "--references", "1,3", "--draws", "2", "--force")
        return run(*arguments, *more, "--json")

    return command


def _shown(run):
    return run("threshold", "show", "--json").document["thresholds"]


def test_a_preview_shows_the_thresholds_and_changes_nothing(run, calibrate):
    before, events = _shown(run), run("status", "--json").document["events"]

    previewed = calibrate("--preview").document

    assert previewed["event"] is None
    assert _shown(run) == before != previewed["thresholds"]
    assert run("status", "--json").document["events"] == events
    done = calibrate().document
    assert done["thresholds"] == previewed["thresholds"] == _shown(run)
    assert done["event"] == events + 1


def test_an_earlier_calibration_comes_back_as_it_was(run, calibrate, draw):
    first = _shown(run)
    decided = run("verify", "--signer", "1", draw(1, 9), "--json").document
    made = calibrate().document
    listed = run("threshold", "list", "--json").document["calibrations"]
    assert [each["in_use"] for each in listed] == [True, False]
    assert listed[0]["event"] == made["event"]
    assert (listed[0]["data"], listed[0]["signers"], listed[0]["references"]) == (
        ["data"],
        6,
        [1, 3],
    )

    restored = run("threshold", "restore", str(listed[1]["event"]), "--json").document

    assert _shown(run) == first == restored["thresholds"]
    again = run("verify", "--signer", "1", draw(1, 9), "--json").document
    assert (again["decision"], again["threshold"]) == (decided["decision"], decided["threshold"])
    assert run("audit", "check", "--json").code == 0
    now = run("threshold", "list", "--json").document["calibrations"]
    assert [each["in_use"] for each in now] == [True, False, False]
    assert now[0]["restored"] == listed[1]["event"] == restored["restored"]
    assert f"put back from event {listed[1]['event']}" in run("threshold", "list").out
    forward = run("threshold", "restore", str(made["event"]))
    assert "are back in use" in forward.out
    assert _shown(run) == made["thresholds"]


@pytest.mark.parametrize(
    ("event", "name"), [("1", "UnknownEvent"), ("9999", "UnknownEvent"), ("last", None)]
)
def test_what_is_no_calibration_or_in_use_is_refused(run, calibrate, event, name):
    made = str(calibrate().document["event"])
    before = run("status", "--json").document["events"]

    refused = run("threshold", "restore", made if event == "last" else event, "--json")

    assert refused.code == 4
    assert refused.error == (name or "ConfigurationError")
    assert run("status", "--json").document["events"] == before


def test_another_generations_calibration_is_refused(run, calibrate, enrolled):
    event = calibrate().document["event"]
    new = FakeEmbedder("new")
    with open_vault(enrolled, embedder=[FakeEmbedder(), new]) as vault:
        vault.reindex(new, ReindexPlan(activate=False))
    assert run("generation", "activate", "2", "--force").code == 0

    refused = run("threshold", "restore", str(event), "--json")

    assert refused.error == "UnknownEvent"
    assert "of the active generation 2" in refused.document["error"]["message"]
    listed = run("threshold", "list", "--json").document["calibrations"]
    assert [each["in_use"] for each in listed] == [True]
