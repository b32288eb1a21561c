"""Models and the generations that they make vectors for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from sigvault.domain.errors import UnknownGeneration, UnknownModel, VaultDamaged
from sigvault.domain.identifiers import EventNumber, GenerationId, ModelId, ReferenceId
from sigvault.domain.model_card import ModelCard
from sigvault.domain.serialisation import card_from_dict, card_to_dict
from sigvault.storage.tables import (
    AuditEventRow,
    EmbeddingRow,
    GenerationRow,
    GenerationStatus,
    IndexChangeRow,
    ModelRow,
    ReferenceRow,
    ThresholdRow,
)


def add_model(session: Session, card: ModelCard, at: datetime) -> ModelRow:
    """Note a model's card; one that is known already stays as it is."""
    known = session.get(ModelRow, card.id)
    if known is not None:
        return known
    model = ModelRow(
        id=card.id, name=card.name, sha256=card.sha256, card=card_to_dict(card), added_at=at
    )
    session.add(model)
    session.flush()
    return model


def get_card(session: Session, model: ModelId) -> ModelCard:
    """The card of a model.

    Raises:
        UnknownModel: If the vault never used it.
        VaultDamaged: If the card can't be read.
    """
    row = session.get(ModelRow, model)
    if row is None:
        raise UnknownModel(f"there is no model {model} in the vault: see `sigvault model list`")
    return _read_card(row)


def list_cards(session: Session) -> list[ModelCard]:
    """The cards of all models that the vault ever used, oldest first.

    Raises:
        VaultDamaged: If a card can't be read.
    """
    rows = session.scalars(select(ModelRow).order_by(ModelRow.added_at, ModelRow.id))
    return [_read_card(row) for row in rows]


def add_generation(
    session: Session, model: ModelId, *, preprocessing: str, dimension: int, at: datetime
) -> GenerationRow:
    """Begin a generation, with the status ``building``."""
    generation = GenerationRow(
        model_id=model,
        preprocessing=preprocessing,
        dimension=dimension,
        status=GenerationStatus.BUILDING,
        created_at=at,
        activated_at=None,
    )
    session.add(generation)
    session.flush()
    return generation


def activate_generation(session: Session, generation: GenerationId, at: datetime) -> GenerationRow:
    """Let a generation decide from now on; the one before it is retired.

    Raises:
        UnknownGeneration: If there is no such generation.
    """
    chosen = get_generation(session, generation)
    session.execute(
        update(GenerationRow)
        .where(GenerationRow.status == GenerationStatus.ACTIVE, GenerationRow.id != generation)
        .values(status=GenerationStatus.RETIRED)
    )
    chosen.status = GenerationStatus.ACTIVE
    chosen.activated_at = at
    session.flush()
    return chosen


_ACTIVE = select(GenerationRow).where(GenerationRow.status == GenerationStatus.ACTIVE)


def active_generation(session: Session) -> GenerationRow:
    """The generation that decides.

    Raises:
        VaultDamaged: If none does: every vault gets one when it is created.
    """
    active = session.scalar(_ACTIVE)
    if active is None:
        raise VaultDamaged("the vault has no active generation: restore it, or create a new one")
    return active


def get_generation(session: Session, generation: GenerationId) -> GenerationRow:
    """The generation of this number.

    Raises:
        UnknownGeneration: If there is none.
    """
    found = session.get(GenerationRow, generation)
    if found is None:
        raise UnknownGeneration(
            f"there is no generation {generation} in the vault: see `sigvault generation list`"
        )
    return found


def list_generations(session: Session) -> list[GenerationRow]:
    """All generations, oldest first."""
    return list(session.scalars(select(GenerationRow).order_by(GenerationRow.id)))


def previous_generation(session: Session) -> GenerationRow | None:
    """The generation that decided before the active one, or None if it is gone."""
    return session.scalar(
        select(GenerationRow)
        .where(
            GenerationRow.status == GenerationStatus.RETIRED,
            GenerationRow.activated_at.is_not(None),
        )
        .order_by(GenerationRow.activated_at.desc(), GenerationRow.id.desc())
        .limit(1)
    )


def events_of_kind(session: Session, kind: str) -> list[EventNumber]:
    """The numbers of the audit log's events of a kind, the latest first; reads the whole log."""
    query = select(AuditEventRow.number).where(AuditEventRow.kind == kind)
    return list(session.scalars(query.order_by(AuditEventRow.number.desc())))


def latest_of_model(session: Session, model: ModelId) -> GenerationRow | None:
    """The newest generation of a model, or None."""
    return session.scalar(
        select(GenerationRow)
        .where(GenerationRow.model_id == model)
        .order_by(GenerationRow.id.desc())
        .limit(1)
    )


def delete_some_vectors(session: Session, generation: GenerationId, most: int) -> int:
    """Delete some of a generation's vectors; how many there were to delete, 0 if none is left."""
    some = (
        select(EmbeddingRow.row)
        .where(EmbeddingRow.generation_id == generation)
        .order_by(EmbeddingRow.row)
        .limit(most)
    )
    rows = list(session.scalars(some))
    if rows:
        session.execute(
            delete(EmbeddingRow).where(
                EmbeddingRow.generation_id == generation,
                EmbeddingRow.row >= rows[0],
                EmbeddingRow.row <= rows[-1],
            )
        )
    return len(rows)


def delete_generation(session: Session, generation: GenerationId) -> None:
    """Delete a generation that has no vectors any more, with its thresholds."""
    for table in (IndexChangeRow, ThresholdRow):
        session.execute(delete(table).where(table.generation_id == generation))
    session.delete(get_generation(session, generation))
    session.flush()


def missing_references(
    session: Session, generation: GenerationId, *, after: str = "", limit: int | None = None
) -> list[tuple[ReferenceId, str]]:
    """References without a vector in a generation, with their images' digests, by reference.

    Args:
        session: where to look.
        generation: the generation.
        after: only references after this one, for paging.
        limit: at most so many, or None for all.
    """
    there = (
        select(EmbeddingRow.row)
        .where(
            EmbeddingRow.reference_id == ReferenceRow.id, EmbeddingRow.generation_id == generation
        )
        .exists()
    )
    query = (
        select(ReferenceRow.id, ReferenceRow.image_digest)
        .where(ReferenceRow.id > after, ~there)
        .order_by(ReferenceRow.id)
        .limit(limit)
    )
    return [(reference, digest) for reference, digest in session.execute(query)]


def count_missing(session: Session, generation: GenerationId) -> int:
    """How many references have no vector in a generation."""
    references = session.scalar(select(func.count()).select_from(ReferenceRow)) or 0
    vectors = select(func.count()).where(EmbeddingRow.generation_id == generation)
    return references - (session.scalar(vectors.select_from(EmbeddingRow)) or 0)


def _read_card(row: ModelRow) -> ModelCard:
    try:
        return card_from_dict(row.card)
    except ValueError as error:
        raise VaultDamaged(f"the card of the model {row.id} can't be read: {error}") from error
