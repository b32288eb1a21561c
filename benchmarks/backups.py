"""How long a backup and going back to it take, and how long others wait to write meanwhile.

Run: ``python benchmarks/backups.py [--references 20000] [--alone 20]``

Makes a vault in a temporary folder with random vectors, local features of the size of the bundled
model's and random images of 15 KB. A thread commits an event to the audit log every 20 ms, first
alone and then while a backup is made. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from vault_operations import NoNetwork, fill_signers, fill_vectors

from sigvault.bootstrap import create_vault
from sigvault.domain.audit import KeyRevoked
from sigvault.recovery import restore_vault, verify_backup
from sigvault.services.resources import utc_now
from sigvault.settings import Settings
from sigvault.storage.audit_log import append
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.engine import write_session
from sigvault.vault import Vault

IMAGE_BYTES = 15_000
PAUSE = 0.02


def main() -> int:
    """Make the vault, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=20_000)
    parser.add_argument(
        "--alone", type=float, default=20.0, help="seconds of writing before the backup begins"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder) / "vault", by="benchmark")
        with create_vault(settings, embedder=NoNetwork()) as vault:
            fill(vault, settings.vault, chosen.references)
            lines = measure(vault, Path(folder), chosen.alone)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def fill(vault: Vault, folder: Path, count: int) -> None:
    """References with vectors and images."""
    references = fill_signers(vault, count, 10)
    fill_vectors(vault, references, np.random.default_rng(0), local=True)
    images = ImageFolder(folder / "images")
    digests = [images.write(secrets.token_bytes(IMAGE_BYTES)) for _ in references]
    with write_session(vault._resources.engine) as session:  # noqa: SLF001
        session.execute(
            text(
                'UPDATE "references" SET image_digest = :digest, image_bytes = :size WHERE id = :id'
            ),
            [
                {"digest": digest, "size": IMAGE_BYTES, "id": reference}
                for digest, reference in zip(digests, references, strict=True)
            ],
        )


class Writing:
    """Commits an event every now and then for as long as the block lasts.

    Attributes:
        waits: how long each took, in milliseconds.
    """

    def __init__(self, vault: Vault) -> None:
        """Take the vault."""
        self._engine = vault._resources.engine  # noqa: SLF001
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.waits: list[float] = []

    def _write(self) -> None:
        while True:  # at least once
            began = time.perf_counter()
            with write_session(self._engine) as session:
                append(session, KeyRevoked("0" * 16, "benchmark"), utc_now())
            self.waits.append((time.perf_counter() - began) * 1000)
            if self._over.wait(PAUSE):
                return

    def __enter__(self) -> Writing:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._thread.join()


def measure(vault: Vault, folder: Path, seconds: float) -> list[str]:
    """The table's lines, after so many seconds of writing alone."""
    with Writing(vault) as alone:
        time.sleep(seconds)
    began = time.perf_counter()
    with Writing(vault) as beside:
        made = vault.back_up(folder / "backup")
    took = time.perf_counter() - began
    began = time.perf_counter()
    verify_backup(folder / "backup")
    checked = time.perf_counter() - began
    began = time.perf_counter()
    restore_vault(
        folder / "backup", folder / "restored", erased_since=folder / "vault", embedder=NoNetwork()
    )
    restored = time.perf_counter() - began
    database = next(file.size for file in made.manifest.files if file.path.endswith(".sqlite3"))
    rest = made.manifest.size - database
    return [
        "| What | Figure |",
        "|---|---|",
        f"| references, images | {made.manifest.references:,} |",
        f"| database and images, GB | {database / 1e9:.3f}, {rest / 1e9:.3f} |",
        f"| a backup, s | {took:.1f} |",
        f"| checking it, s | {checked:.1f} |",
        f"| restoring it, with all checks, s | {restored:.1f} |",
        f"| an event of others alone, ms: p50, p99, longest | {shown(alone.waits)} |",
        f"| an event of others beside a backup, ms: p50, p99, longest | {shown(beside.waits)} |",
    ]


def shown(waits: list[float]) -> str:
    """Three figures of many."""
    times: npt.NDArray[np.float64] = np.array(waits)
    return f"{np.percentile(times, 50):.1f}, {np.percentile(times, 99):.1f}, {times.max():.1f}"


if __name__ == "__main__":
    sys.exit(main())
