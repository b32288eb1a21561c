"""What a vault holds, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.services.resources import Resources, load_active
from sigvault.storage.audit_log import count_events
from sigvault.storage.embeddings import count_vectors
from sigvault.storage.engine import database_kind, read_session
from sigvault.storage.references import count_references
from sigvault.storage.schema import current_revision
from sigvault.storage.signers import count_signers
from sigvault.storage.tables import ModelRow


@dataclass(frozen=True)
class VaultStatus:
    """A vault at a glance.

    Attributes:
        location: its folder.
        database: ``"SQLite"`` or ``"PostgreSQL"``.
        revision: the revision of the database's schema.
        generation: the active generation.
        model: the model that decides.
        licence: the conditions for its weights.
        preprocessing: the preprocessing that it is fed with.
        signers: how many signers are enrolled.
        references: how many references.
        vectors: how many of them the active generation can search.
        thresholds: for which numbers of references there is a threshold; none before calibration.
        events: how many events the audit log holds.
    """

    location: Path
    database: str
    revision: str
    generation: GenerationId
    model: ModelId
    licence: str
    preprocessing: str
    signers: int
    references: int
    vectors: int
    thresholds: tuple[int, ...]
    events: int


def read_status(resources: Resources, location: Path) -> VaultStatus:
    """Look at a vault; neither the model nor the index is opened."""
    revision = current_revision(resources.engine) or ""
    with read_session(resources.engine) as session:
        active = load_active(session)
        return VaultStatus(
            location=location,
            database=database_kind(resources.engine),
            revision=revision,
            generation=active.id,
            model=active.model,
            licence=_licence(session, active.model),
            preprocessing=active.preprocessing,
            signers=count_signers(session),
            references=count_references(session),
            vectors=count_vectors(session, active.id),
            thresholds=tuple(threshold.references for threshold in active.thresholds),
            events=count_events(session),
        )


def _licence(session: Session, model: ModelId) -> str:
    """From the card that the database keeps; the rest of it isn't read, since it is long."""
    card = ModelRow.card["licence"].as_string()
    return session.scalar(select(card).where(ModelRow.id == model)) or "not stated"
