"""Qdrant's local mode: the client alone, without a server."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np
from qdrant_client import QdrantClient, models

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, padded

_BATCH = 1_000


class QdrantPeer(Peer):
    """A collection in memory, with its points in SQLite."""

    facts = Facts(
        search="NumPy over all vectors; its makers recommend it up to 20,000 points",
        exact=True,
        verify="query with a filter on the signer",
        durable="committed to SQLite",
    )

    def versions(self) -> dict[str, str]:
        """The client's."""
        return {"qdrant-client": version("qdrant-client")}

    def create(self, vectors: Vectors) -> None:
        """Upsert 1,000 points at a time."""
        self._connect()
        shape = models.VectorParams(size=DIMENSION, distance=models.Distance.DOT)
        self.client.create_collection("refs", vectors_config=shape)
        for start in range(0, len(vectors), _BATCH):
            some = np.array(vectors[start : start + _BATCH])
            numbers = range(start, start + len(some))
            batch = models.Batch(
                ids=list(numbers),
                vectors=some.tolist(),
                payloads=[{"signer": number // EACH} for number in numbers],
            )
            self.client.upsert("refs", batch)

    def open(self) -> None:
        """Read everything into memory."""
        self._connect()

    def search(self, probes: Vectors) -> Numbers:
        """A query a probe."""
        found = [self.client.query_points("refs", query=probe, limit=K) for probe in probes]
        return padded([[int(point.id) for point in answer.points] for answer in found])

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores of the signer's references."""
        found = self.client.query_points("refs", query=probe, limit=K, query_filter=_own(signer))
        return np.array([point.score for point in found.points], np.float32)

    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Upsert one point."""
        point = models.PointStruct(id=number, vector=vector.tolist(), payload={"signer": signer})
        self.client.upsert("refs", [point])

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Delete by the signer."""
        self.client.delete("refs", models.FilterSelector(filter=_own(signer)))

    def close(self) -> None:
        """Close the files."""
        self.client.close()

    def _connect(self) -> None:
        warnings.simplefilter("ignore")
        self.client = QdrantClient(path=str(self.folder / "db"))


def _own(signer: int) -> models.Filter:
    value = models.MatchValue(value=signer)
    return models.Filter(must=[models.FieldCondition(key="signer", match=value)])
