"""The index follows the database: it is compared with one that is built anew each time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
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
from sigvault.storage.generations import activate_generation, add_generation, add_model
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


class LargeIndex(ListIndex):
    """The same, for many vectors."""


class Shelf:
    """Keeps an index in memory, as files would."""

    def __init__(self) -> None:
        self.files: tuple[IndexState, dict[int, np.ndarray]] | None = None
        self.opened = 0
        self.full = False
        self.unreadable = False
        self.small = 10**9  # more vectors are for an index of another kind
        self.made: Callable[[], None] = lambda: None

    def open(self, state, table, knows: Callable[[str], bool]):
        self.opened += 1
        index = ListIndex()
        if self.files is not None and knows(self.files[0].history):
            index.vectors = dict(self.files[1])
        held, rows = index.rows(), table.rows()
        index.remove(np.setdiff1d(held, rows))
        block = table.load(np.setdiff1d(rows, held))
        index.add(block.rows, block.vectors)
        return index, len(block.rows) + len(np.setdiff1d(held, rows))

    def keep(self, index, state, outdated) -> Callable[[], None]:
        vectors = dict(index.vectors)

        def write() -> None:
            if self.full:
                raise IndexFailed("the disk is full")
            if outdated():
                raise IndexFailed("somebody was erased")
            self.files = (state, vectors)

        return write

    def kept(self):
        if self.unreadable:
            raise IndexFailed("the manifest is damaged")
        return (
            {} if self.files is None else {self.files[0].generation.id: self.files[0].last_change}
        )

    def outgrown(self, index):
        if len(index) <= self.small or isinstance(index, LargeIndex):
            return None
        vectors = dict(index.vectors)

        def make() -> LargeIndex:
            made = LargeIndex()
            made.vectors = vectors
            self.made()
            return made

        return make

    def describe(self, index) -> str:
        return f"{len(index)} of many"

    def discard(self) -> None:
        self.files = None


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


def open_and_keep(engine, shelf) -> GalleryIndex:
    """An index that was opened, and lies on the shelf by now."""
    index = GalleryIndex(engine, shelf)
    index.current()
    index.keep()
    return index


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
        assert sorted(index.current().index.vectors) == rows_in_database(engine)
    assert shelf.opened == 1
    assert index.size == 4


def test_a_small_index_is_not_kept(engine, change):
    shelf = Shelf()
    index = GalleryIndex(engine, shelf)
    change.enroll("a", 3)
    index.keep()
    index.current()
    index.keep()
    assert shelf.files is None


def test_a_large_one_is_kept_when_that_pays(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 30)
    index = open_and_keep(engine, shelf)
    assert sorted(shelf.files[1]) == rows_in_database(engine)
    change.enroll("b", 1)
    index.keep()
    assert len(shelf.files[1]) == 30  # one in thirty is not worth it
    change.enroll("c", 2)
    index.keep()
    assert len(shelf.files[1]) == 33
    reopened = GalleryIndex(engine, shelf)
    assert sorted(reopened.current().index.vectors) == rows_in_database(engine)
    kept = shelf.files
    reopened.keep()
    assert shelf.files is kept


def test_what_was_erased_is_dropped_from_everywhere(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    change.enroll("b", 2)
    index = open_and_keep(engine, shelf)
    change.erase("a")
    index.forget()
    assert shelf.files is None
    assert index.size == 2
    index.keep()
    assert sorted(shelf.files[1]) == rows_in_database(engine)


def test_what_was_erased_needs_no_open_index_to_be_dropped(engine, change):
    shelf = Shelf()
    shelf.files = (None, {})
    index = GalleryIndex(engine, shelf)
    index.forget()
    assert (shelf.files, shelf.opened, index.size) == (None, 0, None)


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
    assert shelf.files is None
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
            seen.append(len(index.current().index))
            write()

        return write_late

    shelf.keep = keep_slowly
    index.keep()
    assert seen == [5]
    assert len(shelf.files[1]) == 2  # what it was when keeping began, with the state of then
    shelf.keep = keep
    index.keep()
    assert len(shelf.files[1]) == 5  # what came meanwhile was not forgotten to be behind


def test_a_comparison_with_the_database_counts_both_ways(engine, change):
    shelf = Shelf()
    change.enroll("a", 3)
    index = GalleryIndex(engine, shelf)
    assert index.compare() == IndexDifference(missing=0, extra=0)
    held = index.current().index
    held.remove(held.rows()[:2])
    held.vectors[99] = held.vectors[held.rows()[0]]
    assert index.compare() == IndexDifference(missing=2, extra=1)


def test_files_that_cannot_be_written_are_no_matter(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    shelf.full = True
    change.enroll("a", 2)
    index = open_and_keep(engine, shelf)
    assert index.size == 2
    shelf.full = False
    index.keep()
    assert shelf.files is not None


def test_a_history_is_known_by_its_last_event(engine):
    with read_session(engine) as session:
        number, hash_ = head(session)
        assert _knows(session, f"{number}:{hash_}")
        assert _knows(session, "0:anything")
        for other in (f"{number}:{'0' * 64}", f"{number + 1}:{hash_}", "", "x:y", f"-1:{hash_}"):
            assert not _knows(session, other)


def test_it_says_whose_vectors_it_holds_when_another_generation_is_let_decide(engine, change):
    change.enroll("a", 3)
    index = GalleryIndex(engine, Shelf())
    assert (index.current().generation, len(index.current().index)) == (1, 3)
    with write_session(engine) as session:
        other = FakeEmbedder("other")
        add_model(session, other.card, NOW)
        row = add_generation(session, other.model, preprocessing="x", dimension=7, at=NOW)
        activate_generation(session, row.id, NOW)
    assert (index.current().generation, len(index.current().index)) == (2, 0)


def test_a_signer_erased_while_the_files_are_written_never_gets_there(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    change.enroll("b", 2)
    index = GalleryIndex(engine, shelf)
    index.current()
    keep, written = shelf.keep, []

    def keep_slowly(*args) -> Callable[[], None]:
        write = keep(*args)

        def write_late() -> None:
            change.erase("a")
            try:
                write()
            finally:
                written.append(shelf.files)

        return write_late

    shelf.keep = keep_slowly
    index.keep()
    assert written == [None]
    shelf.keep = keep
    index.keep()
    assert sorted(shelf.files[1]) == rows_in_database(engine)


def test_files_with_an_erased_signer_are_removed_at_the_next_opening(engine, change, monkeypatch):
    """Whoever wrote them was killed before it could look, or whoever erased before it removed."""
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    change.enroll("b", 30)
    open_and_keep(engine, shelf)
    change.erase("a")
    reopened = GalleryIndex(engine, shelf)
    assert sorted(reopened.current().index.vectors) == rows_in_database(engine)
    assert shelf.files is None
    reopened.keep()
    assert sorted(shelf.files[1]) == rows_in_database(engine)


def test_files_that_cannot_be_read_are_removed_and_files_that_cannot_be_are_no_matter(
    engine, change, monkeypatch
):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    open_and_keep(engine, shelf)
    shelf.unreadable = True
    GalleryIndex(engine, shelf).current()
    assert shelf.files is None

    def fail() -> None:
        raise IndexFailed("no permission")

    shelf.discard = fail
    assert len(GalleryIndex(engine, shelf).current().index) == 2


def test_files_of_a_generation_that_is_gone_are_removed(engine, change, monkeypatch):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    shelf = Shelf()
    change.enroll("a", 2)
    open_and_keep(engine, shelf)
    state, vectors = shelf.files
    shelf.files = (replace(state, generation=replace(state.generation, id=7)), vectors)
    GalleryIndex(engine, shelf).current()
    assert shelf.files is None


def test_an_index_that_grows_too_large_is_replaced_while_searches_go_on(engine, change):
    shelf = Shelf()
    shelf.small = 4
    change.enroll("a", 4)
    index = GalleryIndex(engine, shelf)
    index.current()
    going, go_on = threading.Event(), threading.Event()
    shelf.made = lambda: (going.set(), go_on.wait(30))
    change.enroll("b", 3)
    small = index.current().index
    assert going.wait(30)
    change.erase("a")  # while the other kind is made
    change.enroll("c", 2)
    assert index.current().index is small
    go_on.set()
    index.wait()
    assert isinstance(index.current().index, LargeIndex)
    assert sorted(index.current().index.vectors) == rows_in_database(engine)
    change.enroll("d", 1)
    assert sorted(index.current().index.vectors) == rows_in_database(engine)
    assert shelf.opened == 1


def test_an_index_that_can_not_be_replaced_stays(engine, change):
    shelf = Shelf()
    shelf.small = 1

    def fail() -> None:
        raise IndexFailed("no memory")

    shelf.made = fail
    index = GalleryIndex(engine, shelf)
    index.current()
    for signer in "abc":
        change.enroll(signer, 1)
        index.current()
        index.wait()
    assert sorted(index.current().index.vectors) == rows_in_database(engine)
    assert not isinstance(index.current().index, LargeIndex)


def test_a_replacement_comes_too_late_for_another_generation(engine, change):
    shelf = Shelf()
    shelf.small = 1
    index = GalleryIndex(engine, shelf)
    index.current()
    going, go_on = threading.Event(), threading.Event()
    shelf.made = lambda: (going.set(), go_on.wait(30))
    change.enroll("a", 2)
    index.current()
    assert going.wait(30)
    with write_session(engine) as session:
        other = FakeEmbedder("other")
        add_model(session, other.card, NOW)
        row = add_generation(session, other.model, preprocessing="x", dimension=7, at=NOW)
        activate_generation(session, row.id, NOW)
    go_on.set()
    index.wait()
    assert (index.current().generation, len(index.current().index)) == (2, 0)


def test_a_database_that_is_gone_is_no_matter_when_it_is_kept(engine, change, tmp_path):
    change.enroll("a", 2)
    index = GalleryIndex(engine, Shelf())
    index.current()
    engine.dispose()
    for path in tmp_path.glob("vault.sqlite3*"):
        path.unlink()
    index.keep()
