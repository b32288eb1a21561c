"""What two generations differ by on the same comparisons, measure by measure, and how surely.

Intervals resample signers. Resampling can't see what hasn't happened, so no share, and no
difference of two, is told more finely than the rule of three allows for so many comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import Decision, Rate
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    Floats,
    SignerScores,
    allow_for_clean,
    clean_share,
    equal_error_rate,
    paired_difference,
)
from sigvault.evaluation.generation_scores import DECISIONS, Kind, Measured
from sigvault.evaluation.resampled_curves import resample_sums

RESOLVED = 2.0
"""Times its margin that a difference may be at the interval's upper end, to be known to be none:
within the margin it is let pass, and beyond twice the margin it has to be seen."""


class Verdict(StrEnum):
    """What a comparison says.

    ``FIT``: no worse. ``WORSE``: worse, and not by chance. ``UNKNOWN``: neither can be told.
    """

    FIT = "fit"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Margins:
    """How much worse another generation may be, absolutely.

    Attributes:
        fnmr: of genuine signatures that are not accepted.
        refused: of genuine signatures that are refused.
        fmr: of other signers' signatures that are accepted.
        skilled_fmr: of skilled forgeries that are accepted.
        eer: of the equal error rate.
        cllr: of the cost of the likelihood ratio, in bits.
    """

    fnmr: float = 0.02
    refused: float = 0.02
    fmr: float = 0.002
    skilled_fmr: float = 0.02
    eer: float = 0.01
    cllr: float = 0.05


WORDS = {
    "fnmr": "genuine signatures not accepted",
    "refused": "genuine signatures refused",
    "fmr": "other signers' signatures accepted",
    "skilled_fmr": "skilled forgeries accepted",
    "eer": "equal error rate",
    "cllr": "cost of the likelihood ratio",
}
"""What is measured, in words."""


@dataclass(frozen=True)
class Change:
    """One measure of both generations.

    Attributes:
        measure: a field of ``Margins``.
        old: of the generation that decides, with its interval.
        new: of the other one.
        difference: new minus old, on the same comparisons, with its interval.
        margin: the most that it may be.
    """

    measure: str
    old: Rate
    new: Rate
    difference: Rate
    margin: float

    @property
    def verdict(self) -> Verdict:
        """What the difference says.

        Worse is what lies beyond the margin and can't be chance; fit is what lies within it and
        can't be twice as much.
        """
        if self.difference.value > self.margin:
            return Verdict.WORSE if self.difference.low > 0.0 else Verdict.UNKNOWN
        resolved = self.difference.high < RESOLVED * self.margin
        return Verdict.FIT if resolved else Verdict.UNKNOWN


Found = Sequence[Sequence[Measured]]
"""By signer: (old, new)."""


class Resampling(NamedTuple):
    """How signers are resampled, and what may become of a measure.

    Attributes:
        margins: how much worse each measure may be.
        bootstraps: how many times.
        seed: of the drawing.
    """

    margins: Margins
    bootstraps: int = BOOTSTRAPS
    seed: int = 0


def measure_changes(found: Found, resampling: Resampling) -> tuple[Change, ...]:
    """Every measure that the comparisons allow; none of no signers."""
    accept, refuse = DECISIONS.index(Decision.ACCEPT), DECISIONS.index(Decision.REFUSE)
    shares: dict[str, tuple[Kind, Callable[[Measured], npt.NDArray[np.bool_]]]] = {
        "fnmr": (Kind.MATED, lambda one: one.decisions != accept),
        "refused": (Kind.MATED, lambda one: one.decisions == refuse),
        "fmr": (Kind.RANDOM, lambda one: one.decisions == accept),
        "skilled_fmr": (Kind.SKILLED, lambda one: one.decisions == accept),
    }
    changes = []
    for measure, (kind, wrong) in shares.items():
        counts = np.array(
            [[float((wrong(one) & (one.kinds == kind)).sum()) for one in own] for own in found]
        )
        totals = np.array([float((own[0].kinds == kind).sum()) for own in found])
        if totals.sum():
            changes.append(_share(measure, counts, totals, resampling))
    if sum((own[0].kinds == Kind.RANDOM).sum() for own in found):
        changes += [_equal_error(found, resampling), _cost(found, resampling)]
    return tuple(changes)


def _share(measure: str, counts: Floats, totals: Floats, resampling: Resampling) -> Change:
    """A share of wrong answers on both sides; counts are float64 (signers, 2)."""
    found = _change(measure, np.column_stack([counts, totals]), _shares, resampling)
    comparisons, apart = float(totals.sum()), found.difference
    unseen = clean_share(comparisons)
    return Change(
        measure,
        allow_for_clean(found.old, comparisons),
        allow_for_clean(found.new, comparisons),
        Rate(
            apart.value,
            max(-1.0, min(apart.low, apart.value - unseen)),
            min(1.0, max(apart.high, apart.value + unseen)),
        ),
        found.margin,
    )


def _shares(sums: Floats) -> Floats:
    return sums[..., :2] / sums[..., 2:]


def _cost(found: Found, resampling: Resampling) -> Change:
    """The cost of the likelihood ratios (Bruemmer and du Preez 2006, equation 45), as sums."""
    sums = np.array(
        [
            [*(_bits(one, kind) for kind in _PRICED for one in own), *_counts(own[0])]
            for own in found
        ]
    )
    return _change("cllr", sums, _costs, resampling)


_PRICED = (Kind.MATED, Kind.RANDOM)


def _bits(one: Measured, kind: Kind) -> float:
    """What one side's ratios of a kind cost together, in bits."""
    sign = -1.0 if kind is Kind.MATED else 1.0
    llrs = sign * one.llrs[one.kinds == kind] * np.log(10.0)
    return float(np.logaddexp(0.0, llrs).sum() / np.log(2.0))


def _counts(one: Measured) -> list[float]:
    return [float((one.kinds == kind).sum()) for kind in _PRICED]


def _costs(sums: Floats) -> Floats:
    """Mean costs of both sides, float64 (..., 2), each kind weighing the same."""
    return 0.5 * (sums[..., :2] / sums[..., 4:5] + sums[..., 2:4] / sums[..., 5:6])


def _change(
    measure: str,
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    resampling: Resampling,
) -> Change:
    """A measure that is a ratio of sums over signers.

    Args:
        measure: its name.
        sums: float64 (signers, n): each signer's own.
        statistic: from sums float64 (..., n) to both sides' values, float64 (..., 2).
        resampling: of the signers.
    """

    def with_difference(summed: Floats) -> Floats:
        values = statistic(summed)
        return np.concatenate([values, np.diff(values, axis=-1)], axis=-1)

    drawn = resample_sums(
        with_difference, sums, bootstraps=resampling.bootstraps, seed=resampling.seed
    )
    old, new, apart = drawn.rates()
    return Change(measure, old, new, apart, getattr(resampling.margins, measure))


def _equal_error(found: Found, resampling: Resampling) -> Change:
    """Of scores less the accept point, so that different numbers of references meet there."""
    sides = [
        SignerScores(_beyond(found, side, Kind.MATED), _beyond(found, side, Kind.RANDOM))
        for side in (0, 1)
    ]
    margins, bootstraps, seed = resampling
    old, new = (equal_error_rate(side, bootstraps=bootstraps, seed=seed) for side in sides)
    apart = paired_difference(sides[1], sides[0], bootstraps=bootstraps, seed=seed)
    probes = len(sides[0].all_mated)
    rates = [allow_for_clean(each.rate, probes) for each in (old, new)]
    return Change("eer", rates[0], rates[1], apart, margins.eer)


def _beyond(found: Found, side: int, kind: Kind) -> tuple[Floats, ...]:
    return tuple(own[side].beyond[own[side].kinds == kind] for own in found)
