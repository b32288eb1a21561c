"""Which vectors came and went, so that a cached index can be caught up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import GenerationId
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.tables import ChangeKind, GenerationStatus, IndexChangeRow


@dataclass(frozen=True)
class IndexChange:
    """Vectors of consecutive numbers that came or went.

    Attributes:
        sequence: the change's number; later ones are larger, with gaps.
        kind: whether they came or went.
        rows: the vectors' numbers.
    """

    sequence: int
    kind: ChangeKind
    rows: range


def record_changes(
    transaction: DriverTransaction,
    generation: GenerationId,
    kind: ChangeKind,
    rows: Sequence[int],
) -> None:
    """Note that vectors came or went, in the transaction in which they do.

    Args:
        transaction: where.
        generation: whose vectors they are.
        kind: whether they come or go.
        rows: their numbers, rising.
    """
    transaction.run_many(
        "INSERT INTO index_changes (generation_id, row, kind, length) VALUES (?, ?, ?, ?)",
        [(generation, run.start, kind.value, len(run)) for run in _runs(rows)],
    )


def _runs(rows: Sequence[int]) -> Iterator[range]:
    """Rising numbers as runs of consecutive ones."""
    if not rows:
        return
    numbers = np.asarray(rows, np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 2) != 1).tolist()
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield range(int(numbers[start]), int(numbers[start]) + end - start)


def last_change(session: Session, generation: GenerationId) -> int:
    """The number of the latest change, 0 before the first."""
    query = select(func.max(IndexChangeRow.sequence))
    return session.scalar(query.where(IndexChangeRow.generation_id == generation)) or 0


def latest_directly(transaction: DriverTransaction) -> tuple[GenerationId, int] | None:
    """The active generation and the number of its latest change, 0 before the first; by the driver.

    None if no generation is active.
    """
    found = transaction.rows(_LATEST, (GenerationStatus.ACTIVE.value,))
    return (GenerationId(found[0][0]), int(found[0][1])) if found else None


_LATEST = (
    "SELECT g.id, COALESCE((SELECT max(c.sequence) FROM index_changes AS c"
    " WHERE c.generation_id = g.id), 0) FROM generations AS g WHERE g.status = ?"
)


def count_since(session: Session, generation: GenerationId, sequence: int) -> int:
    """How many vectors came or went after a change."""
    query = select(func.sum(IndexChangeRow.length)).where(
        IndexChangeRow.generation_id == generation, IndexChangeRow.sequence > sequence
    )
    return int(session.scalar(query) or 0)


def has_removals(session: Session, generation: GenerationId, sequence: int) -> bool:
    """Whether any vector went after a change."""
    query = select(IndexChangeRow.sequence).where(
        IndexChangeRow.generation_id == generation,
        IndexChangeRow.sequence > sequence,
        IndexChangeRow.kind == ChangeKind.REMOVE,
    )
    return session.scalar(query.limit(1)) is not None


def changes_since(
    session: Session, generation: GenerationId, sequence: int, *, limit: int | None = None
) -> list[IndexChange]:
    """What changed after a change, in order.

    A vector that was added and is gone again shows twice, and `embeddings.load_vectors` no
    longer finds it.
    """
    query = (
        select(
            IndexChangeRow.sequence, IndexChangeRow.kind, IndexChangeRow.row, IndexChangeRow.length
        )
        .where(IndexChangeRow.generation_id == generation, IndexChangeRow.sequence > sequence)
        .order_by(IndexChangeRow.sequence)
        .limit(limit)
    )
    return [
        IndexChange(number, kind, range(row, row + length))
        for number, kind, row, length in session.execute(query)
    ]
