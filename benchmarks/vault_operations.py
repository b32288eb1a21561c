"""What a vault of many references takes, and how long its operations take apart from the network.

Run: ``python benchmarks/vault_operations.py [--references 100000] [--each 10] [--local]``

Makes a vault in a temporary folder with random unit vectors of 256 dimensions, written by the
storage functions that a re-index writes with, and prints a Markdown table. ``--local`` stores local
features of the size of the bundled model's (12 x 20 x 64, 69 inked cells), without it none.
Verification is timed from the embedded probe to the committed audit event; nothing is decoded or
embedded. The time that the disk takes to flush 4 KB is measured beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from sigvault.bootstrap import create_vault
from sigvault.domain.comparison import compare
from sigvault.domain.embedding import Embedding
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId, SignerKey
from sigvault.domain.image import InkImage, SignatureImage
from sigvault.embedding.card import bundled_model, read_card
from sigvault.imaging.prepared import PreparedSignature
from sigvault.services import cleaning, verification
from sigvault.services.acquisition import Acquired
from sigvault.services.erasure import erase
from sigvault.settings import Settings
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.claims import Claim
from sigvault.storage.embeddings import add_embeddings
from sigvault.storage.engine import checkpoint, write_session
from sigvault.storage.ordered_keys import ordered_key
from sigvault.storage.tables import ReferenceRow, SignerRow, SignerStatus
from sigvault.vault import Vault

DIMENSION = 256
GRID = (12, 20, 64)
INKED = 69
BLANK = np.zeros((1, 1), np.uint8)
BATCH = 10_000
PROBES = 300
ERASED = 20
APART = timedelta(milliseconds=100)
"""Between one signer's enrollment and the next one's: their keys hold when they were made."""
BETWEEN = 10
"""Verifications before each erasure."""


class NoNetwork:
    """Stands for the bundled model, and embeds nothing."""

    def __init__(self) -> None:
        """Take its card."""
        self.card = read_card(bundled_model())
        self.model = self.card.id
        self.preprocessing = self.card.preprocessing_name
        self.dimension = DIMENSION

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """Nothing is to be embedded here."""
        kind = "references" if as_references else "probes"
        raise NotImplementedError(f"{len(images)} {kind} can't be embedded here")

    def local_features(self, images: Sequence[InkImage]) -> list[npt.NDArray[np.int8]]:
        """Nothing is to be looked at closer here."""
        raise NotImplementedError(f"{len(images)} probes can't be embedded here")


def blank_picture(data: bytes) -> Acquired:
    """A picture as if it had been decoded and harmonised."""
    digest = hashlib.sha256(data).hexdigest()
    ink = InkImage(BLANK.astype(np.float32), digest, "benchmark", 1.0)
    return Acquired(data, SignatureImage(BLANK, digest, 1, 1), PreparedSignature(ink, (), None))


def main() -> int:
    """Make the vault, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=10, help="references of a signer")
    parser.add_argument("--local", action="store_true", help="store local features, too")
    parser.add_argument("--out", type=Path, help="write the table there, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder) / "vault", by="benchmark")
        with create_vault(settings, embedder=NoNetwork()) as vault:
            lines = measure(vault, settings.vault, chosen.references, chosen.each, chosen.local)
    page = "\n".join(lines) + "\n"
    sys.stdout.write(page)
    if chosen.out:
        chosen.out.write_text(page, "utf-8")
    return 0


def measure(vault: Vault, folder: Path, count: int, each: int, local: bool) -> list[str]:
    """The table's lines."""
    engine, rng = vault._resources.engine, np.random.default_rng(0)  # noqa: SLF001
    references, empty = fill_signers(vault, count, each), database_bytes(vault, folder)
    began = time.perf_counter()
    writing = fill_vectors(vault, references, rng, local=local)
    whole = time.perf_counter() - began
    held = database_bytes(vault, folder)
    lines = [
        f"{count:,} references of {count // each:,} signers, {DIMENSION} dimensions, "
        f"{'with' if local else 'without'} local features, SQLite.",
        "",
        "| What | Figure |",
        "|---|---|",
        f"| signers and references, GB | {empty / 1e9:.3f} |",
        f"| vectors with numbers, links, indexes and changes, GB | {(held - empty) / 1e9:.3f} |",
        f"| the same, bytes a reference | {(held - empty) / count:.0f} |",
        f"| vectors written a second, {BATCH:,} a transaction | {count / writing:,.0f} |",
        f"| the same with making the random vectors | {count / whole:,.0f} |",
    ]
    signers = [SignerId(f"{place:07d}") for place in rng.permutation(count // each)]
    erased = max(1, min(ERASED, len(signers) // 5))
    leaving, also = signers[:erased], signers[erased : 2 * erased]
    probed = signers[2 * erased :][:PROBES]
    lines += rows("flush of 4 KB to the disk", spent(lambda _: flush(folder), probed))
    probe = made(rng, read_card(bundled_model()).id, local=local)
    decide = decision_of(vault, probe)
    lines += verify(vault, probed, probe, decide)
    between = partial(spent, decide, probed[:BETWEEN])
    lines += erase_some(vault, leaving, between)
    with patch.object(cleaning, "SEARCHED_AT_MOST", 0):  # as with a larger file
        lines += erase_some(vault, also, between, "erase, the file not being searched")
    checkpoint(engine)
    return lines


def fill_signers(vault: Vault, count: int, each: int) -> list[ReferenceId]:
    """Signers and references without vectors, as enrollment writes them."""
    now = datetime.now(UTC)
    references: list[ReferenceId] = []
    with write_session(vault._resources.engine) as session:  # noqa: SLF001
        for start in range(0, count // each, BATCH):
            keys = [
                (SignerKey(ordered_key(now + place * APART)), SignerId(f"{place:07d}"))
                for place in range(start, min(start + BATCH, count // each))
            ]
            session.execute(
                insert(SignerRow),
                [
                    {
                        "key": key,
                        "external_id": name,
                        "name": "",
                        "status": SignerStatus.ACTIVE,
                        "created_at": now,
                        "erased_at": None,
                    }
                    for key, name in keys
                ],
            )
            owners = {
                ReferenceId(ordered_key(now + int(name) * APART)): key
                for key, name in keys
                for _ in range(each)
            }
            rows = [
                {
                    "id": reference,
                    "signer_key": key,
                    "image_digest": secrets.token_hex(32),
                    "image_bytes": 30_000,
                    "findings": [],
                    "enrolled_at": now,
                    "enrolled_by": "benchmark",
                }
                for reference, key in owners.items()
            ]
            session.execute(insert(ReferenceRow), rows)
            references += owners
    return sorted(references)  # as a re-index takes them


def fill_vectors(
    vault: Vault, references: list[ReferenceId], rng: np.random.Generator, *, local: bool
) -> float:
    """Give each a vector; the seconds spent on writing and committing alone."""
    spent_writing = 0.0
    model = vault._resources.models.find(read_card(bundled_model()).id).model  # noqa: SLF001
    for start in range(0, len(references), BATCH):
        some = references[start : start + BATCH]
        items = list(zip(some, (made(rng, model, local=local) for _ in some), strict=True))
        began = time.perf_counter()
        with write_session(vault._resources.engine) as session:  # noqa: SLF001
            add_embeddings(session, GenerationId(1), items)
        spent_writing += time.perf_counter() - began
    return spent_writing


def made(rng: np.random.Generator, model: ModelId, *, local: bool) -> Embedding:
    """A random unit vector, with a random grid of local features or an empty one."""
    vector = rng.standard_normal(DIMENSION, dtype=np.float32)
    grid = np.zeros(GRID if local else (1, 1, 1), np.int8)
    if local:
        cells = grid.reshape(-1, GRID[2])
        cells[rng.choice(len(cells), INKED, replace=False)] = rng.integers(
            -40, 41, (INKED, GRID[2]), dtype=np.int8
        )
    return Embedding(vector / np.float32(np.linalg.norm(vector)), grid, model)


def verify(
    vault: Vault, signers: list[SignerId], probe: Embedding, decide: Callable[[SignerId], object]
) -> list[str]:
    """From the embedded probe to the committed event, and its parts."""
    engine = vault._resources.engine  # noqa: SLF001

    def read(signer: SignerId) -> Claim:
        return verification.read_claim(engine, signer)

    galleries = {signer: read(signer).gallery for signer in signers}

    def cosines(signer: SignerId) -> object:
        enrolled = [one.embedding.vector for one in galleries[signer].references]
        return np.stack(enrolled) @ probe.vector

    return [
        *rows("verify: reading generation and gallery", spent(read, signers)),
        *rows("verify: comparing vectors alone", spent(cosines, signers)),
        *rows("verify: all but the network, event committed; the first", spent(decide, signers)),
        *rows("the same, once the gallery's spread is kept", spent(decide, signers)),
    ]


def decision_of(vault: Vault, probe: Embedding) -> Callable[[SignerId], object]:
    """What decides about a signer from the embedded probe on, and records it."""
    resources, picture = vault._resources, blank_picture(b"a probe")  # noqa: SLF001

    def decide(signer: SignerId) -> object:
        claim = verification.read_claim(resources.engine, signer)
        active, gallery = claim.generation, claim.gallery
        threshold = verification.require_threshold(active, len(gallery.references))
        score = compare(probe, gallery, threshold.fusion)
        evidence = verification.weigh(score, picture, signer, threshold, active)
        return verification._record(resources, claim, evidence, "benchmark")  # noqa: SLF001

    return decide


def erase_some(
    vault: Vault, signers: Sequence[SignerId], between: Callable[[], object], what: str = "erase"
) -> list[str]:
    """From the call until nobody can find the signer, and until everything is gone.

    Args:
        vault: the vault.
        signers: whom to erase.
        between: done before each: an erasure reads the whole file, and what follows it at once
            finds the processor's caches full of that.
        what: this is.
    """
    resources = vault._resources  # noqa: SLF001
    seen: list[float] = []

    def gone(signer: SignerId) -> float:
        between()
        began = time.perf_counter()
        original = resources.pending.settle

        def first(session: Session, images: ImageFolder) -> int:
            seen.append(1000 * (time.perf_counter() - began))
            return original(session, images)

        with patch.object(resources.pending, "settle", first):
            erase(resources, vault._index, signer, by="benchmark")  # noqa: SLF001
        return 1000 * (time.perf_counter() - began)

    whole = [gone(signer) for signer in signers]
    return [
        *rows(f"{what}: until it is committed", np.array(seen)),
        *rows(f"{what}: until files and log are clean", np.array(whole)),
    ]


def spent(work: Callable[[SignerId], object], signers: list[SignerId]) -> npt.NDArray[np.float64]:
    """Milliseconds of each."""
    times = []
    for signer in signers:
        began = time.perf_counter()
        work(signer)
        times.append(1000 * (time.perf_counter() - began))
    return np.array(times)


def rows(what: str, times: npt.NDArray[np.float64]) -> list[str]:
    """Median and 99th percentile, a line."""
    return [f"| {what}, ms: p50, p99 | {np.median(times):.2f}, {np.quantile(times, 0.99):.2f} |"]


def flush(folder: Path) -> None:
    """Write 4 KB and wait until the disk has them."""
    with (folder / "flushed").open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())


def database_bytes(vault: Vault, folder: Path) -> int:
    """Bytes of the database's file when its log is empty."""
    engine = vault._resources.engine  # noqa: SLF001
    checkpoint(engine)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return (folder / "vault.sqlite3").stat().st_size


if __name__ == "__main__":
    sys.exit(main())
