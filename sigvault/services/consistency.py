"""Whether a signer's references belong together: each against all the others, as if a probe."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Decision, Threshold, select_threshold
from sigvault.domain.errors import EmptyGallery
from sigvault.domain.gallery import Gallery, Spread
from sigvault.domain.identifiers import ReferenceId, SignerId
from sigvault.domain.local_blocks import match_local_block
from sigvault.services.resources import Resources, load_active
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import read_session
from sigvault.storage.signers import get_signer

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceConsistency:
    """One reference against the signer's other ones.

    Attributes:
        reference: the reference.
        cosine: its mean cosine with the others, in [-1, 1].
        local: its mean local score with the others, in [-1, 1].
        score: fused, as if it were a probe and the others the gallery; None without a threshold
            for so many references, whose fusion rule it takes.
        decision: what a verification would have answered; None likewise.
        copy_of: the reference enrolled before it that it is another scan of, by the threshold's
            limit of copies; None if it is none of these, or there is no such limit.
    """

    reference: ReferenceId
    cosine: float
    local: float
    score: float | None
    decision: Decision | None
    copy_of: ReferenceId | None = None


@dataclass(frozen=True)
class Consistency:
    """How well the references of one signer go together.

    Attributes:
        signer: the signer.
        references: one entry a reference, in order of enrollment; none with fewer than two.
        threshold: for one reference fewer than the signer has; None if there is none.
    """

    signer: SignerId
    references: tuple[ReferenceConsistency, ...]
    threshold: Threshold | None

    @property
    def outliers(self) -> tuple[ReferenceId, ...]:
        """The references that would be refused as a probe."""
        return tuple(each.reference for each in self.references if each.decision is Decision.REFUSE)

    @property
    def copies(self) -> tuple[tuple[int, int], ...]:
        """(a reference, which earlier one it is another scan of), by their places from 1."""
        places = {each.reference: place for place, each in enumerate(self.references, 1)}
        return tuple(
            (places[each.reference], places[each.copy_of])
            for each in self.references
            if each.copy_of is not None
        )


def measure_consistency(resources: Resources, signer: SignerId) -> Consistency:
    """Compare each reference with the others by leaving it out of the gallery.

    Raises:
        UnknownSigner: If there is no such signer, or the signer was erased.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
        try:
            gallery = load_gallery(session, get_signer(session, signer).key, active.id)
        except EmptyGallery:
            return Consistency(signer, (), None)
    others = len(gallery.references) - 1
    threshold = select_threshold(active.thresholds, others) if others else None
    return Consistency(signer, leave_each_out(gallery, threshold), threshold)


def leave_each_out(
    gallery: Gallery, threshold: Threshold | None
) -> tuple[ReferenceConsistency, ...]:
    """Each reference of a gallery against the rest of it; a pure function.

    Args:
        gallery: of one signer.
        threshold: for one reference fewer, or None.
    """
    count = len(gallery.references)
    if count < 2:
        return ()
    embeddings = [reference.embedding for reference in gallery.references]
    vectors = np.stack([embedding.vector for embedding in embeddings]).astype(np.float64)
    cosines = np.clip(vectors @ vectors.T, -1.0, 1.0)
    locals_ = match_local_block(
        [embedding.local for embedding in embeddings],
        [embedding.level for embedding in embeddings],
    )
    limit = None if threshold is None else threshold.copy_limit
    return tuple(
        replace(
            _leave_out(place, reference.id, cosines, locals_, threshold),
            copy_of=_repeated(gallery, locals_, place, limit),
        )
        for place, reference in enumerate(gallery.references)
    )


def _repeated(
    gallery: Gallery, locals_: Floats, place: int, limit: float | None
) -> ReferenceId | None:
    """The earlier reference that one at a place is likest, if it is as like as a copy."""
    if limit is None or not place:
        return None
    earlier = int(np.argmax(locals_[:place, place]))
    return gallery.references[earlier].id if locals_[earlier, place] >= limit else None


def _leave_out(
    place: int,
    reference: ReferenceId,
    cosines: Floats,
    locals_: Floats,
    threshold: Threshold | None,
) -> ReferenceConsistency:
    others = np.delete(np.arange(len(cosines)), place)
    cosine, local = cosines[place, others], locals_[others, place]
    score = decision = None
    if threshold is not None:
        spread = _spread(cosines, locals_, others)
        score = threshold.fusion.fuse(cosine.tolist(), local.tolist(), spread)
        decision = threshold.decide(score)
    return ReferenceConsistency(
        reference, float(cosine.mean()), float(local.mean()), score, decision
    )


def _spread(cosines: Floats, locals_: Floats, places: npt.NDArray[np.int64]) -> Spread | None:
    """The mean similarity of some references to each other, as ``Gallery.spread`` has it."""
    if len(places) < 2:
        return None
    first, second = (places[each] for each in np.triu_indices(len(places), 1))
    return Spread(float(cosines[first, second].mean()), float(locals_[first, second].mean()))
