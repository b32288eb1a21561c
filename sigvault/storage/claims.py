"""What a decision reads, by the driver alone: about a claimed signer in three statements.

`generations`, `thresholds`, `signers` and `embeddings` read the same through the mapper; the tests
compare the two.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from sigvault.domain.gallery import Gallery, Spread
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import EventNumber, ModelId, ReferenceId, SignerId, SignerKey
from sigvault.storage.audit_log import LogEnd
from sigvault.storage.driver import DriverTransaction, Row
from sigvault.storage.gallery_rows import StoredEmbeddings, decode_gallery
from sigvault.storage.gallery_spreads import digest_vectors, keep_spread
from sigvault.storage.tables import GenerationStatus, LocalEncoding, VectorEncoding
from sigvault.storage.thresholds import load_thresholds_directly


@dataclass(frozen=True, eq=False)
class HeldGallery:
    """A signer's gallery, and whether its spread is kept.

    Attributes:
        key: the signer's key.
        gallery: the signer's references in the generation.
        vectors_digest: of its vectors' numbers, by which its spread is to be kept; empty
            where it is kept already, or there is none.
    """

    key: SignerKey
    gallery: Gallery
    vectors_digest: str = ""

    def is_whole(self, transaction: DriverTransaction) -> bool:
        """Whether none of its references was erased since it was read."""
        found = transaction.rows('SELECT id FROM "references" WHERE signer_key = ?', (self.key,))
        return {reference.id for reference in self.gallery.references} <= {id_ for (id_,) in found}

    def keep_spread(self, transaction: DriverTransaction) -> None:
        """Keep the gallery's spread for the next decision, unless it is kept already.

        Nothing is kept that was worked out with a reference that is erased by now.

        Args:
            transaction: one that writes.
        """
        if not self.vectors_digest or self.gallery.spread is None:
            return
        if self.is_whole(transaction):
            keep_spread(
                transaction,
                self.key,
                self.gallery.generation,
                self.vectors_digest,
                self.gallery.spread,
            )


@dataclass(frozen=True, eq=False)
class Claim:
    """A claimed signer's gallery, and what it is decided by, all at one point in time.

    Attributes:
        held: the signer's gallery.
        generation: the generation that it belongs to.
        erased_through: the last event that took something away for good before it was read; None
            where that wasn't read.
    """

    held: HeldGallery
    generation: BoundGeneration
    erased_through: EventNumber | None = None

    @property
    def key(self) -> SignerKey:
        """The signer's key."""
        return self.held.key

    @property
    def gallery(self) -> Gallery:
        """The signer's references in the generation."""
        return self.held.gallery

    def nothing_erased(self, end: LogEnd) -> bool:
        """Whether no signer and no reference at all was erased since it was read.

        Args:
            end: of the log, as the transaction that records has read it.
        """
        return self.erased_through is not None and self.erased_through == end.erased_through


def find_claim(transaction: DriverTransaction, signer: SignerId) -> Claim | None:
    """What a decision about a signer rests on.

    Returns:
        The claim, or None where nothing can be decided: there is no such signer, there are no
        references, or no generation decides.

    Raises:
        VaultDamaged: If an embedding or a threshold can't be read.
    """
    active = transaction.rows(_ACTIVE)
    if not active:
        return None
    *bound, erased_through = active[0]
    id_ = bound[0]
    found = transaction.rows(_ONE_GALLERY, (id_, signer, id_))
    if not found:
        return None
    generation = _generation(transaction, tuple(bound))
    return Claim(_held(found, generation), generation, erased_through)


def _generation(transaction: DriverTransaction, row: Row) -> BoundGeneration:
    """The generation of a row, as it was read before if neither it nor its thresholds changed.

    Thresholds of a generation are put together, by one calibration: the hash of its event stands
    for all of them.
    """
    kept = _bound.get(row)
    if kept is None:
        id_, model, preprocessing, dimension, _, _ = row
        thresholds = load_thresholds_directly(transaction, id_)
        kept = BoundGeneration(id_, ModelId(model), preprocessing, dimension, thresholds)
        with _keeping:
            _bound[row] = kept
            while len(_bound) > _MOST_BOUND:
                _bound.popitem(last=False)
    return kept


_MOST_BOUND = 8

_bound: OrderedDict[Row, BoundGeneration] = OrderedDict()
_keeping = threading.Lock()


def find_galleries(
    transaction: DriverTransaction, signers: Sequence[SignerKey], generation: BoundGeneration
) -> list[HeldGallery]:
    """The galleries of several signers, by key; those without references are left out.

    Raises:
        VaultDamaged: If an embedding can't be read.
    """
    galleries = []
    wanted = sorted(set(signers))
    for start in range(0, len(wanted), _MOST):
        some = wanted[start : start + _MOST]
        found = transaction.rows(_galleries(len(some)), (generation.id, *some, generation.id))
        for _, rows in groupby(found, key=itemgetter(0)):
            galleries.append(_held(list(rows), generation))
    return galleries


def _held(found: Sequence[Row], generation: BoundGeneration) -> HeldGallery:
    """One signer's gallery from its rows."""
    key, signer, kept_for, cosine, local, *_ = found[0]
    _, _, _, _, _, numbers, *columns = zip(*found, strict=True)
    digest = digest_vectors(numbers)
    kept = Spread(cosine, local) if kept_for == digest else None
    gallery = decode_gallery(
        SignerId(signer),
        generation.id,
        generation.model,
        generation.dimension,
        _stored(*columns),
        kept,
    )
    to_be_kept = kept is None and len(found) > 1
    return HeldGallery(SignerKey(key), gallery, digest if to_be_kept else "")


def is_enrolled(transaction: DriverTransaction, signer: SignerId, key: SignerKey) -> bool:
    """Whether the signer of this identifier still has this key: erasure takes it away."""
    found = transaction.rows("SELECT key FROM signers WHERE external_id = ?", (signer,))
    return found == [(key,)]


def _stored(
    references: Sequence[ReferenceId],
    encodings: Sequence[str],
    vectors: Sequence[bytes],
    local_encodings: Sequence[str],
    locals_: Sequence[bytes],
    shapes: Sequence[str | list[int]],
) -> StoredEmbeddings:
    """The columns of `_GALLERY` that hold embeddings."""
    return StoredEmbeddings(
        references,
        [_VECTORS[encoding] for encoding in encodings],
        list(map(bytes, vectors)),
        [_LOCALS[encoding] for encoding in local_encodings],
        list(map(bytes, locals_)),
        [_shape(shape) if isinstance(shape, str) else tuple(shape) for shape in shapes],
    )


@lru_cache(maxsize=64)
def _shape(text: str) -> tuple[int, ...]:
    """A shape from its JSON: one model's is always the same."""
    return tuple(json.loads(text))


_VECTORS = {encoding.value: encoding for encoding in VectorEncoding}
_LOCALS = {encoding.value: encoding for encoding in LocalEncoding}
# The status is no parameter: SQLite would read the statement anew each time, to see whether the
# index over the active one serves.
_ACTIVE = (
    "SELECT g.id, g.model_id, g.preprocessing, g.dimension,"  # noqa: S608
    " (SELECT count(*) FROM thresholds AS t WHERE t.generation_id = g.id),"
    " (SELECT a.hash FROM thresholds AS t JOIN audit_events AS a ON a.number = t.event"
    "  WHERE t.generation_id = g.id LIMIT 1),"
    " v.erased_through"
    " FROM generations AS g LEFT JOIN vault_state AS v ON v.id = 1"
    f" WHERE g.status = '{GenerationStatus.ACTIVE.value}'"
)
_GALLERY = (
    "SELECT s.key, s.external_id, g.vectors_digest, g.cosine, g.local, e.row,"
    " r.id, e.encoding, e.vector, e.local_encoding, e.local, e.local_shape"
    " FROM signers AS s"
    ' JOIN "references" AS r ON r.signer_key = s.key'
    " JOIN embeddings AS e ON e.reference_id = r.id"
    " LEFT JOIN gallery_spreads AS g ON g.signer_key = s.key AND g.generation_id = ?"
    " WHERE s.{which}"
    # Not by the index over generations, which SQLite would take: it holds all vectors.
    " AND e.generation_id + 0 = ? AND s.external_id IS NOT NULL"
    " ORDER BY s.key, r.enrolled_at, e.row"
)
_ONE_GALLERY = _GALLERY.format(which="external_id = ?")
_MOST = 500
"""Signers in a statement: below every database's limit of parameters."""


@lru_cache(maxsize=64)
def _galleries(count: int) -> str:
    return _GALLERY.format(which=f"key IN ({', '.join('?' * count)})")
