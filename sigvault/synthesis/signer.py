"""Synthetic signers: a style, dynamics, and the plan of a signature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from sigvault.synthesis.letterforms import CAPITALS, LIFT, SMALL, Letterform, Target
from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.names import pseudo_name
from sigvault.synthesis.plan import ActionPlan
from sigvault.synthesis.style import Dynamics, Style, draw_dynamics, draw_style


class Purpose(IntEnum):
    """What a stream of random numbers is for; keeps the streams apart."""

    SIGNER = 0
    GENUINE = 1
    FORGER = 2
    FORGED = 3
    GENUINE_SCAN = 4
    FORGED_SCAN = 5


def stream(seed: int, signer: int, purpose: Purpose, number: int = 0) -> np.random.Generator:
    """The random numbers of one thing, independent of how many other things are made."""
    key = (signer, int(purpose), number)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True, eq=False)
class SyntheticSigner:
    """A hand and its signature.

    Attributes:
        seed: the seed of the population.
        number: the signer's number in it, from 1.
        name: the pseudo-name that the signature is an elaboration of.
        style: how the hand shapes its writing.
        dynamics: how the hand moves.
        plan: the learned target points, slanted and in millimetres.
        stability: factor on the variation from one signature to the next; 1 is usual.
    """

    seed: int
    number: int
    name: str
    style: Style
    dynamics: Dynamics
    plan: ActionPlan
    stability: float


def generate_signer(seed: int, number: int) -> SyntheticSigner:
    """Make the signer with this number of the population with this seed.

    Args:
        seed: of the population, >= 0.
        number: of the signer, from 1.

    Returns:
        The same signer for the same arguments.
    """
    rng = stream(seed, number, Purpose.SIGNER)
    style = draw_style(rng)
    dynamics = draw_dynamics(rng)
    words = _draw_words(rng, style)
    targets = _Composer(style, rng).signature(words)
    return SyntheticSigner(
        seed=seed,
        number=number,
        name=" ".join(words),
        style=style,
        dynamics=dynamics,
        plan=_to_plan(targets, style),
        stability=float(np.exp(rng.normal(0, 0.25))),
    )


def _draw_words(rng: np.random.Generator, style: Style) -> list[str]:
    kind = rng.choice(["first last", "initial last", "initials last", "last", "first"], p=[0.3, 0.3, 0.12, 0.18, 0.1])
    first = pseudo_name(rng, int(rng.integers(1, 3)))
    last = pseudo_name(rng, int(rng.integers(2, 4)))
    if kind == "first last":
        return [first, last]
    if kind == "initial last":
        return [first[0], last]
    if kind == "initials last":
        return [first[0], pseudo_name(rng, 1)[0], last]
    return [last] if kind == "last" else [first + last[1:3].lower()]


class _Composer:
    """Writes words as target points in small-letter heights, with one hand's own letterforms."""

    def __init__(self, style: Style, rng: np.random.Generator) -> None:
        self._style = style
        self._rng = rng
        self._own: dict[str, Letterform] = {}
        self._points: list[Target] = []
        self._x = 0.0
        self._joined = False

    def signature(self, words: list[str]) -> list[Target]:
        """Every target of the signature, the first entered with a lift."""
        for word in words:
            self._word(word)
            self._x += 0.5 + self._style.spacing
        self._paraph(self._x - 0.5)
        return self._points

    def _word(self, word: str) -> None:
        later: list[Target] = []
        self._joined = False
        self._capital(word[0])
        letters = self._abbreviate(word[1:])
        for place, letter in enumerate(letters):
            form = self._form(letter)
            decay = (1 - self._style.legibility) * (place + 1) / (len(letters) + 1)
            self._letter(form, height=1 - 0.7 * decay, width=1 - 0.25 * decay, plain=decay > 0.35)
            if decay < 0.3:
                shift = self._x - form.width - self._style.spacing
                later += [(x + shift, y, bend) for x, y, bend in form.later]
        self._points += later

    def _abbreviate(self, letters: str) -> list[str]:
        """Letters as the hand writes them: the less legible, the fewer, and the more alike."""
        style, rng = self._style, self._rng
        written = []
        for place, letter in enumerate(letters):
            loss = (1 - style.legibility) * (0.35 + 0.65 * place / max(1, len(letters) - 1))
            if rng.random() < 0.45 * loss:
                continue
            blurred = rng.random() < loss and letter in "acenimorsuvwxz"
            written.append(str(rng.choice(["u", "n", "i", "e", "r"])) if blurred else letter)
        return written

    def _capital(self, letter: str) -> None:
        forms = CAPITALS[letter]
        form = self._deform(forms[int(self._rng.integers(len(forms)))])
        scale = self._style.capitals
        for x, y, bend in form.targets:
            self._points.append((self._x + x * scale, y * scale, bend))
        self._x += form.width * scale + 0.5 * self._style.spacing
        self._joined = form.joins and self._rng.random() < self._style.connected

    def _letter(self, form: Letterform, height: float, width: float, *, plain: bool) -> None:
        style = self._style
        if not self._joined:
            self._points.append((self._x - 0.12, 0.15 * height, LIFT))
        for x, y, bend in form.targets:
            if plain and (y > 1.3 or y < -0.3) and self._rng.random() < 0.3:
                continue
            far = style.extenders if y > 1.2 or y < -0.2 else 1.0
            tall = height if -0.2 <= y <= 1.2 else (1 + height) / 2
            self._points.append((self._x + x * width, y * tall * far, bend))
        self._x += form.width * width + style.spacing
        self._joined = form.joins and self._rng.random() < style.connected

    def _form(self, letter: str) -> Letterform:
        if letter not in self._own:
            self._own[letter] = self._deform(SMALL[letter])
        return self._own[letter]

    def _deform(self, form: Letterform) -> Letterform:
        """The hand's own version of a letter."""
        rng, spread = self._rng, self._style.own_shape
        wide = float(np.exp(rng.normal(0, 1.5 * spread)))
        tall = float(np.exp(rng.normal(0, spread)))
        targets: list[Target] = []
        for x, y, bend in form.targets:
            own = None if bend is None else bend * self._style.roundness * float(np.exp(rng.normal(0, 2 * spread)))
            targets.append((x * wide + rng.normal(0, spread), y * tall + rng.normal(0, spread), own))
        return replace(form, targets=tuple(targets), width=form.width * wide)

    def _paraph(self, end: float) -> None:
        """The flourish that many signatures end with."""
        rng = self._rng
        kind = str(rng.choice(["none", "tail", "underline", "zigzag", "loop", "strike"], p=[0.3, 0.22, 0.2, 0.1, 0.1, 0.08]))
        left = rng.uniform(-0.1, 0.35) * end
        depth = -rng.uniform(0.7, 1.6)
        rise = rng.uniform(0.0, 0.12) * end
        right = end * rng.uniform(0.85, 1.15)
        if kind == "tail":
            self._points.append((end + rng.uniform(1, 3.5), rng.uniform(-0.5, 1.0), rng.uniform(-40, 40)))
        elif kind == "underline":
            if rng.random() < 0.5:
                self._points.append((left, depth, LIFT))
            else:
                self._points += [(end + 0.6, 0.3, 50), (left, depth, rng.uniform(-80, -30))]
            self._points.append((right, depth + rise, rng.uniform(-20, 20)))
        elif kind == "zigzag":
            self._points += [
                (end + 0.5, depth * 0.4, -90),
                (left, depth, -25),
                (right, depth + rise, 30),
                (left + 0.3 * end, depth - 0.6, -40),
                (right + 0.6, depth - 0.3, 20),
            ]
        elif kind == "loop":
            self._points += [
                (end + 1.2, 1.2, 90),
                (end * 0.5, 2.6, 60),
                (left - 0.5, 0.4, 90),
                (end * 0.5, depth, 70),
                (right + 1.0, 0.2, 40),
            ]
        elif kind == "strike":
            self._points += [(left, 0.45, LIFT), (right + 0.8, 0.75 + rise, rng.uniform(-15, 15))]


def _to_plan(targets: list[Target], style: Style) -> ActionPlan:
    """Slant, scale and turn the points; the first lift is where the movement starts."""
    points: Floats = np.array([(x * style.width, y) for x, y, _ in targets], dtype=np.float64)
    points[:, 0] += np.tan(style.slant) * points[:, 1]
    cos, sin = np.cos(style.baseline), np.sin(style.baseline)
    points = points @ np.array([[cos, sin], [-sin, cos]]) * style.letter_height
    bends = np.array([0.0 if bend is None else np.radians(bend) for _, _, bend in targets[1:]])
    down = np.array([bend is not None for _, _, bend in targets[1:]])
    return ActionPlan(points, np.clip(bends, -3.4, 3.4), down, np.zeros(len(bends)))
