from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.errors import IndexFailed
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.domain.row_summary import RowSummary
from sigvault.indexing import choice, opening
from sigvault.indexing.choice import IndexKind, SearchOptions
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import Inverted
from sigvault.indexing.opening import CatchUp, catch_up, open_index, outgrown, save_index
from sigvault.indexing.snapshot import SnapshotIdentity, read_snapshot

IDENTITY = SnapshotIdentity(ModelId("tiny-0123456789ab"), GenerationId(1), 2)


class Database:
    """Vectors by row, as the database has them, and a note of which were read."""

    def __init__(self, *rows):
        self.vectors, self.changes, self.read, self.listed = {}, [], [], 0
        self.put(*rows)

    @staticmethod
    def vector(row):
        return np.array([np.cos(row), np.sin(row)], np.float32)

    @property
    def last_change(self):
        return len(self.changes)

    def put(self, *rows):
        self.vectors.update((row, self.vector(row)) for row in rows)
        self.changes += [(row, True) for row in rows]

    def drop(self, *rows):
        for row in rows:
            del self.vectors[row]
        self.changes += [(row, False) for row in rows]

    def summary(self):
        return RowSummary.of(self._rows())

    def rows(self):
        self.listed += 1
        return self._rows()

    def _rows(self):
        return np.array(sorted(self.vectors), np.int64)

    def changed_since(self, change):
        later = self.changes[change:]
        went = sorted(row for row, added in later if not added)
        came = sorted(row for row, added in later if added and row not in went)
        return np.array(came, np.int64), np.array(went, np.int64)

    def blocks(self):
        for row in self._rows():
            yield self.load(np.array([row]))

    def load(self, rows):
        found = [row for row in rows.tolist() if row in self.vectors]
        self.read += found
        vectors = [self.vectors[row] for row in found]
        return IndexContents(
            np.array(found, np.int64), np.array(vectors, np.float32).reshape(-1, 2)
        )


def opened(folder, database, **options):
    database.read.clear()
    database.listed = 0
    return open_index(folder, IDENTITY, database, last_change=database.last_change, **options)


def saved(folder, database):
    save_index(
        folder,
        opened(folder, database).index.contents(),
        IDENTITY,
        last_change=database.last_change,
        history="a",
    )


def assert_agrees(index, database):
    contents = index.contents()
    assert contents.rows.tolist() == sorted(database.vectors)
    for row, vector in zip(contents.rows.tolist(), contents.vectors, strict=True):
        np.testing.assert_array_equal(vector, database.vectors[row])


def test_the_first_time_everything_comes_from_the_database(tmp_path):
    database = Database(1, 2, 5)
    result = opened(tmp_path, database)
    assert (result.restored, result.caught_up, result.rebuilt_because) == (0, CatchUp(3, 0), "")
    assert_agrees(result.index, database)


def test_a_saved_index_is_opened_without_reading_vectors(tmp_path):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    result = opened(tmp_path, database)
    assert (result.restored, result.caught_up) == (3, CatchUp(0, 0))
    assert (database.read, database.listed) == ([], 0)
    assert_agrees(result.index, database)


def test_an_older_snapshot_is_caught_up(tmp_path):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    database.drop(2)
    database.put(7, 8)
    result = opened(tmp_path, database)
    assert (result.restored, result.caught_up, result.rebuilt_because) == (3, CatchUp(2, 1), "")
    assert (database.read, database.listed) == ([7, 8], 0)
    assert_agrees(result.index, database)


def test_what_came_and_went_since_is_neither_read_nor_missed(tmp_path):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    database.put(7, 8)
    database.drop(7, 1)
    result = opened(tmp_path, database)
    assert (result.caught_up, database.read) == (CatchUp(1, 1), [8])
    assert_agrees(result.index, database)


def test_a_snapshot_that_includes_later_changes_than_it_says_is_caught_up_all_the_same(tmp_path):
    database = Database(1, 2, 5)
    then = database.last_change
    database.put(7)
    database.drop(1)
    save_index(tmp_path, opened(tmp_path, database).index.contents(), IDENTITY, last_change=then)
    result = opened(tmp_path, database)
    assert (result.caught_up, database.read, result.rebuilt_because) == (CatchUp(0, 0), [], "")
    assert_agrees(result.index, database)


@pytest.mark.parametrize("forgotten", [(7, True), (2, False)])
def test_a_log_of_changes_with_gaps_is_noticed(tmp_path, caplog, forgotten):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    database.put(7)
    database.drop(2)
    database.changes.remove(forgotten)
    database.changes.append((99, True))  # as many changes as before, but another one
    result = opened(tmp_path, database)
    assert "does not tell all that changed" in result.rebuilt_because
    assert "does not tell all that changed" in caplog.text
    assert database.listed == 1
    assert_agrees(result.index, database)


def test_a_snapshot_from_after_a_restored_backup_is_not_believed(tmp_path, caplog):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    restored = Database(1)
    result = opened(tmp_path, restored)
    assert "change 3, which the database doesn't know" in result.rebuilt_because
    assert result.rebuilt_because in caplog.text
    assert_agrees(result.index, restored)


def test_a_snapshot_of_another_history_is_not_believed(tmp_path):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    assert opened(tmp_path, database, is_ours=lambda each: each.history == "a").restored == 3
    result = opened(tmp_path, database, is_ours=lambda each: each.history == "b")
    assert (result.restored, result.caught_up) == (0, CatchUp(3, 0))


def test_a_damaged_snapshot_is_built_anew(tmp_path):
    database = Database(1, 2, 5)
    saved(tmp_path, database)
    for path in tmp_path.glob("*.npy"):
        path.write_bytes(path.read_bytes()[:-1])
    result = opened(tmp_path, database)
    assert "is damaged" in result.rebuilt_because
    assert database.read == [1, 2, 5]
    assert_agrees(result.index, database)


def test_whole_files_with_vectors_that_can_not_be_are_built_anew(tmp_path):
    database = Database(1, 2)
    for wrong in (0.0, np.nan, 2.0):
        contents = IndexContents(np.array([1, 2]), np.full((2, 2), wrong, np.float32))
        save_index(tmp_path, contents, IDENTITY, last_change=1)
        result = opened(tmp_path, database)
        assert "norm" in result.rebuilt_because
        assert_agrees(result.index, database)


@pytest.mark.parametrize("rows", [[2, 1], [1, 1], [-1, 1]])
def test_whole_files_with_rows_out_of_order_are_built_anew(tmp_path, rows):
    database = Database(1, 2)
    contents = IndexContents(np.array(rows), np.eye(2, dtype=np.float32))
    save_index(tmp_path, contents, IDENTITY, last_change=1)
    result = opened(tmp_path, database)
    assert "out of order" in result.rebuilt_because
    assert_agrees(result.index, database)


def test_the_version_of_faiss_is_noted_where_it_is_used(tmp_path, monkeypatch):
    database = Database(1, 2)
    for exact_up_to, noted in ((2, False), (1, True)):
        monkeypatch.setattr(opening, "EXACT_UP_TO", exact_up_to)
        save_index(tmp_path, opened(tmp_path, database).index.contents(), IDENTITY, last_change=2)
        assert (read_snapshot(tmp_path, IDENTITY).manifest.faiss is not None) == noted


def test_the_chosen_kind_fills_from_any_snapshot(tmp_path):
    database = Database(*range(20))
    saved(tmp_path, database)
    for kind in set(IndexKind) - {IndexKind.GRAPH}:
        result = opened(tmp_path, database, options=SearchOptions("cpu", 1, kind))
        assert result.restored == 20
        assert_agrees(result.index, database)


def test_an_index_that_is_not_exact_reports_what_it_finds(tmp_path, caplog):
    caplog.set_level("INFO")
    database = Database(*range(60))
    lists = Inverted(lists=30, probed=1)
    inverted = SearchOptions("cpu", 1, IndexKind.INVERTED, inverted=lists)
    for step in ("built", "restored"):
        result = opened(tmp_path, database, options=inverted)
        assert result.restored == (60 if step == "restored" else 0)
        assert 0 < result.recall.mean < 1
        assert f"finds {100 * result.recall.mean:.1f} % on average" in caplog.text
        save_index(tmp_path, result.index.contents(), IDENTITY, last_change=60)
    assert opened(tmp_path, database).recall is None
    assert opened(tmp_path / "new", Database(), options=inverted).recall is None


def test_a_kind_that_can_not_be_had_is_an_error(tmp_path):
    with pytest.raises(IndexFailed, match="no device"):
        opened(tmp_path, Database(1), options=SearchOptions("tpu", 1, IndexKind.FLAT))


@given(
    before=st.sets(st.integers(0, 30)),
    after=st.sets(st.integers(0, 30)),
    gone=st.sets(st.integers(0, 30)),
)
def test_catching_up_leaves_exactly_what_the_database_has(before, after, gone):
    index = ExactIndex(2)
    catch_up(index, Database(*before))
    database = Database(*after)
    listed = database.rows()
    database.rows = lambda: listed
    for row in gone & after:  # erased between the listing and the reading
        del database.vectors[row]
    result = catch_up(index, database)
    assert set(index.rows().tolist()) == (after - gone) | (after & before)
    assert result == CatchUp(len(after - before - gone), len(before - after))


def test_vectors_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "_BLOCK", 4)
    database, sizes = Database(*range(10)), []

    load = database.load

    def load_noting(rows):
        sizes.append(len(rows))
        return load(rows)

    database.load = load_noting
    index = ExactIndex(2)
    catch_up(index, database)
    assert sizes == [4, 4, 2]
    assert_agrees(index, database)


def test_a_large_index_of_numpys_is_outgrown_with_room_to_spare(monkeypatch):
    monkeypatch.setattr(choice, "EXACT_UP_TO", 4)
    monkeypatch.setattr(choice, "_OUTGROWN_FROM", 6)
    index = ExactIndex(2)
    vectors = np.array([Database.vector(row) for row in range(8)])
    vectors = vectors.astype(np.float16).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add(np.arange(5), vectors[:5])
    assert outgrown(index) is None
    index.add(np.arange(5, 7), vectors[5:7])
    assert outgrown(index, SearchOptions(kind=IndexKind.EXACT)) is None
    make = outgrown(index, SearchOptions(device="cpu"))
    index.add(np.array([7]), vectors[7:])  # comes too late for it
    made = make()
    assert not isinstance(made, ExactIndex)
    assert made.rows().tolist() == list(range(7))
    assert outgrown(made) is None
    made.add(np.array([7]), vectors[7:])
    found, wanted = (each.search(vectors[:3], 5) for each in (made, index))
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.scores, wanted.scores)


def test_what_a_killed_writer_left_behind_goes_when_an_index_is_opened(tmp_path):
    left = tmp_path / f"{'0' * 64}.npy"
    left.write_bytes(b"somebody's")
    os.utime(left, (0, 0))
    opened(tmp_path, Database(1))
    assert not left.exists()
