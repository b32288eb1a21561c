from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.domain.errors import GenerationMismatch, StorageFailed
from sigvault.domain.image import InkImage
from sigvault.embedding.batching import BatchingEmbedder, EmbeddingWorker
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING


@pytest.fixture(scope="module")
def inks():
    return [
        DEFAULT_PREPROCESSING.prepare(decode_bytes(draw_signature(number))).ink
        for number in range(24)
    ]


@pytest.fixture
def worker():
    worker = EmbeddingWorker(linger_seconds=0.2)
    yield worker
    worker.close()


class Gated(FakeEmbedder):
    """Waits in its first pass until it is let go, so that others can queue."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.entered, self.let_go = threading.Event(), threading.Event()

    def embed(self, images, *, as_references=False):
        self.entered.set()
        assert self.let_go.wait(20)
        return super().embed(images, as_references=as_references)


def same(some, others):
    return len(some) == len(others) and all(
        np.array_equal(one.vector, other.vector) and np.array_equal(one.local, other.local)
        for one, other in zip(some, others, strict=True)
    )


def crowd(embedder, gated, inks, pool):
    """One call that waits in the embedder, and all others behind it."""
    first = pool.submit(embedder.embed, inks[:1])
    assert gated.entered.wait(20)
    others = [pool.submit(embedder.embed, [ink]) for ink in inks[1:]]
    while embedder._worker.depth < len(others):
        threading.Event().wait(0.001)
    gated.let_go.set()
    return [future.result(20)[0] for future in [first, *others]]


def test_callers_share_passes_and_get_their_own(worker, inks):
    gated = Gated()
    with ThreadPoolExecutor(len(inks)) as pool:
        found = crowd(BatchingEmbedder(gated, worker), gated, inks, pool)
    assert same(found, FakeEmbedder().embed(inks))
    assert gated.batches == [1, 8, 8, 7]


def test_a_single_caller_does_not_wait_for_others(worker, inks):
    fake = FakeEmbedder()
    embedder = BatchingEmbedder(fake, worker)
    for ink in inks[:3]:
        assert same(embedder.embed([ink]), FakeEmbedder().embed([ink]))
    assert fake.batches == [1, 1, 1]
    assert not worker._crowded


def test_many_images_of_one_caller_go_in_several_passes_in_order(worker, inks):
    fake = FakeEmbedder()
    assert same(BatchingEmbedder(fake, worker).embed(inks[:20]), FakeEmbedder().embed(inks[:20]))
    assert fake.batches == [8, 8, 4]
    assert BatchingEmbedder(fake, worker).embed([]) == []


def test_nobody_fails_for_another(worker, inks):
    gated = Gated()
    wrong = InkImage(inks[1].ink, inks[1].digest, "another-1", 1.0)
    with ThreadPoolExecutor(4) as pool:
        embedder = BatchingEmbedder(gated, worker)
        first = pool.submit(embedder.embed, [inks[0]])
        assert gated.entered.wait(20)
        bad, good = (pool.submit(embedder.embed, [ink]) for ink in (wrong, inks[2]))
        gated.let_go.set()
        first.result(20)
        with pytest.raises(GenerationMismatch):
            bad.result(20)
        assert same(good.result(20), FakeEmbedder().embed([inks[2]]))


def test_two_models_never_share_a_pass(worker, inks):
    gated, other = Gated(), FakeEmbedder("other")
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(BatchingEmbedder(gated, worker).embed, [inks[0]])
        assert gated.entered.wait(20)
        mixed = [
            pool.submit(BatchingEmbedder(embedder, worker).embed, [ink])
            for ink in inks[1:4]
            for embedder in (gated, other)
        ]
        gated.let_go.set()
        models = {embedding.model for future in [first, *mixed] for embedding in future.result(20)}
    assert models == {gated.model, other.model}


def test_closing_finishes_what_waits_and_refuses_more(inks):
    worker, gated = EmbeddingWorker(), Gated()
    with ThreadPoolExecutor(4) as pool:
        embedder = BatchingEmbedder(gated, worker)
        first = pool.submit(embedder.embed, inks[:1])
        assert gated.entered.wait(20)
        second = pool.submit(embedder.embed, inks[1:2])
        while not worker.depth:
            threading.Event().wait(0.001)
        closing = pool.submit(worker.close)
        gated.let_go.set()
        closing.result(20)
        assert len(first.result(20)) == len(second.result(20)) == 1
    with pytest.raises(StorageFailed, match="closed"):
        embedder.embed(inks[:1])


def test_it_looks_like_what_it_wraps(worker):
    fake = FakeEmbedder()
    embedder = BatchingEmbedder(fake, worker)
    assert (embedder.card, embedder.model) == (fake.card, fake.model)
    assert (embedder.dimension, embedder.preprocessing) == (fake.dimension, fake.preprocessing)


def test_passes_are_observed(inks):
    seen = []
    worker = EmbeddingWorker(observe=seen.append)
    BatchingEmbedder(FakeEmbedder(), worker).embed(inks[:10])
    worker.close()
    assert seen == [8, 2]


def test_it_tells_how_many_callers_a_pass_is_for(inks):
    told, gated = [], Gated()
    worker = EmbeddingWorker(linger_seconds=0.2, share=told.append)
    shared = BatchingEmbedder(gated, worker)
    with ThreadPoolExecutor(8) as pool:
        crowd(shared, gated, inks[:4], pool)
    shared.embed(inks[:3])  # several pictures of one caller
    worker.close()
    assert told == [1, 3, 1]


def test_references_and_probes_never_share_a_pass(worker, inks):
    gated = Gated(turns=(10.0,))
    embedder = BatchingEmbedder(gated, worker)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(embedder.embed, [inks[0]])
        assert gated.entered.wait(20)
        futures = [
            (as_references, pool.submit(embedder.embed, [ink], as_references=as_references))
            for ink in inks[1:4]
            for as_references in (False, True)
        ]
        gated.let_go.set()
        first.result(20)
        for as_references, future in futures:
            (found,) = future.result(20)
            assert found.local.ndim == (4 if as_references else 3)


def test_a_pass_is_not_cut_short_by_what_wants_something_else(worker, inks):
    gated = Gated()
    embedder = BatchingEmbedder(gated, worker)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(embedder.embed, [inks[0]])
        assert gated.entered.wait(20)
        futures = []
        for place, ink in enumerate(inks[1:8]):
            wanted = embedder.local_features if place == 2 else embedder.embed
            futures.append(pool.submit(wanted, [ink]))
            while worker.depth <= place:
                threading.Event().wait(0.001)
        gated.let_go.set()
        first.result(20)
        found = [future.result(20)[0] for future in futures]
    assert gated.batches == [1, 6, 1]
    alone = FakeEmbedder().embed(inks[1:8])
    assert np.array_equal(found.pop(2), alone.pop(2).local)
    assert same(found, alone)
