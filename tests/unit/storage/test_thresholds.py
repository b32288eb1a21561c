from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from sigvault.domain.audit import Calibrated
from sigvault.domain.comparison import ErrorRates, LikelihoodRatio, Origin, Rate, Threshold
from sigvault.domain.errors import StorageFailed, VaultDamaged
from sigvault.domain.fusion import FusionRule
from sigvault.domain.serialisation import threshold_to_dict
from sigvault.storage import audit_log, thresholds
from sigvault.storage.engine import read_session, write_session

RATE = Rate(0.1 + 0.2, 1e-17, 2 / 3)
THRESHOLD = Threshold(
    references=1,
    accept=0.1 + 0.7,
    refuse=-1 / 3,
    accept_rates=ErrorRates(RATE, RATE, RATE),
    refuse_rates=ErrorRates(RATE, RATE, None),
    likelihood_ratio=LikelihoodRatio(9.87, -4.5, -2.25, 2.125),
    fusion=FusionRule(),
    origin=Origin("synthetic", "repeated draws", 30, 300, 900, 300, 10, 7, "tiny-ab", "plain-1"),
)


def calibrate(session, generation, new, at):
    event = Calibrated(generation, tuple(threshold_to_dict(threshold) for threshold in new))
    number = audit_log.append(session, event, at)
    thresholds.replace_thresholds(session, generation, new, event=number, at=at)


def test_thresholds_come_back_exactly_by_number_of_references(engine, now, add_generation):
    five, one = replace(THRESHOLD, references=5), THRESHOLD
    with write_session(engine) as session:
        generation = add_generation(session)
        other = add_generation(session)
        calibrate(session, generation, [five, one], now)

    with read_session(engine) as session:
        assert thresholds.load_thresholds(session, generation) == (one, five)
        assert thresholds.load_thresholds(session, other) == ()


def test_new_thresholds_replace_all_old_ones_of_the_generation(engine, now, add_generation):
    new = replace(THRESHOLD, references=2, accept=0.99)
    with write_session(engine) as session:
        generation, other = add_generation(session), add_generation(session)
        calibrate(session, generation, [THRESHOLD], now)
        calibrate(session, other, [THRESHOLD], now)
        calibrate(session, generation, [new], now)

    with read_session(engine) as session:
        assert thresholds.load_thresholds(session, generation) == (new,)
        assert thresholds.load_thresholds(session, other) == (THRESHOLD,)


def test_a_threshold_without_its_event_is_refused(engine, now, add_generation):
    with pytest.raises(StorageFailed, match="contradictory"), write_session(engine) as session:
        thresholds.replace_thresholds(
            session, add_generation(session), [THRESHOLD], event=7, at=now
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE thresholds SET payload = '{}'", r"threshold\.references is missing"),
        ('UPDATE thresholds SET "references" = 3', "says 1: calibrate again"),
    ],
)
def test_a_threshold_that_cannot_be_read_is_damage(engine, now, add_generation, change, message):
    with write_session(engine) as session:
        generation = add_generation(session)
        calibrate(session, generation, [THRESHOLD], now)
        session.execute(text(change))

    with pytest.raises(VaultDamaged, match=message), read_session(engine) as session:
        thresholds.load_thresholds(session, generation)
