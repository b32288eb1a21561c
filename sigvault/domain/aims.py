"""Error rates that somebody wants to decide at, and what data they take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OMIT_DEFAULT = {"omit_default": True}
"""Metadata of a field that is not written while it holds its default, so that what was recorded
before there was the field is still written the same."""

RULE_OF_THREE = 3
"""Comparisons times the rate aimed at that an aim needs at least (ISO/IEC 19795-1, annex B): with
3/p of them and no error, the rate is at most p with a confidence of 95 %."""

RULE_OF_THIRTY = 30
"""The same for a figure that can be relied on: with 30 errors the true rate lies within 30 % of
the measured one with a confidence of 90 % (ISO/IEC 19795-1, annex B, after Doddington)."""

LEAST_SIGNERS = 10
"""Signers that an aim needs at least: comparisons of one signer resemble each other, so that many
comparisons of few signers say little."""

CALIBRATED_REFERENCES = (*range(1, 11), 12, 15, 20)
"""The numbers of references that thresholds are made for, as far as the data allow: a fused score
means something else with each (docs/adr/0024-thresholds-for-every-number-of-references.md)."""

DEFAULT_FPIR = 0.01
"""One search in a hundred by somebody who is not enrolled may bring up an accepted candidate."""


class Measure(StrEnum):
    """The error rates that an operating point can be chosen by."""

    FMR = "fmr"
    SKILLED_FMR = "skilled_fmr"
    FNMR = "fnmr"

    @property
    def words(self) -> str:
        """What the rate is a share of, in words."""
        return _MEASURE_WORDS[self]


_MEASURE_WORDS = {
    Measure.FMR: "random forgeries accepted",
    Measure.SKILLED_FMR: "skilled forgeries accepted",
    Measure.FNMR: "genuine signatures not accepted",
}


@dataclass(frozen=True)
class Aim:
    """An error rate that somebody wants to decide at.

    Attributes:
        measure: which rate.
        rate: its largest value, above 0 and below 1.
    """

    measure: Measure
    rate: float

    def __post_init__(self) -> None:
        """Check the range.

        Raises:
            ValueError: If the rate is not between 0 and 1.
        """
        if not 0.0 < self.rate < 1.0:
            raise ValueError(
                f"the aim {self.measure.value} {self.rate} is no rate between 0 and 1, "
                "such as 0.001"
            )

    def __str__(self) -> str:
        return f"at most {100 * self.rate:.3g} % of {self.measure.words}"
