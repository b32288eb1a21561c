from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from sigvault.domain.errors import StorageFailed
from sigvault.storage import signers
from sigvault.storage.engine import read_session, write_session


def test_times_come_back_exactly_and_as_utc(engine):
    moment = datetime(2024, 3, 31, 1, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-7)))
    with write_session(engine) as session:
        signers.add_signer(session, "53", "", moment)

    with read_session(engine) as session:
        read = signers.get_signer(session, "53")

    assert read.created_at == moment
    assert read.created_at.tzinfo is UTC
    assert read.erased_at is None


def test_a_time_without_a_zone_is_refused(engine):
    def add():
        with write_session(engine) as session:
            signers.add_signer(session, "53", "", datetime(2024, 1, 1))  # noqa: DTZ001

    with pytest.raises(StatementError, match="has no time zone"):
        add()


def test_the_database_itself_refuses_an_unknown_choice(engine, now):
    with write_session(engine) as session:
        signers.add_signer(session, "53", "", now)

    with pytest.raises(StorageFailed, match="contradictory"), write_session(engine) as session:
        session.execute(text("UPDATE signers SET status = 'perhaps'"))
