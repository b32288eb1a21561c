"""Embedding what a generation lacks, while the vault goes on working."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sigvault.domain.audit import ReindexStarted
from sigvault.domain.errors import ImageError, StorageFailed, VaultDamaged
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ReferenceId
from sigvault.domain.image import InkImage
from sigvault.domain.ports import Embedder
from sigvault.imaging.preprocessing import Recipe
from sigvault.services.acquisition import acquire
from sigvault.services.reading_ahead import read_ahead
from sigvault.services.resources import Resources, bind, recipe_of, require_model
from sigvault.storage.audit_log import append
from sigvault.storage.embeddings import add_embeddings, count_missing, missing_references
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import (
    add_generation,
    add_model,
    get_generation,
    latest_of_model,
    update_card,
)
from sigvault.storage.references import count_references
from sigvault.storage.thresholds import put_thresholds

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


def begin_generation(resources: Resources, embedder: Embedder, *, by: str) -> BoundGeneration:
    """The generation of a model: the one that is there, or a new one.

    Where it has no thresholds, it gets those of the card: they may have come after it was filled.

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
        bound = bind(session, known)
        require_model(bound, embedder)
        if card.thresholds and not bound.thresholds:
            update_card(session, card)
            put_thresholds(session, known.id, card.thresholds, at=at)
            bound = bind(session, known)
    return bound


def fill(
    resources: Resources,
    generation: BoundGeneration,
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
        reading = read_ahead(
            partial(_read, resources, recipe),
            _missing(resources, generation.id),
            threads=threads,
            most=_AHEAD * batch,
            name="sigvault-reindex",
        )
        with closing(reading):
            while batched := list(islice(reading, batch)):
                inks = [(one, got) for one, got in batched if isinstance(got, InkImage)]
                unusable |= {one: str(got) for one, got in batched if not isinstance(got, InkImage)}
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


def _read(
    resources: Resources, recipe: Recipe, missing: tuple[ReferenceId, str]
) -> tuple[ReferenceId, InkImage | Exception]:
    """A reference with its harmonised image, or with why there is none."""
    reference, digest = missing
    try:
        return reference, acquire(resources.images.read(digest), recipe).prepared.ink
    except (ImageError, StorageFailed, VaultDamaged) as error:
        return reference, error


def _write(
    resources: Resources,
    generation: GenerationId,
    embedder: Embedder,
    inks: list[tuple[ReferenceId, InkImage]],
) -> int:
    """Embed a batch and commit it, without what was erased or added meanwhile."""
    embeddings = embedder.embed([ink for _, ink in inks], as_references=True)
    wanted = [reference for reference, _ in inks]
    if not wanted:
        return 0
    with write_session(resources.engine) as session:
        get_generation(session, generation)  # it may have been dropped
        lacking = {one for one, _ in missing_references(session, generation, among=wanted)}
        items = [
            (reference, embedding)
            for reference, embedding in zip(wanted, embeddings, strict=True)
            if reference in lacking
        ]
        add_embeddings(session, generation, items)
    return len(items)
