"""What an index is opened from: one generation's vectors in the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sigvault.domain.identifiers import GenerationId
from sigvault.domain.row_summary import RowSummary
from sigvault.storage.embeddings import VectorBlock, iterate_vectors, load_vectors
from sigvault.storage.index_changes import changes_since
from sigvault.storage.tables import ChangeKind, EmbeddingRow


class GenerationVectors:
    """The vectors of a generation, as one transaction sees them."""

    def __init__(self, session: Session, generation: GenerationId) -> None:
        """Take what is needed; nothing is read yet."""
        self._session = session
        self._generation = generation

    def summary(self) -> RowSummary:
        """All numbers at a glance: one pass over the index of the table."""
        row = EmbeddingRow.row
        query = select(
            func.count(), func.coalesce(func.max(row), -1), func.coalesce(func.sum(row), 0)
        )
        count, last, total = self._session.execute(
            query.where(EmbeddingRow.generation_id == self._generation)
        ).one()
        return RowSummary(count, last, int(total))

    def rows(self) -> npt.NDArray[np.int64]:
        """All numbers int64 (N,), rising."""
        query = select(EmbeddingRow.row).where(EmbeddingRow.generation_id == self._generation)
        return np.sort(np.fromiter(self._session.scalars(query), np.int64))

    def load(self, rows: npt.NDArray[np.int64]) -> VectorBlock:
        """The vectors of some rows; rows that are gone are left out.

        Raises:
            VaultDamaged: If a vector can't be read.
        """
        return load_vectors(self._session, self._generation, rows.tolist())

    def blocks(self) -> Iterator[VectorBlock]:
        """All vectors, by rising number.

        Raises:
            VaultDamaged: If a vector can't be read.
        """
        return iterate_vectors(self._session, self._generation)

    def changed_since(self, change: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The numbers int64 of vectors that came, and of those that went, after a change.

        A number is never given twice, so what went later than it came is gone for good.
        """
        changes = changes_since(self._session, self._generation, change)
        came = _rows(change.rows for change in changes if change.kind is ChangeKind.ADD)
        went = _rows(change.rows for change in changes if change.kind is ChangeKind.REMOVE)
        return np.setdiff1d(came, went, assume_unique=True), went


def _rows(runs: Iterable[range]) -> npt.NDArray[np.int64]:
    return np.sort(np.fromiter(chain.from_iterable(runs), np.int64))
