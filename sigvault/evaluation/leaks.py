"""The gates: does anything but the writing tell genuine signatures from forgeries?

A data set whose forgeries were scanned on another day, with other pens, gives itself away in the
paper's brightness or the ink's tone, and a model will learn that instead of the hand. So before
any error rate is reported, every single statistic of a picture must fail to separate the classes,
before and after preprocessing, and no picture may lie under two signers or in two splits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]

GATE = 0.55
_COARSE = 4
_BLOCK = 512
_EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Separation:
    """How well one number tells forged from genuine.

    Attributes:
        auc: probability that the statistic of a forgery lies beyond that of a genuine signature,
            in [0.5, 1]; 0.5 = tells nothing. The direction is the one in which it separates.
        low: lower end of the 95 % interval, in [0, 1]; it may lie below 0.5.
        high: upper end of it.
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


# ---------------------------------------------------------------------------------- statistics


def grey_statistics(pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Every single number about a decoded picture that a model might lean on.

    Ink is what lies below the midpoint of the darkest and the median level.

    Args:
        pixels: uint8 (H, W), 0 = black.

    Returns:
        Name to value; all finite.
    """
    grey = pixels.astype(np.float64)
    height, width = pixels.shape
    paper = float(np.median(grey))
    ink = grey <= (paper + float(grey.min())) / 2
    tones = grey[ink]
    steps = np.abs(np.diff(grey, axis=1))
    return {
        "paper median": paper,
        "mean grey": float(grey.mean()),
        "paper noise": float(grey[~ink].std()) if not ink.all() else 0.0,
        "grey levels": float(np.unique(pixels).size),
        "ink mean": float(tones.mean()),
        "ink tenth percentile": float(np.quantile(tones, 0.1)),
        "steepest edge": float(np.quantile(steps, 0.999)) if steps.size else 0.0,
        "ink fraction": float(ink.mean()),
        "width": float(width),
        "height": float(height),
        "aspect": width / height,
    }


def ink_statistics(ink: npt.NDArray[np.float32]) -> dict[str, float]:
    """The same for ink on the canvas: all that is left for a model to lean on.

    Args:
        ink: float32 (H, W) in [0, 1], 1 = ink.

    Returns:
        Name to value; all finite, zero for a blank canvas. "Upright travel" is how far outlines
        go up and down for each pixel that they go across.
    """
    inked = ink > 0
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if rows.size == 0:
        return dict.fromkeys(_INK_STATISTICS, 0.0)
    height, width = float(np.ptp(rows)) + 1, float(np.ptp(columns)) + 1
    steps = np.abs(np.diff(ink, axis=1)), np.abs(np.diff(ink, axis=0))
    total = float(ink.sum(dtype=np.float64))
    outline = float(steps[0].sum(dtype=np.float64) + steps[1].sum(dtype=np.float64))
    strong = ink > 0.5
    numbers = (
        float(np.median(ink)),
        total / (height * width),
        float(ink[inked].mean()),
        float(np.mean((ink[inked] > 0.1) & (ink[inked] < 0.9))),
        2 * total / outline,
        outline,
        float(np.quantile(steps[0], 0.999)),
        float(np.quantile(steps[1], 0.999)),
        float(steps[0].sum(dtype=np.float64) / max(steps[1].sum(dtype=np.float64), 1e-9)),
        float(ndimage.label(strong, structure=_EIGHT)[1]),
        width,
        height,
        width / height,
    )
    return dict(zip(_INK_STATISTICS, numbers, strict=True))


_INK_STATISTICS = (
    "paper median",
    "ink fraction",
    "ink mean",
    "share of half tones",
    "stroke width",
    "outline length",
    "steepest edge across",
    "steepest edge down",
    "upright travel",
    "separate pieces",
    "width",
    "height",
    "aspect",
)


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


# -------------------------------------------------------------------------------- duplicates


@dataclass(frozen=True, order=True)
class NearDuplicate:
    """Two pictures that are nearly the same.

    Attributes:
        first: index of the one.
        second: index of the other, greater than ``first``.
        correlation: of their ink, in [-1, 1].
    """

    first: int
    second: int
    correlation: float


def find_near_duplicates(
    inks: Sequence[npt.NDArray[np.float32]] | npt.NDArray[np.float32],
    groups: Sequence[str],
    *,
    limit: float = 0.9,
    across: Callable[[str, str], bool] = lambda one, other: one != other,
) -> tuple[NearDuplicate, ...]:
    """Pictures that lie in two groups (signers, or splits) and are nearly the same.

    Ink is averaged over squares of 4 x 4 canvas pixels, so that another compression or a scan
    shifted by a pixel is still found; then all pairs are correlated. Two signatures by one hand
    stay well below the limit.

    Args:
        inks: N canvases, float32 (H, W).
        groups: (N,), the signer or the split of each.
        limit: correlation from which on two pictures are near-duplicates.
        across: which pairs of groups count; those that differ, if not told.

    Returns:
        The pairs, the most alike first.
    """
    if len(inks) != len(groups):
        raise ValueError("there must be one group for each picture")
    if len(inks) < 2:
        return ()
    described = _descriptors(inks)
    pairs: list[NearDuplicate] = []
    for start in range(0, len(described), _BLOCK):
        alike = described[start : start + _BLOCK] @ described.T
        for row, second in np.argwhere(alike >= limit):
            first = start + int(row)
            if first < second and across(groups[first], groups[int(second)]):
                pairs.append(NearDuplicate(first, int(second), float(alike[row, second])))
    return tuple(sorted(pairs, key=lambda pair: -pair.correlation))


def _descriptors(
    inks: Sequence[npt.NDArray[np.float32]] | npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Coarse ink, centred and of unit norm, float32 (N, D); zero for a blank canvas."""
    coarse = np.stack([_means_of_squares(ink) for ink in inks])
    coarse -= coarse.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(coarse, axis=1, keepdims=True)
    return np.asarray(coarse / np.where(norms > 0, norms, 1), dtype=np.float32)


def _means_of_squares(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width = (side - side % _COARSE for side in ink.shape)
    squares = ink[:height, :width].reshape(height // _COARSE, _COARSE, width // _COARSE, _COARSE)
    return np.asarray(squares.mean(axis=(1, 3)).ravel(), dtype=np.float32)
