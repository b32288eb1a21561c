"""Any statistic of the error curve under resampled signers, in one pass over the resamplings.

Each resampling weighs every signer's scores by how often the signer was drawn, so a curve costs
two cumulative sums; thresholds that a statistic looks up, such as the one at which a hundredth of
the forgeries pass, are found anew in each resampling, and their uncertainty is in the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Rate
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    DetCurve,
    Floats,
    SignerScores,
    det_curve,
    percentile_interval,
    resample_signers,
)

CurveStatistic = Callable[[DetCurve], Floats]
"""One or several numbers, float64 (k,), read off a curve."""

_ROUNDING = 1e-12
"""A share that is computed as 1 - n/m may exceed its aim by so much and still meet it."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Statistics of all signers, and of each resampling of them.

    Attributes:
        value: float64 (k,): of all signers.
        resampled: float64 (bootstraps, k): of each resampling; not a number where it drew no
            scores of a kind.
    """

    value: Floats
    resampled: Floats

    def rate(self, place: int = 0) -> Rate:
        """One of the statistics with its 95 % interval."""
        return percentile_interval(float(self.value[place]), self.resampled[:, place])

    def rates(self) -> tuple[Rate, ...]:
        """All statistics with their intervals."""
        return tuple(self.rate(place) for place in range(len(self.value)))

    def minus(self, other: Resampled) -> Resampled:
        """The difference, paired: both must come from the same resamplings."""
        return Resampled(self.value - other.value, self.resampled - other.resampled)


def resample_curve(
    statistic: CurveStatistic,
    scores: SignerScores,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Resampled:
    """Read statistics off the curve of all signers and of each resampling.

    Args:
        statistic: of a curve; always of the same length.
        scores: by signer.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.

    Raises:
        ValueError: If there are no scores of a kind.
    """
    value = np.atleast_1d(statistic(det_curve(scores.all_mated, scores.all_non_mated)))
    weights = resample_signers(len(scores.mated), bootstraps, seed)
    resampled = np.full((bootstraps, len(value)), np.nan)
    for row, curve in enumerate(_curves(scores, weights)):
        if curve is not None:
            resampled[row] = statistic(curve)
    return Resampled(value, resampled)


def resample_sums(
    statistic: Callable[[Floats], Floats],
    sums: Floats,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Resampled:
    """Statistics of sums over signers, such as a ratio of two of them.

    Args:
        statistic: from float64 (..., n), sums over signers, to float64 (..., k).
        sums: float64 (signers, n): each signer's own.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    weights = resample_signers(len(sums), bootstraps, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Resampled(statistic(sums.sum(axis=0)), statistic(weights @ sums))


def place_at_fmr(curve: DetCurve, aims: Sequence[float] | Floats) -> npt.NDArray[np.int64]:
    """Where on a curve no more than a share of the forgeries pass, at the laxest.

    Args:
        curve: the curve.
        aims: the largest shares, each in [0, 1].

    Returns:
        int64 (aims,): places in the curve's arrays.
    """
    rising = curve.fmr[::-1]
    meeting = np.searchsorted(rising, np.asarray(aims) + _ROUNDING, "right")
    return len(rising) - meeting


def fnmr_at_fmr(curve: DetCurve, aims: Sequence[float] | Floats) -> Floats:
    """The share of genuine signatures that fail where so many forgeries pass, float64 (aims,)."""
    return curve.fnmr[place_at_fmr(curve, aims)]


def area(curve: DetCurve) -> float:
    """The area under the ROC curve; ties between the kinds count half.

    It is the probability that a mated score lies above a non-mated one.
    """
    return float(np.trapezoid(1.0 - curve.fnmr, -curve.fmr))


def _curves(scores: SignerScores, weights: npt.NDArray[np.int64]) -> Iterator[DetCurve | None]:
    """The curve of each resampling; None where it drew no scores of a kind."""
    values = np.concatenate([scores.all_mated, scores.all_non_mated])
    thresholds = np.append(np.unique(values), np.inf)
    mated = _Ranked(scores.mated, thresholds)
    non_mated = _Ranked(scores.non_mated, thresholds)
    for drawn in weights:
        fnmr, below = mated.share_below(drawn), non_mated.share_below(drawn)
        if fnmr is None or below is None:
            yield None
        else:
            yield DetCurve(thresholds, fnmr, 1.0 - below)


class _Ranked:
    """Scores of one kind, prepared for weighing by signer again and again."""

    def __init__(self, by_signer: Sequence[Floats], thresholds: Floats) -> None:
        """Sort all scores, remember whose each is, and look the thresholds up."""
        values = np.concatenate(by_signer)
        order = np.argsort(values, kind="stable")
        owners = np.repeat(np.arange(len(by_signer)), [len(own) for own in by_signer])
        self._owner = owners[order]
        self._below = np.searchsorted(values[order], thresholds, "left")

    def share_below(self, drawn: npt.NDArray[np.int64]) -> Floats | None:
        """The weighted share of scores below each threshold; None if nothing was drawn."""
        counts = np.concatenate([[0], np.cumsum(drawn[self._owner])])
        if not counts[-1]:
            return None
        share: Floats = counts[self._below] / counts[-1]
        return share
