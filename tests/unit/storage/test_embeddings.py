from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import delete, text

from sigvault.domain.errors import EmptyGallery, GenerationMismatch, UnknownSigner, VaultDamaged
from sigvault.storage import embeddings, references, signers
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.index_changes import changes_since
from sigvault.storage.tables import ChangeKind, EmbeddingRow, VectorEncoding


@pytest.mark.parametrize("encoding", list(VectorEncoding))
def test_a_gallery_comes_back_in_order_of_enrollment(
    engine, add_generation, enroll, embed, encoding
):
    seeds = [5, 3, 9]
    with write_session(engine) as session:
        generation = add_generation(session)
        key = enroll(session, generation, "53", seeds, encoding=encoding)
        enroll(session, generation, "54", [1])

    with read_session(engine) as session:
        gallery = embeddings.load_gallery(session, key, generation)
        enrolled = references.list_references(session, key)
    exact = encoding is VectorEncoding.FLOAT32
    assert (gallery.signer, gallery.generation) == ("53", generation)
    assert [reference.id for reference in gallery.references] == [row.id for row in enrolled]
    for reference, seed in zip(gallery.references, seeds, strict=True):
        wanted = embed(seed)
        assert np.allclose(reference.embedding.vector, wanted.vector, atol=0 if exact else 5e-4)
        assert np.array_equal(reference.embedding.local, wanted.local)
        assert reference.embedding.model == wanted.model


def test_galleries_of_two_generations_do_not_mix(engine, add_generation, enroll, embed):
    with write_session(engine) as session:
        old = add_generation(session)
        key = enroll(session, old, "53", [1, 2])
        new = add_generation(session)
        first = references.list_references(session, key)[0]
        embeddings.add_embeddings(session, new, [(first.id, embed(7))])

    with read_session(engine) as session:
        assert len(embeddings.load_gallery(session, key, old).references) == 2
        (only,) = embeddings.load_gallery(session, key, new).references
    stored = embed(7).vector.astype(np.float16)  # what 16 bits keep of it
    assert np.array_equal(only.embedding.vector, stored.astype(np.float32))


def test_many_are_added_as_one_by_one(engine, add_generation, enroll, embed):
    with write_session(engine) as session:
        generation = add_generation(session)
        key = enroll(session, generation, "53", [1, 2])
        other = add_generation(session)
        held = references.list_references(session, key)
        numbers = embeddings.add_embeddings(
            session, other, [(one.id, embed(place)) for place, one in enumerate(held)]
        )
        assert embeddings.add_embeddings(session, other, []) == ()
    assert numbers == tuple(range(numbers[0], numbers[0] + 2))
    with read_session(engine) as session:
        assert embeddings.load_vectors(session, other, numbers).rows.tolist() == list(numbers)
        changed = changes_since(session, other, 0)
        assert [(one.kind, tuple(one.rows)) for one in changed] == [(ChangeKind.ADD, numbers)]
    with write_session(engine) as session:  # a number is never used twice, whatever is gone
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.row.in_(numbers)))
        (again,) = embeddings.add_embeddings(session, other, [(held[0].id, embed(9))])
    assert again > numbers[-1]


def test_vectors_of_both_encodings_lie_side_by_side(engine, add_generation, enroll, embed):
    with write_session(engine) as session:
        generation = add_generation(session)
        key = enroll(session, generation, "53", [1, 2])
        other = add_generation(session)
        held = references.list_references(session, key)
        numbers = [
            embeddings.add_embeddings(session, other, [(one.id, embed(5))], encoding=encoding)[0]
            for one, encoding in zip(held, VectorEncoding, strict=True)
        ]
    with read_session(engine) as session:
        found = embeddings.load_vectors(session, other, numbers).vectors
    assert np.array_equal(found[0], embed(5).vector)
    assert np.array_equal(found[1], embed(5).vector.astype(np.float16).astype(np.float32))


def test_several_galleries_load_at_once_without_the_empty_ones(engine, add_generation, enroll, now):
    with write_session(engine) as session:
        generation = add_generation(session)
        keys = [enroll(session, generation, name, [n]) for n, name in enumerate("abc")]
        empty = signers.add_signer(session, "d", "", now).key

    with read_session(engine) as session:
        found = embeddings.load_galleries(session, [keys[2], keys[0], empty], generation)
    assert {key: gallery.signer for key, gallery in found.items()} == {keys[0]: "a", keys[2]: "c"}


def test_a_missing_gallery_says_what_is_missing(engine, add_generation, enroll, now):
    with write_session(engine) as session:
        generation = add_generation(session)
        empty = signers.add_signer(session, "53", "", now).key
        gone = enroll(session, generation, "54", [1])
        signers.erase_signer(session, signers.get_signer(session, "54"), now)

    with read_session(engine) as session:
        with pytest.raises(EmptyGallery, match="signer 53 has no references"):
            embeddings.load_gallery(session, empty, generation)
        with pytest.raises(UnknownSigner):
            embeddings.load_gallery(session, gone, generation)
        with pytest.raises(UnknownSigner):
            embeddings.load_gallery(session, "0" * 32, generation)


def test_an_embedding_that_does_not_fit_the_generation_is_refused(
    engine, add_generation, enroll, embed
):
    with write_session(engine) as session:
        generation = add_generation(session)
        with pytest.raises(GenerationMismatch, match="other-1 made the embedding"):
            embeddings.add_embeddings(session, generation, [("0" * 32, embed(1, model="other-1"))])
        with pytest.raises(GenerationMismatch, match="has 9 components"):
            embeddings.add_embeddings(session, generation, [("0" * 32, embed(1, dimension=9))])
        assert embeddings.add_embeddings(session, generation, []) == ()


@pytest.mark.parametrize("block", [1, 3, 100])
def test_all_vectors_of_a_generation_come_in_blocks(engine, add_generation, enroll, embed, block):
    with write_session(engine) as session:
        generation = add_generation(session)
        enroll(session, generation, "53", [1, 2, 3, 4])
        other = add_generation(session, active=False)
        enroll(session, other, "54", [5])
        enroll(session, generation, "55", [6, 7, 8], encoding=VectorEncoding.FLOAT16)

    with read_session(engine) as session:
        blocks = list(embeddings.iterate_vectors(session, generation, block=block))
        assert embeddings.count_vectors(session, generation) == 7
    rows = np.concatenate([each.rows for each in blocks])
    vectors = np.concatenate([each.vectors for each in blocks])
    assert all(len(each.rows) <= block for each in blocks)
    assert (rows.dtype, vectors.dtype) == (np.int64, np.float32)
    assert (np.diff(rows) > 0).all()
    wanted = np.stack([embed(seed).vector for seed in (1, 2, 3, 4, 6, 7, 8)])
    assert np.allclose(vectors, wanted, atol=5e-4)


def test_an_empty_generation_has_no_blocks(engine, add_generation):
    with write_session(engine) as session:
        generation = add_generation(session)
        assert list(embeddings.iterate_vectors(session, generation)) == []
        nothing = embeddings.load_vectors(session, generation, [])
    assert nothing.vectors.shape == (0, 8)
    assert nothing.rows.dtype == np.int64


def test_vectors_and_owners_of_numbers_leave_out_what_is_gone(
    engine, add_generation, enroll, embed, now
):
    with write_session(engine) as session:
        generation = add_generation(session)
        enroll(session, generation, "53", [1])
        enroll(session, generation, "54", [2])
        kept = enroll(session, generation, "55", [3])
        other = add_generation(session, active=False)
        enroll(session, other, "56", [4])
        rows = [
            row
            for each in (generation, other)
            for block in embeddings.iterate_vectors(session, each)
            for row in block.rows.tolist()
        ]
        signers.erase_signer(session, signers.get_signer(session, "54"), now)

    asked = [*reversed(rows), rows[0], 10**12, *range(-1200, 0)]
    with read_session(engine) as session:
        found = embeddings.load_vectors(session, generation, asked)
        whose = embeddings.owners(session, generation, asked)
        (reference,) = references.list_references(session, kept)
    assert found.rows.tolist() == [rows[0], rows[2]]
    assert np.array_equal(found.vectors[1], embed(3).vector)
    assert {row: owner.signer for row, owner in whose.items()} == {rows[0]: "53", rows[2]: "55"}
    assert whose[rows[2]] == embeddings.Owner(reference.id, kept, "55")


def test_numbers_are_never_used_twice(engine, add_generation, enroll, now):
    with write_session(engine) as session:
        generation = add_generation(session)
        enroll(session, generation, "53", [1, 2])
        erased = signers.erase_signer(session, signers.get_signer(session, "53"), now)
    with write_session(engine) as session:
        enroll(session, generation, "54", [3])
        (block,) = embeddings.iterate_vectors(session, generation)

    assert block.rows[0] > max(erased.rows[generation])


@pytest.mark.parametrize(
    ("column", "content", "message"),
    [
        ("vector", b"\0" * 32, "norm is 0"),
        ("vector", b"\0" * 31, "31 bytes"),
        ("local", b"\0", "local features"),
    ],
)
def test_a_damaged_embedding_is_reported(engine, add_generation, enroll, column, content, message):
    with write_session(engine) as session:
        generation = add_generation(session)
        key = enroll(session, generation, "53", [1])
        session.execute(text(f"UPDATE embeddings SET {column} = :content"), {"content": content})

    with pytest.raises(VaultDamaged, match=message), read_session(engine) as session:
        embeddings.load_gallery(session, key, generation)
