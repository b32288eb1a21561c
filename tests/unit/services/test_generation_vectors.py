"""What the database says of a generation's vectors, against plain lists of its rows."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from fakes import FakeEmbedder
from sigvault.domain.identifiers import SignerId
from sigvault.domain.row_summary import RowSummary
from sigvault.services.creation import found
from sigvault.services.generation_vectors import GenerationVectors
from sigvault.storage import schema
from sigvault.storage.embeddings import add_embeddings
from sigvault.storage.engine import make_engine, read_session, write_session
from sigvault.storage.index_changes import last_change
from sigvault.storage.references import add_reference
from sigvault.storage.signers import add_signer, erase_signer, get_signer

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path):
    engine = make_engine(tmp_path / "vault.sqlite3")
    schema.upgrade(engine)
    found(engine, FakeEmbedder(), version="1", at=NOW)
    yield engine
    engine.dispose()


def enroll(engine, signer, count):
    embedder = FakeEmbedder()
    blank = np.zeros((128, 208), np.float32)
    embedding = embedder._embed(blank)
    rows = []
    with write_session(engine) as session:
        key = add_signer(session, SignerId(signer), "", NOW).key
        for number in range(count):
            reference = add_reference(
                session,
                key,
                image_digest=f"{number:064x}",
                image_bytes=1,
                findings=(),
                at=NOW,
                by="x",
            )
            rows += add_embeddings(session, 1, [(reference.id, embedding)])
    return rows


def erase(engine, signer):
    with write_session(engine) as session:
        erase_signer(session, get_signer(session, SignerId(signer)), NOW)


def test_an_empty_generation_has_nothing(engine):
    with read_session(engine) as session:
        vectors = GenerationVectors(session, 1)
        assert vectors.summary() == RowSummary.of(vectors.rows()) == RowSummary(0, -1, 0)
        assert list(vectors.blocks()) == []
        assert [len(rows) for rows in vectors.changed_since(0)] == [0, 0]


def test_the_summary_is_that_of_the_rows(engine):
    rows = enroll(engine, "a", 3)
    enroll(engine, "b", 2)
    more = enroll(engine, "c", 1)
    erase(engine, "b")
    with read_session(engine) as session:
        vectors = GenerationVectors(session, 1)
        expected = sorted(rows + more)
        assert vectors.rows().tolist() == expected
        assert vectors.summary() == RowSummary(4, max(expected), sum(expected))
        assert vectors.summary() == RowSummary.of(vectors.rows())
        (block,) = vectors.blocks()
        assert block.rows.tolist() == expected
        assert vectors.load(np.array([expected[1], 999])).rows.tolist() == [expected[1]]


def test_changes_tell_what_came_to_stay_and_what_went(engine):
    first = enroll(engine, "a", 2)
    with read_session(engine) as session:
        then = last_change(session, 1)
    second = enroll(engine, "b", 2)
    erase(engine, "a")
    third = enroll(engine, "c", 1)
    erase(engine, "b")
    with read_session(engine) as session:
        came, went = GenerationVectors(session, 1).changed_since(then)
        assert came.tolist() == third
        assert went.tolist() == sorted(first + second)
        assert came.dtype == went.dtype == np.int64
