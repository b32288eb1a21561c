"""Synthetic signers: a style, dynamics, and the plan of a signature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigvault.domain.population import Population
from sigvault.synthesis.composition import Composer
from sigvault.synthesis.habits import Habits, draw_habits, draw_steadiness, draw_varied_dynamics
from sigvault.synthesis.letterforms import Target
from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.names import signature_words
from sigvault.synthesis.plan import MOST_BEND, ActionPlan
from sigvault.synthesis.scripts import Script, adapt_style, compose, draw_script, draw_words
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.style import Dynamics, Style, draw_dynamics, draw_style


@dataclass(frozen=True, eq=False)
class SyntheticSigner:
    """A hand and its signature.

    Attributes:
        seed: the seed of the population.
        number: the signer's number in it, from 1.
        words: the pseudo-words that the signature is an elaboration of, as the script notes them.
        style: how the hand shapes its writing.
        dynamics: how the hand moves.
        plan: the learned target points, slanted and in millimetres.
        variation: factor on the variation from one signature to the next; 1 is usual.
        script: what the writing resembles.
        habits: how a signer of the varied population varies over time; None in the demonstration.
    """

    seed: int
    number: int
    words: tuple[str, ...]
    style: Style
    dynamics: Dynamics
    plan: ActionPlan
    variation: float
    script: Script
    habits: Habits | None

    @property
    def name(self) -> str:
        """The words in a row."""
        return " ".join(self.words)

    @property
    def population(self) -> Population:
        """The population the signer is of."""
        return Population.DEMONSTRATION if self.habits is None else Population.VARIED


def generate_signer(
    seed: int, number: int, population: Population = Population.DEMONSTRATION
) -> SyntheticSigner:
    """Make the signer with this number of the population with this seed.

    Args:
        seed: of the population, >= 0.
        number: of the signer, from 1.
        population: which signers there are.

    Returns:
        The same signer for the same arguments.
    """
    if population is Population.VARIED:
        return _varied_signer(seed, number)
    rng = stream(seed, number, Purpose.SIGNER)
    style = draw_style(rng)
    dynamics = draw_dynamics(rng)
    words = signature_words(rng)
    targets = Composer(style, rng).signature(words)
    return SyntheticSigner(
        seed=seed,
        number=number,
        words=tuple(words),
        style=style,
        dynamics=dynamics,
        plan=to_plan(targets, style),
        variation=float(np.exp(rng.normal(0, 0.25))),
        script=Script.LATIN,
        habits=None,
    )


def _varied_signer(seed: int, number: int) -> SyntheticSigner:
    """A signer of the varied population: a script and habits of varying on top."""
    rng = stream(seed, number, Purpose.VARIED_SIGNER)
    script = draw_script(rng)
    style = adapt_style(draw_style(rng), script)
    dynamics = draw_varied_dynamics(rng)
    words = draw_words(script, rng)
    return SyntheticSigner(
        seed=seed,
        number=number,
        words=words,
        style=style,
        dynamics=dynamics,
        plan=to_plan(compose(script, words, style, rng), style),
        variation=draw_steadiness(rng),
        script=script,
        habits=draw_habits(rng),
    )


def to_plan(targets: list[Target], style: Style) -> ActionPlan:
    """Slant, scale and turn the points; the first lift is where the movement starts.

    Args:
        targets: upright, in small-letter heights.
        style: the hand's.

    Returns:
        The plan, in millimetres.
    """
    points: Floats = np.array([(x * style.width, y) for x, y, _ in targets], dtype=np.float64)
    points[:, 0] += np.tan(style.slant) * points[:, 1]
    # Hands write short names large and long names small, though less so than they might.
    points *= style.letter_height * (9.0 / max(np.ptp(points[:, 0]), 3.0)) ** 0.4
    cos, sin = np.cos(style.baseline), np.sin(style.baseline)
    points = points @ np.array([[cos, sin], [-sin, cos]])
    bends = np.array([0.0 if bend is None else np.radians(bend) for _, _, bend in targets[1:]])
    down = np.array([bend is not None for _, _, bend in targets[1:]])
    return ActionPlan(points, np.clip(bends, -MOST_BEND, MOST_BEND), down, np.zeros(len(bends)))
