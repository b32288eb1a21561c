"""Log-likelihood ratios: from scores, how far they can be trusted, and what they cost.

All ratios here are base-10 logarithms, genuine against forgery, as people are shown them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import LikelihoodRatio
from sigvault.domain.errors import DatasetError

Floats = npt.NDArray[np.float64]

BOUND_STEP = 0.01
"""The grid on which bounds are looked for, in log10 units."""

_WEAK_PENALTY = 100.0
# The inverse strength of the L2 penalty on the slope of standardised scores: next to nothing with
# overlapping scores, and a finite slope where the kinds are separable and no best slope exists.


def cllr(mated_llr: Floats, non_mated_llr: Floats) -> float:
    """The cost of log-likelihood ratios, in bits: 0 is perfect, 1 is what saying nothing costs.

    Bruemmer, du Preez: Application-independent evaluation of speaker detection, Computer Speech
    and Language 20 (2006), equation 45.

    Args:
        mated_llr: float64 (N,), base 10, may be infinite.
        non_mated_llr: float64 (M,), base 10, may be infinite.
    """
    mated = np.logaddexp(0.0, -np.asarray(mated_llr) * math.log(10.0)).mean()
    non_mated = np.logaddexp(0.0, np.asarray(non_mated_llr) * math.log(10.0)).mean()
    return float((mated + non_mated) / (2.0 * math.log(2.0)))


def minimum_cllr(mated: Floats, non_mated: Floats) -> float:
    """The cost that remains with the best possible calibration of these scores, in bits.

    The best non-decreasing map is found by pooling adjacent violators (PAV); both kinds weigh
    the same. It depends on the order of the scores alone.

    Args:
        mated: float64 (N,) scores, at least one.
        non_mated: float64 (M,) scores, at least one.
    """
    # scikit-learn takes a second to load, which whoever verifies shall not wait for.
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415

    values = np.concatenate([mated, non_mated])
    labels = np.r_[np.ones(len(mated)), np.zeros(len(non_mated))]
    weights = np.where(labels == 1.0, 1.0 / len(mated), 1.0 / len(non_mated))
    # Ranks, so that isotonic regression can't take two close scores for one.
    ranks = np.unique(values, return_inverse=True)[1].astype(np.float64)
    regression = IsotonicRegression(y_min=0.0, y_max=1.0).fit(ranks, labels, weights)
    posterior = regression.predict(ranks)
    with np.errstate(divide="ignore"):
        llr = np.log10(posterior) - np.log10(1.0 - posterior)
    return cllr(llr[: len(mated)], llr[len(mated) :])


def fit_likelihood_ratio(mated: Floats, non_mated: Floats, *, draws: int = 1) -> LikelihoodRatio:
    """Fit a straight line from score to log-likelihood ratio, and bound it.

    Logistic regression with both kinds weighing the same, so that the prior drops out
    (Bruemmer, du Preez 2006, section 5); the bounds are those of ``empirical_bounds``.

    Args:
        mated: float64 (N,) fused scores.
        non_mated: float64 (M,) fused scores of one kind of forgeries.
        draws: how often the same probe was compared, with other references.

    Raises:
        DatasetError: If the scores don't rise from forgeries to genuine signatures.
    """
    line = fit_line(mated, non_mated, draws=draws)
    lower, upper = empirical_bounds(
        line.slope * mated + line.intercept, line.slope * non_mated + line.intercept, draws=draws
    )
    return LikelihoodRatio(slope=line.slope, intercept=line.intercept, lower=lower, upper=upper)


class Line(NamedTuple):
    """A straight line from score to log10 likelihood ratio.

    Attributes:
        slope: log10 units per unit of score, above 0.
        intercept: log10 units.
    """

    slope: float
    intercept: float


def fit_line(mated: Floats, non_mated: Floats, *, draws: int = 1) -> Line:
    """The line of ``fit_likelihood_ratio``, without bounds; raises the same."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - as above

    values = np.concatenate([mated, non_mated])
    labels = np.r_[np.ones(len(mated), np.int64), np.zeros(len(non_mated), np.int64)]
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    weights = np.where(labels == 1, 0.5 / len(mated), 0.5 / len(non_mated)) * len(values) / draws
    model = LogisticRegression(C=_WEAK_PENALTY)
    model.fit(((values - centre) / scale)[:, None], labels, sample_weight=weights)
    slope = float(model.coef_[0, 0]) / scale / math.log(10.0)
    intercept = float(model.intercept_[0]) / math.log(10.0) - slope * centre
    if slope <= 0.0:
        raise DatasetError(
            "genuine signatures don't score higher than forgeries, so no likelihood ratio can be "
            "fitted: check that genuine and forged files are not mixed up"
        )
    return Line(slope, intercept)


def empirical_bounds(
    mated_llr: Floats, non_mated_llr: Floats, *, draws: int = 1
) -> tuple[float, float]:
    """The least and greatest log10 likelihood ratio that the data support (ELUB).

    Vergeer, van Es, de Jongh, Alberink, Stoel: Numerical likelihood ratios outputted by LR
    systems are often based on extrapolation: when to stop extrapolating? Science & Justice 56
    (2016). One misleading ratio of any strength is added to each kind; the bounds hold the
    range around 0 within which deciding by the ratios still costs no more than ignoring them.
    So with M forgeries nothing above log10(M + 1) is ever claimed. Comparisons of one probe in
    several draws count as one.

    Args:
        mated_llr: float64 (N,), base 10.
        non_mated_llr: float64 (M,), base 10.
        draws: how often the same probe was compared.

    Returns:
        (lower, upper), at most 0 and at least 0; both 0 if the ratios are worth nothing.
    """
    mated, non_mated = np.sort(mated_llr), np.sort(non_mated_llr)
    most = math.log10(max(len(mated), len(non_mated)) / draws + 1.0) + BOUND_STEP
    steps = math.ceil(most / BOUND_STEP)
    grid = np.arange(-steps, steps + 1) * BOUND_STEP
    missed = (np.searchsorted(mated, grid, "right") / draws + 1.0) / (len(mated) / draws + 1.0)
    passed = len(non_mated) - np.searchsorted(non_mated, grid, "right")
    fooled = (passed / draws + 1.0) / (len(non_mated) / draws + 1.0)
    odds = 10.0**grid
    useful = missed + odds * fooled <= np.minimum(1.0, odds)
    harmful_above = np.flatnonzero(~useful[steps:])
    harmful_below = np.flatnonzero(~useful[: steps + 1])
    upper = grid[steps + max(0, harmful_above[0] - 1)]
    lower = grid[min(steps, harmful_below[-1] + 1)]
    return float(min(lower, 0.0)), float(max(upper, 0.0))
