"""How a probe's scores against R references become one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.gallery import Spread


@dataclass(frozen=True)
class FusionRule:
    """The rule that a model's scores are fused by; chosen by measurement, kept in its card.

    The fused score is ``(1 - w) (g - a s_g) + w (l - b s_l)``: g and l are the means of the best
    ``top`` cosines and local scores, s_g and s_l the gallery's own mean similarities (its
    spread; left out with a single reference), w ``local_weight``, a ``cosine_spread`` and b
    ``local_spread``.

    Attributes:
        top: how many of the best references count, at least 1.
        local_weight: the share of the local score, in [0, 1].
        cosine_spread: how much of the gallery's own mean cosine is subtracted, in [0, 1].
        local_spread: how much of the gallery's own mean local score is subtracted, in [0, 1].
    """

    top: int = 3
    local_weight: float = 2.0 / 3.0
    cosine_spread: float = 0.5
    local_spread: float = 0.5

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
            cosine -= self.cosine_spread * spread.cosine
            local -= self.local_spread * spread.local
        return (1.0 - self.local_weight) * cosine + self.local_weight * local


def _mean_of_best(scores: Sequence[float], top: int) -> float:
    return float(np.mean(sorted(scores, reverse=True)[:top]))
