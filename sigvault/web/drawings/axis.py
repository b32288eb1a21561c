"""A line from left to right, and places on it in per cent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sigvault.reporting.number_line import Tick, round_numbers


@dataclass(frozen=True)
class Axis:
    """A line of scores.

    Attributes:
        low: the score at its left end.
        high: the score at its right end, above ``low``.
    """

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a score lies, in per cent from the left; what lies outside comes to the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100.0 * min(1.0, max(0.0, share)), 2)

    def ticks(self) -> tuple[Tick, ...]:
        """Round numbers along it."""
        found = round_numbers(self.low, self.high)
        return tuple(Tick(self.place(at), label) for at, label in found)


def axis_around(values: Iterable[float], least: float = 0.04) -> Axis:
    """A line that holds all of these with a little room.

    Args:
        values: at least one.
        least: its length at least, where all are the same.
    """
    found = list(values)
    low, high = min(found), max(found)
    room = max(0.06 * (high - low), (least - (high - low)) / 2, 0.0)
    return Axis(low - room, high + room)
