"""The index of all galleries: opened when first searched, and never behind the database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.errors import IndexFailed, SigvaultError
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId
from sigvault.domain.ports import VectorIndex
from sigvault.services.generation_vectors import GenerationVectors
from sigvault.services.resources import load_active
from sigvault.storage.audit_log import head, read
from sigvault.storage.driver import read_directly
from sigvault.storage.engine import read_session
from sigvault.storage.index_changes import (
    count_since,
    has_removals,
    last_change,
    latest_directly,
)
from sigvault.storage.tables import GenerationRow

_log = logging.getLogger(__name__)


class ListedIndex(VectorIndex, Protocol):
    """An index that can say what it holds."""

    def rows(self) -> npt.NDArray[np.int64]:
        """The numbers int64 (N,) of all findable vectors, rising."""


_Index = TypeVar("_Index", bound=ListedIndex)


@dataclass(frozen=True, eq=False)
class SearchableIndex(Generic[_Index]):
    """An index that agreed with the database a moment ago.

    Attributes:
        generation: whose vectors it holds: a probe of another model's is compared with nothing.
        index: finds them.
    """

    generation: GenerationId
    index: _Index


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

    def keep(
        self, index: _Index, state: IndexState, outdated: Callable[[], bool]
    ) -> Callable[[], None]:
        """Prepare to keep an index in files; the call that comes back does it.

        What is kept is the index as it is now, however it changes until then.

        Args:
            index: the index.
            state: what it reflects.
            outdated: whether it holds by now what must not be kept; asked at the very end. Nothing
                is kept then.
        """

    def kept(self) -> Mapping[GenerationId, int]:
        """The generations that lie in files, each with the last change that is included.

        Raises:
            IndexFailed: If a file can't be read.
        """

    def outgrown(self, index: _Index) -> Callable[[], _Index] | None:
        """Make an index of the kind that fits how large it has become, of what it holds now.

        Returns:
            What makes it, which may take long, or None where the kind fits.
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
    compacted, nor while another kind of index is made, nor while files are written.
    """

    def __init__(self, engine: Engine, keeper: IndexKeeper[_Index]) -> None:
        """Take what is needed; nothing is opened before the first search."""
        self._engine = engine
        self._keeper = keeper
        self._lock = threading.Lock()
        self._index: _Index | None = None
        self._state: IndexState | None = None
        self._behind = 0
        self._growing: threading.Thread | None = None

    def current(self) -> SearchableIndex[_Index]:
        """The index, opened or caught up with all that is committed.

        It is of the generation that decides, which may be another one than a moment ago.

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
                    return SearchableIndex(known.generation.id, self._index)
            with read_session(self._engine) as session:
                index, state = self._current(session)
                return SearchableIndex(state.generation.id, index)

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
            index, state = self._current(session)
            held = index.rows()
            rows = GenerationVectors(session, state.generation.id).rows()
        return IndexDifference(len(np.setdiff1d(rows, held)), len(np.setdiff1d(held, rows)))

    def describe(self) -> str:
        """How much of what there is to find it finds; empty for an exact one.

        Raises:
            IndexFailed: If the index can't be made or searched.
            StorageFailed: If the database can't be read.
        """
        return self._keeper.describe(self.current().index)

    def keep(self) -> None:
        """Keep the index in files for the next opening, if that pays; a failure is no matter."""
        self.wait()
        if self._index is None:
            return
        try:
            self.current()
            self._keep()
        except SigvaultError as error:  # the database may be gone, too
            _log.warning("the index is not kept, so it is opened more slowly: %s", error)

    def wait(self) -> None:
        """Wait for an index of another kind that is being made."""
        growing = self._growing
        if growing is not None:
            growing.join()

    def discard(self) -> None:
        """Remove the kept files.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        with self._lock:
            self._behind = 0 if self._index is None else len(self._index)
        self.discard_files()

    def discard_files(self) -> None:
        """Remove the kept files and wait for nobody, inside of the transaction that erases.

        `forget` is to follow after it: the lock may be held for seconds.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        self._keeper.discard()

    def forget(self) -> None:
        """Drop what was erased, from the files and, if the index is open, from memory.

        Raises:
            IndexFailed: If a file can't be removed.
        """
        self.discard()
        if self._index is not None:
            self.current()

    def _current(self, session: Session) -> tuple[_Index, IndexState]:
        """The index and what it reflects, which is the session's moment; the lock is held."""
        state = self._read_state(session)
        index, known = self._index, self._state
        if index is None or known is None or known.generation.id != state.generation.id:
            index = self._open(session, state)
        elif known.last_change != state.last_change:
            self._behind += _catch_up(session, index, known)
            self._grow(index)
        self._index, self._state = index, state
        return index, state

    def _open(self, session: Session, state: IndexState) -> _Index:
        table = GenerationVectors(session, state.generation.id)
        index, self._behind = self._keeper.open(
            state, table, lambda history: _knows(session, history)
        )
        if self._holds_erased(session):
            try:
                self._keeper.discard()
            except IndexFailed as error:  # searching goes on, and the next opening tries again
                _log.warning("what was erased lies in files still: %s", error)
            self._behind = len(index)
        return index

    def _holds_erased(self, session: Session) -> bool:
        """Whether files hold vectors that are gone: whoever had to remove them was killed first."""
        try:
            kept = self._keeper.kept()
        except IndexFailed:
            return True  # nobody can tell what is in them
        return any(_lost_some(session, generation, since) for generation, since in kept.items())

    def _grow(self, index: _Index) -> None:
        """Make an index of another kind in the background, where this one has become too large."""
        make = None if self._growing is not None else self._keeper.outgrown(index)
        if make is not None:
            self._growing = threading.Thread(
                target=self._replace, args=(index, make), name="sigvault-index-kind"
            )
            self._growing.start()

    def _replace(self, index: _Index, make: Callable[[], _Index]) -> None:
        """Put another index in the place of one that holds the same; searches go on meanwhile."""
        try:
            made = make()
            with self._lock:
                if self._index is index:
                    with read_session(self._engine) as session:
                        now, state = self._current(session)
                        if now is index:
                            _agree(session, made, state, index.rows())
                            self._index = made
        except (SigvaultError, MemoryError) as error:
            _log.warning("the index stays as it is, which costs time alone: %s", error)
        else:
            self._growing = None

    def _keep(self) -> None:
        with self._lock:
            index, state = self._index, self._state
            if index is None or state is None or len(index) < _KEEP_FROM:
                return
            if self._behind < _KEEP_SHARE * len(index):
                return
            behind = self._behind
            write = self._keeper.keep(index, state, lambda: self._is_outdated(state))
        try:
            write()
            with self._lock:
                self._behind -= behind
        finally:
            # A signer may have been erased while the last of the files was given its name.
            if self._is_outdated(state):
                self.discard()

    def _is_outdated(self, state: IndexState) -> bool:
        """Whether vectors went since."""
        with read_session(self._engine) as session:
            return _lost_some(session, state.generation.id, state.last_change)

    def _read_state(self, session: Session) -> IndexState:
        active = load_active(session)
        number, hash_ = head(session)
        return IndexState(active, last_change(session, active.id), f"{number}:{hash_}")


def _catch_up(session: Session, index: ListedIndex, behind: IndexState) -> int:
    """Apply what changed; how many vectors came and went.

    Writers come one at a time, so the order is that of the commits.
    """
    table = GenerationVectors(session, behind.generation.id)
    came, went = table.changed_since(behind.last_change)
    if len(went):
        index.remove(went)
    new = table.load(came)
    if len(new.rows):
        index.add(new.rows, new.vectors)
    return len(went) + len(new.rows)


def _agree(
    session: Session, made: ListedIndex, state: IndexState, rows: npt.NDArray[np.int64]
) -> None:
    """Make an index hold the vectors of these numbers, and no others."""
    held = made.rows()
    went = np.setdiff1d(held, rows)
    if len(went):
        made.remove(went)
    table = GenerationVectors(session, state.generation.id)
    new = table.load(np.setdiff1d(rows, held))
    if len(new.rows):
        made.add(new.rows, new.vectors)


def _lost_some(session: Session, generation: GenerationId, since: int) -> bool:
    """Whether vectors of a generation went after a change, or the generation itself."""
    if session.get(GenerationRow, generation) is None:
        return True
    return has_removals(session, generation, since)


def _knows(session: Session, history: str) -> bool:
    """Whether the audit log once ended like this."""
    number, _, hash_ = history.partition(":")
    if not number.isdecimal():
        return False
    if number == "0":
        return True
    return any(record.hash == hash_ for record in read(session, after=int(number) - 1, limit=1))
