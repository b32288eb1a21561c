"""Models and the generations that they make vectors for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from sigvault.domain.errors import UnknownGeneration, UnknownModel, VaultDamaged
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.domain.model_card import ModelCard
from sigvault.domain.serialisation import card_from_dict, card_to_dict
from sigvault.storage.tables import (
    GallerySpreadRow,
    GenerationRow,
    GenerationStatus,
    IndexChangeRow,
    ModelRow,
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


def update_card(session: Session, card: ModelCard) -> None:
    """Put a known model's card in the place of its old one: the same weights, but more is known."""
    session.get_one(ModelRow, card.id).card = card_to_dict(card)
    session.flush()


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


def latest_of_model(session: Session, model: ModelId) -> GenerationRow | None:
    """The newest generation of a model, or None."""
    return session.scalar(
        select(GenerationRow)
        .where(GenerationRow.model_id == model)
        .order_by(GenerationRow.id.desc())
        .limit(1)
    )


def delete_generation(session: Session, generation: GenerationId) -> None:
    """Delete a generation that has no vectors any more, with its thresholds."""
    for table in (IndexChangeRow, GallerySpreadRow, ThresholdRow):
        session.execute(delete(table).where(table.generation_id == generation))
    session.delete(get_generation(session, generation))
    session.flush()


def _read_card(row: ModelRow) -> ModelCard:
    try:
        return card_from_dict(row.card)
    except ValueError as error:
        raise VaultDamaged(f"the card of the model {row.id} can't be read: {error}") from error
