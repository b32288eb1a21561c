"""Deciding on the candidates of a search: how often a stranger may be taken for somebody."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sigvault.domain.aims import Aim, Measure
from sigvault.domain.comparison import Decision, Score, Threshold
from sigvault.domain.errors import UnsupportedAim

LEAST_FPIR = 1e-9
"""No data support less by far, and shared out among the signers it must stay a number above 0."""


@dataclass(frozen=True)
class SearchAim:
    """The false positive identification rate (FPIR) that a search decides at.

    A stranger is compared with everybody who is enrolled, and each comparison is a chance to be
    taken for somebody. Whatever the comparisons have to do with each other, the chance that any of
    N accepts is at most N times the FMR (Boole's inequality; ISO/IEC 19795-1 has the approximation
    1 - (1 - FMR)^N for independent ones, which is nearly the same for small rates). So a candidate
    is accepted where the FMR is at most FPIR / N, found among other signers than those searched.

    Attributes:
        fpir: the largest share of searches by strangers that may bring up an accepted candidate,
            above 0 and below 1.
        signers: N, how many signers are searched, at least 1.
    """

    fpir: float
    signers: int

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If the rate is not between 0 and 1, or nobody is searched.
        """
        if not LEAST_FPIR <= self.fpir < 1.0:
            raise ValueError(
                f"the FPIR {self.fpir} is no rate from {LEAST_FPIR:g} up to 1, such as 0.01"
            )
        if self.signers < 1:
            raise ValueError(f"{self.signers} signers can't be searched")

    @property
    def fmr(self) -> Aim:
        """What each comparison has to keep."""
        return Aim(Measure.FMR, self.fpir / self.signers)

    def decide(self, threshold: Threshold, score: Score) -> tuple[Decision, str]:
        """Decide on a candidate.

        Accept takes both: what a verification would accept, and a score at which the FMR is low
        enough for so many comparisons. Where the calibration data can't tell, nobody is accepted.

        Args:
            threshold: the one for the candidate's number of references.
            score: the probe against the candidate's gallery.

        Returns:
            The decision, and why nobody can be accepted at all, or an empty string.
        """
        verified = threshold.judge(score)
        try:
            strict = threshold.at(self.fmr).accept
        except UnsupportedAim as error:
            kept = Decision.REVIEW if verified is Decision.ACCEPT else verified
            return kept, f"{error}{self._advice(threshold)}"
        if verified is Decision.ACCEPT and score.value < strict:
            return Decision.REVIEW, ""
        return verified, ""

    def _advice(self, threshold: Threshold) -> str:
        """The smallest FPIR that the calibration data support with so many signers, if any does."""
        least = self.signers * threshold.least_rate(Measure.FMR)
        if self.fpir >= least or least >= 1.0:
            return ""
        enough = math.ceil(1000 * least) / 1000
        return (
            f". Each of the {self.signers} signers searched may take a share of the FPIR alone: "
            f"ask for an FPIR of {enough:g} or more (--at-fpir), or calibrate with more signers"
        )
