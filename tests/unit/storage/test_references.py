from __future__ import annotations

from datetime import timedelta

import pytest

from sigvault.domain.errors import StorageFailed
from sigvault.domain.image import QualityFinding
from sigvault.storage import references, signers
from sigvault.storage.engine import read_session, write_session

DIGEST = "ab" * 32
FINDING = QualityFinding("cut_off", 0.1, 0.05, "share of ink", False, "scan it again")


def add(session, signer, at, digest=DIGEST):
    return references.add_reference(
        session,
        signer.key,
        image_digest=digest,
        image_bytes=1234,
        findings=[FINDING],
        at=at,
        by="clerk",
    )


def test_a_reference_is_found_by_its_image_and_by_itself(engine, now):
    with write_session(engine) as session:
        signer = signers.add_signer(session, "53", "", now)
        other = signers.add_signer(session, "54", "", now)
        added = add(session, signer, now)

    with read_session(engine) as session:
        found = references.find_reference(session, signer.key, DIGEST)
        assert references.get_reference(session, added.id) is found
        assert references.find_reference(session, other.key, DIGEST) is None
        assert references.find_reference(session, signer.key, "cd" * 32) is None
        assert references.get_reference(session, "0" * 32) is None
        assert references.findings_of(found) == (FINDING,)
        assert (found.image_bytes, found.enrolled_by) == (1234, "clerk")


def test_references_come_in_order_of_enrollment(engine, now):
    with write_session(engine) as session:
        signer = signers.add_signer(session, "53", "", now)
        late = add(session, signer, now + timedelta(seconds=5), "cd" * 32)
        early = add(session, signer, now)

    with read_session(engine) as session:
        listed = references.list_references(session, signer.key)
        assert references.count_references(session) == 2
        assert list(references.iterate_image_digests(session)) == [
            (early.id, DIGEST),
            (late.id, "cd" * 32),
        ]
    assert [row.id for row in listed] == [early.id, late.id]


def test_holders_are_all_signers_of_an_image(engine, now):
    with write_session(engine) as session:
        one = signers.add_signer(session, "53", "", now)
        two = signers.add_signer(session, "54", "", now)
        add(session, two, now + timedelta(seconds=5))
        add(session, one, now)
        add(session, one, now, "cd" * 32)

    with read_session(engine) as session:
        assert [holder.signer for holder in references.holders(session, DIGEST)] == ["53", "54"]
        assert references.holders(session, "ef" * 32) == []


def test_the_same_image_twice_for_a_signer_is_refused_by_the_database(engine, now):
    def add_twice():
        with write_session(engine) as session:
            signer = signers.add_signer(session, "53", "", now)
            add(session, signer, now)
            add(session, signer, now)

    with pytest.raises(StorageFailed, match="contradictory"):
        add_twice()

    with read_session(engine) as session:
        assert references.count_references(session) == 0
