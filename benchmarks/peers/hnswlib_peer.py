"""hnswlib: one HNSW index, saved as one file."""

from __future__ import annotations

from importlib.metadata import version

import hnswlib
import numpy as np

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, flush_file

_ROOM = 1_000
"""References that can still be added; more need the index resized."""


class HnswlibPeer(Peer):
    """An index by inner product with its README's parameters; the user keeps the numbers."""

    facts = Facts(
        search="HNSW with its README's parameters: M = 16, ef_construction = 200, ef = 50",
        exact=False,
        verify="get_items of the signer's numbers, one product",
        durable="in memory; durable by writing and flushing the whole file",
        threads="one a core",
    )

    def versions(self) -> dict[str, str]:
        """Its version."""
        return {"hnswlib": version("hnswlib")}

    def create(self, vectors: Vectors) -> None:
        """Add all, and write the file."""
        self.index = hnswlib.Index(space="ip", dim=DIMENSION)
        self.index.init_index(max_elements=len(vectors) + _ROOM, ef_construction=200, M=16)
        self.index.add_items(np.asarray(vectors), np.arange(len(vectors)))
        self.save()

    def open(self) -> None:
        """Read the file."""
        self.index = hnswlib.Index(space="ip", dim=DIMENSION)
        self.index.load_index(str(self.folder / "index"))
        self.index.set_ef(50)

    def search(self, probes: Vectors) -> Numbers:
        """The index's own search."""
        found: Numbers = self.index.knn_query(probes, K)[0].astype(np.int64)
        return found

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """Gather, then one product."""
        numbers = np.arange(EACH * signer, EACH * signer + EACH)
        scores: Vectors = np.asarray(self.index.get_items(numbers), np.float32) @ probe
        return scores

    def add(self, number: int, signer: int, vector: Vectors) -> None:  # noqa: ARG002
        """Add to the graph."""
        self.index.add_items(vector[None], np.array([number]))

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Mark as deleted; nothing is removed."""
        for number in numbers:
            self.index.mark_deleted(number)

    def save(self) -> None:
        """Write the whole file and wait for the disk."""
        self.index.save_index(str(self.folder / "beside"))
        flush_file(self.folder / "beside")
        (self.folder / "beside").replace(self.folder / "index")

    def close(self) -> None:
        """Nothing is held."""
