"""Milvus Lite: Milvus's interface over files, in the same process."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from milvus_lite.server_manager import server_manager_instance
from pymilvus import DataType, MilvusClient

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, padded

_BATCH = 10_000


class MilvusPeer(Peer):
    """A collection with a flat index, by inner product."""

    facts = Facts(
        search="FLAT by inner product",
        exact=True,
        verify="search with a filter on the signer",
        durable="in a log that is flushed to the disk only when it is closed",
    )

    def versions(self) -> dict[str, str]:
        """Both packages'."""
        return {name: version(name) for name in ("milvus-lite", "pymilvus")}

    def create(self, vectors: Vectors) -> None:
        """Insert 10,000 rows at a time, and flush."""
        self._connect()
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("signer", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        parameters = self.client.prepare_index_params()
        parameters.add_index("vector", index_type="FLAT", metric_type="IP")
        self.client.create_collection("refs", schema=schema, index_params=parameters)
        for start in range(0, len(vectors), _BATCH):
            rows = [
                {"id": number, "signer": number // EACH, "vector": vectors[number]}
                for number in range(start, min(len(vectors), start + _BATCH))
            ]
            self.client.insert("refs", rows)
        self.client.flush("refs")

    def open(self) -> None:
        """Open and load the collection."""
        self._connect()
        self.client.load_collection("refs")

    def search(self, probes: Vectors) -> Numbers:
        """One query of all probes."""
        found = self.client.search("refs", data=list(probes), limit=K)
        return padded([[hit["id"] for hit in hits] for hits in found])

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores of the signer's references."""
        found = self.client.search("refs", data=[probe], limit=K, filter=f"signer == {signer}")
        return np.array([hit["distance"] for hit in found[0]], np.float32)

    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Insert one row."""
        self.client.insert("refs", [{"id": number, "signer": signer, "vector": vector}])

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Delete by the signer."""
        self.client.delete("refs", filter=f"signer == {signer}")

    def close(self) -> None:
        """Disconnect, and end the server in this process, which writes in threads."""
        self.client.close()
        server_manager_instance.release_all()

    def _connect(self) -> None:
        self.client = MilvusClient(uri=str(self.folder / "refs.db"))
