"""What an examination of a vault and of what it runs on finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters.

    ``FINE``: as it should be. ``NOTE``: worth knowing. ``WARNING``: works, but not for long or not
    well. ``PROBLEM``: something doesn't work, or can't be trusted.
    """

    FINE = "fine"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what, in a word or two.
        severity: how much it matters.
        message: what was found.
        remedy: what to do about it; empty where nothing is to be done.
        repairable: whether ``sigvault doctor --repair`` does it, without losing anything.
        repaired: whether it was done just now.
    """

    subject: str
    severity: Severity
    message: str
    remedy: str = ""
    repairable: bool = False
    repaired: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """All that was looked at, in order.

    Attributes:
        findings: what was found.
    """

    findings: tuple[Finding, ...] = field(default=())

    @property
    def worst(self) -> Severity:
        """The most severe of what is left; fine if nothing is."""
        order = list(Severity)
        left = [one.severity for one in self.findings if not one.repaired]
        return max(left, key=order.index, default=Severity.FINE)

    @property
    def healthy(self) -> bool:
        """Whether there is no problem left."""
        return self.worst is not Severity.PROBLEM

    def count(self, severity: Severity) -> int:
        """How many findings of a severity are left."""
        return sum(one.severity is severity and not one.repaired for one in self.findings)


def joined(groups: Sequence[Sequence[Finding]]) -> Diagnosis:
    """One diagnosis of several examinations."""
    return Diagnosis(tuple(finding for group in groups for finding in group))
