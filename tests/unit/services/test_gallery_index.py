"""The index follows the database: it is compared with one that is built anew each time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.domain.errors import IndexFailed
from sigvault.domain.identifiers import SignerId
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.services import gallery_index
from sigvault.services.creation import found
from sigvault.services.gallery_index import (
    GalleryIndex,
    IndexDifference,
    IndexState,
    _knows,
)
from sigvault.storage import schema
from sigvault.storage.audit_log import head
from sigvault.storage.embeddings import add_embeddings, iterate_vectors
from sigvault.storage.engine import make_engine, read_session, write_session
from sigvault.storage.references import add_reference
from sigvault.storage.signers import add_signer, erase_signer, get_signer

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class ListIndex:
    """A dictionary of vectors: the slowest index there is."""

    def __init__(self) -> None:
        self.vectors: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    def add(self, rows, vectors) -> None:
        for row, vector in zip(rows.tolist(), vectors, strict=True):
            assert row not in self.vectors
            self.vectors[row] = vector

    def remove(self, rows) -> None:
        for row in rows.tolist():
            self.vectors.pop(row, None)

    def rows(self):
        return np.array(sorted(self.vectors), np.int64)

    def search(self, probes, k):
        raise NotImplementedError


class Shelf:
    """Keeps an index in memory, as files would."""

    def __init__(self) -> None:
        self.kept: tuple[IndexState, dict[int, np.ndarray]] | None = None
        self.opened = 0
        self.full = False

    def open(self, state, table, knows: Callable[[str], bool]):
        self.opened += 1
        index = ListIndex()
        if self.kept is not None and knows(self.kept[0].history):
            index.vectors = dict(self.kept[1])
        held, rows = index.rows(), table.rows()
        index.remove(np.setdiff1d(held, rows))
        block = table.load(np.setdiff1d(rows, held))
        index.add(block.rows, block.vectors)
        return index, len(block.rows) + len(np.setdiff1d(held, rows))

    def keep(self, index, state) -> Callable[[], None]:
        vectors = dict(index.vectors)

        def write() -> None:
            if self.full:
                raise IndexFailed("the disk is full")
            self.kept = (state, vectors)

        return write

    def describe(self, index) -> str:
        return f"{len(index)} of many"

    def discard(self) -> None:
        self.kept = None


@pytest.fixture
def engine(tmp_path):
    engine = make_engine(tmp_path / "vault.sqlite3")
    schema.upgrade(engine)
    found(engine, FakeEmbedder(), version="1", at=NOW)
    yield engine
    engine.dispose()


@pytest.fixture
def change(engine):
    embedder = FakeEmbedder()
    image = DEFAULT_PREPROCESSING.prepare(decode_bytes(draw_signature(1))).ink
    (embedding,) = embedder.embed([image])

    class Change:
        def enroll(self, signer: str, count: int = 1) -> None:
            with write_session(engine) as session:
                row = add_signer(session, SignerId(signer), "", NOW)
                for number in range(count):
                    reference = add_reference(
                        session,
                        row.key,
                        image_digest=f"{number:064x}",
                        image_bytes=1,
                        findings=(),
                        at=NOW,
                        by="x",
                    )
                    add_embeddings(session, 1, [(reference.id, embedding)])

        def erase(self, signer: str) -> None:
            with write_session(engine) as session:
                erase_signer(session, get_signer(session, SignerId(signer)), NOW)

    return Change()


def rows_in_database(engine) -> list[int]:
    with read_session(engine) as session:
        return [row for block in iterate_vectors(session, 1) for row in block.rows.tolist()]


def test_it_is_opened_once_and_follows_every_change(engine, change):
    shelf = Shelf()
    index = GalleryIndex(engine, shelf)
    assert index.size is None
    for step in (
        lambda: change.enroll("a", 3),
        lambda: change.enroll("b", 2),
        lambda: change.erase("a"),
        lambda: (change.enroll("c", 2), change.erase("c")),
        lambda: (change.erase("b"), change.enroll("b", 4)),
        lambda: None,
    ):
        step()
        assert sorted(index.current().vectors) == rows_in_database(engine)
    assert shelf.opened == 1
    assert index.size == 4


def test_a_small_index_is_not_kept(engine, change):
    shelf = Shelf()
    index = GalleryIndex(engine, shelf)
    change.enroll("a", 3)
    index.keep()
    index.current()
    index.keep()
    assert shelf.kept is None


def test_a_large_one_is_kept_when_that_pays(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 30)
    index = GalleryIndex(engine, shelf)
    index.current()
    index.keep()
    assert sorted(shelf.kept[1]) == rows_in_database(engine)
    change.enroll("b", 1)
    index.keep()
    assert len(shelf.kept[1]) == 30  # one in thirty is not worth it
    change.enroll("c", 2)
    index.keep()
    assert len(shelf.kept[1]) == 33
    reopened = GalleryIndex(engine, shelf)
    assert sorted(reopened.current().vectors) == rows_in_database(engine)
    kept = shelf.kept
    reopened.keep()
    assert shelf.kept is kept


def test_what_was_erased_is_dropped_from_everywhere(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    change.enroll("b", 2)
    index = GalleryIndex(engine, shelf)
    index.current()
    index.keep()
    change.erase("a")
    index.forget()
    assert shelf.kept is None
    assert index.size == 2
    index.keep()
    assert sorted(shelf.kept[1]) == rows_in_database(engine)


def test_what_was_erased_needs_no_open_index_to_be_dropped(engine, change):
    shelf = Shelf()
    shelf.kept = (None, {})
    index = GalleryIndex(engine, shelf)
    index.forget()
    assert (shelf.kept, shelf.opened, index.size) == (None, 0, None)


def test_an_erasure_while_the_files_are_written_discards_them(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    change.enroll("b", 2)
    index = GalleryIndex(engine, shelf)
    index.current()
    keep = shelf.keep

    def keep_slowly(*args) -> Callable[[], None]:
        write = keep(*args)

        def write_late() -> None:
            change.erase("a")
            index.forget()  # waits for nothing
            write()

        return write_late

    shelf.keep = keep_slowly
    index.keep()
    assert shelf.kept is None
    assert index.size == 2


def test_searches_go_on_while_the_files_are_written(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    index = GalleryIndex(engine, shelf)
    index.current()
    keep = shelf.keep
    seen = []

    def keep_slowly(*args) -> Callable[[], None]:
        write = keep(*args)

        def write_late() -> None:
            change.enroll("b", 3)
            seen.append(len(index.current()))
            write()

        return write_late

    shelf.keep = keep_slowly
    index.keep()
    assert seen == [5]
    assert len(shelf.kept[1]) == 2  # what it was when keeping began, with the state of then
    shelf.keep = keep
    index.keep()
    assert len(shelf.kept[1]) == 5  # what came meanwhile was not forgotten to be behind


def test_a_comparison_with_the_database_counts_both_ways(engine, change):
    shelf = Shelf()
    change.enroll("a", 3)
    index = GalleryIndex(engine, shelf)
    assert index.compare() == IndexDifference(missing=0, extra=0)
    held = index.current()
    held.remove(held.rows()[:2])
    held.vectors[99] = held.vectors[held.rows()[0]]
    assert index.compare() == IndexDifference(missing=2, extra=1)


def test_files_that_cannot_be_written_are_no_matter(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    shelf.full = True
    change.enroll("a", 2)
    index = GalleryIndex(engine, shelf)
    index.current()
    index.keep()
    assert index.size == 2
    shelf.full = False
    index.keep()
    assert shelf.kept is not None


def test_a_history_is_known_by_its_last_event(engine):
    with read_session(engine) as session:
        number, hash_ = head(session)
        assert _knows(session, f"{number}:{hash_}")
        assert _knows(session, "0:anything")
        for other in (f"{number}:{'0' * 64}", f"{number + 1}:{hash_}", "", "x:y", f"-1:{hash_}"):
            assert not _knows(session, other)
