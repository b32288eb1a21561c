"""Kept probes decided about by another generation, before it is let decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from sigvault.domain.comparison import Decision, select_threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import SigvaultError, UnknownEvent
from sigvault.domain.gallery import Gallery
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import EventNumber, SignerKey
from sigvault.domain.image import InkImage
from sigvault.domain.ports import Embedder
from sigvault.evaluation.probe_flips import ProbeDecision, ProbeFlips, tally
from sigvault.imaging.preprocessing import PreparedSignature
from sigvault.services.acquisition import acquire
from sigvault.services.comparing import Claimed
from sigvault.services.reading_ahead import read_ahead
from sigvault.services.resources import Resources, recipe_of
from sigvault.services.reviews import read_case
from sigvault.services.straightening import look_again
from sigvault.storage.embeddings import load_galleries
from sigvault.storage.engine import read_session
from sigvault.storage.kept_probes import list_kept

MOST = 1000
"""The latest so many probes are decided about again: more take long and say little more."""

_BATCH = 16


class _Kept(NamedTuple):
    """A kept probe and where to find it."""

    event: EventNumber
    signer: SignerKey
    digest: str


Prepared = tuple[PreparedSignature, PreparedSignature]
"""A probe as the old and as the new generation's model takes it."""


def replay_probes(
    resources: Resources,
    old: BoundGeneration,
    new: BoundGeneration,
    *,
    most: int = MOST,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ProbeFlips | None:
    """Decide about the latest kept probes by both generations, on the galleries of today.

    Nobody knows of most of them who wrote them, so this shows what would change and judges nothing.

    Args:
        resources: the vault's.
        old: the generation that decides.
        new: the other one.
        most: how many of the latest probes.
        threads: how many threads read and prepare images.
        progress: told how many are done, and of how many.

    Returns:
        How decisions would change; None if no probe is kept.

    Raises:
        ModelError: If a generation's model can't be found or read.
    """
    with read_session(resources.engine) as session:
        kept = sorted((_Kept(event, *each) for event, each in list_kept(session).items()))
    chosen = kept[-most:][::-1]
    if not chosen:
        return None
    embedders = resources.embedder_for(old), resources.embedder_for(new)
    decided: list[ProbeDecision] = []
    done = 0
    pictures = read_ahead(
        lambda one: _prepare(resources, one, embedders),
        chosen,
        threads=threads,
        most=2 * _BATCH,
        name="sigvault-probes",
    )
    with closing(pictures):
        for some in _batches(chosen):
            prepared = list(islice(pictures, len(some)))
            decided += _decide(resources, (old, new), embedders, some, prepared)
            done += len(some)
            if progress is not None:
                progress(done, len(chosen))
    return tally(decided, len(chosen) - len(decided))


def _batches(chosen: Sequence[_Kept]) -> Iterator[Sequence[_Kept]]:
    for start in range(0, len(chosen), _BATCH):
        yield chosen[start : start + _BATCH]


def _prepare(
    resources: Resources, kept: _Kept, embedders: tuple[Embedder, Embedder]
) -> Prepared | None:
    """The probe as each model takes it, or None where it can't serve."""
    try:
        data = resources.images.read(kept.digest)
        old, new = (acquire(data, recipe_of(each)).prepared for each in embedders)
    except SigvaultError:
        return None
    return old, new


def _decide(
    resources: Resources,
    generations: tuple[BoundGeneration, BoundGeneration],
    embedders: tuple[Embedder, Embedder],
    kept: Sequence[_Kept],
    prepared: Sequence[Prepared | None],
) -> list[ProbeDecision]:
    usable = [
        (one, pictures)
        for one, pictures in zip(kept, prepared, strict=True)
        if pictures is not None
    ]
    if not usable:
        return []
    with read_session(resources.engine) as session:
        keys = {one.signer for one, _ in usable}
        galleries = [load_galleries(session, keys, each.id) for each in generations]
    answers = []
    for side, (generation, embedder) in enumerate(zip(generations, embedders, strict=True)):
        probes = embedder.embed([pictures[side].ink for _, pictures in usable])
        answers.append(
            [
                _answer(
                    probe,
                    galleries[side].get(one.signer),
                    generation,
                    embedder,
                    pictures[side].ink,
                )
                for probe, (one, pictures) in zip(probes, usable, strict=True)
            ]
        )
    told = (
        _told(resources, one.event, old, new)
        for (one, _), old, new in zip(usable, *answers, strict=True)
        if old is not None and new is not None
    )
    return [one for one in told if one is not None]


def _told(
    resources: Resources, event: EventNumber, old: Decision, new: Decision
) -> ProbeDecision | None:
    """What both decided; None where the signer was erased since the galleries were read."""
    try:
        case = read_case(resources, event)
    except UnknownEvent:
        return None
    return ProbeDecision(
        event=event,
        signer=case.signer,
        recorded=case.evidence.decision,
        old=old,
        new=new,
        verdict=case.outcome,
    )


def _answer(
    probe: Embedding,
    gallery: Gallery | None,
    generation: BoundGeneration,
    embedder: Embedder,
    ink: InkImage,
) -> Decision | None:
    """The decision, or None where there is no gallery or no threshold for it."""
    if gallery is None:
        return None
    threshold = select_threshold(generation.thresholds, len(gallery.references))
    if threshold is None:
        return None
    claimed = Claimed(gallery, threshold)
    return threshold.judge(look_again(embedder, claimed.compare(ink, probe), claimed))
