"""A kept spread is believed for the very vectors that it was worked out from, and no others."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from sigvault.domain.gallery import Spread
from sigvault.domain.identifiers import GenerationId, SignerId
from sigvault.services.verification import read_claim, read_claim_slowly
from sigvault.storage import embeddings, references, signers
from sigvault.storage.driver import read_directly, write_directly
from sigvault.storage.engine import write_session
from sigvault.storage.gallery_spreads import digest_vectors, keep_spread
from sigvault.storage.generations import delete_generation

WHO = SignerId("53")
KEPT = Spread(0.123456789012345678, -1 / 3)


@pytest.fixture
def generation(engine, add_generation, enroll):
    with write_session(engine) as session:
        generation = add_generation(session)
        enroll(session, generation, "53", [1, 2, 3])
        enroll(session, generation, "54", [4])
    return generation


def keep(engine, spread=KEPT):
    claim = read_claim(engine, WHO)
    with write_directly(engine) as transaction:
        keep_spread(transaction, claim.key, claim.generation.id, claim.held.vectors_digest, spread)
    return claim


def kept_rows(engine):
    with read_directly(engine) as transaction:
        return transaction.rows("SELECT cosine, local FROM gallery_spreads")


def test_a_spread_is_worked_out_until_it_is_kept_and_then_read_to_the_last_bit(engine, generation):
    before = keep(engine)
    assert before.held.vectors_digest
    assert before.gallery.spread == read_claim_slowly(engine, WHO).gallery.spread != KEPT
    after = read_claim(engine, WHO)
    assert after.held.vectors_digest == ""
    assert after.gallery.spread == KEPT


def test_a_single_reference_has_none_to_keep(engine, generation):
    claim = read_claim(engine, SignerId("54"))
    assert (claim.held.vectors_digest, claim.gallery.spread) == ("", None)


def test_another_reference_makes_the_kept_one_void(engine, generation, embed, now):
    key = keep(engine).key
    with write_session(engine) as session:
        added = references.add_reference(
            session, key, image_digest="9" * 64, image_bytes=9, findings=(), at=now, by="clerk"
        )
        embeddings.add_embeddings(session, generation, [(added.id, embed(9))])
    claim = read_claim(engine, WHO)
    assert claim.held.vectors_digest
    assert claim.gallery.spread == read_claim_slowly(engine, WHO).gallery.spread
    keep(engine, Spread(0.5, 0.25))
    assert kept_rows(engine) == [(0.5, 0.25)]
    assert read_claim(engine, WHO).gallery.spread == Spread(0.5, 0.25)


def test_another_generation_has_its_own(engine, generation, add_generation, embed):
    keep(engine)
    with write_session(engine) as session:
        session.execute(text("UPDATE generations SET status = 'retired'"))
        other = add_generation(session)
        key = signers.get_signer(session, WHO).key
        held = references.list_references(session, key)
        embeddings.add_embeddings(
            session, other, [(one.id, embed(7 + n)) for n, one in enumerate(held)]
        )
    claim = read_claim(engine, WHO)
    assert claim.generation.id == other
    assert claim.held.vectors_digest
    assert claim.gallery.spread != KEPT


def test_it_goes_with_the_signer(engine, generation, now):
    keep(engine)
    with write_session(engine) as session:
        signers.erase_signer(session, signers.get_signer(session, WHO), now)
    assert kept_rows(engine) == []


def test_nothing_is_kept_of_an_erased_signer_or_for_a_dropped_generation(engine, generation, now):
    claim = read_claim(engine, WHO)
    with write_directly(engine) as transaction:
        keep_spread(transaction, claim.key, GenerationId(99), claim.held.vectors_digest, KEPT)
    with write_session(engine) as session:
        signers.erase_signer(session, signers.get_signer(session, WHO), now)
    with write_directly(engine) as transaction:
        claim.held.keep_spread(transaction)
    assert kept_rows(engine) == []


def test_it_goes_with_a_reference_and_is_not_kept_by_whoever_had_read_that(
    engine, generation, embed, now
):
    claim = keep(engine)
    read_before = read_claim(engine, SignerId("53"))
    with write_directly(engine) as transaction:
        transaction.run("DELETE FROM gallery_spreads")
    fresh = read_claim(engine, WHO)
    assert fresh.held.vectors_digest
    with write_directly(engine) as transaction:
        assert fresh.held.is_whole(transaction)
        references.erase_reference_directly(transaction, claim.key, fresh.gallery.references[1].id)
        assert not fresh.held.is_whole(transaction)
        fresh.held.keep_spread(transaction)
        read_before.held.keep_spread(transaction)
    assert kept_rows(engine) == []
    again = read_claim(engine, WHO)
    with write_session(engine) as session:
        added = references.add_reference(
            session, claim.key, image_digest="9" * 64, image_bytes=9, findings=(), at=now, by="x"
        )
        embeddings.add_embeddings(session, generation, [(added.id, embed(9))])
    with write_directly(engine) as transaction:
        assert again.held.is_whole(transaction)  # one more makes none of the others go


def test_it_goes_with_the_generation(engine, generation):
    keep(engine)
    with write_session(engine) as session:
        session.execute(text("DELETE FROM embeddings"))
        delete_generation(session, GenerationId(generation))
    assert kept_rows(engine) == []


def test_a_digest_tells_numbers_and_their_order():
    digests = {digest_vectors(rows) for rows in ([1, 2], [2, 1], [1, 2, 3], [12], [])}
    assert len(digests) == 5
    assert all(len(digest) == 32 for digest in digests)
