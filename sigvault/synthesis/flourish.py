"""Paraphs: the flourishes that many signatures end with."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from sigvault.synthesis.letterforms import LIFT, Target


class Paraph(StrEnum):
    """The kinds of flourish."""

    NONE = "none"
    TAIL = "tail"
    DOWNSTROKE = "downstroke"
    UNDERLINE = "underline"
    RETURN = "return"
    ZIGZAG = "zigzag"
    LASSO = "lasso"
    STRIKE = "strike"


_SHARES = {
    Paraph.NONE: 0.34,
    Paraph.TAIL: 0.22,
    Paraph.DOWNSTROKE: 0.06,
    Paraph.UNDERLINE: 0.10,
    Paraph.RETURN: 0.12,
    Paraph.ZIGZAG: 0.06,
    Paraph.LASSO: 0.04,
    Paraph.STRIKE: 0.06,
}
"""Share of the signers who end with each."""


def draw_paraph(rng: np.random.Generator) -> Paraph:
    """Draw the kind of flourish of a signer."""
    shares = list(_SHARES.values())
    return list(_SHARES)[int(rng.choice(len(shares), p=shares))]


def flourish(kind: Paraph, end: float, rng: np.random.Generator) -> list[Target]:
    """The targets of a flourish after a word that ends at ``end``.

    Args:
        kind: which flourish.
        end: right end of the writing, in small-letter heights; it begins at 0.
        rng: where its proportions come from.

    Returns:
        Its targets, none for Paraph.NONE.
    """
    left = rng.uniform(-0.05, 0.45) * end
    right = end * rng.uniform(0.8, 1.12)
    depth = -rng.uniform(0.8, 1.7)
    rise = rng.uniform(0.0, 0.1) * end
    forms: dict[Paraph, list[Target]] = {
        Paraph.NONE: [],
        Paraph.TAIL: [
            (end + rng.uniform(1, 3.5), rng.uniform(-0.6, 1.1), rng.uniform(-50, 50)),
        ],
        Paraph.DOWNSTROKE: [
            (end + 0.5, 1.4, 35),
            (end - rng.uniform(0.2, 1.2), depth - 1.2, rng.uniform(-30, 0)),
        ],
        Paraph.UNDERLINE: [
            (left, depth, LIFT),
            (right, depth + rise, rng.uniform(-20, 20)),
        ],
        Paraph.RETURN: [
            (end + 0.5, 0.2, -30),
            (left, depth, rng.uniform(-60, -20)),
            (left + 0.25, depth - 0.2, rng.uniform(80, 150)),
            (right, depth + rise, rng.uniform(0, 40)),
        ],
        Paraph.ZIGZAG: [
            (end + 0.4, 0.1, -40),
            (left, depth, -25),
            (right, depth + rise, 30),
            (left + 0.35 * end, depth - 0.5, -30),
            (right + 0.8, depth + 0.1, 25),
        ],
        Paraph.LASSO: [
            (end + 1.0, 1.3, 80),
            (end * 0.45, rng.uniform(2.2, 3.0), 50),
            (left - 0.4, 0.6, rng.uniform(60, 100)),
            (end * 0.6, depth, 60),
        ],
        Paraph.STRIKE: [
            (left, 0.35, LIFT),
            (right + 0.8, 0.7 + rise, rng.uniform(-15, 15)),
        ],
    }
    return forms[kind]
