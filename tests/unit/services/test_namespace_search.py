"""Searching a namespace: by way of the index, or reference by reference where there are few."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import func, select

from fakes import FakeEmbedder
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import IndexFailed
from sigvault.domain.identifiers import SignerId
from sigvault.indexing.exact import ExactIndex
from sigvault.services.creation import found
from sigvault.services.identification import _shortlist, _Wanted
from sigvault.services.resources import load_active
from sigvault.storage import schema
from sigvault.storage.embeddings import add_embeddings, has_vectors, iterate_vectors
from sigvault.storage.engine import make_engine, read_session, write_session
from sigvault.storage.namespaces import begins_with
from sigvault.storage.references import add_reference, count_references
from sigvault.storage.signers import add_signer, erase_signer, get_signer
from sigvault.storage.tables import ReferenceRow, SignerRow, VectorEncoding

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MODEL = FakeEmbedder()
SIGNERS = {"big": 150, "small": 20, "one": 1, "Small": 2}


class Recording:
    """An exact index that tells what was asked of it, and finds no more than so many."""

    def __init__(self, index: ExactIndex, reach: int = 10**9) -> None:
        self._index, self._reach = index, reach
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self._index)

    def search(self, probes, k):
        self.asked.append(k)
        if k > self._reach:
            raise IndexFailed("so many can't be found")
        return self._index.search(probes, k)


def embedding(rng) -> Embedding:
    vector = rng.standard_normal(MODEL.dimension).astype(np.float32)
    vector = (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)
    return Embedding(vector / np.linalg.norm(vector), np.zeros((1, 1, 16), np.int8), MODEL.model)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Signers of four namespaces with three references each, of both encodings; one is erased."""
    engine = make_engine(tmp_path_factory.mktemp("vault") / "vault.sqlite3")
    schema.upgrade(engine)
    found(engine, MODEL, version="1", at=NOW)
    rng = np.random.default_rng(7)
    with write_session(engine) as session:
        for namespace, count in SIGNERS.items():
            for number in range(count):
                signer = add_signer(session, SignerId(f"{namespace}/{number}"), "", NOW)
                for place in range(3):
                    reference = add_reference(
                        session,
                        signer.key,
                        image_digest=f"{place:064x}",
                        image_bytes=1,
                        findings=(),
                        at=NOW,
                        by="x",
                    )
                    kind = list(VectorEncoding)[place % 2]
                    items = [(reference.id, embedding(rng))]
                    add_embeddings(session, 1, items, encoding=kind)
        erase_signer(session, get_signer(session, SignerId("small/3")), NOW)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def index(engine) -> ExactIndex:
    made = ExactIndex(MODEL.dimension)
    with read_session(engine) as session:
        for block in iterate_vectors(session, 1):
            made.add(block.rows, block.vectors)
    return made


@pytest.mark.parametrize("namespace", [*SIGNERS, "nobody"])
@pytest.mark.parametrize("signers", [1, 4, 20, 400])
def test_scoring_a_namespace_alone_finds_what_a_wide_search_does(engine, index, namespace, signers):
    wanted = _Wanted(signers, f"{namespace}/")
    rng = np.random.default_rng(8)
    with read_session(engine) as session:
        active = load_active(session)
        for _ in range(5):
            probe = embedding(rng)
            wide = _shortlist(session, index, active, probe, wanted, 10**9)
            alone = _shortlist(session, index, active, probe, wanted, 0)
            assert alone == wide


def test_a_small_namespace_is_never_searched_for_among_all(engine, index):
    asked = {}
    with read_session(engine) as session:
        active, probe = load_active(session), embedding(np.random.default_rng(9))
        for namespace in SIGNERS:
            recording = Recording(index)
            prefix = f"{namespace}/"
            inside = count_references(session, prefix=prefix)
            keys = _shortlist(session, recording, active, probe, _Wanted(4, prefix), inside)
            asked[namespace] = recording.asked
            assert len(keys) == min(4, inside // 3)
    assert asked == {"big": [20], "small": [20], "one": [], "Small": []}


def test_an_index_that_finds_few_does_not_keep_a_namespace_from_being_searched(engine, index):
    prefix = "small/"
    with read_session(engine) as session:
        active, probe = load_active(session), embedding(np.random.default_rng(10))
        wanted = _Wanted(4, prefix)
        few = _shortlist(session, Recording(index, reach=10), active, probe, wanted, 57)
        assert few == _shortlist(session, index, active, probe, wanted, 10**9)
        everybody = _Wanted(400, "")
        with pytest.raises(IndexFailed):
            _shortlist(session, Recording(index, reach=10), active, probe, everybody, None)


def test_references_of_a_namespace_are_counted_and_looked_for_by_its_signers(engine):
    with read_session(engine) as session:
        for namespace in [*SIGNERS, "nobody"]:
            slow = session.scalar(
                select(func.count())
                .select_from(ReferenceRow)
                .join(SignerRow)
                .where(begins_with(f"{namespace}/"))
            )
            assert count_references(session, prefix=f"{namespace}/") == slow
            assert has_vectors(session, 1, prefix=f"{namespace}/") == (slow > 0)
            assert not has_vectors(session, 2, prefix=f"{namespace}/")
