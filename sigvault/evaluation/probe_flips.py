"""What another generation would have said of probes that were kept, and how it differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.comparison import Decision
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.verdicts import Verdict
from sigvault.evaluation.generation_scores import DECISIONS


@dataclass(frozen=True)
class ProbeDecision:
    """A kept probe, decided about by both generations on the claimed signer's gallery of today.

    Attributes:
        event: the verification that it was kept for.
        signer: the claimed signer.
        recorded: what was decided then.
        old: what the generation that decides says today.
        new: what the other one says.
        verdict: what people decided about it; None if they haven't.
    """

    event: EventNumber
    signer: SignerId
    recorded: Decision
    old: Decision
    new: Decision
    verdict: Verdict | None = None


@dataclass(frozen=True)
class ProbeFlips:
    """Kept probes, decided about once more.

    Attributes:
        replayed: how many were.
        left_out: how many were not: damaged images, signers without references or thresholds.
        table: how often each old decision (row) became each new one (column), in the order of
            ``DECISIONS``.
        flips: those on which the two differ, the latest first.
    """

    replayed: int
    left_out: int
    table: tuple[tuple[int, int, int], ...]
    flips: tuple[ProbeDecision, ...]

    def summary(self) -> dict[str, object]:
        """The figures without any signer, JSON-ready, for the audit log."""
        return {
            "replayed": self.replayed,
            "left_out": self.left_out,
            "flips": [list(row) for row in self.table],
        }


def tally(decided: Sequence[ProbeDecision], left_out: int) -> ProbeFlips:
    """Count what both generations said.

    Args:
        decided: the probes, the latest first.
        left_out: how many could not be decided about.
    """
    table = [[0] * len(DECISIONS) for _ in DECISIONS]
    for one in decided:
        table[DECISIONS.index(one.old)][DECISIONS.index(one.new)] += 1
    return ProbeFlips(
        replayed=len(decided),
        left_out=left_out,
        table=tuple((row[0], row[1], row[2]) for row in table),
        flips=tuple(one for one in decided if one.old is not one.new),
    )
