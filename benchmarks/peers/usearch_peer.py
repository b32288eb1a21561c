"""USearch: one HNSW index, saved as one file."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from usearch.index import Index

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, flush_file


class UsearchPeer(Peer):
    """An index by inner product in 32 bits; the user keeps each signer's numbers."""

    facts = Facts(
        search="HNSW with its defaults (connectivity 16, expansions 128 and 64), 32 bits",
        exact=False,
        verify="get of the signer's numbers, one product",
        durable="in memory; durable by writing and flushing the whole file",
        threads="one a core",
    )

    def versions(self) -> dict[str, str]:
        """USearch's."""
        return {"usearch": version("usearch")}

    def create(self, vectors: Vectors) -> None:
        """Add all, and write the file."""
        self.index = Index(ndim=DIMENSION, metric="ip", dtype="f32")
        self.index.add(np.arange(len(vectors)), np.asarray(vectors))
        self.save()

    def open(self) -> None:
        """Read the file."""
        self.index = Index(ndim=DIMENSION, metric="ip", dtype="f32")
        self.index.load(str(self.folder / "index"))

    def search(self, probes: Vectors) -> Numbers:
        """The index's own search."""
        keys: Numbers = self.index.search(probes, K).keys.astype(np.int64)
        return keys.reshape(len(probes), -1)

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """Gather, then one product."""
        scores: Vectors = (
            self.index.get(np.arange(EACH * signer, EACH * signer + EACH), np.float32) @ probe
        )
        return scores

    def add(self, number: int, signer: int, vector: Vectors) -> None:  # noqa: ARG002
        """Add to the graph."""
        self.index.add(number, vector)

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Mark as removed."""
        self.index.remove(np.array(numbers))

    def save(self) -> None:
        """Write the whole file and wait for the disk."""
        self.index.save(str(self.folder / "beside"))
        flush_file(self.folder / "beside")
        (self.folder / "beside").replace(self.folder / "index")

    def close(self) -> None:
        """Nothing is held."""
