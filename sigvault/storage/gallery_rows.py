"""A gallery from the rows of its embeddings, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.gallery import Gallery, Reference, Spread
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.storage.tables import LocalEncoding, VectorEncoding
from sigvault.storage.vector_codec import (
    decode_local,
    decode_locals,
    decode_vector,
    decode_vectors,
)


class StoredEmbeddings(NamedTuple):
    """Embeddings as they lie in their rows, a column each.

    Attributes:
        references: the references that were embedded.
        encodings: how each vector is stored.
        vectors: the global embeddings.
        local_encodings: how the local features of each are stored.
        locals: the local features.
        local_shapes: their shapes.
    """

    references: Sequence[ReferenceId]
    encodings: Sequence[VectorEncoding]
    vectors: Sequence[bytes]
    local_encodings: Sequence[LocalEncoding]
    locals: Sequence[bytes]
    local_shapes: Sequence[Sequence[int]]


def decode_gallery(
    signer: SignerId,
    generation: GenerationId,
    model: ModelId,
    dimension: int,
    stored: StoredEmbeddings,
    kept_spread: Spread | None = None,
) -> Gallery:
    """A gallery from its rows, in their order.

    Args:
        signer: whose it is.
        generation: the generation of all rows.
        model: the generation's model.
        dimension: D, the length of its vectors.
        stored: at least one row.
        kept_spread: the gallery's spread, where it is known.

    Raises:
        VaultDamaged: If an embedding can't be read.
    """
    vectors, grids = _decode_vectors_of(stored, dimension), _decode_grids_of(stored)
    try:
        if isinstance(grids, np.ndarray):
            embeddings = Embedding.several(vectors, grids, model)
        else:
            embeddings = list(map(Embedding, vectors, grids, repeat(model)))
    except ValueError as error:
        raise _damaged(stored.references, vectors, grids, model) from error
    references = tuple(map(Reference, stored.references, embeddings))
    return Gallery(signer, generation, references, kept_spread)


def _decode_vectors_of(stored: StoredEmbeddings, dimension: int) -> npt.NDArray[np.float32]:
    """The vectors, at once where they are encoded alike."""
    encodings, vectors = stored.encodings, stored.vectors
    if _alike(encodings):
        return decode_vectors(vectors, encodings[0], dimension)
    each = zip(vectors, encodings, strict=True)
    return np.stack([decode_vector(content, encoding, dimension) for content, encoding in each])


def _decode_grids_of(
    stored: StoredEmbeddings,
) -> npt.NDArray[np.int8] | list[npt.NDArray[np.int8]]:
    """The local features, at once where they are encoded alike and have one shape."""
    encodings, shapes = stored.local_encodings, stored.local_shapes
    if _alike(encodings) and _alike(shapes):
        return decode_locals(stored.locals, encodings[0], shapes[0])
    each = zip(stored.locals, encodings, shapes, strict=True)
    return [decode_local(*one) for one in each]


def _alike(values: Sequence[object]) -> bool:
    return values.count(values[0]) == len(values)


def _damaged(
    references: Sequence[ReferenceId],
    vectors: npt.NDArray[np.float32],
    grids: Iterable[npt.NDArray[np.int8]],
    model: ModelId,
) -> VaultDamaged:
    """What is said of the first of some embeddings that is none."""
    for reference, vector, grid in zip(references, vectors, grids, strict=True):
        try:
            Embedding(vector, grid, model)
        except ValueError as error:
            return VaultDamaged(
                f"the embedding of reference {reference} is damaged ({error}): "
                "restore the vault from a backup"
            )
    raise AssertionError("no embedding is damaged")
