"""The index of all galleries: opened when first searched, and never behind the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.errors import IndexFailed
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId
from sigvault.domain.ports import VectorIndex
from sigvault.services.generation_vectors import GenerationVectors
from sigvault.services.resources import load_active
from sigvault.storage.audit_log import head, read
from sigvault.storage.driver import read_directly
from sigvault.storage.engine import read_session
from sigvault.storage.index_changes import changes_since, count_since, last_change, latest_directly
from sigvault.storage.tables import ChangeKind


class ListedIndex(VectorIndex, Protocol):
    """An index that can say what it holds."""

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""


_Index = TypeVar("_Index", bound=ListedIndex)


@dataclass(frozen=True)
class IndexState:
    """Which state of the database an index reflects.

    Attributes:
        generation: the generation.
        last_change: the last change that is included.
        history: the end of the audit log at that moment, as ``NUMBER:HASH``.
    """

    generation: BoundGeneration
    last_change: int
    history: str


class IndexKeeper(Protocol[_Index]):
    """Makes indexes and keeps them in files; see `bootstrap`."""

    def open(
        self, state: IndexState, table: GenerationVectors, knows: Callable[[str], bool]
    ) -> tuple[_Index, int]:
        """An index of all the table's vectors, from the files as far as they can be believed.

        Args:
            state: what the index is to reflect.
            table: the vectors.
            knows: whether the database knows a history that a file names.

        Returns:
            The index, and by how many vectors the files were behind.
        """

    def keep(self, index: _Index, state: IndexState) -> Callable[[], None]:
        """Prepare to keep an index in files; the call that comes back does it.

        What is kept is the index as it is now, however it changes until then.
        """

    def describe(self, index: _Index) -> str:
        """How much of what there is to find it finds, for people; empty for an exact one.

        Raises:
            IndexFailed: If it can't be searched.
        """

    def discard(self) -> None:
        """Remove all files."""


@dataclass(frozen=True)
class IndexDifference:
    """How an index differs from the database.

    Attributes:
        missing: how many vectors of the database can't be found.
        extra: how many can be found that the database doesn't have.
    """

    missing: int
    extra: int


_KEEP_FROM = 5_000
"""Fewer vectors are read from the database as quickly, and needn't lie in a second place."""

_KEEP_SHARE = 0.05
"""Files are written again once they are behind by this share of the vectors."""


class GalleryIndex(Generic[_Index]):
    """The active generation's index. Safe for threads.

    The lock is held while it is opened and while changes are applied, but neither while it is
    compacted nor while files are written.
    """

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
        with self._lock:
            known = self._state
            if self._index is not None and known is not None:
                with read_directly(self._engine) as transaction:
                    latest = latest_directly(transaction)
                if latest == (known.generation.id, known.last_change):
                    return self._index
            with read_session(self._engine) as session:
                return self._current(session)

    @property
    def size(self) -> int | None:
        """How many vectors can be found, or None before it is opened."""
        return None if self._index is None else len(self._index)

    def lag(self, session: Session, generation: GenerationId) -> int | None:
        """How many vectors came or went that the open index hasn't seen; None if it isn't open."""
        state = self._state
        if state is None:
            return None
        same = state.generation.id == generation
        return count_since(session, generation, state.last_change if same else 0)

    def compare(self) -> IndexDifference:
        """Compare all numbers with the database's, after catching up: for an examination.

        Raises:
            IndexFailed: If the index can't be made.
            StorageFailed: If the database can't be read.
        """
        with self._lock, read_session(self._engine) as session:
            held = self._current(session).rows()
            rows = GenerationVectors(session, load_active(session).id).rows()
        return IndexDifference(len(np.setdiff1d(rows, held)), len(np.setdiff1d(held, rows)))

    def describe(self) -> str:
        """How much of what there is to find it finds; empty for an exact one.

        Raises:
            IndexFailed: If the index can't be made or searched.
            StorageFailed: If the database can't be read.
        """
        self.current()
        return "" if self._index is None else self._keeper.describe(self._index)

    def keep(self) -> None:
        """Keep the index in files for the next opening, if that pays; a failure is no matter."""
        if self._index is None:
            return
        try:
            self.current()
            self._keep()
        except IndexFailed:
            return

    def discard(self) -> None:
        """Remove the kept files.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        with self._lock:
            self._behind = 0 if self._index is None else len(self._index)
        self._keeper.discard()

    def forget(self) -> None:
        """Drop what was erased, from the files and, if the index is open, from memory.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        self.discard()
        if self._index is not None:
            self.current()

    def _current(self, session: Session) -> _Index:
        state = self._read_state(session)
        known = self._state
        if self._index is None or known is None or known.generation.id != state.generation.id:
            table = GenerationVectors(session, state.generation.id)
            self._index, self._behind = self._keeper.open(
                state, table, lambda history: _knows(session, history)
            )
        elif known.last_change != state.last_change:
            self._catch_up(session, self._index, known)
        self._state = state
        return self._index

    def _keep(self) -> None:
        with self._lock:
            index, state = self._index, self._state
            if index is None or state is None or len(index) < _KEEP_FROM:
                return
            if self._behind < _KEEP_SHARE * len(index):
                return
            behind = self._behind
            write = self._keeper.keep(index, state)
        write()
        with self._lock:
            self._behind -= behind
        with read_session(self._engine) as session:
            changes = changes_since(session, state.generation.id, state.last_change)
        if any(change.kind is ChangeKind.REMOVE for change in changes):
            # A signer was erased while the files were written.
            self.discard()

    def _read_state(self, session: Session) -> IndexState:
        active = load_active(session)
        number, hash_ = head(session)
        return IndexState(active, last_change(session, active.id), f"{number}:{hash_}")

    def _catch_up(self, session: Session, index: _Index, behind: IndexState) -> None:
        """Apply what changed; writers come one at a time, so the order is that of the commits."""
        table = GenerationVectors(session, behind.generation.id)
        came, went = table.changed_since(behind.last_change)
        if len(went):
            index.remove(went)
        new = table.load(came)
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
