"""Which vectors came and went, so that a cached index can be caught up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import GenerationId
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import ChangeKind, IndexChangeRow


@dataclass(frozen=True)
class IndexChange:
    """A vector that came or went.

    Attributes:
        sequence: the change's number; later ones are larger, with gaps.
        kind: whether it came or went.
        row: the vector's number.
    """

    sequence: int
    kind: ChangeKind
    row: int


def record_removed(
    transaction: DriverTransaction, generation: GenerationId, rows: Sequence[int]
) -> None:
    """Note that vectors went, in the transaction in which they do."""
    transaction.run_many(
        "INSERT INTO index_changes (generation_id, row, kind) VALUES (?, ?, ?)",
        [(generation, row, ChangeKind.REMOVE.value) for row in rows],
    )


def record_added(session: Session, generation: GenerationId, first: int, last: int) -> None:
    """Note that the vectors of a run of numbers came, without listing them once more."""
    session.connection().execute(
        _ADDED,
        {"generation": generation, "first": first, "last": last, "kind": ChangeKind.ADD.value},
    )


_ADDED = text(
    "INSERT INTO index_changes (generation_id, row, kind)"
    " SELECT generation_id, row, :kind FROM embeddings"
    " WHERE row BETWEEN :first AND :last AND generation_id = :generation ORDER BY row"
)


def last_change(session: Session, generation: GenerationId) -> int:
    """The number of the latest change, 0 before the first."""
    query = select(func.max(IndexChangeRow.sequence))
    return session.scalar(query.where(IndexChangeRow.generation_id == generation)) or 0


def changes_since(
    session: Session, generation: GenerationId, sequence: int, *, limit: int | None = None
) -> list[IndexChange]:
    """What changed after a change, in order.

    A vector that was added and is gone again shows twice, and `embeddings.load_vectors` no
    longer finds it.
    """
    query = (
        select(IndexChangeRow.sequence, IndexChangeRow.kind, IndexChangeRow.row)
        .where(IndexChangeRow.generation_id == generation, IndexChangeRow.sequence > sequence)
        .order_by(IndexChangeRow.sequence)
        .limit(limit)
    )
    return [IndexChange(number, kind, row) for number, kind, row in session.execute(query)]
