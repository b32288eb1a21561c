"""The spread of each gallery, kept by whoever first works it out."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from sigvault.domain.gallery import Spread
from sigvault.domain.identifiers import GenerationId, SignerKey
from sigvault.storage.driver import DriverTransaction

_METHOD = b"2"
"""Counts up whenever `Gallery.spread` comes to mean something else."""


def digest_vectors(rows: Sequence[int]) -> str:
    """What a kept spread is recognised by, 32 hex digits.

    A vector never changes and its number is never given again, so the same numbers in the same
    order are the same gallery.
    """
    content = struct.pack(f"<{len(rows)}q", *rows)
    return hashlib.sha256(_METHOD + content).hexdigest()[:32]


def keep_spread(
    transaction: DriverTransaction,
    signer: SignerKey,
    generation: GenerationId,
    vectors_digest: str,
    spread: Spread,
) -> None:
    """Keep a gallery's spread in place of the one before.

    Nothing is kept of a signer who was erased meanwhile, or for a generation that was dropped.

    Args:
        transaction: one that writes.
        signer: whose gallery.
        generation: in which generation.
        vectors_digest: of its vectors' numbers, as `digest_vectors` gives it.
        spread: what to keep.
    """
    values = (vectors_digest, spread.cosine, spread.local)
    transaction.run(_KEEP, (*values, signer, generation))


def drop_spreads(transaction: DriverTransaction, signer: SignerKey) -> None:
    """Forget a signer's, in every generation."""
    transaction.run("DELETE FROM gallery_spreads WHERE signer_key = ?", (signer,))


_KEEP = (
    "INSERT INTO gallery_spreads (signer_key, generation_id, vectors_digest, cosine, local)"
    " SELECT s.key, g.id, CAST(? AS VARCHAR), CAST(? AS DOUBLE PRECISION),"
    " CAST(? AS DOUBLE PRECISION) FROM signers AS s, generations AS g"
    " WHERE s.key = ? AND s.external_id IS NOT NULL AND g.id = ?"
    " ON CONFLICT (signer_key, generation_id) DO UPDATE"
    " SET vectors_digest = excluded.vectors_digest,"
    " cosine = excluded.cosine, local = excluded.local"
)
