"""The index of all galleries: opened when first searched, and never behind the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from sigvault.domain.errors import IndexFailed
from sigvault.domain.ports import VectorIndex
from sigvault.services.resources import ActiveGeneration, load_active
from sigvault.storage.audit_log import head, read
from sigvault.storage.embeddings import VectorBlock, load_vectors
from sigvault.storage.engine import read_session
from sigvault.storage.index_changes import changes_since, last_change
from sigvault.storage.tables import ChangeKind, EmbeddingRow

LoadVectors = Callable[[npt.NDArray[np.int64]], VectorBlock]
"""Reads the vectors of some rows from the database; rows that are gone are left out."""

_Index = TypeVar("_Index", bound=VectorIndex)


@dataclass(frozen=True)
class IndexState:
    """Which state of the database an index reflects.

    Attributes:
        generation: the generation.
        last_change: the last change that is included.
        history: the end of the audit log at that moment, as ``NUMBER:HASH``.
    """

    generation: ActiveGeneration
    last_change: int
    history: str


class IndexKeeper(Protocol[_Index]):
    """Makes indexes and keeps them in files; see `bootstrap`."""

    def open(
        self,
        state: IndexState,
        rows: npt.NDArray[np.int64],
        load: LoadVectors,
        knows: Callable[[str], bool],
    ) -> tuple[_Index, int]:
        """An index that holds exactly these rows, from the files as far as they can be believed.

        Args:
            state: what the index is to reflect.
            rows: int64 (N,): the numbers of all vectors.
            load: reads vectors.
            knows: whether the database knows a history that a file names.

        Returns:
            The index, and by how many vectors the files were behind.
        """

    def keep(self, index: _Index, state: IndexState) -> None:
        """Keep an index in files."""

    def discard(self) -> None:
        """Remove all files."""


_KEEP_FROM = 5_000
"""Fewer vectors are read from the database as quickly, and needn't lie in a second place."""

_KEEP_SHARE = 0.05
"""Files are written again once they are behind by this share of the vectors."""


class GalleryIndex(Generic[_Index]):
    """The active generation's index. Safe for threads."""

    def __init__(self, engine: Engine, keeper: IndexKeeper[_Index]) -> None:
        """Take what is needed; nothing is opened before the first search."""
        self._engine = engine
        self._keeper = keeper
        self._lock = threading.Lock()
        self._index: _Index | None = None
        self._state: IndexState | None = None
        self._behind = 0

    def current(self) -> VectorIndex:
        """The index, opened or caught up with all that is committed.

        Raises:
            IndexFailed: If it can't be made.
            StorageFailed: If the database can't be read.
        """
        with self._lock, read_session(self._engine) as session:
            state = self._read_state(session)
            known = self._state
            if self._index is None or known is None or known.generation.id != state.generation.id:
                self._index, self._behind = self._open(session, state)
            elif known.last_change != state.last_change:
                self._catch_up(session, self._index, known)
            self._state = state
            return self._index

    @property
    def size(self) -> int | None:
        """How many vectors can be found, or None before it is opened."""
        return None if self._index is None else len(self._index)

    def keep(self) -> None:
        """Keep the index in files for the next opening, if that pays; a failure is no matter."""
        if self._index is None:
            return
        try:
            self.current()
            with self._lock:
                self._keep()
        except IndexFailed:
            return

    def discard(self) -> None:
        """Remove the kept files.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        with self._lock:
            self._discard()

    def forget(self) -> None:
        """Drop what was erased, from the files and, if the index is open, from memory.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        self.discard()
        if self._index is not None:
            self.current()

    def _keep(self) -> None:
        if self._index is None or self._state is None:
            return
        if len(self._index) < _KEEP_FROM or self._behind < _KEEP_SHARE * len(self._index):
            return
        self._keeper.keep(self._index, self._state)
        self._behind = 0
        with read_session(self._engine) as session:
            now = self._read_state(session)
            changes = changes_since(session, now.generation.id, self._state.last_change)
        if any(change.kind is ChangeKind.REMOVE for change in changes):
            # Another process erased a signer while the files were written.
            self._discard()

    def _discard(self) -> None:
        self._behind = 0 if self._index is None else len(self._index)
        self._keeper.discard()

    def _read_state(self, session: Session) -> IndexState:
        active = load_active(session)
        number, hash_ = head(session)
        return IndexState(active, last_change(session, active.id), f"{number}:{hash_}")

    def _open(self, session: Session, state: IndexState) -> tuple[_Index, int]:
        generation = state.generation.id
        query = select(EmbeddingRow.row).where(EmbeddingRow.generation_id == generation)
        rows = np.sort(np.fromiter(session.scalars(query), np.int64))

        def load(wanted: npt.NDArray[np.int64]) -> VectorBlock:
            return load_vectors(session, generation, wanted.tolist())

        return self._keeper.open(state, rows, load, lambda history: _knows(session, history))

    def _catch_up(self, session: Session, index: _Index, behind: IndexState) -> None:
        """Apply what changed; writers come one at a time, so the order is that of the commits."""
        generation = behind.generation.id
        came: dict[int, None] = {}
        went: dict[int, None] = {}
        for change in changes_since(session, generation, behind.last_change):
            (came if change.kind is ChangeKind.ADD else went)[change.row] = None
        if went:
            index.remove(np.array(list(went), np.int64))
        new = load_vectors(session, generation, came.keys() - went.keys())
        if len(new.rows):
            index.add(new.rows, new.vectors)
        self._behind += len(went) + len(new.rows)


def _knows(session: Session, history: str) -> bool:
    """Whether the audit log once ended like this."""
    number, _, hash_ = history.partition(":")
    if not number.isdecimal():
        return False
    if number == "0":
        return True
    return any(record.hash == hash_ for record in read(session, after=int(number) - 1, limit=1))
