"""The first entries of a new vault: its model, its generation and their thresholds."""

from __future__ import annotations

from datetime import datetime

from alembic import command
from sqlalchemy import Engine

from sigvault.domain.audit import GenerationActivated, VaultCreated
from sigvault.domain.identifiers import GenerationId
from sigvault.domain.ports import Embedder
from sigvault.services.resources import require_serving
from sigvault.storage.audit_log import append
from sigvault.storage.engine import migrating, write_session
from sigvault.storage.generations import activate_generation, add_generation, add_model
from sigvault.storage.schema import alembic_config
from sigvault.storage.thresholds import put_thresholds


def found(engine: Engine, embedder: Embedder, *, version: str, at: datetime) -> GenerationId:
    """Make the first generation and activate it, in one transaction on empty tables.

    Args:
        engine: a database with all tables.
        embedder: whose model decides; the thresholds of its card become the vault's.
        version: the version of sigvault, for the audit log.
        at: when, UTC.

    Returns:
        The generation's number.

    Raises:
        DemonstrationModel: If the model may not serve.
    """
    require_serving(embedder)
    card = embedder.card
    with write_session(engine) as session:
        append(session, VaultCreated(version), at)
        add_model(session, card, at)
        generation = add_generation(
            session,
            card.id,
            preprocessing=card.preprocessing_name,
            dimension=embedder.dimension,
            at=at,
        )
        activate_generation(session, generation.id, at)
        append(session, GenerationActivated(generation.id, card.id, card.preprocessing_name), at)
        if card.thresholds:
            put_thresholds(session, generation.id, card.thresholds, at=at)
        return generation.id


def remove_tables(engine: Engine) -> None:
    """Take back the tables of a vault that could not be set up."""
    with migrating(engine).begin() as connection:
        command.downgrade(alembic_config(connection), "base")
