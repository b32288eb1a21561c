"""The scripts that signers write, and their signatures as target points."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np

from sigvault.synthesis.arabic_like import arabic_like_words, compose_arabic_like
from sigvault.synthesis.chinese_like import chinese_like_words, compose_chinese_like
from sigvault.synthesis.composition import Composer
from sigvault.synthesis.indic_like import compose_indic_like, indic_like_words
from sigvault.synthesis.letterforms import Target
from sigvault.synthesis.names import signature_words
from sigvault.synthesis.style import Style


class Script(StrEnum):
    """What a signer's writing resembles."""

    LATIN = "latin"
    CHINESE_LIKE = "chinese_like"
    ARABIC_LIKE = "arabic_like"
    INDIC_LIKE = "indic_like"


SHARES: Final = {
    Script.LATIN: 0.4,
    Script.CHINESE_LIKE: 0.2,
    Script.ARABIC_LIKE: 0.2,
    Script.INDIC_LIKE: 0.2,
}
"""Share of the varied population that writes each."""

_SLANT: Final = {
    Script.LATIN: (1.0, 0.0),
    Script.CHINESE_LIKE: (0.35, 0.0),
    Script.ARABIC_LIKE: (0.5, -0.05),
    Script.INDIC_LIKE: (0.5, 0.0),
}
"""Factor on the usual slant, and radians added to it."""

_TALLER: Final = 1.35
"""Factor on capitals and extenders that brings width and path, in heights, near recordings'."""

_ONE_WORD: Final = 0.5
"""Share of the Latin names of which the last word alone is written, for the same reason."""

_LEGIBLE: Final = 0.5
"""Factor on the usual legibility, for the same reason."""


def draw_script(rng: np.random.Generator) -> Script:
    """Draw the script of a signer."""
    return list(SHARES)[int(rng.choice(len(SHARES), p=list(SHARES.values())))]


def draw_words(script: Script, rng: np.random.Generator) -> tuple[str, ...]:
    """What a signer signs with, in the notation of the script's module."""
    if script is Script.CHINESE_LIKE:
        return chinese_like_words(rng)
    if script is Script.ARABIC_LIKE:
        return arabic_like_words(rng)
    if script is Script.INDIC_LIKE:
        return indic_like_words(rng)
    words = signature_words(rng)
    return tuple(words[-1:] if rng.random() < _ONE_WORD else words)


def adapt_style(style: Style, script: Script) -> Style:
    """The style of a hand of the varied population: most that write no Latin lean less."""
    factor, added = _SLANT[script]
    return replace(
        style,
        slant=factor * style.slant + added,
        capitals=_TALLER * style.capitals,
        extenders=_TALLER * style.extenders,
        legibility=_LEGIBLE * style.legibility,
    )


def compose(
    script: Script, words: tuple[str, ...], style: Style, rng: np.random.Generator
) -> list[Target]:
    """Write words in a hand's own forms.

    Args:
        script: which forms.
        words: as ``draw_words`` gives them for this script.
        style: the hand's.
        rng: where its own forms and habits come from.

    Returns:
        Upright targets in small-letter heights, the first entered with a lift.
    """
    if script is Script.CHINESE_LIKE:
        return compose_chinese_like(words, style, rng)
    if script is Script.ARABIC_LIKE:
        return compose_arabic_like(words, style, rng)
    if script is Script.INDIC_LIKE:
        return compose_indic_like(words, style, rng)
    return Composer(style, rng).signature(list(words))
