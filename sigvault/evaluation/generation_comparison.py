"""Whether another generation decides as well as the one that does: the gate of a re-index.

Both generations hold the same references. Each reference of a signer is compared with the signer's
others (leave one out), and with the galleries of other signers, one reference left out of those
too, so that the same thresholds apply. Forgeries are compared where they are given. Each side
decides by its own frozen thresholds, and every comparison is the same on both sides, so that what
makes a signature hard drops out of the differences. Intervals resample signers.

Only signers that both sides can decide about with one reference fewer are compared: where a side
has no threshold for so few, its answers would all be the same and say nothing.

Enrolled references may be more alike than what comes later (some were written at one sitting), so
the rates themselves are too good; the difference between two models on the same comparisons is what
this is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import Decision
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.evaluation.error_rates import BOOTSTRAPS
from sigvault.evaluation.generation_changes import (
    Change,
    Found,
    Margins,
    Resampling,
    Verdict,
    measure_changes,
)
from sigvault.evaluation.generation_scores import (
    DECISIONS,
    Kind,
    Side,
    measure_gallery,
    plan_comparisons,
)
from sigvault.evaluation.generation_verdict import Compared, Undecided, judge

Advance = Callable[[int, int], None]
"""Told how many signers are compared, and of how many."""


@dataclass(frozen=True)
class SignerChange:
    """A signer of whom fewer genuine signatures are accepted, or more are refused.

    Attributes:
        signer: who.
        probes: how many genuine signatures were compared.
        accepted: how many were accepted, (old, new).
        refused: how many were refused, (old, new).
    """

    signer: SignerId
    probes: int
    accepted: tuple[int, int]
    refused: tuple[int, int]


@dataclass(frozen=True)
class GenerationComparison:
    """Two generations on the same comparisons.

    Attributes:
        old: the generation that decides.
        new: the other one.
        signers: how many signers were compared.
        skipped: how many were not: a single reference leaves nothing to compare it with,
            references that one generation lacks can't be compared, and see ``undecided``.
        comparisons: how many of each kind.
        changes: the measures.
        flips: of each kind, how often each old decision (row) became each new one (column), in
            the order of ``DECISIONS``.
        worse_signers: who fares worse, the worst first.
        verdict: what it says.
        reasons: why it isn't fit, in words; empty if it is.
        undecided: signers with references enough that one generation or both can't decide about
            with one fewer.
        lost: how many signers the old generation can decide about as they are, and the new can't.
    """

    old: GenerationId
    new: GenerationId
    signers: int
    skipped: int
    comparisons: dict[str, int]
    changes: tuple[Change, ...]
    flips: dict[str, tuple[tuple[int, int, int], ...]]
    worse_signers: tuple[SignerChange, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    undecided: tuple[Undecided, ...] = ()
    lost: int = 0

    def summary(self) -> dict[str, object]:
        """The figures without any signer's identifier, JSON-ready, for the audit log."""
        return {
            "old": self.old,
            "new": self.new,
            "signers": self.signers,
            "signers_undecided": sum(each.signers for each in self.undecided),
            "signers_lost": self.lost,
            "comparisons": self.comparisons,
            "verdict": self.verdict.value,
            "changes": {
                change.measure: {
                    "old": change.old.value,
                    "new": change.new.value,
                    "difference": [
                        change.difference.value,
                        change.difference.low,
                        change.difference.high,
                    ],
                    "margin": change.margin,
                }
                for change in self.changes
            },
            "flips": {kind: [list(row) for row in table] for kind, table in self.flips.items()},
            "signers_worse": len(self.worse_signers),
        }


def compare_generations(
    old: Side,
    new: Side,
    *,
    margins: Margins | None = None,
    lacking: int = 0,
    seed: int = 0,
    bootstraps: int = BOOTSTRAPS,
    progress: Advance | None = None,
) -> GenerationComparison:
    """Compare two generations on the signers that both can decide about.

    Args:
        old: the generation that decides.
        new: the other one.
        margins: how much worse it may be.
        lacking: how many signers more there are, without a reference that both generations have.
        seed: of all that is drawn.
        bootstraps: how many times signers are resampled.
        progress: told how many signers are compared.

    Raises:
        ValueError: If the two don't hold the same signers and references.
    """
    _check_same(old, new)
    able, undecided = _choose_able(old, new)
    plan = plan_comparisons(old, able, seed)
    found = []
    for done, comparisons in enumerate(plan, start=1):
        found.append([measure_gallery(side, comparisons) for side in (old, new)])
        if progress is not None:
            progress(done, len(plan))
    signers = [comparisons.signer for comparisons in plan]
    changes = (
        measure_changes(found, Resampling(margins or Margins(), bootstraps, seed)) if found else ()
    )
    compared = Compared(len(plan), len(old.galleries) + lacking, undecided, _count_lost(old, new))
    verdict, reasons = judge(changes, compared)
    return GenerationComparison(
        old=old.generation,
        new=new.generation,
        signers=len(plan),
        skipped=len(old.galleries) - len(able) + lacking,
        comparisons={
            kind.value: sum(int((one[0].kinds == kind).sum()) for one in found) for kind in Kind
        },
        changes=changes,
        flips={kind.value: _flips(found, kind) for kind in Kind},
        worse_signers=_worse(signers, found),
        verdict=verdict,
        reasons=reasons,
        undecided=undecided,
        lost=compared.lost,
    )


def _check_same(old: Side, new: Side) -> None:
    def listed(side: Side) -> list[tuple[SignerId, list[ReferenceId]]]:
        return [
            (signer, [reference.id for reference in gallery.references])
            for signer, gallery in side.galleries.items()
        ]

    if listed(old) != listed(new):
        raise ValueError("two generations compare on the same signers and references alone")


def _choose_able(old: Side, new: Side) -> tuple[list[SignerId], tuple[Undecided, ...]]:
    """The signers that both sides can decide about with one reference fewer, and who is left."""
    able, left = [], Counter[tuple[int, tuple[GenerationId, ...]]]()
    for signer, own in old.galleries.items():
        count = len(own.references)
        if count < 2:
            continue
        lacking = tuple(
            side.generation for side in (old, new) if side.threshold_for(signer, count - 1) is None
        )
        if lacking:
            left[count, lacking] += 1
        else:
            able.append(signer)
    return able, tuple(
        Undecided(count, signers, lacking) for (count, lacking), signers in sorted(left.items())
    )


def _count_lost(old: Side, new: Side) -> int:
    """How many signers, as they are, the old side can decide about and the new one can't."""
    return sum(
        old.threshold_for(signer, len(own.references)) is not None
        and new.threshold_for(signer, len(own.references)) is None
        for signer, own in old.galleries.items()
    )


def _flips(found: Found, kind: Kind) -> tuple[tuple[int, int, int], ...]:
    table = np.zeros((len(DECISIONS), len(DECISIONS)), np.int64)
    for old, new in found:
        chosen = old.kinds == kind
        np.add.at(table, (old.decisions[chosen], new.decisions[chosen]), 1)
    return tuple((int(row[0]), int(row[1]), int(row[2])) for row in table)


def _worse(signers: Sequence[SignerId], found: Found) -> tuple[SignerChange, ...]:
    accept, refuse = DECISIONS.index(Decision.ACCEPT), DECISIONS.index(Decision.REFUSE)
    changes = []
    for signer, own in zip(signers, found, strict=True):
        mated = [one.decisions[one.kinds == Kind.MATED] for one in own]
        accepted = [int((one == accept).sum()) for one in mated]
        refused = [int((one == refuse).sum()) for one in mated]
        if accepted[1] < accepted[0] or refused[1] > refused[0]:
            changes.append(
                SignerChange(
                    signer, len(mated[0]), (accepted[0], accepted[1]), (refused[0], refused[1])
                )
            )

    def loss(change: SignerChange) -> tuple[int, int]:
        return (
            change.refused[0] - change.refused[1],
            change.accepted[1] - change.accepted[0],
        )

    return tuple(sorted(changes, key=loss))
