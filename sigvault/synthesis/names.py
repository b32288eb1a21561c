"""Pseudo-names: pronounceable chains of syllables that name nobody."""

from __future__ import annotations

import numpy as np

from sigvault.synthesis.letterforms import CAPITALS

_ONSETS = ("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z")
_CLUSTERS = ("br", "cl", "dr", "fl", "gr", "st", "tr", "sh", "th", "ll", "nn", "rt", "nd", "ck")
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "i", "ee", "ou", "ia", "y")
_CODAS = ("", "", "n", "r", "s", "l", "t", "m", "d", "h", "x")


def pseudo_name(rng: np.random.Generator, syllables: int) -> str:
    """A capitalised chain of syllables.

    Args:
        rng: where the choices come from.
        syllables: how many, at least 1.

    Returns:
        A word whose letters all have a letterform.
    """
    parts: list[str] = []
    for _ in range(syllables):
        onsets = _CLUSTERS if parts and rng.random() < 0.25 else _ONSETS
        parts.append(str(rng.choice(onsets)) + str(rng.choice(_VOWELS)))
    word = "".join(parts) + str(rng.choice(_CODAS))
    first = str(rng.choice(sorted(CAPITALS)))
    return first + word[0 if first in "AEIOU" else 1 :]


def signature_words(rng: np.random.Generator) -> list[str]:
    """The words that a signer signs with: full names, initials and a name, or one name."""
    first = pseudo_name(rng, int(rng.integers(1, 3)))
    last = pseudo_name(rng, int(rng.integers(2, 4)))
    middle = pseudo_name(rng, 1)
    forms = (
        [first, last],
        [first[0], last],
        [first[0], middle[0], last],
        [last],
        [first, middle[0]],
    )
    return list(forms[int(rng.choice(len(forms), p=[0.34, 0.28, 0.12, 0.16, 0.10]))])
