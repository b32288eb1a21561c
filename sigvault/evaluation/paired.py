"""Two systems on the same signers: what differs, and whether it could be nothing.

Each resampling draws the same signers for both systems, so what makes a signer hard for both drops
out of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.domain.fusion import FusionRule
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    DetCurve,
    Floats,
    SignerScores,
    equal_error_of,
)
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion, scores_by_signer
from sigvault.evaluation.resampled_curves import area, fnmr_at_fmr, resample_curve

MEASURES = ("EER", "AUC", "FNMR at FMR 1 %", "FNMR at FMR 0.1 %")
"""What is compared; the FMR is that of the kind of forgery at hand."""

_FIXED = (0.01, 0.001)


@dataclass(frozen=True)
class Difference:
    """One measure of two systems.

    Attributes:
        measure: one of ``MEASURES``.
        forgeries: ``"random"`` or ``"skilled"``.
        references: R.
        one: the first system's value, with its interval.
        other: the second system's.
        difference: the first's minus the second's, paired, with its interval.
    """

    measure: str
    forgeries: str
    references: int
    one: Rate
    other: Rate
    difference: Rate

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out no difference at all."""
        return self.difference.low > 0.0 or self.difference.high < 0.0


def compare_systems(
    one: tuple[ComparisonScores, FusionRule],
    other: tuple[ComparisonScores, FusionRule],
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Compare two systems at one number of references.

    Args:
        one: the first system's comparisons and its fusion rule.
        other: the second's, of the same signers in the same order.
        bootstraps: how many times signers are resampled, each time the same for both.
        seed: of the resampling.

    Raises:
        ValueError: If the signers or the numbers of references differ.
    """
    if one[0].signers != other[0].signers or one[0].references != other[0].references:
        raise ValueError("two systems compare on the same signers and numbers of references alone")
    kinds = [
        kind for kind in (Kind.SKILLED, Kind.RANDOM) if one[0].count(kind) and other[0].count(kind)
    ]
    found: list[Difference] = []
    for kind in kinds:
        first, second = (
            scores_by_signer(scores, apply_fusion(scores, rule), kind)
            for scores, rule in (one, other)
        )
        apart = _differences(first, second, bootstraps, seed)
        found += [
            Difference(name, kind.name.lower(), one[0].references, *rates)
            for name, rates in zip(MEASURES, apart, strict=True)
        ]
    return tuple(found)


def _differences(
    one: SignerScores, other: SignerScores, bootstraps: int, seed: int
) -> list[tuple[Rate, Rate, Rate]]:
    """(the first's, the second's, their difference) for each measure."""
    found = [resample_curve(_read, own, bootstraps=bootstraps, seed=seed) for own in (one, other)]
    apart = found[0].minus(found[1]).rates()
    return list(zip(found[0].rates(), found[1].rates(), apart, strict=True))


def _read(curve: DetCurve) -> Floats:
    return np.concatenate([[equal_error_of(curve).rate, area(curve)], fnmr_at_fmr(curve, _FIXED)])
