from __future__ import annotations

from datetime import timedelta

import pytest

from sigvault.domain.errors import StorageFailed
from sigvault.domain.image import QualityFinding
from sigvault.storage import embeddings, references, signers
from sigvault.storage.driver import write_directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.index_changes import changes_since, last_change
from sigvault.storage.orphaned_images import list_orphans
from sigvault.storage.tables import ChangeKind

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


def test_one_reference_goes_from_every_generation_and_the_others_stay(
    engine, now, add_generation, enroll, embed
):
    with write_session(engine) as session:
        old = add_generation(session)
        key = enroll(session, old, "53", [1, 2, 3])
        enroll(session, old, "54", [3])
        new = add_generation(session, active=False)
        first, second, third = references.list_references(session, key)
        embeddings.add_embeddings(session, new, [(first.id, embed(1)), (second.id, embed(2))])
        seen = {generation: last_change(session, generation) for generation in (old, new)}
    with write_directly(engine) as transaction:
        assert {each.id for each in references.own_references(transaction, key)} == {
            first.id,
            second.id,
            third.id,
        }
        erased = references.erase_reference_directly(transaction, key, second.id)
        shared = references.erase_reference_directly(transaction, key, third.id)
    assert erased.references == (second.id,)
    assert {generation: len(rows) for generation, rows in erased.rows.items()} == {old: 1, new: 1}
    assert erased.orphans == (f"{2:064x}",)
    assert shared.orphans == ()  # signer 54 has it, too
    with read_session(engine) as session:
        assert [each.id for each in references.list_references(session, key)] == [first.id]
        for generation in (old, new):
            changes = changes_since(session, generation, seen[generation])
            gone = [row for change in changes for row in change.rows]
            assert {change.kind for change in changes} == {ChangeKind.REMOVE}
            assert gone[0] == erased.rows[generation][0]
        assert list_orphans(session) == [f"{2:064x}"]
    with write_directly(engine) as transaction:
        nothing = references.erase_reference_directly(transaction, key, "f" * 32)
    assert nothing == references.ErasedRows((), {}, ())
