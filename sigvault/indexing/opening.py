"""Opening the index of a vault: from its snapshot, caught up with the database, or built anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.domain.row_summary import RowSummary
from sigvault.indexing.choice import EXACT_UP_TO, SearchOptions, choose_index, has_outgrown
from sigvault.indexing.combining import on_parts
from sigvault.indexing.contents import IndexContents, StorableIndex
from sigvault.indexing.faiss_index import faiss_version
from sigvault.indexing.packing import check_norms, packed
from sigvault.indexing.recall import Recall, own_recall
from sigvault.indexing.snapshot import (
    Manifest,
    Snapshot,
    SnapshotIdentity,
    read_snapshot,
    sweep_snapshots,
    write_snapshot,
)

_BLOCK = 8192
"""Vectors read from the database at a time."""

_log = logging.getLogger(__name__)


class VectorBlock(Protocol):
    """Some vectors of the database.

    Attributes:
        rows: int64 (N,), rising: the vectors' numbers.
        vectors: float32 (N, D), unit norm.
    """

    @property
    def rows(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def vectors(self) -> npt.NDArray[np.float32]: ...  # noqa: D102


class VectorTable(Protocol):
    """The vectors of one generation in the database, all seen at the same moment."""

    def summary(self) -> RowSummary:
        """All numbers at a glance."""

    def rows(self) -> npt.NDArray[np.int64]:
        """All numbers int64 (N,), rising: slow where there are many."""

    def load(self, rows: npt.NDArray[np.int64]) -> VectorBlock:
        """The vectors of some rows; rows that are gone are left out."""

    def blocks(self) -> Iterator[VectorBlock]:
        """All vectors, by rising number."""

    def changed_since(self, change: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The numbers int64 of vectors that came to stay, and that went, after a change."""


@dataclass(frozen=True)
class CatchUp:
    """What it took to make an index agree with the database.

    Attributes:
        added: how many vectors were added.
        removed: how many were removed.
    """

    added: int
    removed: int


@dataclass(frozen=True)
class OpenedIndex:
    """An index that agrees with the database.

    Attributes:
        index: the index.
        restored: how many vectors came from the snapshot.
        caught_up: what was added and removed after that.
        rebuilt_because: why a snapshot was not used or not enough, or empty where it was or there
            was none.
        recall: what an index that is not exact finds of the vault's own vectors; None for an
            exact one, which finds all.
    """

    index: StorableIndex
    restored: int
    caught_up: CatchUp
    rebuilt_because: str = ""
    recall: Recall | None = None


def open_index(
    folder: Path,
    identity: SnapshotIdentity,
    table: VectorTable,
    *,
    last_change: int,
    is_ours: Callable[[Manifest], bool] = lambda _: True,
    options: SearchOptions | None = None,
) -> OpenedIndex:
    """Make the index of a generation, from its snapshot as far as that can be believed.

    A snapshot holds the vectors of the database at some change, in a history that the vault knows,
    so the changes since make up the difference. That the log of changes has them all is not
    taken on trust: the numbers' count, last and sum are compared with the database's, and where
    they differ, all numbers.

    Args:
        folder: where snapshots lie.
        identity: the model, generation and dimension.
        table: the vectors that the generation has in the database.
        last_change: the number of the database's last change; a later snapshot is refused.
        is_ours: whether the vault knows the history that a snapshot names.
        options: how the index searches.

    Raises:
        IndexFailed: If the index can't be made at all. A snapshot that can't be used is no
            reason: the vectors are then read from the database, and a warning is logged.
    """
    sweep_snapshots(folder)
    summary, reason = table.summary(), ""
    try:
        snapshot = _believable(folder, identity, last_change, is_ours)
    except IndexFailed as error:
        snapshot, reason = None, str(error)
        _log.warning("building the index from the database: %s", reason)
    if snapshot is None:
        index = choose_index(
            identity.dimension, summary.count, options, _read_all(table, identity.dimension)
        )
        return OpenedIndex(index, 0, CatchUp(len(index), 0), reason, _recall(index))
    restored = len(snapshot.contents.rows)
    index = choose_index(
        identity.dimension, max(summary.count, restored), options, snapshot.contents
    )
    caught_up = _apply_changes(index, table, snapshot.manifest.last_change)
    if RowSummary.of(index.rows()) != summary:
        reason = "the log of changes does not tell all that changed since the index was kept"
        _log.warning("comparing the index with the whole database: %s", reason)
        more = catch_up(index, table)
        caught_up = CatchUp(caught_up.added + more.added, caught_up.removed + more.removed)
    return OpenedIndex(index, restored, caught_up, reason, _recall(index))


def outgrown(
    index: StorableIndex, options: SearchOptions | None = None
) -> Callable[[], StorableIndex] | None:
    """Make an index of the kind that fits how large this one has become, of what it holds now.

    Args:
        index: the index.
        options: how it searches.

    Returns:
        What makes it, or None where the kind fits. IndexFailed is raised then where it can't be
        made.
    """
    if not has_outgrown(index, options):
        return None
    frozen = index.frozen()

    def make() -> StorableIndex:
        contents = frozen()
        dimension = contents.vectors.shape[1]
        halved = IndexContents(contents.rows, packed([contents.vectors], dimension))
        return choose_index(dimension, len(contents.rows), options, halved)

    return make


def catch_up(index: StorableIndex, table: VectorTable) -> CatchUp:
    """Make an index hold exactly the vectors that the database has, by comparing all numbers.

    A row's vector never changes within a generation, so comparing the numbers suffices.

    Args:
        index: the index.
        table: the vectors that the generation has.

    Raises:
        IndexFailed: If vectors can't be added.
    """
    held, rows = index.rows(), table.rows()
    extra = np.setdiff1d(held, rows)
    if extra.size:
        index.remove(extra)
    return CatchUp(_add(index, table, np.setdiff1d(rows, held)), len(extra))


def save_index(
    folder: Path,
    contents: IndexContents,
    identity: SnapshotIdentity,
    *,
    last_change: int,
    history: str = "",
    outdated: Callable[[], bool] = lambda: False,
) -> Manifest:
    """Keep an index's contents in a snapshot, in the place of the generation's old one.

    Args:
        folder: where snapshots lie.
        contents: what the index held after the last change.
        identity: its model, generation and dimension.
        last_change: the number of the last change in the database that it includes.
        history: names the vault's history up to there, such as the audit chain's hash.
        outdated: whether the contents hold by now what must not be kept; asked at the very end.

    Raises:
        IndexFailed: If the files can't be written, or are outdated; the old snapshot is still
            there then.
    """
    return write_snapshot(
        folder,
        contents,
        identity,
        last_change=last_change,
        history=history,
        faiss=faiss_version() if len(contents.rows) > EXACT_UP_TO else None,
        outdated=outdated,
    )


def _believable(
    folder: Path,
    identity: SnapshotIdentity,
    last_change: int,
    is_ours: Callable[[Manifest], bool],
) -> Snapshot | None:
    """The snapshot, if there is one.

    Raises:
        IndexFailed: If it can't be believed.
    """
    snapshot = read_snapshot(folder, identity)
    if snapshot is None:
        return None
    manifest = snapshot.manifest
    if manifest.last_change > last_change or not is_ours(manifest):
        raise IndexFailed(
            f"the kept index of generation {identity.generation} includes change "
            f"{manifest.last_change}, which the database doesn't know: it was made before the "
            "database was restored, or for another vault"
        )
    rows = snapshot.contents.rows
    if len(rows) and (rows[0] < 0 or np.any(rows[1:] <= rows[:-1])):
        raise IndexFailed(f"the kept index of generation {identity.generation} is out of order")
    on_parts(check_norms, snapshot.contents.vectors)
    return snapshot


def _recall(index: StorableIndex) -> Recall | None:
    if index.exact or not len(index):
        return None
    recall = own_recall(index)
    _log.info(
        "of the %d nearest, the index finds %.1f %% on average and %.1f %% at worst",
        recall.k,
        100 * recall.mean,
        100 * recall.worst,
    )
    return recall


def _read_all(table: VectorTable, dimension: int) -> IndexContents:
    rows, vectors = [np.empty(0, np.int64)], []
    for block in table.blocks():
        rows.append(block.rows)
        # Packed at once, so that all vectors never lie in memory in 32 bits.
        vectors.append(packed([block.vectors], dimension))
    return IndexContents(np.concatenate(rows), packed(vectors, dimension))


def _apply_changes(index: StorableIndex, table: VectorTable, change: int) -> CatchUp:
    """Add and remove what changed after a change."""
    came, went = table.changed_since(change)
    before = len(index)
    if went.size:
        index.remove(went)
    removed = before - len(index)
    # A change that the snapshot includes already shows again where it was kept in between.
    fresh = came[~np.isin(came, index.rows())] if came.size else came
    return CatchUp(_add(index, table, fresh), removed)


def _add(index: StorableIndex, table: VectorTable, rows: npt.NDArray[np.int64]) -> int:
    added = 0
    for start in range(0, len(rows), _BLOCK):
        block = table.load(rows[start : start + _BLOCK])
        index.add(block.rows, block.vectors)
        added += len(block.rows)
    return added
