"""What a decision reads by the driver is what the mapper reads."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import delete, text

from fakes import make_threshold
from sigvault.domain.errors import StorageFailed, UnknownSigner, VaultDamaged
from sigvault.domain.identifiers import EventNumber, GenerationId, SignerId
from sigvault.services.erasure import take_signer_out
from sigvault.services.verification import read_claim, read_claim_slowly
from sigvault.storage import audit_log, embeddings, signers, thresholds
from sigvault.storage.claims import find_claim, find_galleries, is_enrolled
from sigvault.storage.driver import directly, read_directly, write_directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.tables import GenerationRow, VectorEncoding


@pytest.fixture
def two_signers(engine, card, add_generation, enroll, now):
    """Signer 53 with three references and thresholds, 54 with one in 16 bits."""
    with write_session(engine) as session:
        generation = add_generation(session)
        keys = (
            enroll(session, generation, "53", [1, 2, 3], name="A. B."),
            enroll(session, generation, "54", [4], encoding=VectorEncoding.FLOAT16),
        )
        made = [make_threshold(number, card.id) for number in (1, 3)]
        thresholds.put_thresholds(session, generation, made, at=now)
    return keys


@pytest.mark.parametrize("signer", ["53", "54"])
def test_a_claim_is_the_same_by_the_driver_and_by_the_mapper(engine, two_signers, signer):
    quick, slow = (read(engine, SignerId(signer)) for read in (read_claim, read_claim_slowly))
    assert quick.key == slow.key
    assert quick.generation == slow.generation
    assert [each.references for each in quick.generation.thresholds] == [1, 3]
    assert (quick.gallery.signer, quick.gallery.generation) == (signer, slow.gallery.generation)
    for ours, theirs in zip(quick.gallery.references, slow.gallery.references, strict=True):
        assert ours.id == theirs.id
        assert ours.embedding.model == theirs.embedding.model
        np.testing.assert_array_equal(ours.embedding.vector, theirs.embedding.vector)
        np.testing.assert_array_equal(ours.embedding.local, theirs.embedding.local)


def test_galleries_are_the_same_by_the_driver_and_by_the_mapper(engine, two_signers):
    active = read_claim(engine, SignerId("53")).generation
    with read_session(engine) as session:
        slow = embeddings.load_galleries(session, two_signers, active.id)
    with read_directly(engine) as transaction:
        quick = find_galleries(transaction, [*two_signers, *two_signers, "nobody"], active)
        assert find_galleries(transaction, [], active) == []
    assert [held.key for held in quick] == sorted(two_signers)
    for held in quick:
        theirs = slow[held.key]
        assert held.gallery.signer == theirs.signer
        assert held.gallery.spread == theirs.spread
        assert bool(held.vectors_digest) == (len(theirs.references) > 1)
        for one, other in zip(held.gallery.references, theirs.references, strict=True):
            assert one.id == other.id
            np.testing.assert_array_equal(one.embedding.vector, other.embedding.vector)


def test_thresholds_are_read_anew_after_a_calibration(engine, card, two_signers, now):
    before = read_claim(engine, SignerId("53")).generation
    with write_session(engine) as session:
        made = [make_threshold(2, card.id)]
        thresholds.put_thresholds(session, before.id, made, at=now)
    after = read_claim(engine, SignerId("53")).generation
    assert [each.references for each in after.thresholds] == [2]


def test_a_generation_is_put_together_anew_only_where_it_changed(engine, card, two_signers, now):
    first, second = (read_claim(engine, SignerId(name)).generation for name in ("53", "54"))
    assert first is second
    with write_session(engine) as session:
        session.execute(text('DELETE FROM thresholds WHERE "references" = 1'))
    assert [
        each.references for each in read_claim(engine, SignerId("53")).generation.thresholds
    ] == [3]
    with write_session(engine) as session:
        session.execute(text("UPDATE generations SET preprocessing = 'another'"))
    assert read_claim(engine, SignerId("53")).generation.preprocessing == "another"
    with write_session(engine) as session:
        thresholds.put_thresholds(session, first.id, [], at=now)
    assert read_claim(engine, SignerId("53")).generation.thresholds == ()
    assert read_claim(engine, SignerId("53")).generation == (
        read_claim_slowly(engine, SignerId("53")).generation
    )


def test_a_claim_tells_whether_anything_was_erased_since(engine, two_signers, now):
    claim, slow = (read(engine, SignerId("53")) for read in (read_claim, read_claim_slowly))
    with read_directly(engine) as transaction:
        end = audit_log.read_end(transaction)
    assert claim.nothing_erased(end)
    assert not slow.nothing_erased(end)  # it doesn't know
    with write_directly(engine) as transaction:
        take_signer_out(transaction, two_signers[1], by="clerk", at=now)
    with read_directly(engine) as transaction:
        later = audit_log.read_end(transaction)
    assert later.number == later.erased_through == end.number + 1
    assert not claim.nothing_erased(later)
    assert read_claim(engine, SignerId("53")).nothing_erased(later)


def test_without_a_signer_a_generation_or_references_there_is_no_claim(engine, two_signers, now):
    with read_directly(engine) as transaction:
        assert find_claim(transaction, SignerId("55")) is None
    with pytest.raises(UnknownSigner, match="enroll one"):
        read_claim(engine, SignerId("55"))
    with write_session(engine) as session:
        session.execute(text("UPDATE generations SET status = 'retired'"))
    with pytest.raises(VaultDamaged, match="no active generation"):
        read_claim(engine, SignerId("53"))


def test_an_erased_signers_key_is_not_enrolled(engine, two_signers, now):
    key, other = two_signers
    with read_directly(engine) as transaction:
        assert is_enrolled(transaction, SignerId("53"), key)
        assert not is_enrolled(transaction, SignerId("53"), other)
    with write_session(engine) as session:
        signers.erase_signer(session, signers.get_signer(session, SignerId("53")), now)
    with read_directly(engine) as transaction:
        assert not is_enrolled(transaction, SignerId("53"), key)


def test_a_damaged_embedding_says_so(engine, two_signers):
    with write_session(engine) as session:
        transaction = directly(session)
        transaction.run("UPDATE embeddings SET vector = ?", (b"short",))
    with pytest.raises(VaultDamaged, match="restore the vault"):
        read_claim(engine, SignerId("53"))


def test_a_transaction_that_is_left_by_an_error_leaves_nothing(engine, two_signers):
    def rename_and_stumble():
        with write_directly(engine) as transaction:
            assert transaction.run("UPDATE signers SET name = ?", ("nobody",)) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rename_and_stumble()
    with read_directly(engine) as transaction:
        names = transaction.rows("SELECT name FROM signers ORDER BY external_id")
    assert names == [("A. B.",), ("",)]


def test_sessions_and_driver_transactions_take_turns_on_one_connection(engine, two_signers, now):
    for turn in range(3):
        with write_directly(engine) as transaction:
            transaction.run("UPDATE signers SET name = ? WHERE name = ''", (f"turn {turn}",))
        with read_session(engine) as session:
            found = signers.get_signer(session, SignerId("54"))
            assert found.name == f"turn {turn}"
        with write_session(engine) as session:
            signers.get_signer(session, SignerId("54")).name = ""


def test_the_databases_errors_are_translated(engine, two_signers):
    with (
        pytest.raises(VaultDamaged, match="tables are missing"),
        read_directly(engine) as transaction,
    ):
        transaction.rows("SELECT 1 FROM no_such_table")
    with (
        pytest.raises(StorageFailed, match="contradictory"),
        write_directly(engine) as transaction,
    ):
        transaction.run("UPDATE signers SET external_id = '53'")


def test_what_a_session_runs_by_the_driver_fails_as_the_session_does(engine, two_signers):
    with (
        pytest.raises(StorageFailed, match="contradictory"),
        write_session(engine) as session,
    ):
        directly(session).run("UPDATE signers SET external_id = '53'")


def test_an_event_is_the_same_by_the_driver_and_by_the_mapper(engine, two_signers, now):
    from sigvault.domain.audit import SignerErased

    event = SignerErased(two_signers[0], 3, "clerk")
    with write_session(engine) as session:
        first = audit_log.append(session, event, now)
    with write_directly(engine) as transaction:
        end = audit_log.read_end(transaction)
        second = audit_log.append_directly(transaction, event, now, end)
    assert (second, end.number) == (EventNumber(first + 1), first)
    with read_session(engine) as session:
        one, other = audit_log.read(session, after=first - 1)
        assert audit_log.check_chain(session).whole
    assert (one.kind, one.at, one.public, one.personal) == (
        other.kind,
        other.at,
        other.public,
        other.personal,
    )
    assert other.previous == one.hash


def test_a_log_without_its_end_takes_no_event(engine, two_signers, now):
    from sigvault.domain.audit import SignerErased

    with write_session(engine) as session:
        session.execute(text("DELETE FROM audit_head"))
    with pytest.raises(VaultDamaged, match="audit check"), write_directly(engine) as transaction:
        audit_log.append_directly(transaction, SignerErased(two_signers[0], 3), now)


def test_a_generation_that_goes_takes_its_claim_along(engine, two_signers):
    with write_session(engine) as session:
        for table in ("index_changes", "gallery_spreads", "embeddings", "thresholds"):
            directly(session).run(f"DELETE FROM {table}")
        session.execute(delete(GenerationRow).where(GenerationRow.id == GenerationId(1)))
    with read_directly(engine) as transaction:
        assert find_claim(transaction, SignerId("53")) is None
