"""Deciding on the candidates of a search: how often a stranger may be taken for somebody."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sigvault.domain.aims import LEAST_SIGNERS, RULE_OF_THREE, Aim, Measure
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
        accept, reason = self.accept_point(threshold)
        decision = decide_from(accept, threshold, score.value)
        # A copy is never accepted.
        return (threshold.judge(score) if decision is Decision.ACCEPT else decision), reason

    def accept_point(self, threshold: Threshold) -> tuple[float, str]:
        """The fused score from which on candidates are accepted, copies aside.

        Args:
            threshold: the one for the candidates' number of references.

        Returns:
            The score, infinite where the data can't tell; and why nobody can be accepted then, or
            an empty string.
        """
        try:
            strict = threshold.at(self.fmr).accept
        except UnsupportedAim as error:
            return math.inf, self._explain(threshold) or str(error)
        return max(threshold.accept, strict), ""

    def _explain(self, threshold: Threshold) -> str:
        """Why the data support no such rate, and what to do; empty where something else is wrong.

        Each of the signers takes a share of the FPIR, so an FPIR takes N times the comparisons
        that an FMR takes.
        """
        found, points = threshold.distinct(Measure.FMR), threshold.points
        if not points or not found or threshold.origin.signers < LEAST_SIGNERS:
            return ""
        # Raised a little, so that rounding never takes a share of it below what was measured.
        lowest = min(point.rates.fmr.value for point in points) * (1.0 + 1e-9)
        least = threshold.least_rate(Measure.FMR)
        if self.fmr.rate < least:
            wanted = math.ceil(round(RULE_OF_THREE / self.fmr.rate, 6))
            takes = f"{wanted} distinct comparisons with other signers by the rule of three"
            has = f"there are {found}"
        else:
            takes = f"a score that at most {_percent(self.fmr.rate)} of other signers' reach"
            has = f"the highest measured is reached by {_percent(lowest)}"
        some = "1 signer" if self.signers == 1 else f"{self.signers} signers"
        text = f"with {some}, an FPIR of at most {_percent(self.fpir)} takes {takes}, and {has}; "
        enough = math.ceil(1000 * self.signers * max(least, lowest)) / 1000
        if enough >= 1.0:
            return f"{text}no FPIR can be kept with so many: calibrate with more signers"
        give = f"give --at-fpir {enough:g} ({_percent(enough)}) or more"
        return f"{text}{give}, or calibrate with more signers"


def decide_from(accept: float, threshold: Threshold, score: float) -> Decision:
    """Decide on a fused score alone, as a search does: copies are not told.

    Args:
        accept: where the search accepts from, of `SearchAim.accept_point`.
        threshold: the one for the candidate's number of references.
        score: the candidate's fused score.
    """
    decision = threshold.decide(score)
    return Decision.REVIEW if decision is Decision.ACCEPT and score < accept else decision


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
