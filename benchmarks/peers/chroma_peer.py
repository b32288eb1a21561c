"""Chroma in a folder."""

from __future__ import annotations

import chromadb
import numpy as np
from chromadb.config import Settings

from peers.adapter import EACH, Facts, K, Numbers, Peer, Vectors, padded


class ChromaPeer(Peer):
    """A collection with its HNSW index, by inner product."""

    facts = Facts(
        search="HNSW with its defaults (M = 16, ef_construction = ef_search = 100)",
        exact=False,
        verify="query with a filter on the signer",
        durable="committed to SQLite; the graph is written every 1,000 changes",
    )

    def versions(self) -> dict[str, str]:
        """Chroma's."""
        return {"chromadb": chromadb.__version__}

    def create(self, vectors: Vectors) -> None:
        """Add in the largest batches that it takes; the graph grows meanwhile."""
        client = self._client()
        self.collection = client.create_collection(
            "refs", configuration={"hnsw": {"space": "ip"}}, embedding_function=None
        )
        size = client.get_max_batch_size()
        for start in range(0, len(vectors), size):
            some = np.array(vectors[start : start + size])
            numbers = range(start, start + len(some))
            self.collection.add(
                ids=[str(number) for number in numbers],
                embeddings=some,
                metadatas=[{"signer": number // EACH} for number in numbers],
            )

    def open(self) -> None:
        """Open the collection."""
        self.collection = self._client().get_collection("refs", embedding_function=None)

    def search(self, probes: Vectors) -> Numbers:
        """One query of all probes."""
        found = self.collection.query(query_embeddings=probes, n_results=K, include=[])
        return padded([[int(number) for number in row] for row in found["ids"]])

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores of the signer's references."""
        found = self.collection.query(
            query_embeddings=probe[None],
            n_results=K,
            where={"signer": signer},
            include=["distances"],
        )
        return 1.0 - np.array(found["distances"][0], np.float32)

    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Add one."""
        self.collection.add(
            ids=[str(number)], embeddings=vector[None], metadatas=[{"signer": signer}]
        )

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Delete by the signer."""
        self.collection.delete(where={"signer": signer})

    def close(self) -> None:
        """Nothing is held."""

    def _client(self) -> chromadb.api.ClientAPI:
        settings = Settings(anonymized_telemetry=False)
        return chromadb.PersistentClient(path=str(self.folder / "db"), settings=settings)
