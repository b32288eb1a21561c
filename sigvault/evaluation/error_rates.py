"""Error rates of a score, with intervals that resample signers.

A comparison passes if its score is at least the threshold: ``fnmr(t)`` is the share of mated
scores below t and ``fmr(t)`` the share of non-mated scores from t upwards (ISO/IEC 19795-1).
What the non-mated scores are, random or skilled forgeries, the caller says: the two are never
pooled.

Comparisons of one signer resemble each other, so intervals resample whole signers (Bolle,
Ratha, Pankanti: Error analysis of pattern recognition systems: the subsets bootstrap, CVIU
2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Rate

Floats = npt.NDArray[np.float64]

BOOTSTRAPS = 1000
"""How many times signers are resampled for an interval."""

CONFIDENCE = 0.95
"""The share of an interval."""


@dataclass(frozen=True, eq=False)
class SignerScores:
    """Fused scores by signer: what the bootstrap resamples.

    Attributes:
        mated: float64 (n,), one array a signer: scores of the signer's own signatures.
        non_mated: float64 (m,), one array a signer, in the same order: scores of one kind of
            forgery; may be empty for some signers.
        draws: how often the same probe was compared, with other references.
    """

    mated: tuple[Floats, ...]
    non_mated: tuple[Floats, ...]
    draws: int = 1

    def __post_init__(self) -> None:
        """Check and sort the scores.

        Raises:
            ValueError: If the signers don't pair up, there are no scores of a kind, or one is
                not a number.
        """
        if len(self.mated) != len(self.non_mated):
            raise ValueError(
                f"mated scores of {len(self.mated)} signers, non-mated of {len(self.non_mated)}"
            )
        if self.draws < 1:
            raise ValueError(f"{self.draws} draws: at least 1")
        for name in ("mated", "non_mated"):
            arrays = tuple(np.sort(np.asarray(a, np.float64)) for a in getattr(self, name))
            _check_scores(np.concatenate(arrays) if arrays else np.empty(0), name)
            object.__setattr__(self, name, arrays)

    @property
    def all_mated(self) -> Floats:
        """The mated scores of all signers, float64 (N,)."""
        return np.concatenate(self.mated)

    @property
    def all_non_mated(self) -> Floats:
        """The non-mated scores of all signers, float64 (M,)."""
        return np.concatenate(self.non_mated)


class EqualError(NamedTuple):
    """Where the two error rates meet.

    Attributes:
        rate: the equal error rate, in [0, 1].
        threshold: the score at which the two rates lie closest together.
    """

    rate: float
    threshold: float


@dataclass(frozen=True)
class EqualErrorRate:
    """The equal error rate with its interval.

    Attributes:
        rate: the rate and the interval that resamples signers.
        threshold: the score at which the two rates lie closest together.
    """

    rate: Rate
    threshold: float


@dataclass(frozen=True, eq=False)
class DetCurve:
    """Every operating point that the scores allow, from the laxest to the strictest.

    Attributes:
        thresholds: float64 (K,), rising: each distinct score, then infinity.
        fnmr: float64 (K,), rising from 0 to 1.
        fmr: float64 (K,), falling from 1 to 0; of the forgeries that the curve was made of.
    """

    thresholds: Floats
    fnmr: Floats
    fmr: Floats


def fnmr_at(mated: Floats, threshold: float) -> float:
    """The share of mated scores float64 (N,) that don't pass."""
    return float(np.mean(mated < threshold))


def fmr_at(non_mated: Floats, threshold: float) -> float:
    """The share of non-mated scores float64 (M,) that pass."""
    return float(np.mean(non_mated >= threshold))


def det_curve(mated: Floats, non_mated: Floats) -> DetCurve:
    """Both error rates at every threshold that makes a difference.

    Args:
        mated: float64 (N,), at least one.
        non_mated: float64 (M,), at least one.

    Raises:
        ValueError: If there are no scores of a kind, or one is not a number.
    """
    _check_scores(mated, "mated")
    _check_scores(non_mated, "non_mated")
    thresholds = np.append(np.unique(np.concatenate([mated, non_mated])), np.inf)
    fnmr = np.searchsorted(np.sort(mated), thresholds, "left") / len(mated)
    fmr = 1.0 - np.searchsorted(np.sort(non_mated), thresholds, "left") / len(non_mated)
    return DetCurve(thresholds, fnmr, fmr)


def equal_error(mated: Floats, non_mated: Floats) -> EqualError:
    """The equal error rate of two sets of scores.

    The rates are step functions that may jump past each other; then the rate is where the
    straight line between the two neighbouring operating points crosses the diagonal. So it
    depends on the order of the scores alone, and ties between the kinds count half.

    Args:
        mated: float64 (N,), at least one.
        non_mated: float64 (M,), at least one.

    Raises:
        ValueError: If there are no scores of a kind, or one is not a number.
    """
    return equal_error_of(det_curve(mated, non_mated))


def equal_error_of(curve: DetCurve) -> EqualError:
    """The equal error rate of a curve; as ``equal_error``, which says how it is read off."""
    gap = curve.fnmr - curve.fmr
    after = int(np.argmax(gap >= 0.0))
    before = after - 1
    rate = _crossing(curve.fnmr[before], gap[before], curve.fnmr[after], gap[after])
    nearest = after if gap[after] < -gap[before] else before
    return EqualError(float(rate), float(curve.thresholds[nearest]))


def equal_error_rate(
    scores: SignerScores, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> EqualErrorRate:
    """The equal error rate with a 95 % interval that resamples signers.

    Args:
        scores: by signer.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    point = equal_error(scores.all_mated, scores.all_non_mated)
    rates = _equal_errors(scores, resample_signers(len(scores.mated), bootstraps, seed))
    return EqualErrorRate(percentile_interval(point.rate, rates), point.threshold)


def fnmr_rate(
    scores: SignerScores, threshold: float, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> Rate:
    """The share of mated comparisons that don't pass, with its interval."""
    failed = [int(np.searchsorted(own, threshold, "left")) for own in scores.mated]
    return clustered_share(
        failed, [len(own) for own in scores.mated], scores.draws, bootstraps, seed
    )


def fmr_rate(
    scores: SignerScores, threshold: float, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> Rate:
    """The share of non-mated comparisons that pass, with its interval."""
    passed = [int(np.sum(own >= threshold)) for own in scores.non_mated]
    return clustered_share(
        passed, [len(own) for own in scores.non_mated], scores.draws, bootstraps, seed
    )


def threshold_at_fmr(non_mated: Floats, rate: float) -> float:
    """The lowest threshold at which no more than a share of the non-mated scores pass.

    Args:
        non_mated: float64 (M,), at least one.
        rate: the largest share, in [0, 1].

    Returns:
        The least number above the highest score that must not pass; the lowest score of all
        if everything may pass.
    """
    _check_scores(non_mated, "non_mated")
    falling = np.sort(non_mated)[::-1]
    allowed = int(np.floor(rate * len(falling) + 1e-9))
    if allowed >= len(falling):
        return float(falling[-1])
    return float(np.nextafter(falling[allowed], np.inf))


def threshold_at_fnmr(mated: Floats, rate: float) -> float:
    """The highest threshold at which no more than a share of the mated scores fail.

    Args:
        mated: float64 (N,), at least one.
        rate: the largest share, in [0, 1].
    """
    _check_scores(mated, "mated")
    rising = np.sort(mated)
    allowed = int(np.floor(rate * len(rising) + 1e-9))
    return float(rising[min(allowed, len(rising) - 1)])


def bootstrap_statistic(
    statistic: Callable[[Floats, Floats], float],
    scores: SignerScores,
    *,
    bootstraps: int = 200,
    seed: int = 0,
) -> Rate:
    """Any statistic of (mated, non-mated) scores with its interval: slow, but general.

    Args:
        statistic: of float64 (N,) and float64 (M,).
        scores: by signer.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    values = []
    for weights in resample_signers(len(scores.mated), bootstraps, seed):
        picked = np.repeat(np.arange(len(weights)), weights)
        mated = np.concatenate([scores.mated[signer] for signer in picked])
        non_mated = np.concatenate([scores.non_mated[signer] for signer in picked])
        if len(mated) and len(non_mated):
            values.append(statistic(mated, non_mated))
    return percentile_interval(statistic(scores.all_mated, scores.all_non_mated), np.array(values))


def paired_difference(
    one: SignerScores, other: SignerScores, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> Rate:
    """The equal error rate of one system minus another's on the same signers, with its interval.

    Args:
        one: the first system's scores by signer.
        other: the other's, with the same signers in the same order.
        bootstraps: how many times signers are resampled, each time the same for both.
        seed: of the resampling.

    Returns:
        The difference, in [-1, 1]; the interval tells whether it could be nothing.

    Raises:
        ValueError: If the numbers of signers differ.
    """
    if len(one.mated) != len(other.mated):
        raise ValueError(f"{len(one.mated)} signers and {len(other.mated)} don't pair up")
    values, rates = [], []
    weights = resample_signers(len(one.mated), bootstraps, seed)
    for scores in (one, other):
        values.append(equal_error(scores.all_mated, scores.all_non_mated).rate)
        rates.append(_equal_errors(scores, weights))
    return percentile_interval(values[0] - values[1], rates[0] - rates[1])


def resample_signers(signers: int, bootstraps: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each signer is drawn in each resampling; the same for the same numbers.

    Returns:
        int64 (bootstraps, signers), each row summing to the number of signers.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(signers, np.full(signers, 1.0 / signers), size=bootstraps)


def clustered_share(
    errors: Sequence[int], totals: Sequence[int], draws: int, bootstraps: int, seed: int
) -> Rate:
    """A share over all signers' comparisons, from each signer's counts.

    Where no error was seen (or nothing but errors), resampling sees none either; the interval
    then ends at the rule of three over distinct probes (ISO/IEC 19795-1, annex B): the rate at
    which so clean a result has a chance of 5 %.

    Args:
        errors: of each signer.
        totals: each signer's comparisons, in the same order.
        draws: how often the same probe was compared.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    wrong, total = np.asarray(errors, np.float64), np.asarray(totals, np.float64)
    value = float(wrong.sum() / total.sum())
    weights = resample_signers(len(wrong), bootstraps, seed)
    with np.errstate(invalid="ignore"):
        rate = percentile_interval(value, (weights @ wrong) / (weights @ total))
    return allow_for_clean(rate, total.sum() / draws)


def clean_share(probes: float) -> float:
    """The rate at which so many probes have a chance of 5 % to show no error: about 3 / probes."""
    return float(1.0 - (1.0 - CONFIDENCE) ** (1.0 / probes))


def allow_for_clean(rate: Rate, probes: float) -> Rate:
    """Widen the interval of a share that is 0 or 1 by the rule of three.

    Args:
        rate: a share in [0, 1].
        probes: of how many distinct probes.
    """
    clean = clean_share(probes)
    if rate.value == 0.0:
        return Rate(0.0, 0.0, max(rate.high, clean))
    if rate.value == 1.0:
        return Rate(1.0, min(rate.low, 1.0 - clean), 1.0)
    return rate


def percentile_interval(value: float, resampled: Floats) -> Rate:
    """The percentile interval (Efron, Tibshirani 1993, chapter 13), stretched to hold the value.

    Args:
        value: the statistic of all signers.
        resampled: float64 (bootstraps,), of resampled ones; what is not finite is left out.
    """
    usable = resampled[np.isfinite(resampled)]
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(usable, [tail, 100.0 - tail]) if len(usable) else (value, value)
    return Rate(float(value), float(min(low, value)), float(max(high, value)))


def rates_of_resamplings(
    scores: SignerScores, thresholds: Floats, weights: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The error rates of each resampling at a threshold of its own.

    Args:
        scores: by signer.
        thresholds: float64 (B,), one a resampling; may be infinite, or not a number where a
            resampling has none.
        weights: int64 (B, signers): how often each signer was drawn.

    Returns:
        (fnmr, fmr), each float64 (B,); not a number where none of the signers drawn has
        comparisons of the kind, or the threshold is none.
    """
    counts = np.zeros((4, len(thresholds)))
    for weight, mated, non_mated in zip(weights.T, scores.mated, scores.non_mated, strict=True):
        counts[0] += weight * np.searchsorted(mated, thresholds, "left")
        counts[1] += weight * len(mated)
        counts[2] += weight * (len(non_mated) - np.searchsorted(non_mated, thresholds, "left"))
        counts[3] += weight * len(non_mated)
    counts[:, np.isnan(thresholds)] = np.nan
    with np.errstate(invalid="ignore"):
        return counts[0] / counts[1], counts[2] / counts[3]


def _equal_errors(scores: SignerScores, weights: npt.NDArray[np.int64]) -> Floats:
    """The equal error rate of each resampling (B, S), float64 (B,)."""
    grid = np.append(np.unique(np.concatenate([scores.all_mated, scores.all_non_mated])), np.inf)
    after = _first_crossing(scores, grid, weights)
    fnmr_after, fmr_after = rates_of_resamplings(scores, grid[after], weights)
    fnmr_before, fmr_before = rates_of_resamplings(scores, grid[after - 1], weights)
    return _crossing(fnmr_before, fnmr_before - fmr_before, fnmr_after, fnmr_after - fmr_after)


def _check_scores(scores: Floats, name: str) -> None:
    if not len(scores):
        raise ValueError(f"there are no {name.replace('_', '-')} scores")
    if not np.isfinite(scores).all():
        raise ValueError(f"some {name.replace('_', '-')} scores are not finite")


def _crossing(before: Floats, gap_before: Floats, after: Floats, gap_after: Floats) -> Floats:
    """Where the line between two operating points crosses the diagonal: the rate there."""
    share = gap_before / (gap_before - gap_after)
    return before + share * (after - before)


def _first_crossing(
    scores: SignerScores, grid: Floats, weights: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each resampling the first place in the grid at which fnmr >= fmr, by bisection."""
    low = np.zeros(len(weights), np.int64)
    high = np.full(len(weights), len(grid) - 1)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        fnmr, fmr = rates_of_resamplings(scores, grid[middle], weights)
        crossed = ~(fnmr < fmr)
        high = np.where(crossed, middle, high)
        low = np.where(crossed, low, middle)
    return high
