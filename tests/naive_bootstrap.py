"""Resampling signers by hand: the drawn signers' scores are concatenated, the slow way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.evaluation.error_rates import Floats, SignerScores, resample_signers

Statistic = Callable[[Floats, Floats], Sequence[float]]
"""Several numbers from all mated and all non-mated scores."""


def make_scores(
    seed: int = 0,
    *,
    signers: int = 7,
    apart: float = 1.0,
    decimals: int = 1,
    without_forgeries: Sequence[int] = (1, 4),
    draws: int = 1,
) -> SignerScores:
    """Signers with different numbers of scores, some without forgeries, and ties everywhere."""
    rng = np.random.default_rng(seed)
    mated = [np.round(rng.normal(apart, 1.0, 3 + place % 4), decimals) for place in range(signers)]
    non_mated = [
        np.round(rng.normal(0.0, 1.0, 0 if place in without_forgeries else 2 + place % 5), decimals)
        for place in range(signers)
    ]
    return SignerScores(tuple(mated), tuple(non_mated), draws)


def resample_by_hand(
    statistic: Statistic, scores: SignerScores, *, bootstraps: int, seed: int
) -> Floats:
    """A row a resampling, float64 (bootstraps, k); not a number where a kind was not drawn."""
    width = len(statistic(scores.all_mated, scores.all_non_mated))
    rows = np.full((bootstraps, width), np.nan)
    for row, weights in enumerate(resample_signers(len(scores.mated), bootstraps, seed)):
        mated, non_mated = [np.empty(0)], [np.empty(0)]
        for signer, times in enumerate(weights):
            mated += [scores.mated[signer]] * int(times)
            non_mated += [scores.non_mated[signer]] * int(times)
        drawn = np.concatenate(mated), np.concatenate(non_mated)
        if len(drawn[0]) and len(drawn[1]):
            rows[row] = statistic(*drawn)
    return rows


def interval_by_hand(value: float, resampled: Sequence[float] | Floats) -> Rate:
    """The percentile interval of 95 %, from sorted values, stretched to hold the value."""
    rising = sorted(float(one) for one in resampled if math.isfinite(one))
    ends = []
    for share in (0.025, 0.975):
        place = share * (len(rising) - 1)
        below, above = math.floor(place), math.ceil(place)
        ends.append(rising[below] + (place - below) * (rising[above] - rising[below]))
    return Rate(value, min(ends[0], value), max(ends[1], value))


def widen_by_hand(rate: Rate, probes: float) -> Rate:
    """Stretch the interval of a share of 0 or 1 to the rate with a chance of 5 % of it."""
    clean = 1.0 - math.exp(math.log(0.05) / probes)
    low = min(rate.low, 1.0 - clean) if rate.value == 1.0 else rate.low
    return Rate(rate.value, low, max(rate.high, clean) if rate.value == 0.0 else rate.high)


def ends(rate: Rate) -> tuple[float, float, float]:
    """The value and the ends of its interval, to compare all at once."""
    return rate.value, rate.low, rate.high
