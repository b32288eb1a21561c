"""Plain FAISS as a user would write it: a flat index with numbers, saved as one file."""

from __future__ import annotations

import faiss
import numpy as np

from peers.adapter import DIMENSION, EACH, Facts, K, Numbers, Peer, Vectors, flush_file


class FaissPeer(Peer):
    """`IndexIDMap2` over `IndexFlatIP`; the user keeps each signer's numbers."""

    facts = Facts(
        search="IndexIDMap2 over IndexFlatIP, thresholds as they come",
        exact=True,
        verify="reconstruct_batch of the signer's numbers, one product",
        durable="in memory; durable by writing and flushing the whole file",
        threads="OpenMP's, one a core",
    )

    def versions(self) -> dict[str, str]:
        """FAISS's."""
        return {"faiss": faiss.__version__}

    def create(self, vectors: Vectors) -> None:
        """Add all, and write the file."""
        self.index: faiss.Index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSION))
        self.index.add_with_ids(np.asarray(vectors), np.arange(len(vectors)))
        self.save()

    def open(self) -> None:
        """Read the file."""
        self.index = faiss.read_index(str(self.folder / "index"))

    def search(self, probes: Vectors) -> Numbers:
        """The index's own search."""
        found: Numbers = self.index.search(probes, K)[1]
        return found

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """Gather, then one product."""
        numbers = np.arange(EACH * signer, EACH * signer + EACH)
        scores: Vectors = self.index.reconstruct_batch(numbers) @ probe
        return scores

    def add(self, number: int, signer: int, vector: Vectors) -> None:  # noqa: ARG002
        """Add to the end."""
        self.index.add_with_ids(vector[None], np.array([number]))

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Remove, which moves all that come after."""
        self.index.remove_ids(faiss.IDSelectorBatch(np.array(numbers)))

    def save(self) -> None:
        """Write the whole file and wait for the disk."""
        faiss.write_index(self.index, str(self.folder / "beside"))
        flush_file(self.folder / "beside")
        (self.folder / "beside").replace(self.folder / "index")

    def close(self) -> None:
        """Nothing is held."""
