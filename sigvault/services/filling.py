"""Embedding what a generation lacks, while the vault goes on working."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.domain.audit import Calibrated, ReindexStarted
from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import ImageError, StorageFailed, VaultDamaged
from sigvault.domain.identifiers import GenerationId, ReferenceId
from sigvault.domain.image import InkImage
from sigvault.domain.ports import Embedder
from sigvault.domain.serialisation import threshold_to_dict
from sigvault.imaging.preprocessing import Recipe
from sigvault.services.acquisition import acquire
from sigvault.services.resources import ActiveGeneration, Resources, bind, recipe_of, require_model
from sigvault.storage.audit_log import append
from sigvault.storage.embeddings import add_embeddings
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import (
    add_generation,
    add_model,
    count_missing,
    get_generation,
    latest_of_model,
    missing_references,
)
from sigvault.storage.references import count_references
from sigvault.storage.tables import EmbeddingRow, ReferenceRow
from sigvault.storage.thresholds import replace_thresholds

BATCH = 64
"""Images embedded and committed at once: what a killed process has to do again at most."""

_PAGE = 1024
"""References looked up at a time."""

_AHEAD = 3
"""Batches read and harmonised ahead of the embedding."""

Advance = Callable[[int, int], None]
"""Told how many references are done, and of how many."""


@dataclass(frozen=True)
class Unusable:
    """A reference that can't be embedded anew.

    Attributes:
        reference: the reference.
        message: why not, in words.
    """

    reference: ReferenceId
    message: str


@dataclass(frozen=True)
class Embedded:
    """How far a generation was filled.

    Attributes:
        generation: the generation.
        embedded: how many references were embedded just now.
        references: how many there are.
        unusable: those that can't be.
    """

    generation: GenerationId
    embedded: int
    references: int
    unusable: tuple[Unusable, ...]


def begin(resources: Resources, embedder: Embedder, *, by: str) -> ActiveGeneration:
    """The generation of a model: the one that is there, or a new one with the card's thresholds.

    Raises:
        DemonstrationModel: If the model may not serve.
        GenerationMismatch: If that model's generation took pictures by another preprocessing.
    """
    resources.take(embedder)
    card, at = embedder.card, resources.clock()
    with write_session(resources.engine) as session:
        known = latest_of_model(session, card.id)
        if known is None:
            add_model(session, card, at)
            known = add_generation(
                session,
                card.id,
                preprocessing=card.preprocessing_name,
                dimension=embedder.dimension,
                at=at,
            )
            append(session, ReindexStarted(known.id, card.id, card.preprocessing_name, by), at)
            if card.thresholds:
                put_thresholds(session, resources, known.id, card.thresholds)
        bound = bind(session, known)
    require_model(bound, embedder)
    return bound


def put_thresholds(
    session: Session,
    resources: Resources,
    generation: GenerationId,
    thresholds: tuple[Threshold, ...],
) -> None:
    """Record thresholds and put them in the place of a generation's old ones."""
    at = resources.clock()
    contents = tuple(threshold_to_dict(threshold) for threshold in thresholds)
    event = append(session, Calibrated(generation, contents), at)
    replace_thresholds(session, generation, thresholds, event=event, at=at)


def fill(
    resources: Resources,
    generation: ActiveGeneration,
    embedder: Embedder,
    *,
    batch: int = BATCH,
    readers: int | None = None,
    progress: Advance | None = None,
) -> Embedded:
    """Embed what a generation lacks, a batch a transaction; interrupted, it goes on from there.

    What is enrolled meanwhile is embedded too; what is erased meanwhile is left out. The active
    generation decides as before, and writers wait for the length of one batch's commit at most.

    Args:
        resources: the vault's.
        generation: the generation.
        embedder: its own model.
        batch: how many images are embedded and committed at once.
        readers: how many threads read images ahead; one for each core but one if None.
        progress: told how many references are done, and of how many.

    Raises:
        GenerationMismatch: If the embedder is another model's.
        StorageFailed: If the database fails; what was committed is kept.
    """
    require_model(generation, embedder)
    recipe = recipe_of(embedder)
    threads = readers or max(1, (os.cpu_count() or 2) - 1)
    with read_session(resources.engine) as session:
        references = count_references(session)
        done = references - count_missing(session, generation.id)
    made = 0
    unusable: dict[ReferenceId, str] = {}
    while True:
        found = 0
        pages = _missing(resources, generation.id)
        for batched in _read_ahead(resources, pages, recipe, batch, threads):
            inks = [(reference, got) for reference, got in batched if isinstance(got, InkImage)]
            unusable |= {
                reference: str(got) for reference, got in batched if not isinstance(got, InkImage)
            }
            found += _write(resources, generation.id, embedder, inks)
            if progress is not None:
                progress(min(done + made + found, references), references)
        made += found
        if not found:  # a whole round without anything new: nothing was enrolled meanwhile
            break
    with read_session(resources.engine) as session:
        lacking = {reference for reference, _ in missing_references(session, generation.id)}
        left = tuple(  # without what was erased while it was read
            Unusable(reference, why)
            for reference, why in sorted(unusable.items())
            if reference in lacking
        )
        return Embedded(generation.id, made, count_references(session), left)


def _missing(resources: Resources, generation: GenerationId) -> Iterator[tuple[ReferenceId, str]]:
    """References without a vector, as they are when they are reached."""
    after = ""
    while True:
        with read_session(resources.engine) as session:
            page = missing_references(session, generation, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1][0]


_Read = tuple[ReferenceId, InkImage | Exception]


def _read_ahead(
    resources: Resources,
    references: Iterator[tuple[ReferenceId, str]],
    recipe: Recipe,
    batch: int,
    threads: int,
) -> Iterator[list[_Read]]:
    """Batches of harmonised images in order, read in threads while earlier ones are embedded."""

    def read(reference: ReferenceId, digest: str) -> _Read:
        try:
            return reference, acquire(resources.images.read(digest), recipe).prepared.ink
        except (ImageError, StorageFailed, VaultDamaged) as error:
            return reference, error

    ahead: deque[Future[_Read]] = deque()
    pool = ThreadPoolExecutor(threads, "sigvault-reindex")
    try:
        more = True
        while more or ahead:
            while more and len(ahead) < _AHEAD * batch:
                following = next(references, None)
                if following is None:
                    more = False
                else:
                    ahead.append(pool.submit(read, *following))
            if ahead:
                yield [ahead.popleft().result() for _ in range(min(batch, len(ahead)))]
    finally:
        pool.shutdown(cancel_futures=True)


def _write(
    resources: Resources,
    generation: GenerationId,
    embedder: Embedder,
    inks: list[tuple[ReferenceId, InkImage]],
) -> int:
    """Embed a batch and commit it, without what was erased or added meanwhile."""
    embeddings = embedder.embed([ink for _, ink in inks])
    wanted = [reference for reference, _ in inks]
    if not wanted:
        return 0
    with write_session(resources.engine) as session:
        get_generation(session, generation)  # it may have been dropped
        there = set(session.scalars(select(ReferenceRow.id).where(ReferenceRow.id.in_(wanted))))
        already = set(
            session.scalars(
                select(EmbeddingRow.reference_id).where(
                    EmbeddingRow.generation_id == generation, EmbeddingRow.reference_id.in_(wanted)
                )
            )
        )
        items = [
            (reference, embedding)
            for reference, embedding in zip(wanted, embeddings, strict=True)
            if reference in there and reference not in already
        ]
        add_embeddings(session, generation, items)
    return len(items)
