"""The alarm that a picture is perhaps a copy of an enrolled signature, or was traced from it."""

from __future__ import annotations

from collections.abc import Sequence

from sigvault.domain.comparison import ReferenceScore, Score, Threshold, select_threshold
from sigvault.domain.image import QualityFinding

COPY = "copy"
"""What the finding is called."""

TRACED = "traced"
"""What it is called where the probe is not as near as a copy."""

ALARMS = frozenset({COPY, TRACED})
"""The findings that say that a probe is too like a reference."""


def find_alarm(threshold: Threshold, score: Score) -> tuple[QualityFinding, ...]:
    """One finding where a probe is too like one reference for another signature; else none.

    Args:
        threshold: what decides.
        score: the probe against the claimed signer's references.
    """
    copied = threshold.copied(score)
    if copied is None or threshold.copy_limit is None:
        return _find_traced(threshold, score)
    which = _name(score, copied)
    return (
        QualityFinding(
            name=COPY,
            value=copied.likest,
            limit=threshold.copy_limit,
            unit="local score",
            severe=False,
            message=f"stroke for stroke like {which}, perhaps a copy of that picture: nobody "
            "signs twice so alike, so it is not accepted; look at the paper itself",
        ),
    )


def _find_traced(threshold: Threshold, score: Score) -> tuple[QualityFinding, ...]:
    traced, limit = threshold.traced(score), threshold.trace_limit_of(score)
    if traced is None or limit is None:
        return ()
    return (
        QualityFinding(
            name=TRACED,
            value=traced.likest,
            limit=limit,
            unit="local score",
            severe=False,
            message=f"liker to {_name(score, traced)} than 99 in 100 signatures get, perhaps "
            "traced from it, so it is not accepted; look at the ink: even pressure, blunt ends and "
            "lifts of the pen give a tracer away",
        ),
    )


def _name(score: Score, one: ReferenceScore) -> str:
    number = score.per_reference.index(one) + 1
    return f"reference {number} ({one.reference}){once_turned(one)}"


def copy_limit_for(thresholds: Sequence[Threshold], references: int) -> float | None:
    """The local score from which on a new picture counts as a copy of one of some references.

    Args:
        thresholds: of the generation, in any order.
        references: how many references the picture is compared with.

    Returns:
        As the threshold for so many has it, or that for the fewest where so few have none; None
        where there are no thresholds, or they were calibrated before there was a limit.
    """
    fewest = min(thresholds, key=lambda each: each.references, default=None)
    threshold = select_threshold(tuple(thresholds), references) or fewest
    return None if threshold is None else threshold.copy_limit


def once_turned(copied: ReferenceScore) -> str:
    """What to add where a reference is named as copied: by the probe as it is, or once turned."""
    return " once it is turned a little" if copied.likest > copied.local else ""
