"""Where a score lies between its operating points, as places along a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

_ZONE_SHARE = 0.36
"""The largest share of the line that the review zone takes, so that its labels have room."""

_FARTHEST = 0.88
"""How far towards an end the score may lie, as a share of half the line."""

_LEAST_HALF = 0.02
"""Half the line's length at least, in units of score, where score and points coincide."""


@dataclass(frozen=True)
class Tick:
    """A number below the line.

    Attributes:
        at: its place, in percent from the left.
        label: the number.
    """

    at: float
    label: str


@dataclass(frozen=True)
class NumberLine:
    """A line with the review zone in its middle; places are percentages from the left.

    Attributes:
        refuse: where the refuse point lies.
        accept: where the accept point lies; never left of ``refuse``.
        score: where the score lies.
        anchor: the side of its label that the score is at: ``start``, ``middle`` or ``end``.
        ticks: round numbers along the line.
    """

    refuse: float
    accept: float
    score: float
    anchor: str
    ticks: tuple[Tick, ...]


def place_score(score: float, refuse: float, accept: float) -> NumberLine:
    """Lay out a score and the two operating points.

    Args:
        score: the fused score.
        refuse: the refuse point.
        accept: the accept point, at least ``refuse``.
    """
    middle = (accept + refuse) / 2
    half = max((accept - refuse) / 2 / _ZONE_SHARE, abs(score - middle) / _FARTHEST, _LEAST_HALF)

    def place(value: float) -> float:
        return round(50.0 + 50.0 * (value - middle) / half, 2)

    at = place(score)
    return NumberLine(
        refuse=place(refuse),
        accept=place(accept),
        score=at,
        anchor="start" if at < 25.0 else "end" if at > 75.0 else "middle",
        ticks=tuple(
            Tick(place(value), label)
            for value, label in round_numbers(middle - half, middle + half)
        ),
    )


def round_numbers(low: float, high: float) -> list[tuple[float, str]]:
    """A few round numbers well inside a range, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil((low + 0.04 * (high - low)) / step)
    last = math.floor((high - 0.04 * (high - low)) / step)
    return [(index * step, f"{index * step:.{digits}f}") for index in range(first, last + 1)]
