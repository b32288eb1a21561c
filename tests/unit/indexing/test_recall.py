from __future__ import annotations

import numpy as np
from search_stand_ins import halved, unit

from sigvault.domain.ports import SearchResult
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.faiss_index import Inverted, Processor, inverted_source
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.recall import Recall, measure_recall, own_probes, own_recall
from sigvault.indexing.torch_exact import TorchSource

VECTORS = halved(unit(np.random.default_rng(0), 400, 16))


class Told:
    """Finds what it is told to."""

    def __init__(self, rows):
        self.rows = np.array(rows, np.int64)

    def search(self, probes, k):
        return SearchResult(self.rows, np.zeros(self.rows.shape, np.float32))


def test_recall_is_the_share_of_the_true_ones_whatever_their_order():
    oracle = Told([[1, 2, 3, 4], [5, 6, -1, -1], [-1, -1, -1, -1]])
    index = Told([[4, 9, 1, 8], [6, 5, -1, -1], [-1, -1, -1, -1]])
    probes = np.zeros((3, 2), np.float32)
    recall = measure_recall(index, oracle, probes, 4)
    assert recall == Recall(mean=(0.5 + 1.0 + 1.0) / 3, worst=0.5, probes=3, k=4)


def test_an_exact_index_has_all():
    index = ExactIndex(16)
    index.add(np.arange(400), VECTORS)
    recall = measure_recall(index, index, VECTORS[:9], 5)
    assert recall == Recall(1.0, 1.0, 9, 5)


def test_an_index_is_judged_by_its_own_vectors():
    contents = IndexContents(np.arange(400), VECTORS.astype(np.float16))
    exact = LayeredIndex(16, TorchSource, contents)
    assert own_recall(exact, probes=30, k=4) == Recall(1.0, 1.0, 30, 4)
    narrow = Inverted(lists=40, probed=1)
    index = LayeredIndex(
        16, lambda vectors: inverted_source(vectors, Processor(), narrow), contents
    )
    recall = own_recall(index, probes=60, k=5)
    oracle = ExactIndex(16)
    oracle.add(contents.rows, VECTORS)
    assert recall == measure_recall(index, oracle, own_probes(contents, 60), 5)
    assert 0.05 < recall.mean < 0.95


def test_own_probes_are_unit_vectors_near_the_vaults_own_and_the_same_each_time():
    contents = IndexContents(np.arange(400), VECTORS.astype(np.float16))
    probes = own_probes(contents, 60, seed=3)
    assert (probes.shape, probes.dtype) == ((60, 16), np.float32)
    np.testing.assert_allclose(np.linalg.norm(probes, axis=1), 1.0, rtol=1e-6)
    nearest = (probes @ VECTORS.T).max(axis=1)
    assert 0.8 < np.median(nearest) < 0.99
    np.testing.assert_array_equal(probes, own_probes(contents, 60, seed=3))
    assert not np.array_equal(probes, own_probes(contents, 60, seed=4))
