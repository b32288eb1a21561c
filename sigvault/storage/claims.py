"""What a decision about a claimed signer reads, by the driver alone and in three statements.

`generations`, `thresholds`, `signers` and `embeddings` read the same through the mapper; the tests
compare the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from sigvault.domain.gallery import Gallery, Spread
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import ModelId, SignerId, SignerKey
from sigvault.storage.driver import DriverTransaction, Row
from sigvault.storage.embeddings import StoredEmbedding, decode_gallery
from sigvault.storage.gallery_spreads import digest_vectors
from sigvault.storage.tables import GenerationStatus, LocalEncoding, VectorEncoding
from sigvault.storage.thresholds import load_thresholds_directly


@dataclass(frozen=True, eq=False)
class Claim:
    """A claimed signer's gallery, and what it is decided by, all at one point in time.

    Attributes:
        key: the signer's key.
        gallery: the signer's references in the generation.
        generation: the generation.
        vectors: the digest of its vectors' numbers, by which its spread is to be kept; empty
            where it is kept already, or there is none.
    """

    key: SignerKey
    gallery: Gallery
    generation: BoundGeneration
    vectors: str = ""


def find_claim(transaction: DriverTransaction, signer: SignerId) -> Claim | None:
    """What a decision about a signer rests on.

    Returns:
        The claim, or None where nothing can be decided: there is no such signer, there are no
        references, or no generation decides.

    Raises:
        VaultDamaged: If an embedding or a threshold can't be read.
    """
    active = transaction.rows(_ACTIVE, (GenerationStatus.ACTIVE.value,))
    if not active:
        return None
    id_, model, preprocessing, dimension = active[0]
    found = transaction.rows(_GALLERY, (id_, signer, id_))
    if not found:
        return None
    key, *_, kept_for, cosine, local, _ = found[0]
    vectors = digest_vectors([row[-1] for row in found])
    kept = Spread(cosine, local) if kept_for == vectors else None
    gallery = decode_gallery(
        signer, id_, ModelId(model), dimension, [_stored(row) for row in found], kept
    )
    thresholds = load_thresholds_directly(transaction, id_)
    generation = BoundGeneration(id_, ModelId(model), preprocessing, dimension, thresholds)
    to_be_kept = kept is None and len(found) > 1
    return Claim(SignerKey(key), gallery, generation, vectors if to_be_kept else "")


def is_enrolled(transaction: DriverTransaction, signer: SignerId, key: SignerKey) -> bool:
    """Whether the signer of this identifier still has this key: erasure takes it away."""
    found = transaction.rows("SELECT key FROM signers WHERE external_id = ?", (signer,))
    return found == [(key,)]


def _stored(row: Row) -> StoredEmbedding:
    _, reference, encoding, vector, local_encoding, local, shape, *_ = row
    return StoredEmbedding(
        reference,
        _VECTORS[encoding],
        bytes(vector),
        _LOCALS[local_encoding],
        bytes(local),
        _shape(shape) if isinstance(shape, str) else tuple(shape),
    )


@lru_cache(maxsize=64)
def _shape(text: str) -> tuple[int, ...]:
    """A shape from its JSON: one model's is always the same."""
    return tuple(json.loads(text))


_VECTORS = {encoding.value: encoding for encoding in VectorEncoding}
_LOCALS = {encoding.value: encoding for encoding in LocalEncoding}
_ACTIVE = "SELECT id, model_id, preprocessing, dimension FROM generations WHERE status = ?"
_GALLERY = (
    "SELECT s.key, r.id, e.encoding, e.vector, e.local_encoding, e.local, e.local_shape,"
    " g.vectors, g.cosine, g.local, e.row"
    " FROM signers AS s"
    " LEFT JOIN gallery_spreads AS g ON g.signer_key = s.key AND g.generation_id = ?"
    ' JOIN "references" AS r ON r.signer_key = s.key'
    " JOIN embeddings AS e ON e.reference_id = r.id"
    # Not by the index over generations, which SQLite would take: it holds all vectors.
    " WHERE s.external_id = ? AND e.generation_id + 0 = ?"
    " ORDER BY r.enrolled_at, e.row"
)
