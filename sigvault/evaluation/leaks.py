"""The gates: does anything but the writing tell genuine signatures from forgeries?

A data set whose forgeries were scanned on another day, with other pens, gives itself away in the
paper's brightness or the ink's tone, and a model will learn that instead of the hand. So before
any error rate is reported, every single statistic of a picture must fail to separate the classes,
before and after preprocessing, and no picture may lie under two signers or in two splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

GATE = 0.55
"""The AUC that no single statistic may exceed, unless it is shown to be the writing itself."""

ALIKE = 0.9
"""The correlation of coarse ink from which on two pictures are near-duplicates."""

_BLOCK = 512
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Separation:
    """How well one number tells forged from genuine.

    Attributes:
        auc: probability that the statistic of a forgery lies beyond that of a genuine signature,
            in [0.5, 1]; 0.5 = tells nothing. The direction is the one in which it separates.
        low: lower end of the 95 % interval, in [0, 1]; it may lie below 0.5. With fewer than
            two signers to resample nothing is known, and it is 0.
        high: upper end of it; 1 if nothing is known.
        forged_higher: whether forgeries have the larger values.
    """

    auc: float
    low: float
    high: float
    forged_higher: bool


@dataclass(frozen=True)
class Leak:
    """One statistic's power to separate the classes.

    Attributes:
        statistic: its name.
        pooled: over all pictures at once, as a model with one threshold could use it.
        centred: after taking off each signer's own level, as a comparison with references could.
        agreeing: of the signers whose class medians differ, the share for whom they do so in the
            more frequent direction, in [0.5, 1]. A scanner or a pen goes one way for nearly all
            of them; how somebody writes another's name differs from name to name.
    """

    statistic: str
    pooled: Separation
    centred: Separation
    agreeing: float

    @property
    def worst(self) -> float:
        """The larger of the two AUCs."""
        return max(self.pooled.auc, self.centred.auc)


def measure_leak(
    statistic: str,
    values: npt.ArrayLike,
    forged: npt.ArrayLike,
    signers: Sequence[str] | npt.NDArray[np.generic],
    *,
    draws: int = 500,
    seed: int = 0,
) -> Leak:
    """How well one statistic separates the classes, pooled and within the signer.

    Args:
        statistic: its name.
        values: (N,), one number a picture.
        forged: bool (N,).
        signers: (N,), whose signature each picture is or imitates.
        draws: bootstrap draws; whole signers are drawn, since their pictures are not independent.
        seed: of the draws.

    Raises:
        ValueError: if one of the classes is missing, lengths differ or a value is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    labels = np.asarray(forged, dtype=bool)
    _, people = np.unique(np.asarray(signers), return_inverse=True)
    if not (numbers.shape == labels.shape == people.shape and numbers.ndim == 1):
        raise ValueError("values, forged and signers must be one-dimensional and equally long")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{statistic} is not finite for every picture")
    if labels.all() or not labels.any():
        raise ValueError("there must be genuine signatures and forgeries")
    centred, usable = centre_within_signers(numbers, labels, people)
    return Leak(
        statistic,
        pooled=_separation(numbers, labels, people, draws, seed),
        centred=_separation(centred[usable], labels[usable], people[usable], draws, seed),
        agreeing=_agreeing(numbers, labels, people),
    )


def centre_within_signers(
    values: FloatArray, forged: npt.NDArray[np.bool_], people: npt.NDArray[np.intp]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Take off each signer's level: the midpoint of the medians of both classes.

    Both classes weigh the same, so that a signer with many forgeries is not centred on them.

    Args:
        values: (N,).
        forged: (N,).
        people: (N,), the signers' numbers.

    Returns:
        The centred values (N,), and which of them (N,) are of signers with both classes.
    """
    centred = values.copy()
    usable = np.zeros(values.shape, dtype=bool)
    for person in np.unique(people):
        own = people == person
        genuine, imitated = values[own & ~forged], values[own & forged]
        if genuine.size and imitated.size:
            centred[own] -= (np.median(genuine) + np.median(imitated)) / 2
            usable[own] = True
    return centred, usable


def _agreeing(
    values: FloatArray, forged: npt.NDArray[np.bool_], people: npt.NDArray[np.intp]
) -> float:
    differences = [
        np.median(values[own & forged]) - np.median(values[own & ~forged])
        for own in (people == person for person in np.unique(people))
        if (own & forged).any() and (own & ~forged).any()
    ]
    signs = np.sign(np.array(differences, dtype=np.float64))
    signs = signs[signs != 0]
    return float(max(np.mean(signs > 0), np.mean(signs < 0))) if signs.size else 0.5


def weighted_auc(values: FloatArray, forged: npt.NDArray[np.bool_], weights: FloatArray) -> float:
    """Probability that a forgery's value exceeds a genuine one's; ties count half.

    Args:
        values: (N,).
        forged: (N,).
        weights: (N,), how often each picture counts, at least 0.

    Returns:
        In [0, 1]; NaN if a class has no weight.
    """
    _, rank = np.unique(values, return_inverse=True)
    return _auc_of_ranks(rank, forged, weights)


def _auc_of_ranks(
    rank: npt.NDArray[np.intp], forged: npt.NDArray[np.bool_], weights: FloatArray
) -> float:
    size = int(rank.max()) + 1
    genuine_at = np.bincount(rank, weights * ~forged, minlength=size)
    forged_at = np.bincount(rank, weights * forged, minlength=size)
    below = np.cumsum(genuine_at) - genuine_at / 2
    total = genuine_at.sum() * forged_at.sum()
    return float((forged_at * below).sum() / total) if total > 0 else float("nan")


def _separation(
    values: FloatArray,
    forged: npt.NDArray[np.bool_],
    people: npt.NDArray[np.intp],
    draws: int,
    seed: int,
) -> Separation:
    if values.size == 0:
        return Separation(0.5, 0.0, 1.0, forged_higher=False)
    _, rank = np.unique(values, return_inverse=True)
    auc = _auc_of_ranks(rank, forged, np.ones(values.size))
    _, people = np.unique(people, return_inverse=True)
    count = int(people.max()) + 1
    if count < 2:
        return Separation(max(auc, 1 - auc), 0.0, 1.0, forged_higher=auc > 0.5)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    resampled = np.array(
        [_auc_of_ranks(rank, forged, times[people].astype(np.float64)) for times in drawn]
    )
    resampled = resampled[np.isfinite(resampled)]
    ends = np.quantile(resampled, (0.025, 0.975)) if resampled.size else np.array((0.0, 1.0))
    if auc >= 0.5:
        return Separation(auc, float(ends[0]), float(ends[1]), forged_higher=True)
    return Separation(1 - auc, float(1 - ends[1]), float(1 - ends[0]), forged_higher=False)


def measure_leaks(
    statistics: Sequence[Mapping[str, float]],
    forged: npt.ArrayLike,
    signers: Sequence[str],
    *,
    draws: int = 500,
    seed: int = 0,
) -> tuple[Leak, ...]:
    """Every statistic's leak, in the order that the statistics name them.

    Args:
        statistics: name to value, the same names for each of the N pictures.
        forged: bool (N,).
        signers: (N,).
        draws: bootstrap draws over signers.
        seed: of the draws.
    """
    return tuple(
        measure_leak(
            name, [own[name] for own in statistics], forged, signers, draws=draws, seed=seed
        )
        for name in statistics[0]
    )


def correlation_within(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    forged: npt.ArrayLike,
    signers: Sequence[str] | npt.NDArray[np.generic],
) -> float:
    """Correlation of two statistics within each signer's pictures of each class, pooled.

    What differs between signers, or between genuine and forged, plays no part: it says whether
    both measure the same thing.

    Args:
        one: (N,).
        other: (N,).
        forged: bool (N,).
        signers: (N,).

    Returns:
        In [-1, 1]; 0 if one of them is constant within all of these groups.
    """
    _, people = np.unique(np.asarray(signers), return_inverse=True)
    _, cell = np.unique(2 * people + np.asarray(forged, dtype=bool), return_inverse=True)
    size = np.bincount(cell)
    left, right = (
        values - (np.bincount(cell, values) / size)[cell]
        for values in (np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64))
    )
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale > _ROUNDING else 0.0


@dataclass(frozen=True, order=True)
class NearDuplicate:
    """Two pictures that are nearly the same.

    Attributes:
        first: index of the one.
        second: index of the other, greater than ``first``.
        correlation: of their coarse ink, in [-1, 1].
    """

    first: int
    second: int
    correlation: float


def find_near_duplicates(
    coarse: Sequence[npt.NDArray[np.float32]] | npt.NDArray[np.float32], *, limit: float = ALIKE
) -> tuple[NearDuplicate, ...]:
    """All pairs of pictures that are nearly the same. Two signatures by one hand hardly ever are.

    Args:
        coarse: float32 (N, D), coarse ink as ``coarse_ink`` gives it.
        limit: correlation from which on two pictures are near-duplicates.

    Returns:
        The pairs, the most alike first.
    """
    if len(coarse) < 2:
        return ()
    described = np.stack(list(coarse))
    described = described - described.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(described, axis=1, keepdims=True)
    described /= np.where(norms > _ROUNDING, norms, 1)
    pairs: list[NearDuplicate] = []
    for start in range(0, len(described), _BLOCK):
        alike = described[start : start + _BLOCK] @ described.T
        for row, second in np.argwhere(alike >= limit):
            if start + row < second:
                pairs.append(
                    NearDuplicate(start + int(row), int(second), float(alike[row, second]))
                )
    return tuple(sorted(pairs, key=lambda pair: (-pair.correlation, pair)))
