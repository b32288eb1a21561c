"""Another scan of a signature that is enrolled already, told from a separate signing.

References that are pictures of one signing are nearly the same, so a gallery of them claims that
its signer never varies, and by its spread every genuine signature is refused
(docs/adr/0024-thresholds-for-every-number-of-references.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from sigvault.domain.copies import copy_limit_for
from sigvault.domain.embedding import Embedding
from sigvault.domain.gallery import Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import ReferenceId, SignerKey
from sigvault.domain.local_blocks import match_local_block
from sigvault.storage.embeddings import load_galleries
from sigvault.storage.references import list_references

_DOUBT = 0.25
"""How far above the limit of copies, on the way to 1, a picture has to lie to be turned away."""


def turned_away_from(copy_limit: float) -> float:
    """The local score from which on a picture is not enrolled.

    It lies above the limit of copies: to turn a separate signing away is worse than to let another
    scan in, which the signer's page still tells.

    Args:
        copy_limit: the threshold's, in [-1, 1].
    """
    return copy_limit + _DOUBT * (1.0 - copy_limit)


@dataclass(frozen=True)
class RepeatedScan:
    """What a picture repeats.

    Attributes:
        reference: the signer's own reference that it is too like.
        local: its local score with it, in [-1, 1].
        limit: from where on a picture is not enrolled, see `turned_away_from`.
    """

    reference: ReferenceId
    local: float
    limit: float

    def describe(self) -> str:
        """What to tell whoever enrolls."""
        return (
            f"another scan of reference {self.reference}: it says nothing new and is not enrolled; "
            "enroll a separate signing"
        )


class RepeatedScans:
    """The galleries of the signers in a batch, each read once and kept up with what is added."""

    def __init__(self, generation: BoundGeneration) -> None:
        """Take the generation that references are enrolled in."""
        self._generation = generation
        self._held: dict[SignerKey, tuple[Reference, ...]] = {}

    def forget(self) -> None:
        """Begin another batch."""
        self._held.clear()

    def add(self, signer: SignerKey, reference: Reference) -> None:
        """Note that a reference was committed."""
        self._held[signer] = (*self._held.get(signer, ()), reference)

    def find(
        self, session: Session, signer: SignerKey, embedding: Embedding
    ) -> RepeatedScan | None:
        """The reference that a new picture repeats, or None.

        Args:
            session: in which the references are those that there are.
            signer: the picture's.
            embedding: the picture's.

        Raises:
            VaultDamaged: If an embedding can't be read.
        """
        held = self._read(session, signer)
        copy_limit = copy_limit_for(self._generation.thresholds, len(held))
        if not held or copy_limit is None:
            return None
        limit = turned_away_from(copy_limit)
        grids = [reference.embedding.local for reference in held]
        alike = match_local_block(grids, [embedding.level])[:, 0]
        place = int(np.argmax(alike))
        local = float(alike[place])
        return RepeatedScan(held[place].id, local, limit) if local >= limit else None

    def _read(self, session: Session, signer: SignerKey) -> tuple[Reference, ...]:
        """The signer's references, read again only where others enrolled or erased some."""
        there = [row.id for row in list_references(session, signer)]
        held = self._held.get(signer, ())
        if [reference.id for reference in held] != there:
            found = load_galleries(session, [signer], self._generation.id)
            held = found[signer].references if signer in found else ()
            self._held[signer] = held
        return held
