"""Whether another generation decides as well as the one that does: the gate of a re-index.

Both generations hold the same references. Each reference of a signer is compared with the signer's
others (leave one out), and with the galleries of other signers, one reference left out of those
too, so that the same thresholds apply. Forgeries are compared where they are given. Each side
decides by its own frozen thresholds, and every comparison is the same on both sides, so that what
makes a signature hard drops out of the differences. Intervals resample signers.

Enrolled references may be more alike than what comes later (some were written at one sitting), so
the rates themselves are too good; the difference between two models on the same comparisons is what
this is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.aims import LEAST_SIGNERS
from sigvault.domain.comparison import Decision, Rate
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    Floats,
    SignerScores,
    equal_error_rate,
    paired_difference,
)
from sigvault.evaluation.generation_scores import (
    DECISIONS,
    Kind,
    Measured,
    Side,
    measure_gallery,
    plan_comparisons,
)
from sigvault.evaluation.resampled_curves import resample_sums

Advance = Callable[[int, int], None]
"""Told how many signers are compared, and of how many."""


class Verdict(StrEnum):
    """What the comparison says.

    ``FIT``: no worse, within the margins. ``WORSE``: worse beyond one. ``UNKNOWN``: too few signers
    with two references or more to say.
    """

    FIT = "fit"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Margins:
    """How much worse another generation may be, absolutely, by the point estimate.

    The point estimate decides and not the interval: a small vault's is so wide that nothing would
    ever be refused. The margins are about what repeated draws of some hundred signers differ by.

    Attributes:
        fnmr: of genuine signatures that are not accepted.
        refused: of genuine signatures that are refused.
        fmr: of other signers' signatures that are accepted.
        skilled_fmr: of skilled forgeries that are accepted.
        eer: of the equal error rate.
        cllr: of the cost of the likelihood ratio, in bits.
    """

    fnmr: float = 0.02
    refused: float = 0.01
    fmr: float = 0.005
    skilled_fmr: float = 0.02
    eer: float = 0.01
    cllr: float = 0.05


WORDS = {
    "fnmr": "genuine signatures not accepted",
    "refused": "genuine signatures refused",
    "fmr": "other signers' signatures accepted",
    "skilled_fmr": "skilled forgeries accepted",
    "eer": "equal error rate",
    "cllr": "cost of the likelihood ratio",
}
"""What is measured, in words."""


@dataclass(frozen=True)
class Change:
    """One measure of both generations.

    Attributes:
        measure: a field of ``Margins``.
        old: of the generation that decides, with its interval.
        new: of the other one.
        difference: new minus old, on the same comparisons, with its interval.
        margin: the most that it may be.
    """

    measure: str
    old: Rate
    new: Rate
    difference: Rate
    margin: float

    @property
    def worse(self) -> bool:
        """Whether it is worse beyond the margin."""
        return self.difference.value > self.margin


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
        skipped: how many were not: a single reference leaves nothing to compare it with, and
            references that one generation lacks can't be compared.
        comparisons: how many of each kind.
        changes: the measures.
        flips: of each kind, how often each old decision (row) became each new one (column), in
            the order of ``DECISIONS``.
        worse_signers: who fares worse, the worst first.
        verdict: what it says.
        reasons: why it isn't fit, in words; empty if it is.
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

    def summary(self) -> dict[str, object]:
        """The figures without any signer's identifier, JSON-ready, for the audit log."""
        return {
            "old": self.old,
            "new": self.new,
            "signers": self.signers,
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
    """Compare two generations; what one can't decide on counts as not accepted and not refused.

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
    resampling = _Resampling(margins or Margins(), bootstraps, seed)
    _check_same(old, new)
    able = [signer for signer, own in old.galleries.items() if len(own.references) > 1]
    plan = plan_comparisons(old, able, seed)
    found = []
    for done, comparisons in enumerate(plan, start=1):
        found.append([measure_gallery(side, comparisons) for side in (old, new)])
        if progress is not None:
            progress(done, len(plan))
    signers = [comparisons.signer for comparisons in plan]
    skipped = len(old.galleries) - len(able) + lacking
    changes = _changes(found, resampling) if plan else ()
    verdict, reasons = _judge(changes, len(plan), len(old.galleries) + lacking)
    return GenerationComparison(
        old=old.generation,
        new=new.generation,
        signers=len(plan),
        skipped=skipped,
        comparisons={
            kind.value: sum(int((one[0].kinds == kind).sum()) for one in found) for kind in Kind
        },
        changes=changes,
        flips={kind.value: _flips(found, kind) for kind in Kind},
        worse_signers=_worse(signers, found),
        verdict=verdict,
        reasons=reasons,
    )


def _check_same(old: Side, new: Side) -> None:
    def listed(side: Side) -> list[tuple[SignerId, list[ReferenceId]]]:
        return [
            (signer, [reference.id for reference in gallery.references])
            for signer, gallery in side.galleries.items()
        ]

    if listed(old) != listed(new):
        raise ValueError("two generations compare on the same signers and references alone")


_Found = Sequence[Sequence[Measured]]
"""By signer: (old, new)."""


class _Resampling(NamedTuple):
    """How signers are resampled, and what may become of a measure.

    Attributes:
        margins: how much worse each measure may be.
        bootstraps: how many times.
        seed: of the drawing.
    """

    margins: Margins
    bootstraps: int
    seed: int


def _changes(found: _Found, resampling: _Resampling) -> tuple[Change, ...]:
    """Every measure that the comparisons allow."""
    accept, refuse = DECISIONS.index(Decision.ACCEPT), DECISIONS.index(Decision.REFUSE)
    shares: dict[str, tuple[Kind, Callable[[Measured], npt.NDArray[np.bool_]]]] = {
        "fnmr": (Kind.MATED, lambda one: one.decisions != accept),
        "refused": (Kind.MATED, lambda one: one.decisions == refuse),
        "fmr": (Kind.RANDOM, lambda one: one.decisions == accept),
        "skilled_fmr": (Kind.SKILLED, lambda one: one.decisions == accept),
    }
    changes = []
    for measure, (kind, wrong) in shares.items():
        counts = np.array(
            [[float((wrong(one) & (one.kinds == kind)).sum()) for one in own] for own in found]
        )
        totals = np.array([float((own[0].kinds == kind).sum()) for own in found])
        if totals.sum():
            changes.append(_share(measure, counts, totals, resampling))
    if sum((own[0].kinds == Kind.RANDOM).sum() for own in found):
        changes += [_equal_error(found, resampling), _cost(found, resampling)]
    return tuple(changes)


def _share(measure: str, counts: Floats, totals: Floats, resampling: _Resampling) -> Change:
    """A share of wrong answers on both sides; counts are float64 (signers, 2)."""
    return _change(measure, np.column_stack([counts, totals]), _shares, resampling)


def _shares(sums: Floats) -> Floats:
    return sums[..., :2] / sums[..., 2:]


def _cost(found: _Found, resampling: _Resampling) -> Change:
    """The cost of the likelihood ratios (Bruemmer and du Preez 2006, equation 45), as sums."""
    sums = np.array(
        [
            [*(_bits(one, kind) for kind in _PRICED for one in own), *_counts(own[0])]
            for own in found
        ]
    )
    return _change("cllr", sums, _costs, resampling)


_PRICED = (Kind.MATED, Kind.RANDOM)


def _bits(one: Measured, kind: Kind) -> float:
    """What one side's ratios of a kind cost together, in bits."""
    sign = -1.0 if kind is Kind.MATED else 1.0
    llrs = sign * one.llrs[one.kinds == kind] * np.log(10.0)
    return float(np.logaddexp(0.0, llrs).sum() / np.log(2.0))


def _counts(one: Measured) -> list[float]:
    return [float((one.kinds == kind).sum()) for kind in _PRICED]


def _costs(sums: Floats) -> Floats:
    """Mean costs of both sides, float64 (..., 2), each kind weighing the same."""
    return 0.5 * (sums[..., :2] / sums[..., 4:5] + sums[..., 2:4] / sums[..., 5:6])


def _change(
    measure: str,
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    resampling: _Resampling,
) -> Change:
    """A measure that is a ratio of sums over signers.

    Args:
        measure: its name.
        sums: float64 (signers, n): each signer's own.
        statistic: from sums float64 (..., n) to both sides' values, float64 (..., 2).
        resampling: of the signers.
    """

    def with_difference(summed: Floats) -> Floats:
        values = statistic(summed)
        return np.concatenate([values, np.diff(values, axis=-1)], axis=-1)

    drawn = resample_sums(
        with_difference, sums, bootstraps=resampling.bootstraps, seed=resampling.seed
    )
    old, new, apart = drawn.rates()
    return Change(measure, old, new, apart, getattr(resampling.margins, measure))


def _equal_error(found: _Found, resampling: _Resampling) -> Change:
    """Of scores less the accept point, so that different numbers of references meet there."""
    # Undecided is as good as nothing: the comparison tells neither way.
    sides = [
        SignerScores(_beyond(found, side, Kind.MATED), _beyond(found, side, Kind.RANDOM))
        for side in (0, 1)
    ]
    margins, bootstraps, seed = resampling
    old, new = (equal_error_rate(side, bootstraps=bootstraps, seed=seed) for side in sides)
    apart = paired_difference(sides[1], sides[0], bootstraps=bootstraps, seed=seed)
    return Change("eer", old.rate, new.rate, apart, margins.eer)


def _beyond(found: _Found, side: int, kind: Kind) -> tuple[Floats, ...]:
    return tuple(
        np.nan_to_num(own[side].beyond[own[side].kinds == kind]).astype(np.float64) for own in found
    )


def _flips(found: _Found, kind: Kind) -> tuple[tuple[int, int, int], ...]:
    table = np.zeros((len(DECISIONS), len(DECISIONS)), np.int64)
    for old, new in found:
        chosen = old.kinds == kind
        np.add.at(table, (old.decisions[chosen], new.decisions[chosen]), 1)
    return tuple((int(row[0]), int(row[1]), int(row[2])) for row in table)


def _worse(signers: Sequence[SignerId], found: _Found) -> tuple[SignerChange, ...]:
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


def _judge(
    changes: Sequence[Change], compared: int, enrolled: int
) -> tuple[Verdict, tuple[str, ...]]:
    if not enrolled:
        return Verdict.FIT, ()
    reasons = tuple(_reason(change) for change in changes if change.worse)
    if reasons:
        return Verdict.WORSE, reasons
    if compared < LEAST_SIGNERS:
        return Verdict.UNKNOWN, (
            f"{compared} signers with two references or more can't tell whether it decides as "
            f"well; {LEAST_SIGNERS} are needed, or fresh signatures to compare on",
        )
    return Verdict.FIT, ()


def _reason(change: Change) -> str:
    unit, factor = (" bits", 1.0) if change.measure == "cllr" else (" %", 100.0)
    apart = change.difference
    return (
        f"{WORDS[change.measure]}: {factor * change.new.value:.2f}{unit} instead of "
        f"{factor * change.old.value:.2f}{unit}, worse by {factor * apart.value:.2f} "
        f"(95 % {factor * apart.low:.2f} to {factor * apart.high:.2f}), and at most "
        f"{factor * change.margin:.2f} may be"
    )
