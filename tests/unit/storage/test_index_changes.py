from __future__ import annotations

import numpy as np
import pytest

from sigvault.storage import embeddings, signers
from sigvault.storage.driver import directly
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.index_changes import changes_since, count_since, last_change, record_changes
from sigvault.storage.tables import ChangeKind


class Cache:
    """A naive index that follows the changes of one generation."""

    def __init__(self, generation):
        self.generation = generation
        self.seen = 0
        self.vectors = {}

    def catch_up(self, session, limit=None):
        changes = changes_since(session, self.generation, self.seen, limit=limit)
        came = [row for change in changes if change.kind is ChangeKind.ADD for row in change.rows]
        block = embeddings.load_vectors(session, self.generation, came)
        self.vectors.update(zip(block.rows.tolist(), block.vectors, strict=True))
        for change in changes:
            if change.kind is ChangeKind.REMOVE:
                for row in change.rows:
                    self.vectors.pop(row, None)
        self.seen = changes[-1].sequence if changes else self.seen
        return len(changes)


def truth(session, generation):
    return {
        row: vector
        for block in embeddings.iterate_vectors(session, generation)
        for row, vector in zip(block.rows.tolist(), block.vectors, strict=True)
    }


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[r], other[r]) for r in one)


def test_a_cache_that_follows_the_changes_equals_the_database(engine, add_generation, enroll, now):
    with write_session(engine) as session:
        generation = add_generation(session)
        other = add_generation(session, active=False)
        enroll(session, generation, "53", [1, 2])
    cache = Cache(generation)
    with read_session(engine) as session:
        assert cache.catch_up(session) == 2
        assert same(cache.vectors, truth(session, generation))

    with write_session(engine) as session:
        enroll(session, generation, "54", [3, 4])
        enroll(session, other, "55", [5])
        signers.erase_signer(session, signers.get_signer(session, "53"), now)
    with write_session(engine) as session:
        enroll(session, generation, "56", [6])
        signers.erase_signer(session, signers.get_signer(session, "54"), now)
    with read_session(engine) as session:
        while cache.catch_up(session, limit=2):
            pass
        assert same(cache.vectors, truth(session, generation))
        assert len(cache.vectors) == 1
        assert cache.seen == last_change(session, generation)


def test_a_transaction_that_is_left_leaves_no_change(engine, add_generation, enroll):
    with write_session(engine) as session:
        generation = add_generation(session)

    def stumble():
        with write_session(engine) as session:
            enroll(session, generation, "53", [1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stumble()

    with read_session(engine) as session:
        assert changes_since(session, generation, 0) == []
        assert last_change(session, generation) == 0


def test_consecutive_numbers_take_one_change_and_gaps_begin_another(engine, add_generation):
    with write_session(engine) as session:
        generation = add_generation(session)
        record_changes(directly(session), generation, ChangeKind.ADD, [3, 4, 5, 9, 11, 12])
        record_changes(directly(session), generation, ChangeKind.REMOVE, [4])
        record_changes(directly(session), generation, ChangeKind.REMOVE, [])
    with read_session(engine) as session:
        changes = changes_since(session, generation, 0)
        assert [(change.kind, change.rows) for change in changes] == [
            (ChangeKind.ADD, range(3, 6)),
            (ChangeKind.ADD, range(9, 10)),
            (ChangeKind.ADD, range(11, 13)),
            (ChangeKind.REMOVE, range(4, 5)),
        ]
        assert count_since(session, generation, 0) == 7
        assert count_since(session, generation, changes[1].sequence) == 3
        assert count_since(session, generation, changes[-1].sequence) == 0
