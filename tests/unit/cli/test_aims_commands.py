"""``calibrate``, ``verify`` and ``threshold explain`` with error rates aimed at."""

from __future__ import annotations

import pytest
from command_line import write_dataset

from fakes import FakeEmbedder
from sigvault.bootstrap import create_vault


@pytest.fixture
def calibrated(run, enrolled, draw, tmp_path):
    root = write_dataset(tmp_path / "data", draw, 12, genuine=4, forged=2)
    aims = ("--at-fmr", "0.05", "--at-fnmr", "0.3")
    outcome = run("calibrate", root, "--references", "1,3", "--draws", "1", *aims, "--json")
    assert outcome.code == 0, outcome.err
    return root


def test_verify_at_an_aim_says_so(run, calibrated, draw):
    outcome = run("verify", "--signer", "1", draw(1, 9), "--at-fmr", "0.05")
    assert outcome.code in (0, 1, 3), outcome.err
    text = " ".join(outcome.out.split())
    assert "decided at" in text
    assert "at most 5 % of random forgeries accepted" in text
    assert "CAREFUL" in text
    document = run("verify", "--signer", "1", draw(1, 9), "--at-fmr", "0.05", "--json").document
    assert document["threshold"]["aim"] == {"measure": "fmr", "rate": 0.05}


def test_an_aim_that_the_data_cannot_support_is_refused(run, calibrated, draw):
    outcome = run("verify", "--signer", "1", draw(1, 9), "--at-fmr", "0.0001", "--json")
    assert (outcome.code, outcome.error) == (4, "UnsupportedAim")
    assert "smallest aim" in outcome.err
    outcome = run("calibrate", calibrated, "--references", "1", "--at-fmr", "0.0001", "--json")
    assert (outcome.code, outcome.error) == (4, "UnsupportedAim")


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "1", "-1"])
def test_aims_are_rates(run, enrolled, draw, rate):
    outcome = run("verify", "--signer", "1", draw(1, 9), f"--at-fmr={rate}", "--json")
    assert (outcome.code, outcome.error) == (2, "UsageError")


def test_two_aims_at_once_are_refused(run, enrolled, draw):
    aims = ("--at-fmr", "0.1", "--at-skilled-fmr", "0.1")
    assert run("verify", "--signer", "1", draw(1, 9), *aims, "--json").code == 2


def test_explain_says_where_a_threshold_comes_from(run, calibrated):
    text = " ".join(run("threshold", "explain", "--references", "5").out.split())
    assert "the thresholds for 3 are used (measured with 3, while the signer has 5" in text
    assert "12 signers of data" in text
    assert "does not cover" in text
    document = run("threshold", "explain", "--json").document
    assert [each["threshold"]["references"] for each in document["thresholds"]] == [1, 3]
    assert all(each["explanation"] for each in document["thresholds"])
    assert all(0.9 <= each["threshold"]["copy_limit"] <= 0.999 for each in document["thresholds"])
    assert "counts as a copy of it" in text


def test_a_copy_of_a_reference_is_an_alarm_and_not_accepted(run, calibrated, draw):
    genuine = run("verify", "--signer", "1", draw(1, 9))
    assert "alarm" not in genuine.out
    outcome = run("verify", "--signer", "1", draw(1, 1))
    text = " ".join(outcome.out.split())
    assert outcome.code == 3
    assert "alarm" in text
    assert "perhaps a copy of that picture" in text
    document = run("verify", "--signer", "1", draw(1, 1), "--json").document
    assert document["decision"] == "review"
    assert [finding["name"] for finding in document["findings"]] == ["copy"]
    searched = " ".join(run("identify", draw(1, 1)).out.split())
    assert "perhaps a copy of that picture" in searched
    assert "turned" not in searched
    found = run("identify", draw(1, 1), "--json").document["candidates"]
    assert [each["decision"] for each in found if each["signer"] == "1"] == ["review"]
    assert run("audit", "check").code == 0


def test_explain_without_points_says_to_calibrate(run, tmp_path, monkeypatch):
    with create_vault(tmp_path / "old", embedder=FakeEmbedder(points=False)):
        monkeypatch.setenv("SIGVAULT_VAULT", str(tmp_path / "old"))
    text = " ".join(run("threshold", "explain").out.split())
    assert "before operating points were measured" in text
    assert "before copies raised an alarm" in text
