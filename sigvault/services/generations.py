"""The generations of a vault: which decides, and what it takes to let another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from sigvault.domain.audit import AuditRecord, GenerationActivated, GenerationDropped
from sigvault.domain.errors import ConfigurationError, GenerationUnfit
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import EventNumber, GenerationId, ModelId
from sigvault.domain.ports import Embedder
from sigvault.services.cleaning import clean_log
from sigvault.services.filling import fill
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.resources import Resources, bind
from sigvault.storage.audit_log import append, events_of_kind, read
from sigvault.storage.driver import directly
from sigvault.storage.embeddings import count_missing, count_vectors, delete_some_vectors
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.generations import (
    activate_generation,
    active_generation,
    delete_generation,
    get_generation,
    list_generations,
    previous_generation,
)
from sigvault.storage.tables import GenerationRow, GenerationStatus
from sigvault.storage.thresholds import load_thresholds
from sigvault.storage.vault_state import note_erasure

_ROUNDS = 100
"""Times that what was enrolled meanwhile is embedded before an activation gives up."""

_DELETED_AT_ONCE = 5000
"""Vectors deleted in one transaction, so that nobody waits long."""

Advance = Callable[[int, int], None]
"""Told how many references are done, and of how many."""


@dataclass(frozen=True)
class GenerationSummary:
    """A generation at a glance.

    Attributes:
        id: its number.
        model: the model that made its vectors.
        preprocessing: the preprocessing that it is fed with.
        dimension: D, the length of its vectors.
        status: building, active (exactly one) or retired.
        vectors: how many it has.
        missing: how many references have none in it.
        thresholds: for which numbers of references there is a threshold.
        created_at: when it was begun, UTC.
        activated_at: when it last began to decide, UTC; None if it never did.
    """

    id: GenerationId
    model: ModelId
    preprocessing: str
    dimension: int
    status: str
    vectors: int
    missing: int
    thresholds: tuple[int, ...]
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True)
class Activation:
    """A generation that decides from now on.

    Attributes:
        generation: the generation.
        model: its model.
        before: the one that decided until then.
        embedded: how many references it still lacked, and were embedded first.
        event: where the audit log records it.
        forced: what spoke against it; empty if nothing did.
    """

    generation: GenerationId
    model: ModelId
    before: GenerationId
    embedded: int
    event: EventNumber
    forced: tuple[str, ...] = ()


def summarise(resources: Resources) -> tuple[GenerationSummary, ...]:
    """All generations, oldest first."""
    with read_session(resources.engine) as session:
        return tuple(_summary(session, row) for row in list_generations(session))


def summarise_one(resources: Resources, generation: GenerationId) -> GenerationSummary:
    """A generation at a glance.

    Raises:
        UnknownGeneration: If there is none.
    """
    with read_session(resources.engine) as session:
        return _summary(session, get_generation(session, generation))


def _summary(session: Session, row: GenerationRow) -> GenerationSummary:
    return GenerationSummary(
        id=row.id,
        model=row.model_id,
        preprocessing=row.preprocessing,
        dimension=row.dimension,
        status=row.status.value,
        vectors=count_vectors(session, row.id),
        missing=count_missing(session, row.id),
        thresholds=tuple(each.references for each in load_thresholds(session, row.id)),
        created_at=row.created_at,
        activated_at=row.activated_at,
    )


def read_activation(resources: Resources, generation: GenerationId) -> AuditRecord | None:
    """The audit event of when a generation last began to decide, or None if it never did."""
    with read_session(resources.engine) as session:
        for number in events_of_kind(session, GenerationActivated.kind):
            (record,) = read(session, after=number - 1, limit=1)
            if record.public["generation"] == generation:
                return record
    return None


def read_generation(resources: Resources, generation: GenerationId) -> BoundGeneration:
    """A generation with what it decides by.

    Raises:
        UnknownGeneration: If there is none.
    """
    with read_session(resources.engine) as session:
        return bind(session, get_generation(session, generation))


def activate(
    resources: Resources,
    generation: GenerationId,
    *,
    by: str,
    reasons: tuple[str, ...] = (),
    gate: dict[str, Any] | None = None,
    force: bool = False,
    rolled_back: bool = False,
    progress: Advance | None = None,
) -> Activation:
    """Let a generation decide, in one transaction; what was enrolled meanwhile is embedded first.

    Other processes follow with their next decision. Whatever is said against it, a generation that
    lacks a reference or a threshold never decides.

    Args:
        resources: the vault's.
        generation: the generation.
        by: who activates it.
        reasons: what speaks against it, in words.
        gate: the figures of its comparison with the active one, without anybody's name.
        force: activate it in spite of the reasons; the audit log records them.
        rolled_back: whether it decided before.
        progress: told how many missing references are embedded.

    Raises:
        UnknownGeneration: If there is none.
        GenerationUnfit: If reasons speak against it and it isn't forced, or it is not complete.
        ConfigurationError: If it decides already.
    """
    if reasons and not force:
        raise GenerationUnfit(
            f"generation {generation} may not decide: {'; '.join(reasons)}", reasons
        )
    bound = read_generation(resources, generation)
    require_decidable(bound)
    embedded = 0
    for _ in range(_ROUNDS):
        embedded += complete(resources, bound, progress)
        with write_session(resources.engine) as session:
            before = active_generation(session)
            refuse_active(before.id, generation)
            if count_missing(session, generation):
                continue  # somebody enrolled just now
            at = resources.clock()
            activate_generation(session, generation, at)
            event = append(
                session,
                GenerationActivated(
                    generation,
                    bound.model,
                    bound.preprocessing,
                    before=before.id,
                    rolled_back=rolled_back,
                    forced=reasons,
                    gate=gate,
                    by=by,
                ),
                at,
            )
            return Activation(generation, bound.model, before.id, embedded, event, reasons)
    raise GenerationUnfit(
        f"references are enrolled faster than generation {generation} can take them in: pause "
        "enrollment, and activate it again"
    )


def refuse_active(active: GenerationId, generation: GenerationId) -> None:
    """Make sure that a generation isn't the one that decides.

    Raises:
        ConfigurationError: If it is.
    """
    if active == generation:
        raise ConfigurationError(
            f"generation {generation} decides already: see `sigvault generation list`"
        )


def require_decidable(generation: BoundGeneration) -> None:
    """Make sure that a generation could decide something.

    Raises:
        GenerationUnfit: If it has no thresholds.
    """
    if not generation.thresholds:
        raise GenerationUnfit(
            f"generation {generation.id} ({generation.model}) has no thresholds, so it could "
            "decide nothing: run `sigvault reindex` on its model once more with --compare-on DATA "
            "--calibrate; what is embedded is kept"
        )


def complete(resources: Resources, bound: BoundGeneration, progress: Advance | None = None) -> int:
    """Embed what a generation lacks; how many references that were.

    Raises:
        GenerationUnfit: If some can't be embedded.
    """
    with read_session(resources.engine) as session:
        if not count_missing(session, bound.id):
            return 0
    embedder: Embedder = resources.embedder_for(bound)
    filled = fill(resources, bound, embedder, progress=progress)
    if filled.unusable:
        first = filled.unusable[0]
        raise GenerationUnfit(
            f"generation {bound.id} lacks {len(filled.unusable)} references that can't be embedded "
            f"anew, such as {first.reference} ({first.message}): restore their images, see "
            "`sigvault doctor`, or erase them (`sigvault signer erase-reference`) or their "
            "signers, and enroll others"
        )
    return filled.embedded


def roll_back(resources: Resources, *, by: str, progress: Advance | None = None) -> Activation:
    """Let the generation decide again that did so before the active one.

    What was enrolled since is embedded by its model first.

    Raises:
        GenerationUnfit: If there is none, or it can't be completed.
    """
    with read_session(resources.engine) as session:
        before = previous_generation(session)
    if before is None:
        raise GenerationUnfit("no generation decided before this one, or it was dropped")
    return activate(resources, before.id, by=by, rolled_back=True, progress=progress)


def drop(
    resources: Resources, index: GalleryIndex[Any], generation: GenerationId, *, by: str
) -> GenerationRow:
    """Remove a generation that doesn't decide, with its vectors, thresholds and kept model.

    Raises:
        UnknownGeneration: If there is none.
        GenerationUnfit: If it is the one that decides.
    """
    with write_session(resources.engine) as session:
        row = get_generation(session, generation)
        if row.status is GenerationStatus.ACTIVE:
            raise GenerationUnfit(
                f"generation {generation} decides, so it can't be dropped: activate another first"
            )
        # It can't be gone back to any more, whatever happens in between.
        row.status, row.activated_at = GenerationStatus.BUILDING, None
    deleting, kept = True, set[ModelId]()
    while deleting:
        with write_session(resources.engine) as session:
            deleting = delete_some_vectors(session, generation, _DELETED_AT_ONCE) > 0
            if not deleting:
                delete_generation(session, generation)
                event = GenerationDropped(generation, row.model_id, by)
                number = append(session, event, resources.clock())
                note_erasure(directly(session), number)
                kept = {each.model_id for each in list_generations(session)}
    index.discard()
    clean_log(resources.engine)
    if row.model_id not in kept:
        resources.forget(row.model_id)
    return row
