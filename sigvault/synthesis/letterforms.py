"""The letter skeletons that synthetic signers write with.

A letterform is a chain of virtual target points in the sense of the Kinematic Theory: the writer
aims at each in turn along an arc, and overlapping strokes round the corners off. The unit is the
height of a small letter: the baseline is y = 0, small letters reach y = 1, ascenders about 2.15
and descenders about -1.15. A small letter is entered from the letter before it, at the baseline.

The forms were drawn for this package; no font was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIFT: Final = None
"""In place of a bend: the pen travels to the point in the air."""

Target = tuple[float, float, float | None]
"""x, y in small-letter heights, and the bend of the arc that leads there in degrees
(anticlockwise is positive), or LIFT."""


@dataclass(frozen=True)
class Letterform:
    """The skeleton of one letter.

    Attributes:
        targets: the points in writing order.
        width: how far the letter advances, in small-letter heights.
        joins: whether the pen can go on to the next letter without being lifted.
        later: what is added when the word is done: dots and bars, each entered with a lift.
    """

    targets: tuple[Target, ...]
    width: float
    joins: bool = True
    later: tuple[Target, ...] = ()


def read_targets(chain: str) -> tuple[Target, ...]:
    """Read ``x,y,bend`` triples separated by blanks; the bend ``up`` is a LIFT."""
    triples = (triple.split(",") for triple in chain.split())
    return tuple((float(x), float(y), LIFT if b == "up" else float(b)) for x, y, b in triples)


def letterform(chain: str, width: float, *, joins: bool = True, later: str = "") -> Letterform:
    """A letterform from its chains; see ``read_targets``."""
    return Letterform(read_targets(chain), width, joins=joins, later=read_targets(later))


SMALL: Final[dict[str, Letterform]] = {
    "a": letterform("0.7,0.9,-15 0.08,0.42,95 0.42,0,85 0.76,0.95,60 0.8,0.04,12", 0.86),
    "b": letterform(
        "0.46,1.75,25 0.28,2.15,130 0.14,0.2,15 0.4,0,70 0.66,0.5,80 0.38,0.85,80 0.8,0.8,45", 0.82
    ),
    "c": letterform("0.62,0.82,-15 0.08,0.42,110 0.5,0,85", 0.58),
    "d": letterform("0.7,0.9,-15 0.08,0.42,95 0.42,0,85 0.8,2.05,30 0.82,0.04,12", 0.88),
    "e": letterform("0.55,0.62,25 0.36,1,100 0.06,0.4,60 0.46,0,85", 0.55),
    "f": letterform(
        "0.46,1.75,25 0.28,2.15,130 0.16,-0.85,6 0.36,-0.95,120 0.24,0.05,40 0.6,0.08,-50", 0.62
    ),
    "g": letterform(
        "0.7,0.9,-15 0.08,0.42,95 0.42,0,85 0.76,0.95,60"
        " 0.72,-0.85,-8 0.38,-1.12,-110 0.94,0.02,-35",
        0.88,
    ),
    "h": letterform("0.46,1.75,25 0.28,2.15,130 0.12,0.02,8 0.5,0.98,-50 0.64,0.02,-35", 0.72),
    "i": letterform("0.3,1,22 0.3,0.04,14", 0.36, later="0.42,1.55,up 0.46,1.5,0"),
    "j": letterform(
        "0.32,1,22 0.28,-0.85,-8 -0.06,-1.12,-110 0.5,0.02,-35",
        0.44,
        later="0.42,1.55,up 0.46,1.5,0",
    ),
    "k": letterform(
        "0.46,1.75,25 0.28,2.15,130 0.12,0.02,8 0.54,0.98,-50 0.22,0.52,-110 0.64,0.02,-40", 0.7
    ),
    "l": letterform("0.46,1.75,25 0.28,2.15,130 0.18,0.3,18 0.4,0,50", 0.46),
    "m": letterform(
        "0.12,0.95,-10 0.14,0,-5 0.5,0.98,-55 0.6,0.02,-25 0.98,0.96,-55 1.1,0.02,-30", 1.16
    ),
    "n": letterform("0.12,0.95,-10 0.14,0,-5 0.55,0.98,-55 0.68,0.02,-30", 0.74),
    "o": letterform(
        "0.5,0.98,-10 0.06,0.5,85 0.38,0,85 0.72,0.52,85 0.42,0.98,85 0.86,0.86,50", 0.86
    ),
    "p": letterform(
        "0.22,1,20 0.12,-1.05,0 0.26,0.7,0 0.56,0.98,-70 0.7,0.4,-80 0.3,0.02,-80 0.72,0.06,50",
        0.76,
    ),
    "r": letterform("0.15,1.02,20 0.46,0.86,45 0.5,0.03,-25", 0.55),
    "s": letterform("0.42,1.08,20 0.54,0.35,-30 0.16,0.03,-90 0.62,0.05,30", 0.64),
    "t": letterform("0.32,1.65,18 0.32,0.04,12", 0.42, later="0,1.12,up 0.72,1.2,-8"),
    "u": letterform("0.24,1,22 0.3,0.02,22 0.8,1,40 0.82,0.03,12", 0.87),
    "v": letterform("0.15,0.98,-25 0.38,0,-5 0.7,0.98,10 0.94,0.88,55", 0.92),
    "w": letterform(
        "0.2,1,22 0.28,0.03,22 0.62,0.95,40 0.68,0.03,20 1.02,0.96,35 1.24,0.88,55", 1.22
    ),
    "x": letterform("0.15,0.95,-40 0.62,0.03,-20", 0.7, later="0.64,0.98,up 0.06,0.03,10"),
    "y": letterform(
        "0.2,1,20 0.28,0.04,22 0.74,1,40 0.66,-0.85,-8 0.32,-1.12,-110 0.88,0.02,-35", 0.82
    ),
    "z": letterform("0.16,0.92,-25 0.55,0.96,-35 0.06,0.05,0 0.62,0.05,-15", 0.68),
}
"""Small letters."""

CAPITALS: Final[dict[str, tuple[Letterform, ...]]] = {
    "A": (
        letterform("0,0,up 0.78,2.2,-15 1.25,0,6 0.28,0.75,up 1.5,0.72,-14", 1.55),
        letterform("1.12,1.95,up 0.08,0.85,95 0.58,0,90 1.24,2.1,45 1.36,0.04,10", 1.45),
    ),
    "B": (
        letterform(
            "0.28,2,up 0.14,0,0 0.2,2,-10 0.92,1.7,-110 0.34,1.15,-90 1.08,0.58,-130 0.16,0.05,-90",
            1.3,
            joins=False,
        ),
    ),
    "C": (letterform("1.15,1.8,up 0.72,2.2,90 0.05,1,80 0.62,0,90 1.25,0.35,60", 1.3),),
    "D": (
        letterform(
            "0.4,2.1,up 0.26,0.04,5 0,1.85,up 0.8,2.1,-45 1.4,1.1,-85 0.1,0.02,-85",
            1.5,
            joins=False,
        ),
        letterform(
            "0.55,2.1,up 0.3,0.25,10 0.02,0.25,-150 0.7,0.02,40 1.35,1.15,90 0.5,2.15,90",
            1.45,
            joins=False,
        ),
    ),
    "E": (
        letterform(
            "1,1.85,up 0.6,2.2,90 0.3,1.65,90 0.7,1.2,100 0.08,0.55,100 0.55,0,90 1.15,0.35,60", 1.2
        ),
    ),
    "F": (
        letterform(
            "0,1.95,up 1.3,2.2,25 0.66,2.05,up 0.48,0.15,-8 0.1,0.05,-100 0.3,1.1,up 0.98,1.18,-10",
            1.15,
            joins=False,
        ),
    ),
    "G": (
        letterform(
            "1.1,1.8,up 0.7,2.2,90 0.05,1.05,80 0.6,0.1,90 1.15,1,70"
            " 1.05,-0.7,-10 0.55,-0.95,-120 1.4,0.1,-40",
            1.45,
        ),
    ),
    "H": (
        letterform("0.2,2.15,up 0.1,0,6 1.22,2.25,up 1.05,0,6 0.05,1,up 1.45,1.12,-8", 1.45),
        letterform(
            "0.22,2.15,up 0.1,0.02,6 1.3,2.15,up 0.98,0.3,10 0.45,0.85,-200 1.45,0.85,-50", 1.45
        ),
    ),
    "J": (
        letterform("0.3,1.6,up 0.7,2.25,-100 0.72,-0.75,-15 0.36,-1,-120 1.15,0.15,-40", 1.1),
        letterform("0,2.05,up 1.2,2.2,-8 0.72,2.1,up 0.58,0.15,-5 0,0.25,-150", 1, joins=False),
    ),
    "K": (letterform("0.24,2.2,up 0.1,0,0 1.2,2.15,up 0.26,1.05,-20 1.25,0,30", 1.32),),
    "L": (
        letterform(
            "0.15,1.35,up 0.8,1.75,40 0.58,2.2,120 0.36,0.25,10 0.02,0.18,-170 1.3,0.05,40", 1.35
        ),
        letterform("0.3,2.2,up 0.1,0.05,5 1.15,0.08,25", 1.2, joins=False),
    ),
    "M": (
        letterform("0,0,up 0.32,2.2,-10 0.78,0.3,6 1.3,2.2,-6 1.62,0.02,6", 1.72),
        letterform(
            "0,1.7,up 0.3,2.1,-90 0.3,0,-20 0.8,1.95,-60 0.92,0.05,-25 1.42,1.85,-60 1.6,0.03,-20",
            1.72,
        ),
    ),
    "N": (
        letterform("0,0,up 0.26,2.15,-10 1,0.05,4 1.3,2.3,6", 1.4, joins=False),
        letterform("0,1.6,up 0.28,2.1,-90 0.26,0,-20 0.82,1.95,-60 1.05,0.03,-20", 1.15),
    ),
    "O": (
        letterform(
            "0.95,2.12,up 0.05,1.1,95 0.68,0,90 1.35,1.15,90 0.72,2.15,90 1.45,1.95,70",
            1.45,
            joins=False,
        ),
    ),
    "P": (
        letterform(
            "0.26,1.95,up 0.1,-0.1,0 0.2,2,-10 1.08,1.6,-110 0.26,0.98,-95", 1.12, joins=False
        ),
    ),
    "R": (
        letterform("0.26,1.95,up 0.1,0,0 0.2,2,-10 1.05,1.62,-110 0.3,1.02,-95 1.2,0.02,30", 1.26),
    ),
    "S": (
        letterform(
            "1,1.8,up 0.65,2.2,110 0.35,1.6,100 0.85,0.65,-50 0.45,0,-110 -0.15,0.35,-80",
            1.1,
            joins=False,
        ),
        letterform(
            "0,0.05,up 0.85,1.85,35 0.58,2.2,140 0.8,0.75,-10"
            " 0.35,0.05,-110 0,0.35,-110 1.15,0.15,-70",
            1.15,
        ),
    ),
    "T": (
        letterform(
            "0,1.95,up 1.4,2.2,-20 0.74,2.08,up 0.58,0.1,-6 0.2,0.1,-110", 1.15, joins=False
        ),
    ),
    "V": (letterform("0,2,up 0.5,0,-10 1.1,2.25,10 1.4,2.15,-50", 1.15, joins=False),),
    "W": (letterform("0,2.05,up 0.42,0,8 0.88,1.7,-5 1.18,0,8 1.75,2.25,14", 1.7, joins=False),),
    "Y": (
        letterform("0,2.1,up 0.42,1,60 1.1,2.15,50 0.82,-0.75,-10 0.42,-1,-120 1.25,0.1,-40", 1.2),
    ),
    "Z": (letterform("0.05,1.95,up 1.15,2.15,-15 0.02,0.08,8 1.25,0.05,-20", 1.3),),
}
"""Capitals; some have more than one form."""
