"""Stand-ins for GPUs: FAISS on the CPU with the limits of FAISS on a GPU."""

from __future__ import annotations

import faiss
import numpy as np

REACH = 32


class Limited:
    """A FAISS index that gives few results, and fails as FAISS does if more are asked for."""

    def __init__(self, index):
        self._index = index
        self.d = index.d

    def train(self, vectors):
        self._index.train(vectors)

    def add(self, vectors):
        self._index.add(vectors)

    def search(self, probes, k, params=None):
        if k > REACH:
            raise RuntimeError(f"k is {k}, not at most {REACH}")
        return self._index.search(probes, k, params=params)

    @property
    def nprobe(self):
        return self._index.nprobe

    @nprobe.setter
    def nprobe(self, lists):
        if lists > REACH:
            raise RuntimeError(f"{lists} lists, not at most {REACH}")
        self._index.nprobe = lists


class Graph(Limited):
    """A graph that is built by training, as CAGRA is."""

    def train(self, vectors):
        self._index.add(vectors)

    def add(self, vectors):
        raise RuntimeError("add is not supported")


class GpuLike:
    """A place for FAISS indexes; see FaissPlace."""

    reach = REACH
    temporary = 1000
    on_gpu = True

    def flat(self, dimension, *, half):
        if half:
            kind = faiss.ScalarQuantizer.QT_fp16
            return Limited(faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT))
        return Limited(faiss.IndexFlatIP(dimension))

    def inverted(self, dimension, lists):
        coarse = faiss.IndexFlatIP(dimension)
        return Limited(faiss.IndexIVFFlat(coarse, dimension, lists, faiss.METRIC_INNER_PRODUCT))

    def graph(self, dimension):
        return Graph(faiss.IndexHNSWFlat(dimension, 16, faiss.METRIC_INNER_PRODUCT))

    def graph_search(self, count):
        return faiss.SearchParametersHNSW(efSearch=max(64, 2 * count))


def unit(rng, *shape):
    """Random float32 vectors of unit norm."""
    vectors = rng.standard_normal(shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def halved(vectors):
    """The vectors as float32, with 16 bits' worth of digits, as the database has them."""
    return vectors.astype(np.float16).astype(np.float32)
