"""LanceDB in a folder, with and without its default index."""

from __future__ import annotations

import lancedb
import numpy as np
import pyarrow as pa

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, padded


class LanceScan(Peer):
    """A table without a vector index: every search reads all vectors."""

    facts = Facts(
        search="flat scan by inner product, 32 bits",
        exact=True,
        verify="search with a prefilter on the signer, by a b-tree",
        durable="a new version of the table is written; the files are not flushed",
    )

    def versions(self) -> dict[str, str]:
        """LanceDB's."""
        return {"lancedb": lancedb.__version__}

    def create(self, vectors: Vectors) -> None:
        """One table, and b-trees on the numbers and signers."""
        numbers = np.arange(len(vectors))
        self.table = lancedb.connect(self.folder / "db").create_table(
            "refs", _as_table(numbers, numbers // EACH, np.asarray(vectors))
        )
        self.table.create_scalar_index("id")
        self.table.create_scalar_index("signer")

    def open(self) -> None:
        """Open the table."""
        self.table = lancedb.connect(self.folder / "db").open_table("refs")

    def search(self, probes: Vectors) -> Numbers:
        """One query of all probes."""
        query = self.table.search(list(probes) if len(probes) > 1 else probes[0])
        found = (
            self._tuned(query.distance_type("dot")).limit(K).select(["id", "_distance"]).to_arrow()
        )
        numbers = found["id"].to_numpy()
        if len(probes) == 1:
            return padded([numbers.tolist()])
        places = found["query_index"].to_numpy()
        return padded([numbers[places == place].tolist() for place in range(len(probes))])

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores of the signer's references."""
        query = self.table.search(probe).distance_type("dot").bypass_vector_index()
        found = query.where(f"signer = {signer}", prefilter=True).limit(K)
        distances = found.select(["id", "_distance"]).to_arrow()["_distance"].to_numpy()
        scores: Vectors = (1.0 - distances).astype(np.float32)
        return scores

    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Append a row."""
        self.table.add(_as_table(np.array([number]), np.array([signer]), vector[None]))

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Delete rows: files keep them until they are compacted and old versions removed."""
        self.table.delete(f"signer = {signer}")

    def close(self) -> None:
        """Nothing is held."""

    @staticmethod
    def _tuned(
        query: lancedb.query.LanceVectorQueryBuilder,
    ) -> lancedb.query.LanceVectorQueryBuilder:
        return query


class LanceIvfPq(LanceScan):
    """The same with the index that `create_index` makes by default."""

    facts = Facts(
        search="IVF-PQ with its defaults, refine_factor = 10",
        exact=False,
        verify="search with a prefilter on the signer, without the vector index",
        durable=LanceScan.facts.durable,
    )

    def build(self) -> None:
        """Train and write the index."""
        self.table.create_index(metric="dot")

    @staticmethod
    def _tuned(
        query: lancedb.query.LanceVectorQueryBuilder,
    ) -> lancedb.query.LanceVectorQueryBuilder:
        return query.refine_factor(10)


def _as_table(numbers: Numbers, signers: Numbers, vectors: Vectors) -> pa.Table:
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    return pa.table(
        {
            "id": numbers,
            "signer": signers,
            "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
        }
    )
