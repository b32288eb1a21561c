"""Embeddings: adding them, loading galleries, and feeding the index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Select, bindparam, delete, func, select, text
from sqlalchemy.orm import Session

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import EmptyGallery, GenerationMismatch, UnknownSigner
from sigvault.domain.gallery import Gallery
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId, SignerKey
from sigvault.storage.driver import directly
from sigvault.storage.gallery_rows import StoredEmbeddings, decode_gallery
from sigvault.storage.generations import get_generation
from sigvault.storage.index_changes import record_changes
from sigvault.storage.namespaces import begins_with
from sigvault.storage.references import count_references
from sigvault.storage.tables import (
    ChangeKind,
    EmbeddingRow,
    GenerationRow,
    LocalEncoding,
    ReferenceRow,
    SignerRow,
    VectorEncoding,
)
from sigvault.storage.vector_codec import decode_vectors, encode_local, encode_vectors


@dataclass(frozen=True, eq=False)
class VectorBlock:
    """Some vectors of a generation.

    Attributes:
        rows: int64 (N,), rising: the vectors' numbers.
        vectors: float32 (N, D), unit norm.
    """

    rows: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Owner:
    """Whose vector it is.

    Attributes:
        reference: the reference that was embedded.
        key: the signer's key.
        signer: the signer.
    """

    reference: ReferenceId
    key: SignerKey
    signer: SignerId


def add_embeddings(
    session: Session,
    generation: GenerationId,
    items: Sequence[tuple[ReferenceId, Embedding]],
    *,
    encoding: VectorEncoding = VectorEncoding.FLOAT16,
) -> tuple[int, ...]:
    """Add embeddings to a generation, and note for the index that they came.

    Args:
        session: a writing session.
        generation: the generation that they belong to.
        items: references without an embedding in the generation, and their embeddings.
        encoding: how to store the global vectors.

    Returns:
        The vectors' numbers, in the order of the items.

    Raises:
        GenerationMismatch: If another model made an embedding, or its length is another.
    """
    if not items:
        return ()
    session.flush()
    _check_fit(get_generation(session, generation), [embedding for _, embedding in items])
    numbers = _allot(session, len(items))
    vectors = encode_vectors([embedding.vector for _, embedding in items], encoding)
    name = encoding.value
    rows = [
        (
            number,
            reference,
            generation,
            name,
            vector,
            *_local_columns(embedding.local),
        )
        for number, (reference, embedding), vector in zip(numbers, items, vectors, strict=True)
    ]
    transaction = directly(session)
    transaction.run_many(_INSERT, rows)
    record_changes(transaction, generation, ChangeKind.ADD, numbers)
    return numbers


def _local_columns(local: npt.NDArray[np.int8]) -> tuple[str, bytes, str]:
    encoding, content = encode_local(local)
    return _NAMES[encoding], content, _shape(local.shape)


_NAMES = {encoding: encoding.value for encoding in LocalEncoding}
"""The enumeration's own property is slow, and asked for once a vector."""


@lru_cache(maxsize=64)
def _shape(shape: tuple[int, ...]) -> str:
    """A shape as the mapper writes it: one model's is always the same."""
    return json.dumps(shape)


_INSERT = (
    "INSERT INTO embeddings"
    " (row, reference_id, generation_id, encoding, vector, local_encoding, local, local_shape)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def _allot(session: Session, count: int) -> tuple[int, ...]:
    """So many numbers that were never used; nobody else takes any, since writers queue."""
    if session.get_bind().dialect.name == "postgresql":
        query = text(
            "SELECT nextval(pg_get_serial_sequence('embeddings', 'row'))"
            " FROM generate_series(1, :count)"
        )
        return tuple(session.scalars(query, {"count": count}))
    query = text("SELECT seq FROM sqlite_sequence WHERE name = 'embeddings'")
    last = session.scalar(query) or 0
    return tuple(range(last + 1, last + count + 1))


def load_gallery(session: Session, signer: SignerKey, generation: GenerationId) -> Gallery:
    """A signer's references in a generation, in order of enrollment.

    Raises:
        UnknownSigner: If there is no such signer, or the signer was erased.
        EmptyGallery: If the signer has no reference in the generation.
        VaultDamaged: If an embedding can't be read.
    """
    galleries = load_galleries(session, [signer], generation)
    if galleries:
        return galleries[signer]
    found = session.get(SignerRow, signer)
    if found is None or found.external_id is None:
        raise UnknownSigner("there is no such signer, or the signer was erased")
    raise EmptyGallery(
        f"signer {found.external_id} has no references in generation {generation}: enroll some"
    )


def load_galleries(
    session: Session, signers: Iterable[SignerKey], generation: GenerationId
) -> dict[SignerKey, Gallery]:
    """The galleries of several signers; those without references are left out.

    Raises:
        VaultDamaged: If an embedding can't be read.
    """
    stored: dict[tuple[SignerKey, SignerId, ModelId, int], list[Sequence[Any]]] = {}
    wanted: list[SignerKey] = sorted(set(signers))
    for some in _chunks(wanted):
        for row in session.execute(_GALLERIES, {"keys": some, "generation": generation}):
            key, signer, model, dimension, *columns = row
            if signer is not None:
                stored.setdefault((key, signer, model, dimension), []).append(columns)
    return {
        key: decode_gallery(
            signer, generation, model, dimension, StoredEmbeddings(*zip(*rows, strict=True))
        )
        for (key, signer, model, dimension), rows in stored.items()
    }


_GALLERIES = (
    select(
        SignerRow.key,
        SignerRow.external_id,
        GenerationRow.model_id,
        GenerationRow.dimension,
        EmbeddingRow.reference_id,
        EmbeddingRow.encoding,
        EmbeddingRow.vector,
        EmbeddingRow.local_encoding,
        EmbeddingRow.local,
        EmbeddingRow.local_shape,
    )
    .join(ReferenceRow, ReferenceRow.signer_key == SignerRow.key)
    .join(EmbeddingRow, EmbeddingRow.reference_id == ReferenceRow.id)
    .join(GenerationRow, GenerationRow.id == EmbeddingRow.generation_id)
    .where(
        SignerRow.key.in_(bindparam("keys", expanding=True)),
        # Not by the index over generations, which SQLite would take: it holds all vectors.
        EmbeddingRow.generation_id + 0 == bindparam("generation"),
    )
    .order_by(SignerRow.key, ReferenceRow.enrolled_at, EmbeddingRow.row)
)


def iterate_vectors(
    session: Session, generation: GenerationId, *, block: int = 8192
) -> Iterator[VectorBlock]:
    """All vectors of a generation in blocks, by number: what an index is built from.

    Args:
        session: where to read.
        generation: the generation.
        block: at most so many vectors at a time.

    Raises:
        VaultDamaged: If a vector can't be read.
    """
    bound = get_generation(session, generation)
    last = -1
    while True:
        query = _vectors(generation).where(EmbeddingRow.row > last).limit(block)
        found = _read_block(session, query, bound)
        if not len(found.rows):
            return
        last = int(found.rows[-1])
        yield found


def load_vectors(session: Session, generation: GenerationId, rows: Iterable[int]) -> VectorBlock:
    """The vectors of some numbers; those that are gone are left out.

    Raises:
        VaultDamaged: If a vector can't be read.
    """
    bound = get_generation(session, generation)
    wanted = sorted(set(rows))
    blocks = [
        _read_block(session, _vectors(generation).where(EmbeddingRow.row.in_(some)), bound)
        for some in _chunks(wanted)
    ] or [VectorBlock(np.empty(0, np.int64), np.empty((0, bound.dimension), np.float32))]
    return VectorBlock(
        np.concatenate([each.rows for each in blocks]),
        np.concatenate([each.vectors for each in blocks]),
    )


def count_vectors(session: Session, generation: GenerationId) -> int:
    """How many vectors a generation has."""
    query = select(func.count(EmbeddingRow.row)).where(EmbeddingRow.generation_id == generation)
    return session.scalar(query) or 0


def has_vectors(session: Session, generation: GenerationId, *, prefix: str = "") -> bool:
    """Whether a generation has any vector, or any of a signer that begins with this."""
    if not prefix:
        query = select(EmbeddingRow.row).where(EmbeddingRow.generation_id == generation)
        return session.scalar(query.limit(1)) is not None
    # Signer by signer: a join would begin with all vectors, also where the namespace is empty.
    theirs = (
        select(EmbeddingRow.row)
        .join(ReferenceRow, ReferenceRow.id == EmbeddingRow.reference_id)
        .where(
            ReferenceRow.signer_key == SignerRow.key, EmbeddingRow.generation_id + 0 == generation
        )
        .exists()
    )
    signers = select(SignerRow.key).where(begins_with(prefix), theirs)
    return session.scalar(signers.limit(1)) is not None


def missing_references(
    session: Session,
    generation: GenerationId,
    *,
    after: str = "",
    limit: int | None = None,
    among: Sequence[ReferenceId] | None = None,
) -> list[tuple[ReferenceId, str]]:
    """References without a vector in a generation, with their images' digests, by reference.

    Args:
        session: where to look.
        generation: the generation.
        after: only references after this one, for paging.
        limit: at most so many, or None for all.
        among: only these references; those that are gone are left out.
    """
    there = (
        select(EmbeddingRow.row)
        .where(
            EmbeddingRow.reference_id == ReferenceRow.id, EmbeddingRow.generation_id == generation
        )
        .exists()
    )
    query = (
        select(ReferenceRow.id, ReferenceRow.image_digest)
        .where(ReferenceRow.id > after, ~there)
        .order_by(ReferenceRow.id)
        .limit(limit)
    )
    if among is not None:
        query = query.where(ReferenceRow.id.in_(among))
    return [(reference, digest) for reference, digest in session.execute(query)]


def count_missing(session: Session, generation: GenerationId) -> int:
    """How many references have no vector in a generation."""
    return count_references(session) - count_vectors(session, generation)


def delete_some_vectors(session: Session, generation: GenerationId, most: int) -> int:
    """Delete some of a generation's vectors; how many there were to delete, 0 if none is left."""
    some = (
        select(EmbeddingRow.row)
        .where(EmbeddingRow.generation_id == generation)
        .order_by(EmbeddingRow.row)
        .limit(most)
    )
    rows = list(session.scalars(some))
    if rows:
        session.execute(
            delete(EmbeddingRow).where(
                EmbeddingRow.generation_id == generation,
                EmbeddingRow.row >= rows[0],
                EmbeddingRow.row <= rows[-1],
            )
        )
    return len(rows)


def owners(session: Session, generation: GenerationId, rows: Iterable[int]) -> dict[int, Owner]:
    """Whose vectors these numbers are; those that are gone or of another generation are left out.

    Every number that an index returns goes through here before it is believed.
    """
    found: dict[int, Owner] = {}
    for some in _chunks(sorted(set(rows))):
        query = (
            select(EmbeddingRow.row, ReferenceRow.id, SignerRow.key, SignerRow.external_id)
            .join(ReferenceRow, ReferenceRow.id == EmbeddingRow.reference_id)
            .join(SignerRow, SignerRow.key == ReferenceRow.signer_key)
            .where(EmbeddingRow.row.in_(some), EmbeddingRow.generation_id == generation)
        )
        for row, reference, key, external in session.execute(query):
            if external is not None:
                found[row] = Owner(reference, key, external)
    return found


def _check_fit(generation: GenerationRow, embeddings: Iterable[Embedding]) -> None:
    model, dimension = generation.model_id, generation.dimension  # read once: the mapper is slow
    for embedding in embeddings:
        if embedding.model != model:
            raise GenerationMismatch(
                f"{embedding.model} made the embedding, but generation {generation.id} belongs to "
                f"{model}: embed with the generation's own model"
            )
        if len(embedding.vector) != dimension:
            raise GenerationMismatch(
                f"the vector has {len(embedding.vector)} components, but those of generation "
                f"{generation.id} have {dimension}"
            )


_VectorQuery = Select[int, VectorEncoding, bytes]


def _vectors(generation: GenerationId) -> _VectorQuery:
    return (
        select(EmbeddingRow.row, EmbeddingRow.encoding, EmbeddingRow.vector)
        .where(EmbeddingRow.generation_id == generation)
        .order_by(EmbeddingRow.row)
    )


def _read_block(session: Session, query: _VectorQuery, generation: GenerationRow) -> VectorBlock:
    found = list(session.execute(query))
    rows = np.array([row for row, _, _ in found], np.int64)
    vectors = np.empty((len(found), generation.dimension), np.float32)
    kinds = np.array([encoding.value for _, encoding, _ in found])
    for encoding in VectorEncoding:
        places = np.flatnonzero(kinds == encoding.value)
        if len(places):
            contents = [found[place][2] for place in places]
            vectors[places] = decode_vectors(contents, encoding, generation.dimension)
    return VectorBlock(rows, vectors)


_T = TypeVar("_T")


def _chunks(things: Sequence[_T], size: int = 500) -> Iterator[Sequence[_T]]:
    """Portions below every database's limit of parameters in a statement."""
    for start in range(0, len(things), size):
        yield things[start : start + size]
