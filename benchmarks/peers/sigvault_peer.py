"""A vault: SQLite, the index that it chooses, its audit log; all but decoding and the network."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

import numpy as np
from sqlalchemy import insert
from vault_operations import NoNetwork, blank_picture

from peers.adapter import EACH, Deciding, Facts, K, Numbers, Peer, Recording, Vectors
from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.embedding import Embedding
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId, SignerKey
from sigvault.domain.image import InkImage
from sigvault.services import enrollment, identification, verification
from sigvault.services.repeated_scans import RepeatedScans
from sigvault.services.resources import load_active
from sigvault.services.verification import read_claim
from sigvault.settings import Settings
from sigvault.storage.embeddings import add_embeddings
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.ordered_keys import ordered_key
from sigvault.storage.tables import ReferenceRow, SignerRow, SignerStatus

GENERATION = GenerationId(1)
BATCH = 10_000
IMAGE_BYTES = 30_000
APART = timedelta(milliseconds=10)
"""Between one reference and the next: their keys hold when they were made."""
NO_LOCAL = np.zeros((1, 1, 1), np.int8)


class GivenEmbedding(NoNetwork):
    """Stands for the bundled model, and has embedded everything already."""

    embedding: Embedding

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """What was given, whatever the images."""
        del as_references  # of a single view
        return [self.embedding for _ in images]


NETWORK = GivenEmbedding()
PROBE = blank_picture(b"a probe")


class SigvaultPeer(Peer, Recording, Deciding):
    """The parts of `verify`, `identify`, `enroll` and `erase` that come after the network."""

    facts = Facts(
        search="the index that the vault chooses, caught up with the database before each search",
        exact=True,
        verify="reads the signer's references from the database in one snapshot, one product",
        durable="committed and flushed: picture, rows, vector and audit event",
        audit="a hash-chained event, committed",
        threads="one a core",
    )

    def versions(self) -> dict[str, str]:
        """The package's and those of what it searches with."""
        return {name: version(name) for name in ("sigvault", "torch", "sqlalchemy")}

    def create(self, vectors: Vectors) -> None:
        """Signers, references and vectors as a re-index writes them, 10,000 a transaction."""
        settings = Settings(self.folder / "vault", by="benchmark")
        self.vault = create_vault(settings, embedder=NETWORK)
        now = datetime.now(UTC)
        for start in range(0, len(vectors), BATCH):
            with write_session(self._resources.engine) as session:
                signers, references = _rows(start, min(len(vectors), start + BATCH), now)
                session.execute(insert(SignerRow), signers)
                session.execute(insert(ReferenceRow), references)
                items = [
                    (row["id"], self._embedding(vectors[start + place]))
                    for place, row in enumerate(references)
                ]
                add_embeddings(session, GENERATION, items)

    def build(self) -> None:
        """Make the index; closing keeps it."""
        self.vault._index.current()  # noqa: SLF001
        self.vault._index.keep()  # noqa: SLF001

    def open(self) -> None:
        """Open the vault as every process does."""
        self.vault = open_vault(Settings(self.folder / "vault", by="benchmark"), embedder=NETWORK)
        for use_case in (verification, identification):
            # Nothing is decoded, to the end of the process.
            patch.object(use_case, "acquire_probe", lambda *_, **__: PROBE).start()

    def settle(self) -> None:
        """Make the codes, which a thread makes beside the first searches."""
        index: Any = self.vault._index.current().index  # noqa: SLF001
        if hasattr(index, "compact"):
            index.compact()

    def search(self, probes: Vectors) -> Numbers:
        """Search what is committed by now."""
        return self._numbers(self.vault._index.current().index, probes)  # noqa: SLF001

    def search_alone(self, probes: Vectors) -> Numbers:
        """Search the index as it is."""
        return self._numbers(self.vault._index._index, probes)  # noqa: SLF001

    @staticmethod
    def _numbers(index: Any, probes: Vectors) -> Numbers:  # noqa: ANN401
        rows: Numbers = index.search(probes, K).rows
        return np.where(rows < 0, rows, rows - 1)

    def verify(self, signer: int, probe: Vectors) -> Vectors:
        """Read the gallery and compare the vectors."""
        gallery = read_claim(self._resources.engine, _name(signer)).gallery
        return np.stack([one.embedding.vector for one in gallery.references]) @ probe

    def verify_recorded(self, signer: int, probe: Vectors) -> None:
        """`Vault.verify`, with the embedding at hand."""
        NETWORK.embedding = self._embedding(probe)
        self.vault.verify(_name(signer), b"")

    def identify_recorded(self, probe: Vectors) -> int:
        """`Vault.identify`, with the embedding at hand."""
        NETWORK.embedding = self._embedding(probe)
        return int(self.vault.identify(b"").candidates[0].signer)

    def add(self, number: int, signer: int, vector: Vectors) -> None:  # noqa: ARG002
        """One reference with its picture, as `enroll` settles it after embedding."""
        with read_session(self._resources.engine) as session:
            scans = RepeatedScans(load_active(session))
        run = enrollment._Run(  # noqa: SLF001
            self._resources, NETWORK, GENERATION, scans, "benchmark", {}, force=False
        )
        data = os.urandom(IMAGE_BYTES)
        item = enrollment.EnrollmentItem(_name(signer), data)
        run._enroll_one(item, blank_picture(data), self._embedding(vector))  # noqa: SLF001

    def erase(self, signer: int, numbers: list[int]) -> None:  # noqa: ARG002
        """`Vault.erase`: rows, vectors, personal parts of the log, pictures, write-ahead log."""
        self.vault.erase(_name(signer))

    def close(self) -> None:
        """Close the vault, which keeps its index if it is behind."""
        self.vault.close()

    @property
    def _resources(self) -> Any:  # noqa: ANN401
        return self.vault._resources  # noqa: SLF001

    def _embedding(self, vector: Vectors) -> Embedding:
        return Embedding(np.array(vector), NO_LOCAL, NETWORK.model)


def _name(signer: int) -> SignerId:
    return SignerId(f"{signer:07d}")


def _rows(
    start: int, stop: int, now: datetime
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Whole rows of signers and of their references, in order."""
    times = [now + number * APART for number in range(start, stop)]
    keys = [SignerKey(ordered_key(at)) for at in times[::EACH]]
    signers = [
        {
            "key": key,
            "external_id": _name(start // EACH + place),
            "name": "",
            "status": SignerStatus.ACTIVE,
            "created_at": now,
            "erased_at": None,
        }
        for place, key in enumerate(keys)
    ]
    references = [
        {
            "id": ReferenceId(ordered_key(at)),
            "signer_key": keys[place // EACH],
            "image_digest": secrets.token_hex(32),
            "image_bytes": IMAGE_BYTES,
            "findings": [],
            "enrolled_at": now,
            "enrolled_by": "benchmark",
        }
        for place, at in enumerate(times)
    ]
    return signers, references
