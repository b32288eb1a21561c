"""The stores by name; a store's file is imported in its own process alone."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from peers.adapter import Peer


@dataclass(frozen=True)
class Entry:
    """Where a store's adapter is.

    Attributes:
        module: its file, in this folder.
        adapter: the class.
        own: whether it runs with sigvault's interpreter, and not with the peers'.
    """

    module: str
    adapter: str
    own: bool = False


PEERS = {
    "sigvault": Entry("sigvault_peer", "SigvaultPeer", own=True),
    "faiss": Entry("faiss_peer", "FaissPeer", own=True),
    "pgvector scan": Entry("pgvector_peer", "PgvectorScan"),
    "pgvector hnsw": Entry("pgvector_peer", "PgvectorHnsw"),
    "lancedb scan": Entry("lancedb_peer", "LanceScan"),
    "lancedb ivf-pq": Entry("lancedb_peer", "LanceIvfPq"),
    "chroma": Entry("chroma_peer", "ChromaPeer"),
    "milvus-lite": Entry("milvus_peer", "MilvusPeer"),
    "qdrant local": Entry("qdrant_peer", "QdrantPeer"),
    "usearch": Entry("usearch_peer", "UsearchPeer"),
    "hnswlib": Entry("hnswlib_peer", "HnswlibPeer"),
}


def load_peer(name: str) -> type[Peer]:
    """Import a store's adapter, and with it the store.

    Raises:
        ImportError: If the store isn't installed.
    """
    entry = PEERS[name]
    found: type[Peer] = getattr(importlib.import_module(f"peers.{entry.module}"), entry.adapter)
    return found
