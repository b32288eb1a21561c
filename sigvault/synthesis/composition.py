"""Composition: from a pseudo-name to the target points of a signature."""

from __future__ import annotations

import numpy as np

from sigvault.synthesis.deformation import deform
from sigvault.synthesis.flourish import draw_paraph, flourish
from sigvault.synthesis.letterforms import CAPITALS, LIFT, SMALL, Letterform, Target
from sigvault.synthesis.style import Style

_ALIKE = frozenset("acenimorsuvwxz")
"""Letters that a hurried hand writes alike."""

_PLAIN = ("u", "n", "i", "e", "r", "m", "l")
"""What it writes in their place."""


class Composer:
    """Writes words as target points in small-letter heights, in one hand's own letterforms."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        """Take up a hand.

        Args:
            style: how it shapes its writing.
            rng: where its own forms and habits come from.
        """
        self._style = style
        self._rng = rng
        self._own: dict[str, Letterform] = {}
        self._points: list[Target] = []
        self._x = 0.0
        self._joined = False

    def signature(self, words: list[str]) -> list[Target]:
        """Every target of the signature, the first entered with a lift.

        Args:
            words: each a capital and small letters, or a capital alone.

        Returns:
            Upright, unslanted targets on a level baseline, in small-letter heights.
        """
        stacked = len(words) > 1 and self._rng.random() < self._style.stacking
        first = 0
        for place, word in enumerate(words):
            if stacked and place == len(words) - 1:
                first = len(self._points)
                self._x = self._rng.uniform(0.5, 1.5)
            self._word(word)
            self._x += 0.35 + 1.5 * self._style.spacing
        self._points += flourish(draw_paraph(self._rng), self._x - 0.5, self._rng)
        drop = 2.6 if stacked else 0.0
        lower = [(x, y - drop, bend) for x, y, bend in self._points[first:]]
        return self._points[:first] + lower

    def _word(self, word: str) -> None:
        later: list[Target] = []
        self._capital(word[0])
        letters = self._abbreviate(word[1:])
        for place, letter in enumerate(letters):
            form = self._form(letter)
            decay = (1 - self._style.legibility) * (place + 1) / (len(letters) + 0.5)
            start = self._x
            self._letter(form, decay)
            if decay < 0.3:
                later += [(start + x, y, bend) for x, y, bend in form.later]
        self._points += later

    def _abbreviate(self, letters: str) -> list[str]:
        """Letters as the hand writes them: the less legible, the fewer, and the more alike."""
        style, rng = self._style, self._rng
        written = []
        for place, letter in enumerate(letters):
            loss = (1 - style.legibility) * (0.35 + 0.65 * place / max(1, len(letters) - 1))
            if rng.random() < 0.35 * loss:
                continue
            blurred = letter in _ALIKE and rng.random() < loss
            written.append(str(rng.choice(_PLAIN)) if blurred else letter)
        return written

    def _capital(self, letter: str) -> None:
        forms = CAPITALS[letter]
        form = deform(forms[int(self._rng.integers(len(forms)))], self._style, self._rng)
        scale = self._style.capitals
        self._points += [(self._x + x * scale, y * scale, bend) for x, y, bend in form.targets]
        self._x += form.width * scale + 0.4 * self._style.spacing
        self._joined = form.joins and self._rng.random() < self._style.connected

    def _letter(self, form: Letterform, decay: float) -> None:
        """Write a small letter; decaying ones get lower, wider and lose their extenders."""
        style, rng = self._style, self._rng
        low, wide = 1 - 0.75 * decay, 1 + 0.35 * decay
        if not self._joined:
            self._points.append((self._x - 0.12, 0.15 * low, LIFT))
        for x, y, bend in form.targets:
            extends = y > 1.25 or y < -0.25
            if extends and decay > 0.35 and rng.random() < 0.35:
                continue
            tall = style.extenders * (1 - 0.35 * decay) if extends else low
            self._points.append((self._x + x * wide, y * tall, bend))
        self._x += form.width * wide + style.spacing
        self._joined = form.joins and rng.random() < style.connected

    def _form(self, letter: str) -> Letterform:
        if letter not in self._own:
            self._own[letter] = deform(SMALL[letter], self._style, self._rng)
        return self._own[letter]
