"""How a probe's scores against R references become one score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sigvault.domain.aims import OMIT_DEFAULT
from sigvault.domain.gallery import Spread


@dataclass(frozen=True)
class FusionRule:
    """The rule that a model's scores are fused by; chosen by measurement, kept in its card.

    The fused score is ``(1 - w) (g - t a s_g) + w (l - t b s_l)``: g and l are the means of the
    best ``top`` cosines and local scores, s_g and s_l the gallery's own mean similarities (its
    spread; left out with a single reference), w ``local_weight``, a ``cosine_spread`` and b
    ``local_spread``. The trust ``t = P / (P + spread_prior)`` shrinks the spread as an empirical
    Bayes estimate does (Efron, Morris: Stein's Estimation Rule and Its Competitors, JASA 1973):
    R references have P = R (R - 1) / 2 pairs, and the mean of a single pair says little. A spread
    below ``cosine_floor`` or ``local_floor`` counts as that much: else a gallery that holds hardly
    together would lift everybody's signature above its threshold.

    Attributes:
        top: how many of the best references count, at least 1.
        local_weight: the share of the local score, in [0, 1].
        cosine_spread: how much of the gallery's own mean cosine is subtracted, in [0, 1].
        local_spread: how much of the gallery's own mean local score is subtracted, in [0, 1].
        spread_prior: how many pairs the spread of signers at large counts for, at least 0.
        cosine_floor: the least own mean cosine that a gallery is taken to have, in [-1, 1].
        local_floor: the least own mean local score that a gallery is taken to have, in [-1, 1].
    """

    top: int = 3
    local_weight: float = 2.0 / 3.0
    cosine_spread: float = 0.5
    local_spread: float = 0.5
    spread_prior: float = field(default=0.0, metadata=OMIT_DEFAULT)
    cosine_floor: float = field(default=-1.0, metadata=OMIT_DEFAULT)
    local_floor: float = field(default=-1.0, metadata=OMIT_DEFAULT)

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If a field is out of its range.
        """
        if self.top < 1:
            raise ValueError(f"top is {self.top}, but at least one reference must count")
        for name in ("local_weight", "cosine_spread", "local_spread"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}, not in [0, 1]")
        for name in ("cosine_floor", "local_floor"):
            value = getattr(self, name)
            if not -1.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}, not in [-1, 1]")
        if not 0.0 <= self.spread_prior < math.inf:
            raise ValueError(f"spread_prior is {self.spread_prior}, not a number from 0 upwards")

    def trust(self, references: int) -> float:
        """The share of the spread that is subtracted with so many references, in [0, 1]."""
        pairs = references * (references - 1) / 2
        return pairs / (pairs + self.spread_prior) if pairs else 0.0

    def fuse(
        self, cosines: Sequence[float], locals_: Sequence[float], spread: Spread | None
    ) -> float:
        """Fuse the scores against each reference into one; higher is more alike.

        Args:
            cosines: the probe's cosine with each of R references, in [-1, 1].
            locals_: the probe's local score with each of them, in [-1, 1].
            spread: the gallery's own variability, or None with a single reference.

        Returns:
            The fused score, in [-2, 2]; in [-1, 1] where no spread is subtracted.

        Raises:
            ValueError: If there are no scores, or not as many of one kind as of the other.
        """
        if not cosines or len(cosines) != len(locals_):
            raise ValueError(f"{len(cosines)} cosines and {len(locals_)} local scores don't fuse")
        cosine = _mean_of_best(cosines, self.top)
        local = _mean_of_best(locals_, self.top)
        if spread is not None:
            trust = self.trust(len(cosines))
            cosine -= trust * self.cosine_spread * max(spread.cosine, self.cosine_floor)
            local -= trust * self.local_spread * max(spread.local, self.local_floor)
        return (1.0 - self.local_weight) * cosine + self.local_weight * local


_ONE_BY_ONE = 7
"""Up to so many numbers NumPy adds one after the other; more in another order."""


def _mean_of_best(scores: Sequence[float], top: int) -> float:
    """As NumPy's mean, to the last bit: evidence replays with it. For so few NumPy is slow."""
    best = sorted(scores, reverse=True)[:top]
    if len(best) > _ONE_BY_ONE:
        return float(np.mean(best))
    total = 0.0
    for score in best:  # not sum(), which from Python 3.12 on corrects its rounding
        total += score
    return total / len(best)
