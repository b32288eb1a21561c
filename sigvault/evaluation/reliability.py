"""Whether likelihood ratios mean what they say, with intervals that resample signers.

All ratios here are base-10 logarithms. Prior odds are 1: both kinds weigh the same, however many
comparisons there are of each, so a ratio of r stands for a posterior probability of r / (1 + r)
that the signature is genuine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import expit, xlogy

from sigvault.domain.comparison import Rate
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    Floats,
    SignerScores,
    allow_for_clean,
    resample_signers,
)
from sigvault.evaluation.resampled_curves import Resampled, resample_sums

BINS = 10
"""The most bins of a reliability diagram."""

MINIMUM_BOOTSTRAPS = 200
"""How many times signers are resampled for the minimum Cllr: each time pools violators anew."""


class Binning(StrEnum):
    """How the bins of a reliability diagram are cut, once, from all signers.

    ``EQUAL_WIDTH``: equal stretches of [0, 1]. ``QUANTILE``: equal weight of comparisons; fewer
    bins where many posteriors are the same, as they are at the bounds of the ratios.
    """

    EQUAL_WIDTH = "equal_width"
    QUANTILE = "quantile"


@dataclass(frozen=True)
class ReliabilityBin:
    """The comparisons whose posteriors lie in (low, high], or [0, high] in the first bin.

    Attributes:
        low: the lower edge, in [0, 1].
        high: the upper edge, in [0, 1].
        predicted: the mean posterior, with its interval.
        observed: the share of genuine signatures, with its interval; both kinds weigh the same.
        weight: the bin's share of all comparisons, both kinds weighing the same.
        mated: comparisons of signers' own signatures.
        non_mated: comparisons of forgeries.
    """

    low: float
    high: float
    predicted: Rate
    observed: Rate
    weight: float
    mated: int
    non_mated: int

    @property
    def count(self) -> int:
        """How many comparisons of both kinds."""
        return self.mated + self.non_mated


@dataclass(frozen=True)
class Reliability:
    """How far likelihood ratios can be trusted.

    Attributes:
        binning: how the bins were cut.
        bins: by rising posterior; empty ones are left out.
        expected_calibration_error: the mean distance between predicted and observed, each bin
            with its weight, in [0, 1]. Noise adds to it, so it is above 0 for perfect ratios.
        cllr: the cost of the ratios, in bits.
        minimum_cllr: what remains with the best calibration of ratios in this order, in bits. A
            signer drawn twice is easier to fit, so its interval leans towards 0.
        calibration_loss: the difference of the two, in bits.
        bootstraps: how many times signers were resampled for bins, error and cost.
        minimum_bootstraps: how many times for the minimum and the loss.
    """

    binning: Binning
    bins: tuple[ReliabilityBin, ...]
    expected_calibration_error: Rate
    cllr: Rate
    minimum_cllr: Rate
    calibration_loss: Rate
    bootstraps: int
    minimum_bootstraps: int


def measure_reliability(
    llrs: SignerScores,
    *,
    bins: int = BINS,
    binning: Binning = Binning.EQUAL_WIDTH,
    bootstraps: int = BOOTSTRAPS,
    minimum_bootstraps: int = MINIMUM_BOOTSTRAPS,
    seed: int = 0,
) -> Reliability:
    """Compare likelihood ratios with what became of them.

    Args:
        llrs: log10 likelihood ratios by signer, finite; the non-mated ones are of the kind of
            forgeries that the ratios are against.
        bins: the most bins, at least 1.
        binning: how to cut them.
        bootstraps: how many times signers are resampled for bins, error and cost.
        minimum_bootstraps: how many times for the minimum and the loss, which cost more.
        seed: of the resampling.

    Raises:
        ValueError: If ``bins`` is below 1.
    """
    edges = bin_edges(llrs, bins, binning)
    sums = _bin_sums(llrs, edges)
    diagram = resample_sums(_diagram, sums, bootstraps=bootstraps, seed=seed)
    costs = _cost_sums(llrs)
    paired = resample_sums(_cllr, costs, bootstraps=minimum_bootstraps, seed=seed)
    minimum = _minimum_cllr(llrs, resample_signers(len(costs), minimum_bootstraps, seed))
    return Reliability(
        binning=binning,
        bins=_bins(edges, sums, diagram, llrs.draws),
        expected_calibration_error=diagram.rate(-1),
        cllr=resample_sums(_cllr, costs, bootstraps=bootstraps, seed=seed).rate(),
        minimum_cllr=minimum.rate(),
        calibration_loss=paired.minus(minimum).rate(),
        bootstraps=bootstraps,
        minimum_bootstraps=minimum_bootstraps,
    )


def posterior(llrs: Floats) -> Floats:
    """The probability at prior odds 1 that a log10 likelihood ratio stands for, in [0, 1]."""
    probability: Floats = expit(np.asarray(llrs, np.float64) * math.log(10.0))
    return probability


def bin_edges(llrs: SignerScores, bins: int, binning: Binning) -> Floats:
    """Where the bins of the posterior end.

    Args:
        llrs: log10 likelihood ratios by signer.
        bins: the most bins.
        binning: how to cut them.

    Returns:
        float64 (K + 1,), rising from 0 to 1, with K at most ``bins``.

    Raises:
        ValueError: If ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"{bins} bins: at least 1")
    if binning is Binning.EQUAL_WIDTH:
        return np.linspace(0.0, 1.0, bins + 1)
    mated, non_mated = posterior(llrs.all_mated), posterior(llrs.all_non_mated)
    weights = np.repeat([1.0 / len(mated), 1.0 / len(non_mated)], [len(mated), len(non_mated)])
    cuts = np.quantile(
        np.concatenate([mated, non_mated]),
        np.arange(1, bins) / bins,
        weights=weights,
        method="inverted_cdf",
    )
    return np.unique(np.concatenate([[0.0], cuts, [1.0]]))


def _bin_sums(llrs: SignerScores, edges: Floats) -> Floats:
    """Each signer's counts and sums of posteriors in each bin, float64 (signers, 4 K).

    Mated counts and sums, then non-mated counts and sums, K of each.
    """
    bins = len(edges) - 1
    rows = []
    for signer in zip(llrs.mated, llrs.non_mated, strict=True):
        row = []
        for values in map(posterior, signer):
            place = np.searchsorted(edges[1:-1], values, "left")
            row += [np.bincount(place, minlength=bins), np.bincount(place, values, bins)]
        rows.append(np.concatenate(row))
    return np.stack(rows)


def _diagram(sums: Floats) -> Floats:
    """Predicted and observed of each bin, and the calibration error: (..., 4 K) to (..., 2 K + 1).

    What a bin without comparisons predicts is not a number, nor is anything of a resampling that
    drew no comparisons of a kind.
    """
    mated, mated_sum, other, other_sum = np.split(sums, 4, axis=-1)
    total = mated.sum(axis=-1, keepdims=True)
    other_total = other.sum(axis=-1, keepdims=True)
    share = mated / total
    weight = share + other / other_total
    predicted = (mated_sum / total + other_sum / other_total) / weight
    observed = share / weight
    gap = np.where(weight == 0.0, 0.0, 0.5 * weight * np.abs(predicted - observed))
    return np.concatenate([predicted, observed, gap.sum(axis=-1, keepdims=True)], axis=-1)


def _bins(
    edges: Floats, sums: Floats, diagram: Resampled, draws: int
) -> tuple[ReliabilityBin, ...]:
    mated, _, other, _ = np.split(sums.sum(axis=0), 4)
    shares, other_shares = mated / mated.sum(), other / other.sum()
    bins = []
    for place in np.flatnonzero(mated + other).tolist():
        observed = _allow_for_one_kind(
            diagram.rate(len(mated) + place),
            (shares[place], other_shares[place]),
            (mated.sum() / draws, other.sum() / draws),
        )
        bins.append(
            ReliabilityBin(
                low=float(edges[place]),
                high=float(edges[place + 1]),
                predicted=diagram.rate(place),
                observed=observed,
                weight=float(0.5 * (shares[place] + other_shares[place])),
                mated=int(mated[place]),
                non_mated=int(other[place]),
            )
        )
    return tuple(bins)


def _allow_for_one_kind(
    observed: Rate, shares: tuple[float, float], probes: tuple[float, float]
) -> Rate:
    """Widen the interval of a bin that holds one kind alone; resampling never sees the other.

    The share of the other kind that falls into the bin may be as large as the rule of three over
    distinct probes allows.

    Args:
        observed: the share of genuine signatures in the bin.
        shares: of all mated comparisons and of all non-mated ones, those in the bin.
        probes: distinct probes of each kind in all bins.
    """
    mated, other = (
        share or allow_for_clean(Rate(0.0, 0.0, 0.0), number).high
        for share, number in zip(shares, probes, strict=True)
    )
    possible = mated / (mated + other)
    return Rate(observed.value, min(observed.low, possible), max(observed.high, possible))


def _cost_sums(llrs: SignerScores) -> Floats:
    """Each signer's bits and comparisons, mated and non-mated, float64 (signers, 4)."""
    natural = math.log(10.0)
    return np.array(
        [
            [
                np.logaddexp(0.0, -mated * natural).sum() / math.log(2.0),
                len(mated),
                np.logaddexp(0.0, other * natural).sum() / math.log(2.0),
                len(other),
            ]
            for mated, other in zip(llrs.mated, llrs.non_mated, strict=True)
        ]
    )


def _cllr(sums: Floats) -> Floats:
    """Cllr in bits of sums (..., 4), float64 (..., 1)."""
    return 0.5 * (sums[..., [0]] / sums[..., [1]] + sums[..., [2]] / sums[..., [3]])


def _minimum_cllr(llrs: SignerScores, weights: npt.NDArray[np.int64]) -> Resampled:
    """The minimum Cllr of all signers and of each resampling (B, S).

    Scores are ranked once; a resampling weighs each signer's comparisons by how often the signer
    was drawn and pools adjacent violators anew.
    """
    arrays = (*llrs.mated, *llrs.non_mated)
    values = np.concatenate(arrays)
    ranks = np.unique(values, return_inverse=True)[1]
    owner = np.repeat(np.tile(np.arange(len(llrs.mated)), 2), [len(own) for own in arrays])
    split, distinct = len(llrs.all_mated), int(ranks.max()) + 1

    def minimum(drawn: npt.NDArray[np.int64]) -> float:
        each = drawn[owner].astype(np.float64)
        return _cost_after_pooling(
            np.bincount(ranks[:split], each[:split], distinct).astype(np.float64),
            np.bincount(ranks[split:], each[split:], distinct).astype(np.float64),
        )

    everybody = np.ones(len(llrs.mated), np.int64)
    return Resampled(
        np.array([minimum(everybody)]), np.array([[minimum(drawn)] for drawn in weights])
    )


def _cost_after_pooling(mated: Floats, non_mated: Floats) -> float:
    """The minimum Cllr, in bits, of counts at each distinct score, float64 (K,), rising.

    Not a number where there are no comparisons of a kind.
    """
    from scipy.optimize import isotonic_regression  # noqa: PLC0415 - slow to import

    if not (mated.any() and non_mated.any()):
        return math.nan
    one, other = mated / mated.sum(), non_mated / non_mated.sum()
    filled = one + other > 0.0
    one, other = one[filled], other[filled]
    blocks = isotonic_regression(one / (one + other), weights=one + other).blocks[:-1]
    one, other = np.add.reduceat(one, blocks), np.add.reduceat(other, blocks)
    nats = xlogy(one, one / (one + other)) + xlogy(other, other / (one + other))
    return float(-nats.sum() / (2.0 * math.log(2.0)))
