"""The vectors that all stores get: clustered like signers, in files that every process maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from peers.adapter import DIMENSION, EACH, K, Numbers, Vectors

PROBES = 256
EXTRA = 300
NOISE = 0.5
"""The norm of what a signature deviates from its signer's mean, whose own norm is 1: two
signatures of a signer are about 0.8 alike."""
_BLOCK = 50_000


@dataclass(frozen=True)
class Material:
    """What is stored and asked.

    Attributes:
        vectors: the references float32 (N, D), mapped.
        probes: float32 (PROBES, D): further signatures of signers that are never erased.
        claimed: int64 (PROBES,): whose they are.
        truth: int64 (PROBES, K): the nearest references, found by NumPy.
        extra: float32 (EXTRA, D): references to enroll one at a time.
        receiving: int64 (EXTRA,): the signers to enroll them for.
        leaving: int64: the signers to erase.
    """

    vectors: Vectors
    probes: Vectors
    claimed: Numbers
    truth: Numbers
    extra: Vectors
    receiving: Numbers
    leaving: Numbers


def make_material(folder: Path, count: int) -> None:
    """Draw everything from one seed, and find the nearest references by NumPy."""
    rng = np.random.default_rng(0)
    signers = count // EACH
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(count, DIMENSION)
    )
    centres = _unit(rng.standard_normal((signers, DIMENSION), dtype=np.float32))
    for start in range(0, count, _BLOCK):
        owners = np.arange(start, min(count, start + _BLOCK)) // EACH
        vectors[start : start + _BLOCK] = _signatures(rng, centres[owners])
    order = rng.permutation(signers)
    probed, receiving, leaving = np.split(order, [int(0.6 * signers), int(0.8 * signers)])
    claimed = rng.choice(probed, PROBES)
    probes = _signatures(rng, centres[claimed])
    taking = rng.choice(receiving, EXTRA)
    extra = _signatures(rng, centres[taking])
    vectors.flush()
    parts = {
        "probes": probes,
        "claimed": claimed,
        "truth": nearest(vectors, probes),
        "extra": extra,
        "receiving": taking,
        "leaving": leaving,
    }
    for name, part in parts.items():
        np.save(folder / f"{name}.npy", part)


def load_material(folder: Path) -> Material:
    """Read it, the references mapped."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    names = ("probes", "claimed", "truth", "extra", "receiving", "leaving")
    return Material(vectors, *(np.load(folder / f"{name}.npy") for name in names))


def nearest(vectors: Vectors, probes: Vectors) -> Numbers:
    """The numbers int64 (P, K) of the largest inner products, best first."""
    scores = np.empty((len(probes), 0), np.float32)
    numbers = np.empty((len(probes), 0), np.int64)
    for start in range(0, len(vectors), _BLOCK):
        block = probes @ vectors[start : start + _BLOCK].T
        found = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        scores, numbers = np.hstack([scores, block]), np.hstack([numbers, found])
        likely = np.argpartition(-scores, K, axis=1)[:, :K]
        scores, numbers = (
            np.take_along_axis(scores, likely, 1),
            np.take_along_axis(numbers, likely, 1),
        )
        best = np.argsort(-scores, axis=1, kind="stable")
        scores = np.take_along_axis(scores, best, 1)
        numbers = np.take_along_axis(numbers, best, 1)
    return numbers


def recall(found: Iterable[Numbers], truth: Numbers) -> float:
    """The share of the nearest references that were found, a row a probe."""
    hits = [np.isin(some, wanted).sum() for some, wanted in zip(truth, found, strict=True)]
    return float(np.sum(hits) / truth.size)


def _signatures(rng: np.random.Generator, centres: Vectors) -> Vectors:
    """One signature of each centre, of unit norm, in as many digits as a vault stores."""
    noise = rng.standard_normal(centres.shape, dtype=np.float32) * np.float32(NOISE / 16)
    return _unit(centres + noise).astype(np.float16).astype(np.float32)


def _unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
