"""What is made of two generations' differences: fit, worse, or nobody can tell, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.aims import LEAST_SIGNERS
from sigvault.domain.identifiers import GenerationId
from sigvault.evaluation.generation_changes import RESOLVED, WORDS, Change, Verdict


@dataclass(frozen=True)
class Undecided:
    """Signers with references enough, about whom nothing can be compared.

    Attributes:
        references: how many references each of them has.
        signers: how many signers.
        lacking: the generations without a threshold for one reference fewer.
    """

    references: int
    signers: int
    lacking: tuple[GenerationId, ...]

    def describe(self) -> str:
        """Who they are, and why nothing can be compared."""
        left = _count(self.references - 1, "reference")
        which = " and ".join(str(each) for each in self.lacking)
        have = "have" if len(self.lacking) > 1 else "has"
        return (
            f"{_count(self.signers, 'signer')} with {self.references} references can't be "
            f"compared, one left out: generation{'s' * (len(self.lacking) > 1)} {which} {have} no "
            f"threshold for {left}"
        )


@dataclass(frozen=True)
class Compared:
    """Who was compared.

    Attributes:
        signers: how many signers were.
        enrolled: how many there are.
        undecided: who could not be.
        lost: how many signers could not be decided about any more.
    """

    signers: int
    enrolled: int
    undecided: tuple[Undecided, ...] = ()
    lost: int = 0


def judge(changes: Sequence[Change], compared: Compared) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and what speaks against the new generation.

    One measure that is worse is enough, and so is one signer who could not be decided about any
    more; it is fit only if every measure is.
    """
    if not compared.enrolled:
        return Verdict.FIT, ()
    worse = [_describe_worse(change) for change in changes if change.verdict is Verdict.WORSE]
    if compared.lost:
        worse.insert(0, _describe_lost(compared.lost))
    if worse:
        return Verdict.WORSE, tuple(worse)
    few = compared.signers < LEAST_SIGNERS
    unknown = [change for change in changes if change.verdict is Verdict.UNKNOWN]
    if not (few or unknown):
        return Verdict.FIT, ()
    if few:
        reasons = [
            f"{_count(compared.signers, 'comparable signer')} can't tell whether it decides as "
            f"well; {LEAST_SIGNERS} with two references or more are needed"
        ]
    else:
        reasons = [_describe_unknown(change, compared.signers) for change in unknown]
    return Verdict.UNKNOWN, (*reasons, *_what_would_tell(compared))


def _describe_lost(lost: int) -> str:
    return (
        f"{_count(lost, 'signer')} could not be decided about any more, since the new generation "
        "has no threshold for so few references: make it thresholds by `sigvault reindex` with "
        "--compare-on DATA --calibrate"
    )


def _what_would_tell(compared: Compared) -> list[str]:
    """What is to be done where nobody can tell."""
    lines = [each.describe() for each in compared.undecided]
    if lines:
        lines.append(
            "thresholds for fewer references: of the generation that decides by `sigvault "
            "calibrate DATA`, of the new one by `sigvault reindex` with --compare-on DATA "
            "--calibrate"
        )
    return [*lines, "fresh signatures can tell: `sigvault reindex` with --compare-on DATA"]


def _describe_worse(change: Change) -> str:
    apart, factor = change.difference, _factor(change)
    return (
        f"{_describe(change)}, worse by {factor * apart.value:.2f} (95 % {factor * apart.low:.2f} "
        f"to {factor * apart.high:.2f}), and at most {factor * change.margin:.2f} may be"
    )


def _describe_unknown(change: Change, signers: int) -> str:
    """Why a change can't be told: worse, but by chance perhaps, or no worse, but who knows."""
    apart, factor = change.difference, _factor(change)
    margin = factor * change.margin
    interval = f"95 % {factor * apart.low:+.2f} to {factor * apart.high:+.2f}"
    if apart.value > change.margin:
        return (
            f"{_describe(change)}: {factor * apart.value:+.2f} ({interval}) is more than the "
            f"{margin:.2f} that may be, and could be chance with so few signers"
        )
    wanted = _signers_wanted(change, signers)
    enough = f"; about {wanted} signers like these would do" if wanted else ""
    return (
        f"{_describe(change)}: {factor * apart.value:+.2f} ({interval}) could be as much as "
        f"{RESOLVED:.0f} times the {margin:.2f} that may be{enough}"
    )


def _signers_wanted(change: Change, signers: int) -> int | None:
    """How many would narrow the interval enough, if the difference stayed; None if none would."""
    apart = change.difference
    room = RESOLVED * change.margin - apart.value
    if room <= 0.0:
        return None
    return math.ceil(signers * ((apart.high - apart.value) / room) ** 2)


def _describe(change: Change) -> str:
    unit, factor = (" bits", 1.0) if change.measure == "cllr" else (" %", 100.0)
    return (
        f"{WORDS[change.measure]}: {factor * change.new.value:.2f}{unit} instead of "
        f"{factor * change.old.value:.2f}{unit}"
    )


def _factor(change: Change) -> float:
    return 1.0 if change.measure == "cllr" else 100.0


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
