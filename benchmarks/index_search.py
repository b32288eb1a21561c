"""How FaissIndex and TorchExactIndex compare with plain FAISS, as ratios within one run.

Run: ``python benchmarks/index_search.py [--vectors 100000] [--dimension 256] [--threads 1]``

Prints a Markdown table. What is counted is processor time, which other programs on the machine
disturb least: with one thread it is how long a search takes on an idle machine. Contenders take
turns, and the ratio of the medians is what to quote. All find the same neighbours, which is
checked first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median

import faiss
import numpy as np
import numpy.typing as npt
import torch

from sigvault.indexing.faiss_index import FaissIndex
from sigvault.indexing.torch_exact import TorchExactIndex

K = 10
TURNS = 5
BASELINE = "faiss IndexIDMap2(IndexFlatIP)"
BATCHES = (1, 64)

Vectors = npt.NDArray[np.float32]
Search = Callable[[Vectors], npt.NDArray[np.int64]]


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> Vectors:
    """Random float32 (count, dimension) of unit norm: the hardest case, without clusters."""
    vectors = rng.standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def contenders(vectors: Vectors, threads: int) -> dict[str, Search]:
    """Each contender's search, by name; FAISS's own comes as it is shipped."""
    rows = np.arange(len(vectors))
    plain = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    plain.add_with_ids(vectors, rows)
    ours = FaissIndex(vectors.shape[1], device="cpu", threads=threads)
    exact = TorchExactIndex(vectors.shape[1], device="cpu")
    for index in (ours, exact):
        index.add(rows, vectors)

    return {
        BASELINE: lambda probes: plain.search(probes, K)[1],
        "FaissIndex": lambda probes: ours.search(probes, K).rows,
        "TorchExactIndex": lambda probes: exact.search(probes, K).rows,
    }


def medians(searches: dict[str, Search], probes: Vectors) -> dict[str, float]:
    """Median processor milliseconds of each contender's search, taken in turns."""
    expected = searches[BASELINE](probes)
    for name, search in searches.items():
        if not np.array_equal(search(probes), expected):
            sys.exit(f"{name} finds other neighbours than {BASELINE}")
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(TURNS):
        for name, search in searches.items():
            start = time.process_time()
            search(probes)
            taken[name].append(1e3 * (time.process_time() - start))
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare exact indexes on the CPU.")
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    searches = contenders(
        unit_vectors(rng, arguments.vectors, arguments.dimension), arguments.threads
    )
    results = {
        batch: medians(searches, unit_vectors(rng, batch, arguments.dimension)) for batch in BATCHES
    }
    sys.stdout.write(
        f"{arguments.vectors:,} vectors of dimension {arguments.dimension}, k = {K}, "
        f"{arguments.threads} thread(s), FAISS {faiss.__version__}, torch {torch.__version__}, "
        f"median of {TURNS}\n\n"
        "| Index | " + " | ".join(f"{batch} probe(s), CPU ms | ratio" for batch in BATCHES) + " |\n"
        "|---|" + "---|---|" * len(BATCHES) + "\n"
    )
    for name in searches:
        cells = [
            f"{results[batch][name]:.1f} | {results[batch][name] / results[batch][BASELINE]:.2f}"
            for batch in BATCHES
        ]
        sys.stdout.write(f"| {name} | " + " | ".join(cells) + " |\n")


if __name__ == "__main__":
    main()
