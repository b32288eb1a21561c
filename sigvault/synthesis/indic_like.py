"""Indic-like signatures: shapes that hang from a headline, with signs above and below.

The forms were drawn for this package after the kinds of stroke of north Indian scripts: a vertical
bar, bowls and loops to its left, hooks, and vowel signs over the headline and under the letters.
They stand for no particular word. The headline lies at ``HEADLINE``; hands draw it at the end of
a word, letter by letter, or not at all.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sigvault.synthesis.deformation import deform
from sigvault.synthesis.flourish import draw_paraph, flourish
from sigvault.synthesis.letterforms import LIFT, Letterform, Target, letterform
from sigvault.synthesis.style import Style

HEADLINE: Final = 1.6
"""Height of the headline over the baseline, in small-letter heights."""

LETTERS: Final[dict[str, Letterform]] = {
    "k": letterform(
        "0.55,1.6,up 0.55,0,0 0.55,1.0,up 0.1,0.85,70 0.15,0.45,100 0.6,0.75,70 "
        "1.0,0.95,-60 0.95,0.35,-120",
        1.2,
    ),
    "g": letterform("0.3,1.6,up 0.3,0.75,0 0.1,0.6,-120 0.1,0.8,-120 0.75,1.6,up 0.75,0,0", 1.0),
    "c": letterform(
        "0.1,1.15,up 0.75,1.15,0 0.2,0.75,up 0.25,0.35,60 0.75,0.6,70 0.78,1.6,up 0.78,0,0",
        1.0,
    ),
    "t": letterform("0.75,1.0,up 0.25,0.95,40 0.15,0.45,60 0.4,0.1,40 0.78,1.6,up 0.78,0,0", 1.0),
    "d": letterform(
        "0.5,1.6,up 0.45,1.2,0 0.1,0.8,50 0.35,0.35,80 0.6,0.65,100 0.35,0.6,100 0.75,0.0,40",
        0.9,
    ),
    "n": letterform("0.75,0.75,up 0.3,0.75,0 0.12,0.6,60 0.25,0.5,120 0.78,1.6,up 0.78,0,0", 1.0),
    "p": letterform("0.15,1.6,up 0.2,0.75,20 0.75,0.7,80 0.78,1.6,up 0.78,0,0", 1.0),
    "m": letterform(
        "0.2,1.6,up 0.22,0.5,0 0.05,0.35,-130 0.15,0.6,-120 0.78,0.55,-10 0.8,1.6,up 0.8,0,0",
        1.0,
    ),
    "r": letterform("0.2,1.6,up 0.6,1.25,-70 0.2,0.85,-70 0.65,0.0,30", 0.8),
    "l": letterform(
        "0.1,0.6,up 0.2,1.05,-60 0.45,0.6,-90 0.7,1.0,100 0.85,0.75,-80 0.9,1.6,up 0.9,0,0",
        1.15,
    ),
    "v": letterform("0.78,1.0,up 0.2,0.9,70 0.25,0.45,100 0.78,0.65,70 0.8,1.6,up 0.8,0,0", 1.0),
    "s": letterform(
        "0.2,1.6,up 0.5,1.25,-70 0.2,0.85,-60 0.5,0.1,25 0.35,0.85,up 0.8,0.85,0 "
        "0.82,1.6,up 0.82,0,0",
        1.05,
    ),
    "h": letterform(
        "0.4,1.6,up 0.35,1.25,0 0.8,1.1,-30 0.3,0.75,-90 0.75,0.45,-90 0.35,0.1,-90 0.6,-0.2,60",
        0.95,
    ),
    "j": letterform("0.1,0.75,up 0.3,0.4,70 0.55,0.85,80 0.78,0.85,-30 0.8,1.6,up 0.8,0,0", 1.0),
}
"""Letters, each entered with a lift."""

SIGNS: Final[dict[str, Letterform]] = {
    "a": letterform("0.25,1.6,up 0.25,0,0", 0.45),
    "i": letterform("0.25,0,up 0.25,1.6,0 -0.1,2.25,60 -0.65,1.7,60", 0.45),
    "e": letterform("-0.15,1.62,up -0.65,2.25,20", 0.08),
    "o": letterform("0.25,1.6,up 0.25,0,0 0.25,1.62,up -0.3,2.25,20", 0.45),
    "u": letterform("-0.2,0,up -0.5,-0.3,-60 -0.15,-0.55,100 0.05,-0.5,40", 0.08),
    "n": letterform("-0.3,2.1,up -0.26,2.05,0", 0.08),
    "r": letterform("-0.4,1.65,up -0.15,2.2,-60 0.0,1.85,-90", 0.1),
}
"""Vowel signs and dots; x = 0 is the right end of the letter they belong to."""


def indic_like_words(rng: np.random.Generator) -> tuple[str, ...]:
    """One or two words of two or three letters; capitals are the signs after a letter."""
    words = []
    for _ in range(int(rng.choice([1, 2], p=[0.65, 0.35]))):
        letters = rng.choice(sorted(LETTERS), int(rng.integers(2, 4)))
        signs = rng.choice(["", *(sign.upper() for sign in sorted(SIGNS))], len(letters))
        words.append(
            "".join(f"{letter}{sign}" for letter, sign in zip(letters, signs, strict=True))
        )
    return tuple(words)


def compose_indic_like(
    words: tuple[str, ...], style: Style, rng: np.random.Generator
) -> list[Target]:
    """The targets of a signature under a headline.

    Args:
        words: as ``indic_like_words`` gives them.
        style: the hand's; the more connected and the less legible, the fewer lifts.
        rng: where the hand's own forms and habits come from.

    Returns:
        Upright targets in small-letter heights, the first entered with a lift.
    """
    joined = 0.8 * style.connected * (1 - style.legibility)
    headed = rng.random() < 0.75
    own: dict[str, Letterform] = {}
    targets: list[Target] = []
    x = 0.0
    for word in words:
        start, written = x, []
        for letter in word:
            if letter not in own:
                form = SIGNS[letter.lower()] if letter.isupper() else LETTERS[letter]
                own[letter] = deform(form, style, rng)
            written += [(x + a, b, bend) for a, b, bend in own[letter].targets]
            x += own[letter].width + (0 if letter.isupper() else 0.4 * style.spacing)
        targets += _joined(written, joined, rng)
        if headed:
            over = rng.uniform(-0.15, 0.15, 2)
            rise = rng.normal(0, 0.06, 2)
            targets += [
                (start - 0.1 + over[0], HEADLINE + rise[0], LIFT),
                (x + 0.1 + over[1], HEADLINE + rise[1], rng.uniform(-12, 6)),
            ]
        x += 0.5 + 1.2 * style.spacing
    return targets + flourish(draw_paraph(rng), x - 0.5, rng)


def _joined(targets: list[Target], share: float, rng: np.random.Generator) -> list[Target]:
    """Leave out lifts within a word, as quick hands do."""
    return [
        (x, y, rng.uniform(-40, 40))
        if place and bend is LIFT and rng.random() < share
        else (x, y, bend)
        for place, (x, y, bend) in enumerate(targets)
    ]
