"""Which row of the database lies at which place of an index's storage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed

_REMOVED = -1
_FEW_REMOVED = 256
"""Removed places that are not worth a compaction, however small the index."""


class RowTable:
    """The rows in an append-only storage; a removed row leaves a hole until compaction.

    GPU indexes can't remove vectors, and removing one from a flat CPU index moves all the
    others, so removing only marks the place. Not safe for threads: its owner holds a lock.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._rows = np.empty(0, np.int64)
        self._size = 0
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        """How many rows are not removed."""
        return len(self._places)

    @property
    def size(self) -> int:
        """How many places there are, holes among them."""
        return self._size

    @property
    def worth_compacting(self) -> bool:
        """Whether holes are over a fifth of the storage.

        A compaction then costs each removal the copying of at most four vectors, and searches
        score at most a quarter more vectors than they have to.
        """
        holes = self._size - len(self._places)
        return holes > _FEW_REMOVED and 5 * holes > self._size

    def refuse_taken(self, rows: npt.NDArray[np.int64]) -> None:
        """Raise unless all rows are free.

        Raises:
            IndexFailed: If a row is taken.
        """
        taken = next((row for row in rows.tolist() if row in self._places), None)
        if taken is not None:
            raise IndexFailed(
                f"row {taken} is in the index already: remove it first, or rebuild the index"
            )

    def append(self, rows: npt.NDArray[np.int64]) -> None:
        """Put free rows int64 (N,) at the next N places."""
        end = self._size + len(rows)
        if end > len(self._rows):
            grown = np.empty(max(end, 2 * len(self._rows)), np.int64)
            grown[: self._size] = self._rows[: self._size]
            self._rows = grown
        self._rows[self._size : end] = rows
        self._places.update(zip(rows.tolist(), range(self._size, end), strict=True))
        self._size = end

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make holes of the places of these rows; unknown rows are ignored."""
        for row in rows.tolist():
            place = self._places.pop(row, None)
            if place is not None:
                self._rows[place] = _REMOVED

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The rows at places, both int64 (M,); -1 at holes."""
        rows: npt.NDArray[np.int64] = self._rows[: self._size][places]
        return rows

    def occupied(self) -> npt.NDArray[np.int64]:
        """The places int64 (N,) that are not holes, by rising row."""
        places = np.flatnonzero(self._rows[: self._size] != _REMOVED)
        return places[np.argsort(self._rows[places], kind="stable")]
