"""What a re-index takes beyond its embedder, and what a verification feels of it.

Run: ``python benchmarks/reindexing.py [--images 240] [--rounds 3] [--verifications 300]
[--json FILE]``

Enrolls synthetic signatures in a vault in a temporary folder, makes a second model of the bundled
one by changing its first weights by a hundredth, and prints two Markdown tables:

* images a second of filling the new generation, from the files to the committed vectors, beside
  those of preparing the same images and embedding them one batch after the other in the same
  process, without a vault; and the processor time of both, which depends less on what else the
  machine does. They take turns.
* how long a whole verification takes, from the picture's bytes to the committed audit event, at
  rest and while another process re-indexes with one embedding thread. That process pauses and
  goes on between blocks of verifications, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from sigvault.bootstrap import create_vault, open_vault
from sigvault.cli.reindexing import NICENESS, give_way
from sigvault.domain.identifiers import SignerId
from sigvault.embedding.card import bundled_model
from sigvault.embedding.checkpoint import load_model, save_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.services.acquisition import acquire
from sigvault.services.enrollment import EnrollmentItem
from sigvault.services.filling import BATCH, begin_generation, fill
from sigvault.services.resources import recipe_of
from sigvault.settings import Settings
from sigvault.synthesis import SynthesisSettings, write_dataset
from sigvault.vault import Vault

EACH = 6
"""Signatures of a signer: one of them is the probe."""
BLOCK = 25
"""Verifications between two pauses, at most."""

Pictures = dict[str, list[bytes]]


@dataclass(frozen=True)
class Spent:
    """What some work took.

    Attributes:
        wall: seconds that passed.
        cpu: seconds of the processor, of all threads: less of a matter of what else runs.
    """

    wall: float
    cpu: float

    @classmethod
    def of(cls, call: Callable[[], object]) -> Spent:
        """Do it."""
        start, used = time.perf_counter(), time.process_time()
        call()
        return cls(time.perf_counter() - start, time.process_time() - used)

    def each(self, count: int) -> Spent:
        """The same for one of so many."""
        return Spent(self.wall / count, self.cpu / count)


def main() -> None:
    """Make the vault, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=240, help="references to enroll")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--verifications", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--busy", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.busy:
        reindex_over_and_over(chosen.busy)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pictures = draw(folder, chosen.images)
        change_model(folder / "model")
        with create_vault(_settings(folder)) as vault:
            enroll(vault, pictures)
            result: dict[str, Any] = {
                "images": sum(len(each) - 1 for each in pictures.values()),
                "cores": os.cpu_count(),
                "torch": torch.__version__,
                "load_before": os.getloadavg()[0],
                "throughput": [
                    measure_throughput(vault, folder, pictures, threads, chosen.rounds)
                    for threads in sorted({1, os.cpu_count() or 1})
                ],
                "verify": measure_verify(vault, folder, pictures, chosen.verifications),
                "load_after": os.getloadavg()[0],
            }
    sys.stdout.write(as_markdown(result))
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def draw(folder: Path, images: int) -> Pictures:
    """Synthetic signatures as files' bytes, by signer; the first is kept as a probe."""
    signers = max(1, images // (EACH - 1))
    write_dataset(folder / "drawn", SynthesisSettings(signers=signers, genuine=EACH, forged=0))
    recipe = recipe_of(TorchEmbedder(bundled_model()))
    drawn = {
        path.name: [each.read_bytes() for each in sorted(path.glob("*.png"))]
        for path in sorted((folder / "drawn" / "genuine").iterdir())
    }
    # A few take up two lines, and are not accepted as one signature.
    return {
        signer: [each for each in some if not acquire(each, recipe).severe]
        for signer, some in drawn.items()
    }


def change_model(folder: Path) -> None:
    """Another model, which takes as long."""
    network, card = load_model(bundled_model())
    with torch.no_grad():
        next(iter(network.parameters())).mul_(1.01)
    folder.mkdir()
    save_model(folder, network, card)


def enroll(vault: Vault, pictures: Pictures) -> None:
    """All but each signer's first signature."""
    items = [
        EnrollmentItem(SignerId(signer), data)
        for signer, each in pictures.items()
        for data in each[1:]
    ]
    if vault.enroll(items).enrolled != len(items):
        sys.exit("not every synthetic signature could be enrolled")


def measure_throughput(
    vault: Vault, folder: Path, pictures: Pictures, threads: int, rounds: int
) -> dict[str, Any]:
    """Images a second of a re-index and of its embedder alone, in turns."""
    embedder = TorchEmbedder(folder / "model", "cpu", threads)
    data = [each for some in pictures.values() for each in some[1:]]
    prepare_and_embed(embedder, data[:BATCH])  # load the weights
    torch.set_num_threads(threads)
    plain, filled = [], []
    for _ in range(rounds):
        plain.append(Spent.of(lambda: prepare_and_embed(embedder, data)).each(len(data)))
        filled.append(fill_once(vault, embedder).each(len(data)))
    return {
        "threads": threads,
        "plain": [asdict(each) for each in plain],
        "filled": [asdict(each) for each in filled],
        "share": median(each.wall for each in plain) / median(each.wall for each in filled),
        "processor_share": median(each.cpu for each in plain) / median(each.cpu for each in filled),
    }


def prepare_and_embed(embedder: TorchEmbedder, data: list[bytes]) -> None:
    """What can't be spared: decode, harmonise and embed, in batches."""
    recipe = recipe_of(embedder)
    for start in range(0, len(data), BATCH):
        some = data[start : start + BATCH]
        inks = [acquire(each, recipe).prepared.ink for each in some]
        embedder.embed(inks, as_references=True)


def fill_once(
    vault: Vault, embedder: TorchEmbedder, advance: Callable[..., None] | None = None
) -> Spent:
    """Fill a generation, which is dropped again."""
    resources = vault._resources  # noqa: SLF001
    generation = begin_generation(resources, embedder, by="benchmark")
    taken = Spent.of(lambda: fill(resources, generation, embedder, progress=advance))
    vault.drop(generation.id)
    return taken


def measure_verify(
    vault: Vault, folder: Path, pictures: Pictures, count: int
) -> dict[str, list[float]]:
    """Milliseconds of verifications at rest and beside a re-index, in turns."""
    (folder / "pause").touch()
    command = [sys.executable, __file__, "--busy", str(folder)]
    probes = [(SignerId(signer), each[0]) for signer, each in pictures.items()]
    block = min(BLOCK, count)
    taken: dict[str, list[float]] = {"rest": [], "busy": []}
    with subprocess.Popen(command) as process:  # noqa: S603 - ourselves
        try:
            wait_until((folder / "ready").exists, process)
            number = 0
            while len(taken["busy"]) < count:
                for state in ("rest", "busy"):
                    turn(folder, process, busy=state == "busy")
                    for _ in range(block):
                        signer, data = probes[number % len(probes)]
                        number += 1
                        taken[state].append(
                            1e3 * seconds(lambda: vault.verify(signer, data))  # noqa: B023
                        )
        finally:
            (folder / "stop").touch()
            (folder / "pause").unlink(missing_ok=True)
    return taken


def turn(folder: Path, process: subprocess.Popen[bytes], *, busy: bool) -> None:
    """Let the other process go on, or wait until it does nothing."""
    if busy:
        (folder / "paused").unlink(missing_ok=True)
        (folder / "pause").unlink()
        time.sleep(0.5)
    else:
        (folder / "pause").touch()
        wait_until((folder / "paused").exists, process)
        time.sleep(1.0)  # what is read ahead is read


def wait_until(there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for the other process."""
    while not there():
        if process.poll() is not None:
            sys.exit("the process that re-indexes ended")
        time.sleep(0.02)


def reindex_over_and_over(folder: Path) -> None:
    """The other process, as the command line does it: fill a generation, drop it, until stopped."""
    give_way(NICENESS)
    embedder = TorchEmbedder(folder / "model", "cpu", 1)

    def advance(*_: int) -> None:
        while (folder / "pause").exists():
            (folder / "paused").touch()
            time.sleep(0.02)
        if (folder / "stop").exists():
            raise KeyboardInterrupt

    with open_vault(_settings(folder)) as vault:
        (folder / "ready").touch()
        try:
            while True:
                fill_once(vault, embedder, advance)
        except KeyboardInterrupt:
            return


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def as_markdown(result: dict[str, Any]) -> str:
    """The report."""
    lines = [
        f"{result['images']} synthetic signatures, {result['cores']} cores, torch "
        f"{result['torch']}, batches of {BATCH}; load average {result['load_before']:.1f} before "
        f"and {result['load_after']:.1f} after.",
        "",
        "| embedding threads | prepared and embedded, images/s | re-indexed, images/s | share "
        "| processor time an image, ms | re-indexed | share |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in result["throughput"]:
        wall, used = (
            [median(one[part] for one in each[kind]) for kind in ("plain", "filled")]
            for part in ("wall", "cpu")
        )
        lines.append(
            f"| {each['threads']} | {1 / wall[0]:.1f} | {1 / wall[1]:.1f} | {each['share']:.0%} "
            f"| {1e3 * used[0]:.0f} | {1e3 * used[1]:.0f} | {each['processor_share']:.0%} |"
        )
    lines += ["", "| a whole verification, ms | p50 | p99 |", "|---|---|---|"]
    for state, name in {"rest": "at rest", "busy": "beside a re-index"}.items():
        low, high = np.quantile(result["verify"][state], [0.5, 0.99])
        lines.append(f"| {name} | {low:.1f} | {high:.1f} |")
    ratios = [
        np.quantile(result["verify"]["busy"], share) / np.quantile(result["verify"]["rest"], share)
        for share in (0.5, 0.99)
    ]
    lines.append(f"| ratio | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    return "\n".join(lines) + "\n"


def _settings(folder: Path) -> Settings:
    return Settings(folder / "vault", device="cpu", by="benchmark")


if __name__ == "__main__":
    main()
