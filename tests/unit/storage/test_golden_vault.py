"""A vault that the first schema wrote stays readable for ever.

The file is SQLite's own dump of a vault with one signer enrolled and another erased. It is
never written anew: a change that needs that needs a migration instead.
"""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from sigvault.domain.comparison import Decision
from sigvault.storage import (
    audit_log,
    embeddings,
    generations,
    index_changes,
    references,
    schema,
    signers,
    thresholds,
)
from sigvault.storage.engine import make_engine, read_session
from sigvault.storage.tables import ChangeKind


@pytest.fixture
def golden(repository, tmp_path):
    path = tmp_path / "vault.sqlite3"
    connection = sqlite3.connect(path)
    dump = repository / "tests" / "golden" / "storage" / "vault-0001.sql"
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.close()
    engine = make_engine(path)
    schema.check(engine)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def test_its_gallery_and_threshold_still_decide(golden):
    with read_session(golden) as session:
        generation = generations.active_generation(session)
        signer = signers.get_signer(session, "53")
        gallery = embeddings.load_gallery(session, signer.key, generation.id)
        (threshold,) = thresholds.load_thresholds(session, generation.id)
        card = generations.get_card(session, generation.model_id)

    first, second = (reference.embedding for reference in gallery.references)
    assert first.vector.tolist() == [1, 0, 0, 0]
    assert second.vector.tolist() == [0.5, -0.5, 0.5, 0.5]
    assert np.argwhere(first.local).tolist() == [[0, 1, 0], [1, 2, 1]]
    assert first.model == card.id == "tiny-abababababab"
    assert [threshold.decide(score) for score in (0.75, 0.5, 0.25)] == list(Decision)
    assert threshold.origin.model == card.id


def test_its_audit_log_is_still_whole(golden):
    with read_session(golden) as session:
        assert audit_log.check_chain(session) == audit_log.ChainCheck(7, None, "", 1)
        assert [record.kind for record in audit_log.read(session)] == [
            "vault-created",
            "generation-activated",
            "calibrated",
            "reference-enrolled",
            "reference-enrolled",
            "reference-enrolled",
            "signer-erased",
        ]


def test_its_references_and_changes_are_still_known(golden):
    with read_session(golden) as session:
        (holder,) = references.holders(session, "11" * 32)
        (finding,) = references.findings_of(references.get_reference(session, holder.reference))
        changes = index_changes.changes_since(session, 1, 0)

    assert (holder.signer, finding.name) == ("53", "cut_off")
    assert [(change.kind, row) for change in changes for row in change.rows] == [
        (ChangeKind.ADD, 1),
        (ChangeKind.ADD, 2),
        (ChangeKind.ADD, 3),
        (ChangeKind.REMOVE, 3),
    ]
