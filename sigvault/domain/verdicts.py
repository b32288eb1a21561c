"""The closed choices about people's part in a decision."""

from __future__ import annotations

from enum import StrEnum

MOST_REVIEWERS = 2
"""The most different people that a case can ask for."""


class KeepProbes(StrEnum):
    """Of which verifications the probe's bytes are kept."""

    NEVER = "never"
    REVIEW = "review"
    ALWAYS = "always"

    def keeps(self, *, asked: bool) -> bool:
        """Whether a probe is kept, given whether people are asked about it."""
        return self is KeepProbes.ALWAYS or (asked and self is KeepProbes.REVIEW)


class Verdict(StrEnum):
    """What a person says about a verification."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    CANNOT_TELL = "cannot-tell"


class ReviewState(StrEnum):
    """Where a case stands."""

    NOT_ASKED = "not-asked"
    """The machine decided, and nobody has looked."""

    OPEN = "open"
    """Somebody has to look, or somebody else, too."""

    DISPUTED = "disputed"
    """Two people differ: a third decides."""

    DECIDED = "decided"
    """People have decided; the last verdict is theirs."""
