"""Arabic-like signatures: a connected body along a baseline from right to left, and dots.

The forms were drawn for this package after the kinds of stroke that Arabic and Persian hands use:
teeth, bowls, loops, ascenders, tails below the line, and dots in ones, twos and threes. They
stand for no particular word. A form starts where the one before it ended, at x = 0 on the
baseline, and advances to the left by its width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from sigvault.synthesis.deformation import deform
from sigvault.synthesis.flourish import draw_paraph, flourish
from sigvault.synthesis.letterforms import LIFT, Letterform, Target, letterform
from sigvault.synthesis.style import Style

JOINING: Final[dict[str, Letterform]] = {
    "t": letterform("-0.2,0.62,-50 -0.4,0.02,25", 0.45),
    "s": letterform(
        "-0.2,0.5,-50 -0.35,0.05,25 -0.52,0.5,-60 -0.68,0.05,25 -0.88,0.5,-60 -1.05,0,25",
        1.1,
    ),
    "l": letterform("-0.4,2.2,-70 -0.5,0.2,8 -0.85,0,-50", 0.85),
    "h": letterform("-0.15,0.8,-40 -0.55,0.75,40 -0.35,0.6,-30 -1.0,0,-20", 1.05),
    "o": letterform("-0.85,0.05,0 -0.55,0.55,-110 -0.15,0.5,-60 -0.2,0.05,-90 -1.15,0,0", 1.2),
    "m": letterform("-0.3,-0.3,60 -0.5,0.1,-140 -0.2,0.25,-110 -0.75,0,-60", 0.75),
    "f": letterform("-0.45,0.3,-50 -0.25,0.8,-110 -0.05,0.4,-110 -0.7,0,-60", 0.7),
    "a": letterform("-0.6,0.5,-40 -0.2,0.6,-150 -0.75,0,-40", 0.75),
    "k": letterform(
        "-0.2,1.3,-60 -0.75,1.0,110 -0.35,0.9,-20 -0.9,0,-70",
        0.95,
        later="-0.1,2.1,up -0.85,1.35,10",
    ),
    "-": letterform("-0.9,0.02,-10", 0.9),
}
"""Forms that join the next one."""

ENDING: Final[dict[str, Letterform]] = {
    "A": letterform("-0.3,0.2,-30 -0.42,2.2,-45", 0.6, joins=False),
    "B": letterform("-0.1,0.5,-60 -0.45,-0.05,70 -1.5,-0.1,-25 -1.85,0.5,-55", 1.95, joins=False),
    "N": letterform(
        "-0.1,0.45,-60 -0.35,-0.45,20 -0.95,-0.75,-70 -1.45,0.35,-70",
        1.5,
        joins=False,
    ),
    "R": letterform("-0.15,0.4,-50 -0.35,-0.25,10 -0.95,-0.75,-30", 0.7, joins=False),
    "W": letterform(
        "-0.4,0.35,-50 -0.15,0.7,-110 -0.1,0.2,-100 -0.4,-0.4,-20 -0.95,-0.75,-40",
        0.75,
        joins=False,
    ),
    "D": letterform("-0.05,0.85,-60 -0.2,0.2,120 -0.75,0.02,-70", 0.8, joins=False),
    "Y": letterform(
        "-0.3,0.4,-50 -0.2,0.05,120 -0.3,-0.5,-60 -1.0,-0.75,-60 -1.5,-0.25,-60",
        1.4,
        joins=False,
    ),
    "J": letterform(
        "-0.1,0.75,-50 -0.7,0.7,30 -1.0,-0.2,60 -0.7,-1.15,60 -0.1,-0.9,60",
        1.05,
        joins=False,
    ),
    "H": letterform("-0.3,0.6,-60 -0.6,0.2,100 -0.2,0.05,110", 0.65, joins=False),
}
"""Forms after which the hand lifts."""

_DOTTED: Final = "tsfoBNJ"
"""Forms that may carry dots."""

_DOTS: Final = ((0.0, 0.0), (-0.28, 0.02), (-0.14, 0.26))


def arabic_like_words(rng: np.random.Generator) -> tuple[str, ...]:
    """One to three words of one to three connected pieces; a digit counts the dots before it."""
    words = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.55, 0.35, 0.1]))):
        pieces = (_piece(rng) for _ in range(int(rng.integers(1, 4))))
        words.append("".join(pieces))
    return tuple(words)


def _piece(rng: np.random.Generator) -> str:
    joining = sorted(set(JOINING) - {"-"})
    letters = [*rng.choice(joining, int(rng.integers(0, 3))), str(rng.choice(sorted(ENDING)))]
    dots = ("", "", "1", "2", "3", "6", "7")
    return "".join(f"{letter}{rng.choice(dots) if letter in _DOTTED else ''}" for letter in letters)


class _Hand:
    """Writes pieces from right to left, and the dots when a word is done."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self._style = style
        self._rng = rng
        self._x = 0.0
        self._lift = True
        self._own: dict[str, Letterform] = {}
        self._later: list[Target] = []
        self.targets: list[Target] = []

    def word(self, word: str, stretched: float) -> None:
        for place, letter in enumerate(word):
            if letter.isdigit():
                self._dots(int(letter))
                continue
            last = place + 1 >= len(word.rstrip("0123456789"))
            self._letter(letter, 1.0 + stretched * last)
            if letter in JOINING and self._rng.random() < 0.12 * (1 + stretched):
                self._letter("-", 0.5 + stretched)
        self.targets += self._later
        self._later = []
        self._x -= 0.3 + 1.2 * self._style.spacing

    def _letter(self, letter: str, wide: float) -> None:
        form = self._form(letter)
        style = self._style
        if self._lift:
            self.targets.append((self._x + 0.1, 0.35, LIFT))
        for x, y, bend in form.targets:
            tall = style.extenders if y > 1.25 or y < -0.25 else 1.0
            self.targets.append((self._x + x * wide, y * tall, bend))
        self._later += [(self._x + x, y * style.extenders, bend) for x, y, bend in form.later]
        # After an ending the next piece starts above its tail, so pieces overlap.
        overlap = 1.0 if form.joins else self._rng.uniform(0.55, 0.95)
        self._x -= form.width * wide * overlap
        self._lift = not form.joins

    def _dots(self, dots: int) -> None:
        """1 to 3 dots above, 6 and 7 stand for one and two below; quick hands draw a dash."""
        above, count = dots < 5, dots if dots < 5 else dots - 5
        x = self._x + self._rng.uniform(0.35, 0.7)
        y = self._rng.uniform(1.0, 1.4) if above else self._rng.uniform(-0.85, -0.55)
        if count > 1 and self._rng.random() < 1 - self._style.legibility:
            self._later += [(x, y, LIFT), (x - 0.3, y + 0.03, -20)]
            return
        for right, up in _DOTS[:count]:
            self._later += [(x + right, y + up, LIFT), (x + right - 0.05, y + up - 0.06, 0.0)]

    def _form(self, letter: str) -> Letterform:
        if letter not in self._own:
            form = JOINING.get(letter) or ENDING[letter]
            self._own[letter] = deform(form, replace(self._style, roundness=1.0), self._rng)
        return self._own[letter]


def compose_arabic_like(
    words: tuple[str, ...], style: Style, rng: np.random.Generator
) -> list[Target]:
    """The targets of a signature written from right to left.

    Args:
        words: as ``arabic_like_words`` gives them.
        style: the hand's; the less legible, the more it stretches what joins and ends a word.
        rng: where the hand's own forms and habits come from.

    Returns:
        Upright targets in small-letter heights, the first entered with a lift.
    """
    hand = _Hand(style, rng)
    stretched = (1 - style.legibility) * rng.uniform(0.0, 1.2)
    for word in words:
        hand.word(word, stretched)
    left = min(x for x, _, _ in hand.targets)
    paraph = flourish(draw_paraph(rng), -left, rng)
    mirrored = [(-x, y, None if bend is None else -bend) for x, y, bend in paraph]
    return hand.targets + mirrored
