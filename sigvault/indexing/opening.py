"""Opening the index of a vault: from its snapshot, caught up with the database, or built anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.choice import SearchOptions, choose_index
from sigvault.indexing.contents import IndexContents, StorableIndex
from sigvault.indexing.faiss_index import FaissIndex, faiss_version
from sigvault.indexing.snapshot import Manifest, SnapshotIdentity, read_snapshot, write_snapshot

LoadVectors = Callable[[npt.NDArray[np.int64]], IndexContents]
"""Reads the vectors of some rows from the database; rows that are gone are left out."""

_BLOCK = 8192
"""Vectors read from the database at a time."""

_log = logging.getLogger(__name__)


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
        rebuilt_because: why a snapshot was not used, or empty where it was or there was none.
    """

    index: StorableIndex
    restored: int
    caught_up: CatchUp
    rebuilt_because: str = ""


def open_index(
    folder: Path,
    identity: SnapshotIdentity,
    rows: npt.NDArray[np.int64],
    load: LoadVectors,
    *,
    last_change: int,
    is_ours: Callable[[Manifest], bool] = lambda _: True,
    options: SearchOptions | None = None,
) -> OpenedIndex:
    """Make the index of a generation, from its snapshot as far as that can be believed.

    Args:
        folder: where snapshots lie.
        identity: the model, generation and dimension.
        rows: int64 (N,): the numbers of all vectors that the generation has in the database.
        load: reads vectors from the database.
        last_change: the number of the database's last change; a later snapshot is refused.
        is_ours: whether the vault knows the history that a snapshot names.
        options: how the index searches.

    Raises:
        IndexFailed: If the index can't be made at all. A snapshot that can't be used is no
            reason: the vectors are then read from the database, and a warning is logged.
    """
    index = choose_index(identity.dimension, len(rows), options)
    restored, reason = 0, ""
    try:
        restored = _restore(index, folder, identity, last_change, is_ours)
    except IndexFailed as error:
        reason = str(error)
        _log.warning("building the index from the database: %s", reason)
    return OpenedIndex(index, restored, catch_up(index, rows, load), reason)


def catch_up(index: StorableIndex, rows: npt.NDArray[np.int64], load: LoadVectors) -> CatchUp:
    """Make an index hold exactly the vectors that the database has.

    A row's vector never changes within a generation, so comparing the numbers suffices. This
    doesn't rest on the order of changes, in which concurrent writers can overtake each other.

    Args:
        index: the index.
        rows: int64 (N,): the numbers of all vectors that the generation has.
        load: reads vectors from the database.

    Raises:
        IndexFailed: If vectors can't be added.
    """
    held = index.rows()
    extra = np.setdiff1d(held, rows)
    if extra.size:
        index.remove(extra)
    missing = np.setdiff1d(rows, held)
    added = 0
    for start in range(0, len(missing), _BLOCK):
        block = load(missing[start : start + _BLOCK])
        index.add(block.rows, block.vectors)
        added += len(block.rows)
    return CatchUp(added, len(extra))


def save_index(
    folder: Path,
    index: StorableIndex,
    identity: SnapshotIdentity,
    *,
    last_change: int,
    history: str = "",
) -> Manifest:
    """Keep an index in a snapshot, in the place of the generation's old one.

    Args:
        folder: where snapshots lie.
        index: the index.
        identity: its model, generation and dimension.
        last_change: the number of the last change in the database that it includes.
        history: names the vault's history up to there, such as the audit chain's hash.

    Raises:
        IndexFailed: If the files can't be written; the old snapshot is still there then.
    """
    return write_snapshot(
        folder,
        index.contents(),
        identity,
        last_change=last_change,
        history=history,
        faiss=faiss_version() if isinstance(index, FaissIndex) else None,
    )


def _restore(
    index: StorableIndex,
    folder: Path,
    identity: SnapshotIdentity,
    last_change: int,
    is_ours: Callable[[Manifest], bool],
) -> int:
    """Fill an empty index from the snapshot; return how many vectors it held.

    Raises:
        IndexFailed: If the snapshot can't be believed.
    """
    snapshot = read_snapshot(folder, identity)
    if snapshot is None:
        return 0
    manifest = snapshot.manifest
    if manifest.last_change > last_change or not is_ours(manifest):
        raise IndexFailed(
            f"the kept index of generation {identity.generation} includes change "
            f"{manifest.last_change}, which the database doesn't know: it was made before the "
            "database was restored, or for another vault"
        )
    index.add(snapshot.contents.rows, snapshot.contents.vectors)
    return manifest.count
