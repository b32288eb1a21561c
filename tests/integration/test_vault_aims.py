"""Deciding at another operating point, through the whole vault."""

from __future__ import annotations

import pytest

from fakes import draw_signature
from sigvault.datasets import read_layout
from sigvault.domain.aims import Aim, Measure
from sigvault.domain.errors import UnsupportedAim
from sigvault.evaluation.calibration import Aims


@pytest.fixture
def calibrated(enrolled, tmp_path):
    """A vault calibrated on twelve signers."""
    for signer in range(100, 112):
        for kind, hand, count in (("genuine", signer, 4), ("forged", signer + 1000, 3)):
            folder = tmp_path / "set" / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(draw_signature(hand, number))
    data = read_layout(tmp_path / "set")
    enrolled.calibrate(data, references=(1, 3), draws=1)
    return enrolled, data


def test_a_decision_at_an_aim_is_recorded_and_replays(calibrated):
    vault, _ = calibrated
    aim = Aim(Measure.FMR, 0.05)
    plain = vault.verify("3", draw_signature(3, 99)).evidence
    moved = vault.verify("3", draw_signature(3, 99), aim=aim)
    assert plain.threshold.aim is None
    evidence = moved.evidence
    assert evidence.threshold.aim == aim
    assert evidence.threshold.accept_rates.fmr.value <= 0.05
    assert evidence.threshold.points == ()
    replay = vault.replay(moved.event)
    assert replay.agrees
    assert replay.evidence == evidence
    assert vault.audit_check().whole


def test_an_aim_without_support_decides_nothing(calibrated):
    vault, _ = calibrated
    events = len(vault.audit_log())
    with pytest.raises(UnsupportedAim, match="smallest aim"):
        vault.verify("3", draw_signature(3, 99), aim=Aim(Measure.FMR, 0.0001))
    assert len(vault.audit_log()) == events


def test_calibrating_to_an_aim_without_support_keeps_the_old_thresholds(calibrated):
    vault, data = calibrated
    before = vault.thresholds()
    with pytest.raises(UnsupportedAim, match="rule of three"):
        vault.calibrate(data, references=(1,), draws=1, aims=Aims(fmr=0.0001))
    assert vault.thresholds() == before
    forced = vault.calibrate(data, references=(1,), draws=1, aims=Aims(fmr=0.0001), force=True)
    assert len(forced.thresholds) == 1
