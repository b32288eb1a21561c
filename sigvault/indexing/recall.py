"""How much of what there is to find an index finds: for those that are not exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.ports import VectorIndex
from sigvault.indexing.contents import IndexContents, StorableIndex
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.packing import widened
from sigvault.indexing.torch_exact import TorchSource


@dataclass(frozen=True)
class Recall:
    """How much was found.

    Attributes:
        mean: the share of the true k best that was found, over all probes, in [0, 1].
        worst: the smallest share of a probe.
        probes: how many probes.
        k: how many were to be found for each.
    """

    mean: float
    worst: float
    probes: int
    k: int

    def in_words(self) -> str:
        """For people."""
        return (
            f"of the {self.k} nearest, {self.mean:.1%} are found on average and {self.worst:.1%} "
            f"at worst, by {self.probes} probes like the vault's own vectors"
        )


def measure_recall(
    index: VectorIndex, oracle: VectorIndex, probes: npt.NDArray[np.float32], k: int
) -> Recall:
    """Compare an index with one that finds all.

    Args:
        index: the one to be judged.
        oracle: an exact one over the same vectors.
        probes: float32 (Q, D), unit norm, at least one.
        k: how many neighbours.

    Raises:
        IndexFailed: If either can't be searched so.
    """
    found, true = index.search(probes, k).rows, oracle.search(probes, k).rows
    shares = []
    for got, best in zip(found, true, strict=True):
        wanted = best[best >= 0]
        # Where there is nothing to find, nothing is missed.
        shares.append(float(np.isin(wanted, got).mean()) if len(wanted) else 1.0)
    return Recall(float(np.mean(shares)), min(shares), len(probes), k)


def own_recall(index: StorableIndex, *, probes: int = 200, k: int = 10) -> Recall:
    """How much an index finds of what there is to find for probes like its own vectors.

    Args:
        index: the one to be judged; it holds at least one vector.
        probes: how many probes.
        k: how many neighbours.

    Raises:
        IndexFailed: If it can't be searched.
    """
    contents = index.contents()
    dimension = contents.vectors.shape[1]
    oracle = LayeredIndex(dimension, TorchSource, contents)
    return measure_recall(index, oracle, own_probes(contents, probes), k)


def own_probes(contents: IndexContents, count: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Some of an index's own vectors, each shifted a little: what probes of the vault look like.

    Args:
        contents: the index's vectors; at least one.
        count: how many probes.
        seed: which.

    Returns:
        float32 (count, D), unit norm.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.integers(0, len(contents.rows), count))
    vectors = widened(contents.vectors[chosen])
    # As far from the reference as another signature of the same signer may be: cosine 0.9.
    noise = rng.standard_normal(vectors.shape).astype(np.float32)
    noise *= 0.48 / np.linalg.norm(noise, axis=1, keepdims=True)
    shifted = vectors + noise
    shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
    return shifted
