"""Chinese-like signatures: square characters of horizontal, vertical, falling and hooked strokes.

A character is one to three components in a square. The components were drawn for this package;
they have the strokes of Chinese characters and their order (left before right, above before
below), and stand for no particular word. Hands that join write running script: the pen stays on
the paper between most strokes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sigvault.synthesis.deformation import deform
from sigvault.synthesis.letterforms import LIFT, Letterform, Target, letterform
from sigvault.synthesis.style import Style

SIDE: Final = 3.1
"""Side of a character's square, in small-letter heights."""

Box = tuple[float, float, float, float]
"""Left, bottom, right and top of a component, in shares of the square."""

COMPONENTS: Final[dict[str, Letterform]] = {
    "a": letterform(
        "0.1,0.9,up 0.12,0.1,0 0.1,0.88,up 0.88,0.9,0 0.82,0.12,0 0.12,0.1,up 0.8,0.12,0",
        1,
    ),
    "b": letterform(
        "0.1,0.7,up 0.9,0.76,-6 0.5,1,up 0.5,0,0 0.5,0.7,up 0.05,0.15,-25 0.52,0.68,up "
        "0.95,0.12,25",
        1,
    ),
    "c": letterform("0.5,1,up 0.05,0.45,-25 0.38,0.68,up 0.38,0,0", 0.6),
    "d": letterform("0.2,0.9,up 0.35,0.8,0 0.1,0.6,up 0.28,0.5,0 0.1,0.05,up 0.4,0.35,20", 0.5),
    "e": letterform(
        "0.5,1,up 0.5,0.1,0 0.1,0.65,up 0.12,0.1,0 0.85,0.12,-5 0.9,0.7,up 0.88,0.05,0",
        1,
    ),
    "f": letterform(
        "0.08,0.62,up 0.92,0.68,-6 0.5,1,up 0.42,0.5,-15 0.05,0,-25 0.5,0.6,up 0.95,0,25",
        1,
    ),
    "g": letterform(
        "0.1,0.92,up 0.12,0.05,0 0.1,0.92,up 0.85,0.94,0 0.85,0.05,0 0.14,0.5,up "
        "0.8,0.52,0 0.12,0.08,up 0.82,0.08,0",
        0.9,
    ),
    "h": letterform(
        "0.1,0.9,up 0.9,0.93,-5 0.18,0.5,up 0.82,0.53,-5 0.5,0.9,up 0.5,0.08,0 "
        "0.02,0.05,up 0.98,0.1,-6",
        1,
    ),
    "i": letterform(
        "0.1,0.72,up 0.75,0.78,-5 0.48,1,up 0.48,0.05,0 0.28,0.15,-110 0.1,0.3,up 0.78,0.5,10",
        0.7,
    ),
    "j": letterform("0.05,0.7,up 0.95,0.75,-6 0.3,1,up 0.32,0.5,0 0.7,1,up 0.66,0.5,0", 1),
    "k": letterform(
        "0.5,1,up 0.56,0.8,0 0.08,0.75,up 0.1,0.5,-10 0.12,0.72,up 0.92,0.74,0 0.82,0.5,-40",
        1,
    ),
    "l": letterform(
        "0.08,0.55,up 0.2,0.2,0 0.3,0.7,up 0.45,0.1,70 0.85,0.2,60 0.85,0.45,60 "
        "0.5,0.85,up 0.6,0.65,0 0.85,0.8,up 0.98,0.55,0",
        1,
    ),
    "m": letterform("0.35,0.95,up 0.05,0.05,-30 0.6,0.98,up 0.98,0.08,30", 1),
    "n": letterform(
        "0.1,0.85,up 0.85,0.9,-5 0.72,0.1,-10 0.55,0.2,-110 0.45,0.88,up 0.05,0.05,-25",
        1,
    ),
    "o": letterform(
        "0.45,1,up 0.2,0.45,-10 0.8,0.1,40 0.75,0.75,up 0.1,0,-30 0.02,0.55,up 0.98,0.6,-5",
        1,
    ),
    "p": letterform(
        "0.2,0.95,up 0.32,0.82,0 0.05,0.6,up 0.35,0.62,0 0.28,0.25,-10 0.06,0.05,-20 1,0.08,30",
        1,
    ),
    "q": letterform(
        "0.1,0.98,up 0.9,1,-5 0.25,0.72,up 0.75,0.74,0 0.2,0.5,up 0.24,0.15,0 "
        "0.22,0.48,up 0.8,0.5,0 0.74,0.15,0 0.25,0.17,up 0.74,0.17,0",
        1,
    ),
    "r": letterform(
        "0.4,1,up 0.1,0.68,-10 0.6,0.62,0 0.15,0.3,0 0.75,0.35,10 0.42,0.32,up 0.42,0,0 "
        "0.2,0.2,up 0.05,0.02,0 0.65,0.2,up 0.85,0.05,0",
        0.8,
    ),
    "s": letterform(
        "0.3,1,up 0.08,0.6,-20 0.2,0.72,up 0.85,0.76,0 0.5,0.72,up 0.5,0,0 0.1,0.4,up 0.92,0.44,-4",
        1,
    ),
    "t": letterform(
        "0.05,0.75,up 0.8,0.8,0 0.4,0.35,-20 0.45,1,up 0.62,0.3,20 0.98,0.05,40 "
        "0.98,0.25,80 0.85,0.98,up 0.95,0.85,0",
        1,
    ),
}
"""Components in a unit square, y upwards."""

_ARRANGEMENTS: Final[dict[str, tuple[Box, ...]]] = {
    "whole": ((0.08, 0.0, 0.92, 1.0),),
    "beside": ((0.0, 0.05, 0.38, 0.95), (0.42, 0.0, 1.0, 1.0)),
    "above": ((0.08, 0.55, 0.92, 1.0), (0.0, 0.0, 1.0, 0.52)),
    "three": ((0.0, 0.02, 0.34, 0.98), (0.4, 0.55, 1.0, 1.0), (0.4, 0.0, 1.0, 0.5)),
}
_SHARES: Final = (0.25, 0.4, 0.2, 0.15)


def chinese_like_words(rng: np.random.Generator) -> tuple[str, ...]:
    """Two to four characters, each its arrangement and its components: ``beside:cg``."""
    count = int(rng.choice([2, 3, 4], p=[0.3, 0.6, 0.1]))
    arrangements = list(_ARRANGEMENTS)
    words = []
    for _ in range(count):
        arrangement = arrangements[int(rng.choice(len(arrangements), p=_SHARES))]
        parts = rng.choice(sorted(COMPONENTS), len(_ARRANGEMENTS[arrangement]))
        words.append(f"{arrangement}:{''.join(parts)}")
    return tuple(words)


def compose_chinese_like(
    words: tuple[str, ...], style: Style, rng: np.random.Generator
) -> list[Target]:
    """The targets of a signature of square characters.

    Args:
        words: as ``chinese_like_words`` gives them.
        style: the hand's; ``connected`` and ``legibility`` say how much is joined.
        rng: where the hand's own forms and habits come from.

    Returns:
        Upright targets in small-letter heights, the first entered with a lift.
    """
    downwards = rng.random() < 0.15
    joined = style.connected * (1 - style.legibility) ** 0.5
    advance = SIDE * rng.uniform(0.72, 1.08)
    sway = rng.uniform(0.0, 0.25)
    targets: list[Target] = []
    for place, word in enumerate(words):
        size = SIDE * float(np.exp(rng.normal(0.0 if place else 0.12, 0.12)))
        x = rng.normal(0, sway) if downwards else place * advance
        y = -place * advance if downwards else rng.normal(0, sway)
        character = _character(word, style, rng)
        whole = [(x + size * a, y + size * b, bend) for a, b, bend in character]
        targets += _joined(whole, joined, style.roundness, rng)
    if rng.random() < 0.2:
        x, y, _ = targets[-1]
        targets.append((x + rng.uniform(0.5, 2.0), y - rng.uniform(0.3, 2.0), rng.uniform(-40, 40)))
    return targets


def _character(word: str, style: Style, rng: np.random.Generator) -> list[Target]:
    """One character in a unit square, in the hand's own proportions."""
    arrangement, parts = word.split(":")
    targets: list[Target] = []
    for part, box in zip(parts, _ARRANGEMENTS[arrangement], strict=True):
        left, bottom, right, top = np.array(box) + rng.normal(0, 0.3 * style.own_shape, 4)
        form = deform(COMPONENTS[part], style, rng)
        targets += [
            (left + x / COMPONENTS[part].width * (right - left), bottom + y * (top - bottom), bend)
            for x, y, bend in form.targets
        ]
    return targets


def _joined(
    targets: list[Target], share: float, roundness: float, rng: np.random.Generator
) -> list[Target]:
    """Leave out lifts within a character, as running script does."""
    return [
        (x, y, roundness * rng.uniform(-45, 25))
        if place and bend is LIFT and rng.random() < share
        else (x, y, bend)
        for place, (x, y, bend) in enumerate(targets)
    ]
