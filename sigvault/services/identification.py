"""Identifying a probe among all galleries (1:N): search, check, then compare as in verification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from sigvault.domain.aims import DEFAULT_FPIR
from sigvault.domain.audit import Identified
from sigvault.domain.comparison import (
    Candidate,
    Decision,
    Score,
    Threshold,
    compare,
    select_threshold,
)
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import ConfigurationError, EmptyGallery, IndexFailed, VaultBusy
from sigvault.domain.exact_scoring import best_first, inner_products
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import EventNumber, SignerId, SignerKey
from sigvault.domain.image import QualityFinding
from sigvault.domain.ports import Embedder, VectorIndex
from sigvault.domain.searching import SearchAim, decide_from
from sigvault.services.acquisition import Acquired
from sigvault.services.comparing import Claimed, Comparison
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.resources import Resources, load_active
from sigvault.services.straightening import look_again
from sigvault.services.verification import acquire_probe
from sigvault.storage.audit_log import append_directly
from sigvault.storage.claims import HeldGallery, find_galleries
from sigvault.storage.driver import directly, write_directly
from sigvault.storage.embeddings import has_vectors, owners
from sigvault.storage.engine import read_session
from sigvault.storage.generations import active_generation
from sigvault.storage.namespace_vectors import namespace_vectors
from sigvault.storage.references import count_references
from sigvault.storage.signers import count_signers

SHORTLIST = 4
"""For each candidate asked for, so many signers are compared in full: the search sees the best
single cosine alone, and the fused score may rank signers otherwise."""

_ROUNDS = 3
"""Times that a search begins anew because another generation decides by then."""

_REFERENCES = 5
"""References searched for each signer wanted, at first."""

_NARROWEST_ZONE = 1e-6
"""Where accept and refuse coincide, a score's standing is its distance from them at this scale."""

_BEST_FIRST = (Decision.ACCEPT, Decision.REVIEW, Decision.REFUSE)


@dataclass(frozen=True)
class Identification:
    """Who may have written a probe.

    Attributes:
        candidates: best first, by decision before all; fewer than asked for if fewer signers are
            enrolled.
        event: where the audit log records it.
        searched: how many references were searched.
        probe_digest: SHA-256 of the probe's bytes, hex.
        findings: what quality inspection noticed about the probe.
        fpir: the share of searches by strangers that may bring up an accepted candidate.
        signers: how many signers were searched; the thresholds allow for so many comparisons.
        undecided: signers that came up too, but for whose number of references there is no
            threshold.
        unsupported: why no candidate can be accepted at all at that rate; empty where one can.
    """

    candidates: tuple[Candidate, ...]
    event: EventNumber
    searched: int
    probe_digest: str
    findings: tuple[QualityFinding, ...]
    fpir: float
    signers: int
    undecided: tuple[SignerId, ...] = ()
    unsupported: str = ""

    @property
    def decision(self) -> Decision:
        """The decision on the best candidate; refuse if there is none."""
        return self.candidates[0].decision if self.candidates else Decision.REFUSE


def identify(
    resources: Resources,
    index: GalleryIndex[Any],
    probe: Path | bytes,
    *,
    top: int,
    by: str,
    fpir: float = DEFAULT_FPIR,
    prefix: str = "",
) -> Identification:
    """Find the signers whose galleries are most like a probe, and record it.

    Args:
        resources: the vault's.
        index: over all galleries.
        probe: a file, or the bytes of one.
        top: how many candidates at most.
        by: who asks.
        fpir: the largest share of searches by strangers that may bring up an accepted candidate;
            where the calibration data can't tell, candidates are at best for review.
        prefix: only signers whose identifiers begin with this are searched and counted.

    Raises:
        ConfigurationError: If ``top`` is below 1, or ``fpir`` is no rate.
        EmptyGallery: If nobody is enrolled.
        NotCalibrated: If the active generation has no thresholds.
        GenerationMismatch: If the model at hand is not the active generation's.
        VaultBusy: If another generation is let decide time and again.
        ImageError: If the probe is no usable picture; it is recorded.
        FailureToAcquire: If it can't serve as a signature; it is recorded.
        IndexFailed: If the index can't be made.
    """
    if top < 1:
        raise ConfigurationError(f"the {top} best candidates can't be named: ask for 1 or more")
    try:
        SearchAim(fpir, signers=1)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    found = _search(resources, index, probe, _Wanted(SHORTLIST * top, prefix), by)
    galleries, acquired = found.galleries, found.acquired
    compared, undecided = _compare(galleries, found.active, found.embedding)
    aim = SearchAim(fpir, max(1, found.signers))
    ranked, unsupported = _rank(compared, top, aim, partial(_look_again, found))
    event = Identified(found.active.id, _contents(ranked), by, aim.fpir, aim.signers)
    with write_directly(resources.engine) as transaction:
        number = append_directly(transaction, event, resources.clock())
        for held in galleries:
            if held.gallery.signer not in undecided:  # of those nothing was worked out
                held.keep_spread(transaction)
    return Identification(
        candidates=tuple(candidate for _, candidate in ranked),
        event=number,
        searched=found.searched,
        probe_digest=acquired.digest,
        findings=acquired.findings,
        fpir=fpir,
        signers=aim.signers,
        undecided=undecided,
        unsupported=unsupported,
    )


@dataclass(frozen=True)
class _Wanted:
    """What a search is to bring up.

    Attributes:
        signers: how many different ones.
        prefix: what their identifiers begin with.
    """

    signers: int
    prefix: str


@dataclass(frozen=True, eq=False)
class _Found:
    """What a search brought up, all of it of one generation.

    Attributes:
        active: the generation.
        embedder: its model.
        acquired: the probe.
        embedding: the probe's.
        galleries: those of the signers that came up.
        searched: how many references were searched.
        signers: how many signers were.
    """

    active: BoundGeneration
    embedder: Embedder
    acquired: Acquired
    embedding: Embedding
    galleries: list[HeldGallery]
    searched: int
    signers: int


def _search(
    resources: Resources, index: GalleryIndex[Any], probe: Path | bytes, wanted: _Wanted, by: str
) -> _Found:
    """Search, and begin anew where another generation is let decide meanwhile.

    Raises:
        VaultBusy: If that happens time and again.
    """
    for _ in range(_ROUNDS):
        found = _search_once(resources, index, probe, wanted, by)
        if found is not None:
            return found
    raise VaultBusy(
        f"another generation was let decide {_ROUNDS} times while this probe was searched for: try "
        "again when `sigvault generation list` shows no more changes"
    )


def _search_once(
    resources: Resources, index: GalleryIndex[Any], probe: Path | bytes, wanted: _Wanted, by: str
) -> _Found | None:
    """Search once; None where the generation whose model embedded the probe decides no more."""
    prefix = wanted.prefix
    with read_session(resources.engine) as session:
        active = load_active(session)
        enrolled = has_vectors(session, active.id, prefix=prefix)
        signers = count_signers(session, prefix=prefix)
    active.require_thresholds()
    if not enrolled:
        raise EmptyGallery("nobody is enrolled, so nobody can be identified: enroll signers first")
    embedder = resources.embedder_for(active)
    acquired = acquire_probe(resources, embedder, probe, signer=None, by=by)
    (embedding,) = embedder.embed([acquired.prepared.ink])
    searchable = index.current()
    if searchable.generation != active.id:
        return None
    with read_session(resources.engine) as session:
        if active_generation(session).id != active.id:
            return None
        # The generation that decides has a vector for each of them.
        searched = count_references(session, prefix=prefix) if prefix else None
        keys = _shortlist(session, searchable.index, active, embedding, wanted, searched)
        galleries = find_galleries(directly(session), keys, active)
    if searched is None:
        searched = len(searchable.index)
    return _Found(active, embedder, acquired, embedding, galleries, searched, signers)


def _shortlist(
    session: Session,
    index: VectorIndex,
    active: BoundGeneration,
    probe: Embedding,
    wanted: _Wanted,
    inside: int | None,
) -> list[SignerKey]:
    """The signers of the nearest references; every number is checked against the database.

    Args:
        session: where to read.
        index: of the active generation.
        active: the generation.
        probe: of its model.
        wanted: what to bring up.
        inside: how many references the wanted namespace holds; None without one.
    """
    count = _REFERENCES * wanted.signers
    while inside is None or inside > count:
        try:
            found = index.search(probe.vector[None, :], min(count, max(1, len(index))))
        except IndexFailed:
            if inside is None:
                raise
            break  # some kinds find no more than so many
        rows = [row for row in found.rows[0].tolist() if row >= 0]
        owned = owners(session, active.id, rows)
        near = [owned[row] for row in rows if row in owned]
        keys = list(dict.fromkeys(one.key for one in near if one.signer.startswith(wanted.prefix)))
        if len(keys) >= wanted.signers or count >= len(index):
            return keys[: wanted.signers]
        count *= 4  # few signers hold the nearest references: look further
    # The namespace holds fewer references than would have to be looked at.
    return _nearest_inside(session, active, probe, wanted)


def _nearest_inside(
    session: Session, active: BoundGeneration, probe: Embedding, wanted: _Wanted
) -> list[SignerKey]:
    """What a search of the whole index would bring up of a namespace, by scoring it alone."""
    rows, scores = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    keys: dict[int, SignerKey] = {}
    for some in namespace_vectors(session, active, wanted.prefix):
        rows.append(some.rows)
        scores.append(inner_products(some.vectors, probe.vector))
        keys |= zip(some.rows.tolist(), some.keys, strict=True)
    best, _ = best_first(np.concatenate(rows), np.concatenate(scores), len(keys))
    return list(dict.fromkeys(keys[row] for row in best.tolist()))[: wanted.signers]


@dataclass(frozen=True, eq=False)
class _Compared:
    """A probe compared with a whole gallery."""

    held: HeldGallery
    score: Score
    threshold: Threshold

    @property
    def standing(self) -> float:
        """Where the score lies between refuse (0) and accept (1), and beyond them.

        Fused scores of galleries of different sizes are not on one scale: with one reference
        nothing is taken off for the gallery's spread. In galleries of one size it is their order.
        """
        zone = max(self.threshold.accept - self.threshold.refuse, _NARROWEST_ZONE)
        return (self.score.value - self.threshold.refuse) / zone

    def place(self, accept: float) -> tuple[int, float, float, float, SignerId]:
        """What candidates are sorted by, the best first.

        First the decision, since scores of galleries of different sizes compare only by what they
        mean; then the likelihood ratio, which is the same at its bounds; then where the score
        stands. In galleries of one size all three only rise with the score, so the order is the
        scores'. A copy keeps the place that its score gives it: who is accepted behind it would
        hide the alarm.

        Args:
            accept: where the search accepts from with so many references.
        """
        value = self.score.value
        decision = decide_from(accept, self.threshold, value)
        llr = self.threshold.likelihood_ratio.llr(value)
        return (_BEST_FIRST.index(decision), -llr, -self.standing, -value, self.held.gallery.signer)


def _compare(
    galleries: Sequence[HeldGallery], active: BoundGeneration, probe: Embedding
) -> tuple[list[_Compared], tuple[SignerId, ...]]:
    """Compare with whole galleries, and name those that can't be decided on."""
    compared: list[_Compared] = []
    undecided: list[SignerId] = []
    for held in galleries:
        gallery = held.gallery
        threshold = select_threshold(active.thresholds, len(gallery.references))
        if threshold is None:
            undecided.append(gallery.signer)
        else:
            score = compare(probe, gallery, threshold.fusion)
            compared.append(_Compared(held, score, threshold))
    return compared, tuple(sorted(undecided))


def _rank(
    compared: list[_Compared],
    top: int,
    aim: SearchAim,
    look: Callable[[_Compared], _Compared],
) -> tuple[list[tuple[SignerKey, Candidate]], str]:
    """The best by decision and what it rests on; the order is always the same.

    Those that come up are looked at again as in verification, and sorted anew. Also why none of
    those compared can be accepted, or an empty string.
    """
    thresholds = {each.threshold.references: each.threshold for each in compared}
    points = {number: aim.accept_point(one) for number, one in thresholds.items()}

    def place(one: _Compared) -> tuple[int, float, float, float, SignerId]:
        return one.place(points[one.threshold.references][0])

    best = sorted(compared, key=place)[:top]
    best = sorted(map(look, best), key=place)
    ranked = []
    for rank, each in enumerate(best, start=1):
        gallery, threshold, score = each.held.gallery, each.threshold, each.score
        decision, _ = aim.decide(threshold, score)
        llr = threshold.likelihood_ratio.llr(score.value)
        copied, traced = (
            None if nearest is None else nearest.reference
            for nearest in (threshold.copied(score), threshold.traced(score))
        )
        candidate = Candidate(rank, gallery.signer, score, llr, decision, copied, traced)
        ranked.append((each.held.key, candidate))
    if not best or not all(reason for _, reason in points.values()):
        return ranked, ""
    return ranked, points[best[0].threshold.references][1]


def _look_again(found: _Found, one: _Compared) -> _Compared:
    """As a verification of the candidate would."""
    claimed = Claimed(one.held.gallery, one.threshold)
    compared = Comparison(found.acquired.prepared.ink, found.embedding, one.score)
    return replace(one, score=look_again(found.embedder, compared, claimed))


def _contents(ranked: list[tuple[SignerKey, Candidate]]) -> tuple[dict[str, object], ...]:
    """What the audit log says of the candidates."""
    return tuple(
        {
            "signer": key,
            "rank": candidate.rank,
            "score": candidate.score.value,
            "llr": candidate.llr,
            "decision": candidate.decision.value,
        }
        | ({} if candidate.copied is None else {"copied": True})
        | ({} if candidate.traced is None else {"traced": True})
        | ({} if (turn := candidate.score.straightened) is None else {"straightened": turn})
        for key, candidate in ranked
    )
