"""How sigvault's indexes compare with plain FAISS, as ratios within one run.

Run: ``python benchmarks/index_search.py [--vectors 1000000] [--json FILE] [--approximate]
[--brief]``

Prints a Markdown table: for single probes and batches the median time of each index, and how
many times as fast as FAISS's flat index as it comes (its own number of threads and thresholds).
Contenders take turns, so that what else the machine does falls on all alike. The vectors are
random, without clusters: the hardest case. That exact indexes find what FAISS finds is checked
before anything is timed; for others the recall is measured.

Beside the ratios stands how near the machine's limits the searches come: batches to the fastest
that float32 matrix products get, single probes to the time that reading the index's own
representation from memory takes, both measured in the same run.

Cold start is measured in a process of its own, after its imports: from a SQLite database and a
snapshot on disk to the first answer, which has to be right.

``--brief`` repeats next to nothing and measures the machine with small matrices: it shows that all
works, and its times say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import torch

from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.indexing.choice import IndexKind, SearchOptions, choose_index, choose_kind
from sigvault.indexing.contents import IndexContents, StorableIndex
from sigvault.indexing.hardware import detect_hardware
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.opening import open_index, save_index
from sigvault.indexing.recall import measure_recall, own_probes
from sigvault.indexing.snapshot import SnapshotIdentity
from sigvault.services.generation_vectors import GenerationVectors
from sigvault.storage import schema
from sigvault.storage.engine import make_engine, read_session
from sigvault.storage.index_changes import last_change

K = 10
TURNS = {1: 51, 16: 9, 64: 9, 256: 3}
"""How often each batch is searched, by its size."""
OPENINGS = 3
"""How often an index is opened cold."""
SIDE, READ = 4096, 2**27
"""The side of the matrices and the numbers read that the machine is measured with."""
BASELINE = "FAISS IndexFlatIP as it comes"
WIDTHS = {IndexKind.EXACT: 4, IndexKind.TORCH: 2, IndexKind.FLAT: 4, IndexKind.CODES: 1}
"""Bytes of a component that a single probe's search reads."""
REST = 0.02
"""Seconds between two searches: FAISS's threads wait busily for a while after each."""

Vectors = npt.NDArray[np.float32]
Search = Callable[[Vectors], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Limits:
    """What the machine can do.

    Attributes:
        gflops: the fastest float32 matrix product, in 10**9 operations a second.
        gigabytes: the fastest reading of memory, in 10**9 bytes a second.
    """

    gflops: float
    gigabytes: float


@dataclass(frozen=True)
class Timing:
    """How long one contender took for batches of one size.

    Attributes:
        contender: its name.
        batch: probes at a time.
        p50: median milliseconds.
        p99: the 99th percentile, or the longest where there were fewer turns.
        ratio: how many times as fast as the baseline, by medians.
        share: of what the machine can do: of reading speed for one probe, of matrix products
            for more; None for the baseline.
    """

    contender: str
    batch: int
    p50: float
    p99: float
    ratio: float
    share: float | None


def unit_vectors(rng: np.random.Generator, count: int, dimension: int) -> Vectors:
    """Random float32 (count, dimension) of unit norm, of as many digits as a vault stores."""
    vectors = np.empty((count, dimension), np.float32)
    for start in range(0, count, 65536):
        block = rng.standard_normal((min(65536, count - start), dimension), dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        vectors[start : start + len(block)] = torch.from_numpy(block).half().float().numpy()
    return vectors


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure_limits(side: int, read: int) -> Limits:
    """Measure the machine, with as many threads as torch uses."""
    square = torch.randn(side, side)
    product = min(seconds(lambda: square @ square) for _ in range(4))
    large = torch.ones(read)
    reading = min(seconds(large.sum) for _ in range(8))
    return Limits(2 * side**3 / product / 1e9, large.nbytes / reading / 1e9)


def time_in_turns(
    searches: dict[str, Search], probes: Vectors, turns: int
) -> dict[str, list[float]]:
    """Milliseconds of each contender's searches, sorted."""
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(turns):
        for name, search in searches.items():
            time.sleep(REST)
            taken[name].append(1e3 * seconds(partial(search, probes)))
    return {name: sorted(times) for name, times in taken.items()}


def judge(
    taken: dict[str, list[float]],
    kinds: dict[str, IndexKind],
    batch: int,
    shape: tuple[int, int],
    limits: Limits,
) -> list[Timing]:
    """Ratios and shares of what was measured."""
    components = shape[0] * shape[1]
    timings = []
    for name, times in taken.items():
        p50 = median(times)
        share = None
        if name in kinds and kinds[name] is not IndexKind.INVERTED:
            work = WIDTHS[kinds[name]] if batch == 1 else 2 * batch
            limit = limits.gigabytes if batch == 1 else limits.gflops
            share = components * work / limit / 1e6 / p50
        p99 = times[min(len(times) - 1, int(0.99 * len(times)))]
        timings.append(Timing(name, batch, p50, p99, median(taken[BASELINE]) / p50, share))
    return timings


def check(searches: dict[str, Search], exact: set[str], probes: Vectors) -> None:
    """Make sure that exact contenders find what FAISS finds: recall 1.0."""
    expected = searches[BASELINE](probes)
    for name in exact:
        found = searches[name](probes)
        # FAISS orders equal scores, and those a rounding apart, as it likes.
        if not np.array_equal(np.sort(found), np.sort(expected)):
            sys.exit(f"{name} finds other neighbours than {BASELINE}")


def rows_found(index: StorableIndex, probes: Vectors) -> npt.NDArray[np.int64]:
    """The rows that one of our indexes finds."""
    return index.search(probes, K).rows


def write_database(path: Path, vectors: npt.NDArray[np.float16]) -> int:
    """A vault's database with these vectors alone; the number of its last change."""
    engine = make_engine(path)
    schema.upgrade(engine)
    engine.dispose()
    rows = range(1, len(vectors) + 1)
    with sqlite3.connect(path) as database:
        database.execute("insert into models values ('m', 'm', 'm', '{}', '2026-01-01')")
        database.execute(
            "insert into generations values (1, 'm', 'p', ?, 'active', '2026-01-01', '2026-01-01')",
            (vectors.shape[1],),
        )
        database.executemany(
            "insert into embeddings (row, reference_id, generation_id, encoding, vector,"
            " local_encoding, local, local_shape) values (?, ?, 1, 'float16', ?, 'int8', '', '[]')",
            ((row, str(row), vectors[row - 1].tobytes()) for row in rows),
        )
        change = database.execute(
            "insert into index_changes (generation_id, row, kind, length) values (1, 1, 'add', ?)",
            (len(rows),),
        )
        return int(change.lastrowid or 0)


def identity(dimension: int) -> SnapshotIdentity:
    """Whose snapshot the benchmark's is."""
    return SnapshotIdentity(ModelId("m"), GenerationId(1), dimension)


def opened_cold(folder: Path) -> dict[str, Any]:
    """Open an index as a process does that has just begun, and search once."""
    probe = np.load(folder / "probe.npy")
    start = time.perf_counter()
    engine = make_engine(folder / "vault.sqlite3")
    with read_session(engine) as session:
        table = GenerationVectors(session, GenerationId(1))
        change = last_change(session, GenerationId(1))
        opened = open_index(folder / "index", identity(probe.shape[1]), table, last_change=change)
    ready = time.perf_counter() - start
    found = opened.index.search(probe, K).rows[0]
    answered = time.perf_counter() - start
    engine.dispose()
    return {
        "ready": ready,
        "answered": answered,
        "restored": opened.restored,
        "rows": found.tolist(),
        "bytes": asdict(opened.index.memory),
    }


def measure_cold_start(
    contents: IndexContents, expected: list[int], probe: Vectors, openings: int
) -> float:
    """Seconds from files to the first right answer, in a new process, without its imports."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        vectors = contents.vectors.astype(np.float16, copy=False)
        change = write_database(folder / "vault.sqlite3", vectors)
        np.save(folder / "probe.npy", probe)
        save_index(folder / "index", contents, identity(probe.shape[1]), last_change=change)
        command = [sys.executable, __file__, "--open", str(folder)]
        runs = [
            json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603
            for _ in range(openings)
        ]
    if any(run["rows"] != expected or run["restored"] != len(contents.rows) for run in runs):
        sys.exit("the index that was opened cold gives another answer")
    return float(median(run["answered"] for run in runs))


def make_contenders(
    contents: IndexContents, approximate: bool
) -> tuple[dict[str, StorableIndex], dict[str, IndexKind]]:
    """Our indexes over the vectors, and their kinds, by name."""
    count, dimension = contents.vectors.shape
    chosen = choose_kind(count, dimension, detect_hardware("cpu")).kind
    kinds = {IndexKind.CODES, IndexKind.TORCH, IndexKind.FLAT}
    kinds |= {chosen} | ({IndexKind.INVERTED} if approximate else set())
    names = {f"sigvault {kind}" + (" (chosen)" if kind is chosen else ""): kind for kind in kinds}
    names = dict(sorted(names.items()))
    options = {name: SearchOptions(device="cpu", kind=kind) for name, kind in names.items()}
    indexes = {name: choose_index(dimension, count, options[name], contents) for name in names}
    for index in indexes.values():
        if isinstance(index, LayeredIndex):
            index.compact()  # what is made beside the first searches is made now
    return indexes, names


def as_markdown(result: dict[str, Any], timings: list[Timing]) -> str:
    """The report."""
    batches = list(TURNS)
    lines = [
        f"{result['vectors']:,} vectors of dimension {result['dimension']}, k = {K}, "
        f"{result['cores']} cores, FAISS {faiss.__version__}, torch {torch.__version__}; "
        f"matrix products {result['limits']['gflops']:.0f} GFLOP/s, memory read at "
        f"{result['limits']['gigabytes']:.1f} GB/s. Medians in ms; share: of reading speed for "
        "one probe, of matrix products for batches.",
        "",
        "| Index | recall | " + " | ".join(f"{batch} | ratio | share" for batch in batches) + " |",
        "|---|---|" + "---|---|---|" * len(batches),
    ]
    by_name: dict[str, dict[int, Timing]] = {}
    for timing in timings:
        by_name.setdefault(timing.contender, {})[timing.batch] = timing
    for name, found in by_name.items():
        cells = [
            f"{found[batch].p50:.1f} | {found[batch].ratio:.2f} | "
            + ("" if (share := found[batch].share) is None else f"{share:.0%}")
            for batch in batches
        ]
        lines.append(f"| {name} | {result['recall'][name]:.3f} | " + " | ".join(cells) + " |")
    lines += ["", f"Cold start to the first right answer: {result['cold_start']:.2f} s."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare indexes on the CPU.")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--approximate", action="store_true", help="measure IVF, too")
    parser.add_argument("--brief", action="store_true", help="see that it works: next to no turns")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        sys.stdout.write(json.dumps(opened_cold(arguments.open)))
        return
    rng = np.random.default_rng(0)
    shape = (arguments.vectors, arguments.dimension)
    vectors = unit_vectors(rng, *shape)
    plain = faiss.IndexFlatIP(arguments.dimension)
    plain.add(vectors)
    rows = np.arange(1, len(vectors) + 1)
    contents = IndexContents(rows, torch.from_numpy(vectors).half().numpy())
    del vectors
    indexes, kinds = make_contenders(contents, arguments.approximate)
    searches: dict[str, Search] = {BASELINE: lambda probes: plain.search(probes, K)[1] + 1}
    for name, index in indexes.items():
        searches[name] = partial(rows_found, index)
    exact = {name for name, kind in kinds.items() if kind is not IndexKind.INVERTED}
    batches = {batch: unit_vectors(rng, batch, arguments.dimension) for batch in TURNS}
    for probes in batches.values():
        check(searches, exact, probes)
    recall = dict.fromkeys([BASELINE, *exact], 1.0)
    own = own_probes(contents, 200)
    best = indexes[next(name for name in exact if kinds[name] is IndexKind.TORCH)]
    for name in set(indexes) - exact:
        recall[name] = measure_recall(indexes[name], best, own, K).mean
    brief = arguments.brief
    operands = (SIDE // 16, READ // 256) if brief else (SIDE, READ)
    limits, taken = [measure_limits(*operands)], {}
    for batch, probes in batches.items():
        taken[batch] = time_in_turns(searches, probes, 1 if brief else TURNS[batch])
        limits.append(measure_limits(*operands))
    # Other programs slow the machine down at times: what it can do is the most that was seen.
    most = Limits(max(each.gflops for each in limits), max(each.gigabytes for each in limits))
    timings = [
        timing for batch in batches for timing in judge(taken[batch], kinds, batch, shape, most)
    ]
    expected = searches[BASELINE](batches[1])[0].tolist()
    cold = measure_cold_start(contents, expected, batches[1], 1 if brief else OPENINGS)
    result = {
        "vectors": arguments.vectors,
        "dimension": arguments.dimension,
        "cores": os.cpu_count(),
        "limits": asdict(most),
        "recall": recall,
        "memory": {name: asdict(index.memory) for name, index in indexes.items()},
        "timings": [asdict(timing) for timing in timings],
        "cold_start": cold,
    }
    sys.stdout.write(as_markdown(result, timings))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
