"""The vectors of a namespace's signers, read by the signers and not by way of the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import SignerKey
from sigvault.storage.driver import Row, directly
from sigvault.storage.namespaces import begins_with
from sigvault.storage.tables import SignerRow, VectorEncoding
from sigvault.storage.vector_codec import decode_vectors

_MOST = 500
"""Signers in a statement: below every database's limit of parameters."""


@dataclass(frozen=True, eq=False)
class OwnedVectors:
    """Vectors of some signers, in no order.

    Attributes:
        keys: the signer of each.
        rows: int64 (N,): their numbers.
        vectors: float32 (N, D), unit norm.
    """

    keys: tuple[SignerKey, ...]
    rows: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


def namespace_vectors(
    session: Session, generation: BoundGeneration, prefix: str
) -> Iterator[OwnedVectors]:
    """A generation's vectors of all signers that begin with this, some signers at a time.

    Raises:
        VaultDamaged: If a vector can't be read.
    """
    transaction = directly(session)
    keys = session.scalars(select(SignerRow.key).where(begins_with(prefix))).all()
    for start in range(0, len(keys), _MOST):
        some = keys[start : start + _MOST]
        found = transaction.rows(_vectors(len(some)), (*some, generation.id))
        if found:
            yield _decode(found, generation.dimension)


@lru_cache(maxsize=8)
def _vectors(signers: int) -> str:
    return (
        "SELECT r.signer_key, e.row, e.encoding, e.vector"  # noqa: S608 - marks alone
        ' FROM "references" AS r JOIN embeddings AS e ON e.reference_id = r.id'
        f" WHERE r.signer_key IN ({', '.join('?' * signers)})"
        # Not by the index over generations, which SQLite would take: it holds all vectors.
        " AND e.generation_id + 0 = ?"
    )


def _decode(found: list[Row], dimension: int) -> OwnedVectors:
    vectors = np.empty((len(found), dimension), np.float32)
    for encoding in VectorEncoding:
        places = [at for at, row in enumerate(found) if row[2] == encoding.value]
        if places:
            contents = [bytes(found[at][3]) for at in places]
            vectors[places] = decode_vectors(contents, encoding, dimension)
    return OwnedVectors(
        tuple(SignerKey(row[0]) for row in found),
        np.array([row[1] for row in found], np.int64),
        vectors,
    )
