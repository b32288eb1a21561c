"""How well scores tell genuine signatures from one kind of forgery, whatever the threshold.

Areas, costs and curves with 95 % intervals that resample signers. Random and skilled forgeries
are measured apart: a ``SignerScores`` holds one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from sigvault.domain.aims import RULE_OF_THREE
from sigvault.domain.comparison import Rate
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    DetCurve,
    Floats,
    SignerScores,
    allow_for_clean,
    det_curve,
    fmr_at,
    fnmr_at,
    percentile_interval,
    rates_of_resamplings,
    resample_signers,
    threshold_at_fmr,
)
from sigvault.evaluation.protocols import ComparisonScores, Kind, scores_by_signer
from sigvault.evaluation.resampled_curves import (
    Resampled,
    area,
    fnmr_at_fmr,
    place_at_fmr,
    resample_curve,
)

CURVE_POINTS = 200
"""No drawn curve has more points."""

BAND_POINTS = 40
"""At so many false match rates a DET curve has an interval."""


@dataclass(frozen=True)
class DetectionCost:
    """What the two errors cost, and how often a claim is true (NIST speaker recognition plans).

    Attributes:
        miss: the cost of a genuine signature that doesn't pass, above 0.
        false_alarm: the cost of a forgery that passes, above 0.
        prior: the share of genuine signatures among all that are submitted, in (0, 1).
    """

    miss: float
    false_alarm: float
    prior: float

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If a cost is not above 0, or the prior not in (0, 1).
        """
        if not (self.miss > 0.0 and self.false_alarm > 0.0):
            raise ValueError(f"costs of {self.miss} and {self.false_alarm}: both must be above 0")
        if not 0.0 < self.prior < 1.0:
            raise ValueError(f"the prior is {self.prior}, not in (0, 1)")

    def of(self, fnmr: Floats, fmr: Floats) -> Floats:
        """The expected cost at some error rates; 1 is the cost of the better blind decision."""
        missed = self.miss * self.prior
        fooled = self.false_alarm * (1.0 - self.prior)
        cost: Floats = (missed * fnmr + fooled * fmr) / min(missed, fooled)
        return cost


COSTS = (DetectionCost(1.0, 1.0, 0.5), DetectionCost(1.0, 1.0, 0.01))
"""Both errors alike, and one genuine signature in a hundred (NIST SRE 2016)."""


@dataclass(frozen=True)
class MinimumCost:
    """The least that any threshold costs on these scores: chosen afterwards, so a lower bound.

    Attributes:
        cost: the costs and the prior.
        minimum: the normalised cost, in [0, 1], with its interval.
        threshold: where it is reached.
    """

    cost: DetectionCost
    minimum: Rate
    threshold: float


@dataclass(frozen=True)
class CurvePoints:
    """An error curve thinned for drawing, from the laxest threshold to the strictest.

    Attributes:
        thresholds: rising; the last lies just above the highest score.
        fnmr: the share of genuine signatures that fail, rising.
        fmr: the share of forgeries that pass, falling.
    """

    thresholds: tuple[float, ...]
    fnmr: tuple[float, ...]
    fmr: tuple[float, ...]


@dataclass(frozen=True)
class ErrorBand:
    """The interval of the FNMR at several FMRs; thresholds are found anew in each resampling.

    Attributes:
        fmr: shares of forgeries that may pass, rising.
        fnmr: the share of genuine signatures that then fail.
        low: the lower ends of the 95 % intervals.
        high: the upper ends.
    """

    fmr: tuple[float, ...]
    fnmr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Discrimination:
    """How well one kind of forgery is told from genuine signatures.

    Attributes:
        mated: how many comparisons with genuine signatures.
        non_mated: how many with forgeries of the kind.
        auc: the area under the ROC curve, in [0, 1]; ties count half.
        costs: the least detection costs.
        det: points for a DET plot, spread evenly on its axes of normal deviates.
        roc: points for a ROC plot, spread evenly on its straight axes.
        band: intervals of the FNMR.
    """

    mated: int
    non_mated: int
    auc: Rate
    costs: tuple[MinimumCost, ...]
    det: CurvePoints
    roc: CurvePoints
    band: ErrorBand


@dataclass(frozen=True)
class FixedFmr:
    """The errors where random forgeries pass at a given rate, the threshold itself uncertain.

    Unlike rates at a threshold that is taken for granted, the intervals include the choice of
    the threshold: each resampling of signers finds its own.

    Attributes:
        aim: the largest share of random forgeries that may pass, in [0, 1].
        threshold: the lowest score at which that holds here, with the interval of that score.
        fnmr: the share of genuine signatures that don't pass there.
        skilled_fmr: the share of skilled forgeries that pass there; None without such data.
        supported: whether there are at least 3 / aim distinct random forgeries, by the rule of
            three: with fewer, the threshold rests on none or next to none.
    """

    aim: float
    threshold: Rate
    fnmr: Rate
    skilled_fmr: Rate | None
    supported: bool


@dataclass(frozen=True)
class BinaryMeasures:
    """What scores are worth before any threshold, for each kind of forgery.

    Attributes:
        random: against other signers' genuine signatures.
        skilled: against skilled forgeries; None without such data.
        fixed: errors at fixed rates of random forgeries.
    """

    random: Discrimination
    skilled: Discrimination | None
    fixed: tuple[FixedFmr, ...]


def measure_binary(
    random: SignerScores,
    skilled: SignerScores | None,
    *,
    aims: Sequence[float] = (0.01, 0.001),
    costs: Sequence[DetectionCost] = COSTS,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> BinaryMeasures:
    """Measure the discrimination of both kinds of forgeries.

    Args:
        random: fused scores by signer, against random forgeries.
        skilled: against skilled forgeries of the same signers, or None without such data.
        aims: shares of random forgeries that may pass.
        costs: what errors cost.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    return BinaryMeasures(
        random=discriminate(random, costs=costs, bootstraps=bootstraps, seed=seed),
        skilled=None
        if skilled is None
        else discriminate(skilled, costs=costs, bootstraps=bootstraps, seed=seed),
        fixed=fix_fmr(random, skilled, aims, bootstraps=bootstraps, seed=seed),
    )


def split_kinds(
    scores: ComparisonScores, fused: Floats
) -> tuple[SignerScores, SignerScores | None]:
    """Fused scores by signer against random and against skilled forgeries, None without any."""
    skilled = None
    if scores.count(Kind.SKILLED):
        skilled = scores_by_signer(scores, fused, Kind.SKILLED)
    return scores_by_signer(scores, fused, Kind.RANDOM), skilled


def discriminate(
    scores: SignerScores,
    *,
    costs: Sequence[DetectionCost] = COSTS,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Discrimination:
    """Measure how well one kind of forgery is told from genuine signatures.

    Args:
        scores: by signer, against one kind of forgery.
        costs: what errors cost.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    curve = det_curve(scores.all_mated, scores.all_non_mated)
    grid = fmr_grid(len(scores.all_non_mated))

    def read(one: DetCurve) -> Floats:
        least = [cost.of(one.fnmr, one.fmr).min() for cost in costs]
        return np.concatenate([[area(one)], least, fnmr_at_fmr(one, grid)])

    found = resample_curve(read, scores, bootstraps=bootstraps, seed=seed)
    rates = found.rates()
    first_of_band = 1 + len(costs)
    return Discrimination(
        mated=len(scores.all_mated),
        non_mated=len(scores.all_non_mated),
        auc=rates[0],
        costs=tuple(
            MinimumCost(cost, rate, _cheapest(curve, cost))
            for cost, rate in zip(costs, rates[1:first_of_band], strict=True)
        ),
        det=_thin(curve, np.column_stack([_deviate(curve.fmr), _deviate(curve.fnmr)])),
        roc=_thin(curve, np.column_stack([curve.fmr, curve.fnmr])),
        band=_band(grid, rates[first_of_band:], len(scores.all_mated) / scores.draws),
    )


def fix_fmr(
    random: SignerScores,
    skilled: SignerScores | None,
    aims: Sequence[float],
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> tuple[FixedFmr, ...]:
    """The other errors where random forgeries pass at given rates.

    Args:
        random: by signer, against random forgeries.
        skilled: against skilled forgeries of the same signers, or None.
        aims: the largest shares of random forgeries that may pass.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    thresholds = resample_thresholds(random, aims, bootstraps=bootstraps, seed=seed)
    weights = resample_signers(len(random.mated), bootstraps, seed)
    distinct = len(random.all_non_mated) / random.draws
    points = []
    for place, aim in enumerate(aims):
        value, own = float(thresholds.value[place]), thresholds.resampled[:, place]
        skilled_fmr = None
        if skilled is not None:
            passing = rates_of_resamplings(skilled, own, weights)[1]
            skilled_fmr = allow_for_clean(
                percentile_interval(fmr_at(skilled.all_non_mated, value), passing),
                len(skilled.all_non_mated) / skilled.draws,
            )
        failing = rates_of_resamplings(random, own, weights)[0]
        fnmr = percentile_interval(fnmr_at(random.all_mated, value), failing)
        points.append(
            FixedFmr(
                aim=aim,
                threshold=thresholds.rate(place),
                fnmr=allow_for_clean(fnmr, len(random.all_mated) / random.draws),
                skilled_fmr=skilled_fmr,
                supported=aim * distinct >= RULE_OF_THREE * (1.0 - 1e-9),
            )
        )
    return tuple(points)


def resample_thresholds(
    random: SignerScores, aims: Sequence[float], *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> Resampled:
    """The lowest thresholds at which no more than given shares of the non-mated scores pass."""

    def read(curve: DetCurve) -> Floats:
        places = place_at_fmr(curve, aims)
        just_above = np.nextafter(curve.thresholds[np.maximum(places - 1, 0)], np.inf)
        lowest_forgery = curve.thresholds[np.count_nonzero(curve.fmr == 1.0) - 1]
        return np.where(places > 0, just_above, lowest_forgery)

    found = resample_curve(read, random, bootstraps=bootstraps, seed=seed)
    value = np.array([threshold_at_fmr(random.all_non_mated, aim) for aim in aims])
    return Resampled(value, found.resampled)


def fmr_grid(non_mated: int, points: int = BAND_POINTS) -> Floats:
    """False match rates from the least that so many scores can show to 0.99.

    Args:
        non_mated: how many scores.
        points: how many rates.

    Returns:
        float64 (points,), rising, evenly spaced in normal deviates, as a DET plot's axis is.
    """
    least = max(1.0 / (non_mated + 1.0), 1e-4)
    return np.asarray(ndtr(np.linspace(ndtri(min(least, 0.5)), ndtri(0.99), points)))


def _cheapest(curve: DetCurve, cost: DetectionCost) -> float:
    place = int(np.argmin(cost.of(curve.fnmr, curve.fmr)))
    return float(_finite(curve.thresholds)[place])


def _band(grid: Floats, fnmrs: Sequence[Rate], probes: float) -> ErrorBand:
    """The intervals, of so many distinct genuine signatures."""
    rates = [allow_for_clean(fnmr, probes) for fnmr in fnmrs]
    return ErrorBand(
        fmr=tuple(grid.tolist()),
        fnmr=tuple(rate.value for rate in rates),
        low=tuple(rate.low for rate in rates),
        high=tuple(rate.high for rate in rates),
    )


def _deviate(rates: Floats) -> Floats:
    """Normal deviates, with 0 and 1 moved in by half of what the number of points resolves."""
    edge = 0.5 / len(rates)
    return np.asarray(ndtri(np.clip(rates, edge, 1.0 - edge)))


def _thin(curve: DetCurve, drawn: Floats) -> CurvePoints:
    """Corners of a curve, at most ``CURVE_POINTS``, evenly along it as it is drawn.

    Args:
        curve: the curve.
        drawn: float64 (K, 2): where its points lie on the plot.
    """
    corner = _corners(curve)
    steps = np.abs(np.diff(drawn[corner], axis=0)).sum(axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, along[-1], CURVE_POINTS)
    places = corner[np.unique(np.searchsorted(along, wanted))]
    places[-1] = corner[-1]  # the end, even where the last steps are too short to be drawn
    thresholds = _finite(curve.thresholds)
    return CurvePoints(
        tuple(thresholds[places].tolist()),
        tuple(curve.fnmr[places].tolist()),
        tuple(curve.fmr[places].tolist()),
    )


def _corners(curve: DetCurve) -> npt.NDArray[np.int64]:
    """The places where a curve turns, and its ends."""
    flat_before = np.diff(curve.fmr, prepend=np.nan) == 0.0
    flat_after = np.diff(curve.fmr, append=np.nan) == 0.0
    steep_before = np.diff(curve.fnmr, prepend=np.nan) == 0.0
    steep_after = np.diff(curve.fnmr, append=np.nan) == 0.0
    straight = (flat_before & flat_after) | (steep_before & steep_after)
    return np.flatnonzero(~straight)


def _finite(thresholds: Floats) -> Floats:
    """A curve's thresholds with the last one just above the highest score."""
    return np.append(thresholds[:-1], np.nextafter(thresholds[-2], np.inf))
