from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from sigvault.domain.audit import (
    FIRST_HASH,
    EnrollmentFailed,
    ReferenceEnrolled,
    ReferenceErased,
    SignerErased,
    VaultCreated,
    chain_hash,
    digest_personal,
)
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import ReferenceId
from sigvault.storage import audit_log
from sigvault.storage.driver import directly, write_directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.tables import AuditEventRow

ANNE, BERT = "a" * 32, "b" * 32


def enrolled(signer, number=0):
    return ReferenceEnrolled(signer, f"{number:032x}", 1, {"signer": "53", "by": "clérk"})


@pytest.fixture
def filled(engine, now):
    """Six events: two of Anne's, two of Bert's, two of nobody's."""
    with write_session(engine) as session:
        audit_log.append(session, VaultCreated("0.1.0"), now)
        audit_log.append(session, enrolled(ANNE, 1), now + timedelta(seconds=1))
        audit_log.append(session, enrolled(BERT, 2), now + timedelta(seconds=2))
        failed = EnrollmentFailed(ANNE, "FailureToEnroll", {"digest": "cd" * 32})
        audit_log.append(session, failed, now + timedelta(seconds=3))
        nobodys = EnrollmentFailed(None, "ImageTooLarge", {"path": "x.png"})
        audit_log.append(session, nobodys, now + timedelta(seconds=4))
        audit_log.append(session, enrolled(BERT, 3), now + timedelta(seconds=5))
    return engine


def check(engine):
    with read_session(engine) as session:
        return audit_log.check_chain(session)


def erase(engine, signer, now):
    with write_session(engine) as session:
        audit_log.append(session, SignerErased(signer, 2), now)
        return audit_log.erase_personal(directly(session), signer)


def tamper(engine, *statements):
    with write_session(engine) as session:
        for statement in statements:
            session.execute(text(statement))


def test_events_come_back_as_they_were_written(filled, now):
    with read_session(filled) as session:
        records = audit_log.read(session)

    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[1].kind == "reference-enrolled"
    assert records[1].at == now + timedelta(seconds=1)
    assert records[1].public == {"signer": ANNE, "reference": f"{1:032x}", "generation": 1}
    assert records[1].personal == {"signer": "53", "by": "clérk"}
    assert records[0].personal == {}
    assert records[4].public == {"signer": None, "error": "ImageTooLarge"}


def test_the_chain_is_what_the_domain_says_it_is(filled):
    with read_session(filled) as session:
        records = audit_log.read(session)
        salts = list(session.scalars(text("SELECT salt FROM audit_personal ORDER BY event")))
        assert audit_log.head(session) == (6, records[-1].hash)

    previous = FIRST_HASH
    for record, salt in zip(records, salts, strict=True):
        assert record.personal_digest == digest_personal(salt, record.personal)
        assert record.previous == previous
        assert record.hash == chain_hash(
            record.number, record.at, record.kind, record.public, record.personal_digest, previous
        )
        previous = record.hash
    assert len(set(salts)) == len(salts)


def test_events_are_read_page_by_page_and_signer_by_signer(filled):
    with read_session(filled) as session:
        page = audit_log.read(session, after=2, limit=2)
        bert = audit_log.read(session, signer=BERT)
        assert audit_log.count_events(session) == 6
        assert audit_log.count_events(session, ANNE) == 2
    assert [record.number for record in page] == [3, 4]
    assert [record.number for record in bert] == [3, 6]


def test_the_latest_events_are_read_newest_first_and_no_others(filled):
    read: list[int] = []

    def note(row, _context):
        read.append(row.number)

    event.listen(AuditEventRow, "load", note)
    try:
        with read_session(filled) as session:
            latest = audit_log.read_latest(session, limit=2)
            before = audit_log.read_latest(session, limit=2, skip=2)
        with read_session(filled) as session:
            anne = audit_log.read_latest(session, limit=1, signer=ANNE)
    finally:
        event.remove(AuditEventRow, "load", note)
    assert [record.number for record in latest] == [6, 5]
    assert [record.number for record in before] == [4, 3]
    assert [record.number for record in anne] == [4]
    assert read == [6, 5, 4, 3, 4]


def test_times_of_other_zones_are_hashed_as_utc(engine):
    local = datetime(2024, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    with write_session(engine) as session:
        audit_log.append(session, VaultCreated("0.1.0"), local)
        (record,) = audit_log.read(session)

    assert record.at == local
    assert record.at.tzinfo == UTC
    assert check(engine).whole


def test_a_time_without_a_zone_is_refused(engine):
    with write_session(engine) as session, pytest.raises(ValueError, match="no time zone"):
        audit_log.append(session, VaultCreated("0.1.0"), datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_whole_chain_is_whole(filled):
    assert check(filled) == audit_log.ChainCheck(6, None, "", 0)


def test_an_empty_chain_is_whole(engine):
    assert check(engine) == audit_log.ChainCheck(0, None, "", 0)


def test_an_event_shares_the_fate_of_what_it_records(filled, now):
    def stumble():
        with write_session(filled) as session:
            audit_log.append(session, enrolled(ANNE, 7), now)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stumble()

    assert check(filled).events == 6


def test_erasing_a_signer_removes_the_personal_parts_and_leaves_the_chain_whole(filled, now):
    assert erase(filled, ANNE, now) == 2

    assert check(filled) == audit_log.ChainCheck(7, None, "", 2)
    with read_session(filled) as session:
        records = audit_log.read(session)
        assert [record.number for record in records if record.personal is None] == [2, 4]
        assert [r.kind for r in audit_log.read(session, signer=ANNE)][-1] == "signer-erased"
    assert erase(filled, BERT, now) == 2
    assert check(filled) == audit_log.ChainCheck(8, None, "", 4)


@pytest.fixture
def with_references(engine, now):
    """A log of two references of Anne's, of failed enrollments, and of one of Bert's."""
    failed = {"signer": "53", "image": "b" * 64}
    scan = {"signer": "53", "image": "c" * 64, "reference": "2" * 32}
    events = [
        ReferenceEnrolled(ANNE, ReferenceId("1" * 32), 1, {"signer": "53", "image": "a" * 64}),
        EnrollmentFailed(ANNE, "DuplicateAcrossSigners", failed),
        ReferenceEnrolled(ANNE, ReferenceId("2" * 32), 1, {"signer": "53", "image": "b" * 64}),
        EnrollmentFailed(ANNE, "RepeatedScan", scan),
        EnrollmentFailed(ANNE, "UnsupportedImage", {"signer": "53"}),
        ReferenceEnrolled(BERT, ReferenceId("3" * 32), 1, {"signer": "54", "image": "b" * 64}),
        EnrollmentFailed(BERT, "DuplicateAcrossSigners", failed),
    ]
    with write_session(engine) as session:
        for event in events:
            audit_log.append(session, event, now)
    return engine


def erase_reference(engine, now, *, parts=None):
    with write_directly(engine) as transaction:
        gone = audit_log.erase_personal_of_reference(transaction, ANNE, "2" * 32, "b" * 64)
        event = ReferenceErased(ANNE, "2" * 32, gone if parts is None else parts, {"by": "x"})
        audit_log.append_directly(transaction, event, now)
    return gone


def test_erasing_a_reference_removes_what_is_said_of_its_image_and_leaves_the_chain_whole(
    with_references, now
):
    assert erase_reference(with_references, now) == (2, 3, 4)
    assert check(with_references) == audit_log.ChainCheck(8, None, "", 3)
    with read_session(with_references) as session:
        records = audit_log.read(session)
    assert [record.number for record in records if record.personal is None] == [2, 3, 4]
    assert records[-1].public == {"signer": ANNE, "reference": "2" * 32, "parts": [2, 3, 4]}
    assert erase(with_references, ANNE, now) == 3  # an enrollment, a failed one, the erasure
    assert check(with_references) == audit_log.ChainCheck(9, None, "", 6)


@pytest.mark.parametrize(
    ("parts", "broken"),
    [((), 2), ((2, 3), 4), ((2, 3, 4, 5), 5), ((2, 3, 4, 6), None), ((2, 3, 4, 99), None)],
)
def test_the_parts_that_are_missing_are_those_that_went_with_a_reference(
    with_references, now, parts, broken
):
    """Another signer's part, or that of no event, can't have gone with it."""
    erase_reference(with_references, now, parts=parts)
    assert check(with_references).first_broken == broken


def test_an_event_before_a_part_does_not_explain_that_it_is_missing(with_references, now):
    with write_directly(with_references) as transaction:
        audit_log.append_directly(transaction, ReferenceErased(ANNE, "2" * 32, (9,), {}), now)
        number = audit_log.append_directly(
            transaction, ReferenceEnrolled(ANNE, ReferenceId("4" * 32), 1, {}), now
        )
        transaction.run("DELETE FROM audit_personal WHERE event = ?", (number,))
    assert (number, check(with_references).first_broken) == (9, 9)


@pytest.mark.parametrize("public", ["{", "[]", '{"parts": 3}', '{"parts": ["x"]}', "{}"])
def test_a_changed_erasure_is_itself_what_is_broken_or_explains_nothing(
    with_references, now, public
):
    erase_reference(with_references, now)
    tamper(with_references, f"UPDATE audit_events SET public = '{public}' WHERE number = 8")
    assert check(with_references).first_broken in (2, 8)


TAMPERED = [
    ("UPDATE audit_events SET at = '2024-05-17T12:30:18.123457+00:00' WHERE number = 3", 3),
    ("UPDATE audit_events SET at = '2024-05-17T14:30:17.123456+02:00' WHERE number = 3", 3),
    ("UPDATE audit_events SET at = 'yesterday' WHERE number = 3", 3),
    ("UPDATE audit_events SET kind = 'verified' WHERE number = 3", 3),
    (f"UPDATE audit_events SET signer_key = '{ANNE}' WHERE number = 3", 3),
    ("UPDATE audit_events SET signer_key = NULL WHERE number = 3", 3),
    ("UPDATE audit_events SET public = replace(public, '2', '4') WHERE number = 3", 3),
    ("UPDATE audit_events SET public = replace(public, ',', ', ') WHERE number = 3", 3),
    ("UPDATE audit_events SET public = '{' WHERE number = 3", 3),
    ("UPDATE audit_events SET public = '[]' WHERE number = 3", 3),
    ("UPDATE audit_events SET personal_digest = hash WHERE number = 3", 3),
    ("UPDATE audit_events SET previous = hash WHERE number = 3", 3),
    ("UPDATE audit_events SET hash = previous WHERE number = 3", 3),
    (f"UPDATE audit_personal SET signer_key = '{ANNE}' WHERE event = 3", 3),
    ("UPDATE audit_personal SET salt = '00' WHERE event = 3", 3),
    ("UPDATE audit_personal SET content = replace(content, '53', '54') WHERE event = 3", 3),
    ("UPDATE audit_personal SET content = replace(content, ',', ', ') WHERE event = 3", 3),
    ("UPDATE audit_personal SET content = '{' WHERE event = 3", 3),
    ("UPDATE audit_personal SET content = 'NaN' WHERE event = 3", 3),
    ("DELETE FROM audit_personal WHERE event = 3", 3),
    ("DELETE FROM audit_personal WHERE event = 5", 5),
    ("UPDATE audit_head SET number = 8", 7),
    ("UPDATE audit_head SET number = 5", 6),
    (f"UPDATE audit_head SET hash = '{'0' * 64}'", 7),
    ("DELETE FROM audit_head", 7),
]


def test_tampering_with_any_field_is_found(filled, subtests):
    for statement, broken in TAMPERED:
        with subtests.test(statement), Session(filled) as session:
            session.execute(text(statement))
            found = audit_log.check_chain(session)
            session.rollback()

            assert not found.whole
            assert found.first_broken == broken
            assert found.reason
    assert check(filled).whole


def test_a_removed_event_is_found(filled, subtests):
    for number in (1, 3, 6):
        with subtests.test(number=number), Session(filled) as session:
            session.execute(text(f"DELETE FROM audit_personal WHERE event = {number}"))
            session.execute(text(f"DELETE FROM audit_events WHERE number = {number}"))
            found = audit_log.check_chain(session)
            session.rollback()

            assert found.first_broken == number
            assert "missing" in found.reason
    assert check(filled).whole


def test_an_event_that_was_slipped_in_is_found(filled):
    tamper(
        filled,
        "INSERT INTO audit_events SELECT 7, at, kind, signer_key, public, personal_digest, "
        "previous, hash FROM audit_events WHERE number = 6",
    )

    assert check(filled).first_broken == 7


def test_rewriting_the_last_event_with_a_fresh_hash_is_found_by_the_noted_end(filled):
    with write_session(filled) as session:
        last = audit_log.read(session, after=5)[0]
        forged = chain_hash(
            6, last.at, "verified", last.public, last.personal_digest, last.previous
        )
        session.execute(
            text("UPDATE audit_events SET kind = 'verified', hash = :hash WHERE number = 6"),
            {"hash": forged},
        )

    assert check(filled).first_broken is not None


def test_a_personal_part_of_an_erased_signer_must_not_be_there(filled, now):
    with write_session(filled) as session:
        audit_log.append(session, SignerErased(ANNE, 2), now)

    found = check(filled)

    assert (found.first_broken, "was erased" in found.reason) == (2, True)


def test_an_unreadable_event_says_so(filled):
    tamper(filled, "UPDATE audit_events SET public = '{' WHERE number = 3")

    with pytest.raises(VaultDamaged, match="event 3"), read_session(filled) as session:
        audit_log.read(session)


def test_without_its_end_nothing_is_appended(filled, now):
    tamper(filled, "DELETE FROM audit_head")

    with pytest.raises(VaultDamaged, match="audit check"), write_session(filled) as session:
        audit_log.append(session, VaultCreated("0.1.0"), now)
    with pytest.raises(VaultDamaged, match="audit check"), read_session(filled) as session:
        audit_log.head(session)


def test_threads_that_append_at_once_make_one_whole_chain(engine, now):
    def append(signer):
        for number in range(8):
            with write_session(engine) as session:
                audit_log.append(session, enrolled(signer, number), now)
                audit_log.append(session, enrolled(signer, number), now)

    threads = [threading.Thread(target=append, args=(f"{n:032x}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert check(engine) == audit_log.ChainCheck(48, None, "", 0)


APPENDER = """
import sys
from datetime import UTC, datetime
from sigvault.domain.audit import VaultCreated
from sigvault.storage import audit_log
from sigvault.storage.engine import make_engine, write_session
engine = make_engine(sys.argv[1], wait_seconds=60)
for number in range(8):
    with write_session(engine) as session:
        audit_log.append(session, VaultCreated(str(number)), datetime.now(UTC))
"""


def test_processes_that_append_at_once_make_one_whole_chain(engine):
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", APPENDER, url]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]

    assert [process.communicate()[1] for process in processes] == [b"", b""]
    assert check(engine) == audit_log.ChainCheck(16, None, "", 0)
