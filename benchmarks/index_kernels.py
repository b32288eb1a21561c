"""What the choice of an index's inner workings rests on: how fast one core scans vectors, and more.

Run: ``python benchmarks/index_kernels.py [--vectors 200000]``

Prints a Markdown table of gigabytes and vectors a second that one core scans for one probe, for
each way of storing vectors that the installed libraries have (numba and SimSIMD too where they are
installed), and the seconds that parts of opening an index of a million vectors take. Processor
time is counted, and the best of several turns: other programs disturb that least.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import faiss
import numpy as np
import numpy.typing as npt
import torch

from sigvault.indexing.faiss_index import ZERO_CODE, index_over

TURNS = 7
MILLION = 1_000_000
FAISS_KINDS = {
    "FAISS 8 bit, decoded": ("QT_8bit", 1.0),
    "FAISS 8 bit, whole numbers": ("QT_8bit_direct_signed", 1.0),
    "FAISS float16": ("QT_fp16", 2.0),
    "FAISS bfloat16": ("QT_bf16", 2.0),
    "FAISS 4 bit": ("QT_4bit_uniform", 0.5),
}
"""FAISS's name of each kind of scalar quantizer, and its bytes a component."""

Kernel = tuple[str, float, Callable[[], object]]
"""A name, bytes a component, and what scans all vectors once."""


def best_seconds(call: Callable[[], object]) -> float:
    """The least processor time of several turns, after one that doesn't count."""
    call()
    taken = []
    for _ in range(TURNS):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def faiss_kernels(
    vectors: npt.NDArray[np.float32], codes: npt.NDArray[np.int8]
) -> Iterator[Kernel]:
    """FAISS's flat index and its scalar quantizers."""
    dimension = vectors.shape[1]
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    yield "FAISS float32", 4.0, lambda: flat.search(vectors[:1], 10)
    for name, (kind, width) in FAISS_KINDS.items():
        content = codes.astype(np.float32) if "direct" in kind else vectors
        number = getattr(faiss.ScalarQuantizer, kind)
        index = faiss.IndexScalarQuantizer(dimension, number, faiss.METRIC_INNER_PRODUCT)
        index.train(content)
        index.add(content)
        probe = content[:1].copy()
        yield name, width, partial(index.search, probe, 10)
    yield from faiss_over_numpy(codes)


def faiss_over_numpy(codes: npt.NDArray[np.int8]) -> Iterator[Kernel]:
    """FAISS's eight bits in NumPy's memory, for which the system gives large pages."""
    held = (codes.astype(np.int16) + ZERO_CODE).astype(np.uint8)
    index = index_over(held)
    probe = codes[:1].astype(np.float32)

    def search() -> object:
        return held, index.search(probe, 10)  # the index looks at what it doesn't keep

    yield "FAISS 8 bit, whole numbers, in NumPy's memory", 1.0, search


def torch_kernels(
    vectors: npt.NDArray[np.float32], codes: npt.NDArray[np.int8]
) -> Iterator[Kernel]:
    """Torch's products of a matrix and a vector."""
    wide = torch.from_numpy(vectors)
    for dtype, width in ((torch.float32, 4.0), (torch.float16, 2.0), (torch.bfloat16, 2.0)):
        content, probe = wide.to(dtype), wide[0].to(dtype)
        name = f"torch {str(dtype).removeprefix('torch.')}"
        yield name, width, partial(torch.mv, content, probe)
    scales = torch.ones(len(vectors), dtype=torch.bfloat16)
    eight, probe = torch.from_numpy(codes), wide[:1].bfloat16()
    yield (
        "torch int8 weights",
        1.0,
        lambda: torch._weight_int8pack_mm(  # noqa: SLF001 - there is no public one
            probe, eight, scales
        ),
    )


def scan_codes(
    rows: npt.NDArray[np.int8], probe: npt.NDArray[np.int16], out: npt.NDArray[np.int32]
) -> None:
    """Inner products as whole numbers, one component after the other, for numba to compile."""
    for at in range(len(rows)):
        total = np.int32(0)
        for place in range(len(probe)):
            total += np.int32(rows[at, place]) * np.int32(probe[place])
        out[at] = total


def optional_kernels(codes: npt.NDArray[np.int8]) -> Iterator[Kernel]:
    """Libraries that sigvault doesn't depend on."""
    if importlib.util.find_spec("numba"):
        import numba  # noqa: PLC0415 - may not be installed

        compiled = numba.njit(nogil=True)(scan_codes)
        out, probe = np.empty(len(codes), np.int32), codes[0].astype(np.int16)
        yield "numba int8", 1.0, lambda: compiled(codes, probe, out)
    if importlib.util.find_spec("simsimd"):
        import simsimd  # noqa: PLC0415 - may not be installed

        yield "SimSIMD int8", 1.0, lambda: simsimd.cdist(codes[:1], codes, metric="dot", threads=1)


def parts_of_opening(dimension: int) -> Iterator[tuple[str, float]]:
    """Seconds of what could be done, or is, for a million vectors."""
    content = bytes(MILLION * dimension * 2)
    yield "SHA-256 of 16-bit vectors", best_seconds(lambda: hashlib.sha256(content).digest())
    rows = np.arange(MILLION)
    numbers = range(MILLION)
    filling = best_seconds(lambda: dict(zip(rows.tolist(), numbers, strict=True)))
    yield "filling a dictionary of row numbers", filling
    wanted = rows[::1000].copy()
    yield "looking 1,000 rows up by bisection", best_seconds(lambda: np.searchsorted(rows, wanted))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare ways of scanning vectors on one core.")
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--dimension", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((arguments.vectors, arguments.dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes = np.rint(vectors * (127 / np.abs(vectors).max())).astype(np.int8)
    large = torch.from_numpy(vectors)
    kernels: list[Kernel] = [("reading float32 alone", 4.0, large.sum)]
    kernels += [*faiss_kernels(vectors, codes), *torch_kernels(vectors, codes)]
    kernels += optional_kernels(codes)
    lines = ["| Kernel | GB/s | million vectors/s |", "|---|---|---|"]
    for name, width, call in kernels:
        taken = best_seconds(call)
        gigabytes = vectors.size * width / taken / 1e9
        lines.append(f"| {name} | {gigabytes:.1f} | {len(vectors) / taken / 1e6:.1f} |")
    lines += ["", "| Part of opening, a million vectors | s |", "|---|---|"]
    lines += [f"| {name} | {taken:.4f} |" for name, taken in parts_of_opening(arguments.dimension)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
