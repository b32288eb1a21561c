"""Which map from scores to likelihood ratios is best for signers that it was not fitted on.

Three are tried by folds over signers: the straight line of logistic regression, isotonic
regression (Zadrozny, Elkan 2002; pooling adjacent violators) and the ratio of two kernel density
estimates. The straight line has two parameters and goes on beyond the scores seen, so another
method takes its place only where its held-out Cllr is lower by more than resampling the signers
explains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import LikelihoodRatio
from sigvault.domain.errors import DatasetError
from sigvault.evaluation.error_rates import BOOTSTRAPS, SignerScores
from sigvault.evaluation.likelihood import (
    Floats,
    empirical_bounds,
    fit_likelihood_ratio,
    fit_line,
)

METHODS = ("logistic", "kernel", "isotonic")
"""From the simplest to the one with most freedom."""

FOLDS = 5
"""Folds over signers; without two signers a fold there is no choice, and the line is taken."""

KNOTS = 64
"""The most knots that a map has."""

_DIGITS = 6

_ALIKE = 1e-9
# The deviation of scores that are all the same is rounding errors, not always exactly 0.


@dataclass(frozen=True)
class LikelihoodChoice:
    """The map chosen, fitted on all signers, and what it was chosen by.

    Attributes:
        ratio: the map.
        held_out: each method's Cllr on signers that it was not fitted on, in bits; empty if
            there were too few signers to choose, or forgeries score higher without some fold.
    """

    ratio: LikelihoodRatio
    held_out: dict[str, float]

    def describe(self) -> str:
        """The choice in words, for an origin."""
        if not self.held_out:
            return (
                "likelihood ratios logistic: too few signers, or too little between the kinds, "
                "to compare methods"
            )
        costs = ", ".join(f"{name} {cost:.3f}" for name, cost in self.held_out.items())
        return f"likelihood ratios {self.ratio.method}, by Cllr on held-out signers: {costs}"


def choose_likelihood_ratio(
    scores: SignerScores, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> LikelihoodChoice:
    """Compare the methods by folds over signers, and fit the best on all of them.

    Args:
        scores: by signer; the non-mated ones are of the kind that ratios are against.
        bootstraps: how many times signers are resampled to compare two methods.
        seed: of the folds and the resampling.

    Raises:
        DatasetError: If the scores don't rise from forgeries to genuine signatures.
    """
    line = fit_likelihood_ratio(scores.all_mated, scores.all_non_mated, draws=scores.draws)
    usable = [place for place, own in enumerate(scores.non_mated) if len(own)]
    if len(usable) < 2 * FOLDS:
        return LikelihoodChoice(line, {})
    folds = np.random.default_rng(seed).permutation(len(scores.mated)) % FOLDS
    try:
        costs = {name: _held_out(scores, folds, name) for name in METHODS}
    except DatasetError:  # a fold in which forgeries score higher: nothing to choose by
        return LikelihoodChoice(line, {})
    weights = (
        np.random.default_rng([seed, 1])
        .multinomial(len(folds), np.full(len(folds), 1.0 / len(folds)), size=bootstraps)
        .astype(np.float64)
    )
    method = _simplest_of_best(costs, weights)
    ratio = fit_ratio(scores.all_mated, scores.all_non_mated, method, draws=scores.draws)
    everybody = np.ones((1, len(folds)))
    held_out = {name: float(_cost(parts, everybody)[0]) for name, parts in costs.items()}
    return LikelihoodChoice(ratio, held_out)


def fit_ratio(mated: Floats, non_mated: Floats, method: str, *, draws: int = 1) -> LikelihoodRatio:
    """Fit one method and bound it by ``empirical_bounds``.

    Args:
        mated: float64 (N,) fused scores.
        non_mated: float64 (M,) fused scores of one kind of forgeries.
        method: one of ``METHODS``.
        draws: how often the same probe was compared, with other references.

    Raises:
        DatasetError: If the scores don't rise from forgeries to genuine signatures.
    """
    if method == "logistic":
        return fit_likelihood_ratio(mated, non_mated, draws=draws)
    line = fit_line(mated, non_mated, draws=draws)
    knots, llrs = _FITS[method](mated, non_mated, draws)
    most = math.log10(max(len(mated), len(non_mated)) / draws + 1.0)
    knots, llrs = _thin(knots, np.clip(llrs, -most, most))
    bounds = empirical_bounds(
        np.interp(mated, knots, llrs), np.interp(non_mated, knots, llrs), draws=draws
    )
    return LikelihoodRatio(
        *line, *bounds, method=method, scores=tuple(knots.tolist()), llrs=tuple(llrs.tolist())
    )


def _isotonic(mated: Floats, non_mated: Floats, draws: int) -> tuple[Floats, Floats]:
    """Knots in the middle of each pool of adjacent violators."""
    del draws
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - slow to load

    values = np.concatenate([mated, non_mated])
    labels = np.r_[np.ones(len(mated)), np.zeros(len(non_mated))]
    weights = np.where(labels == 1.0, 1.0 / len(mated), 1.0 / len(non_mated))
    distinct, ranks = np.unique(values, return_inverse=True)
    regression = IsotonicRegression(y_min=0.0, y_max=1.0).fit(ranks, labels, weights)
    posterior = regression.predict(np.arange(len(distinct)))
    levels, pool = np.unique(posterior, return_inverse=True)
    middles = np.bincount(pool, distinct) / np.bincount(pool)
    with np.errstate(divide="ignore"):
        return middles, np.log10(levels) - np.log10(1.0 - levels)


def _kernel(mated: Floats, non_mated: Floats, draws: int) -> tuple[Floats, Floats]:
    """The ratio of two Gaussian kernel density estimates on a grid, made monotone."""
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - slow to load

    low = min(mated.min(), non_mated.min())
    high = max(mated.max(), non_mated.max())
    grid = np.linspace(low, high, KNOTS)
    own, others = (_log_density(kind, grid, draws) for kind in (mated, non_mated))
    llr = (own - others) / math.log(10.0)
    weights = np.exp(own) + np.exp(others) + 1e-12
    return grid, IsotonicRegression().fit(grid, llr, weights).predict(grid)


def _log_density(values: Floats, grid: Floats, draws: int) -> Floats:
    """Natural logarithm of a density; bandwidth by Silverman's rule (1986, equation 3.31)."""
    low, high = np.percentile(values, [25, 75])
    deviation = float(values.std())
    widths = (min(deviation, float(high - low) / 1.34), deviation, 1.0)
    width = next(width for width in widths if width > _ALIKE)
    bandwidth = 0.9 * width * (len(values) / draws) ** -0.2
    cells, edges = np.histogram(values, bins=1024)  # thousands of scores, a few at one place
    middles = 0.5 * (edges[1:] + edges[:-1])
    filled = cells > 0
    exponents = -0.5 * ((grid[:, None] - middles[filled]) / bandwidth) ** 2
    sums = np.logaddexp.reduce(exponents + np.log(cells[filled]), axis=1)
    return np.asarray(sums - math.log(len(values) * bandwidth * math.sqrt(2.0 * math.pi)))


_FITS: dict[str, Callable[[Floats, Floats, int], tuple[Floats, Floats]]] = {
    "isotonic": _isotonic,
    "kernel": _kernel,
}


def _thin(knots: Floats, llrs: Floats) -> tuple[Floats, Floats]:
    """At most ``KNOTS`` knots, distinct after rounding, with ratios that never fall.

    The map is level outside its knots, so one knot stands for all that share the least ratio (the
    last of them) or the greatest (the first).
    """
    if len(knots) > KNOTS:
        first = np.searchsorted(llrs, llrs[0], "right") - 1
        last = np.searchsorted(llrs, llrs[-1], "left")
        knots, llrs = knots[first : last + 1], llrs[first : last + 1]
        wanted = np.linspace(llrs[0], llrs[-1], KNOTS)
        kept = np.unique(np.abs(llrs[:, None] - wanted).argmin(axis=0))
        knots, llrs = knots[kept], llrs[kept]
    knots, places = np.unique(np.round(knots, _DIGITS), return_index=True)
    return knots, np.maximum.accumulate(np.round(llrs[places], _DIGITS))


@dataclass(frozen=True, eq=False)
class _Costs:
    """Each signer's sum of costs in bits and number of comparisons, float64 (4, S)."""

    sums: Floats


def _held_out(scores: SignerScores, folds: npt.NDArray[np.int64], method: str) -> _Costs:
    sums = np.zeros((4, len(folds)))
    for fold in range(FOLDS):
        inside = [place for place in range(len(folds)) if folds[place] != fold]
        ratio = fit_ratio(
            np.concatenate([scores.mated[place] for place in inside]),
            np.concatenate([scores.non_mated[place] for place in inside]),
            method,
            draws=scores.draws,
        )
        for place in np.flatnonzero(folds == fold):
            for row, kind, sign in ((0, scores.mated, -1.0), (2, scores.non_mated, 1.0)):
                llrs = apply_ratio(ratio, kind[place])
                bits = np.logaddexp(0.0, sign * llrs * math.log(10.0)) / math.log(2.0)
                sums[row : row + 2, place] = bits.sum(), len(llrs)
    return _Costs(sums)


def apply_ratio(ratio: LikelihoodRatio, scores: Floats) -> Floats:
    """What ``LikelihoodRatio.llr`` gives, for many scores float64 (N,) at once."""
    if ratio.scores:
        values = np.interp(scores, ratio.scores, ratio.llrs)
    else:
        values = ratio.slope * scores + ratio.intercept
    return np.clip(values, ratio.lower, ratio.upper)


def _cost(costs: _Costs, weights: Floats) -> Floats:
    """Cllr in bits of each resampling of signers (B, S)."""
    mated, mated_count, other, other_count = costs.sums @ weights.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(0.5 * (mated / mated_count + other / other_count))


def _simplest_of_best(costs: dict[str, _Costs], weights: Floats) -> str:
    """The line, unless another method is better by more than chance: then the best of those."""
    everybody = np.ones((1, weights.shape[1]))
    line = _cost(costs[METHODS[0]], weights)
    better = [
        name
        for name in METHODS[1:]
        if np.nanpercentile(_cost(costs[name], weights) - line, 97.5) < 0.0
    ]
    return min(better, key=lambda name: float(_cost(costs[name], everybody)[0]), default=METHODS[0])
