"""Skilled forgeries: another hand that imitates a shape it has seen."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

import numpy as np

from sigvault.domain.population import Population
from sigvault.synthesis.habits import draw_varied_dynamics
from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.plan import MOST_BEND, ActionPlan
from sigvault.synthesis.scripts import adapt_style, compose
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.signer import SyntheticSigner, to_plan
from sigvault.synthesis.specimen import Writing, write
from sigvault.synthesis.style import Dynamics, draw_dynamics, draw_style
from sigvault.synthesis.variation import correlated, perturb

_PRACTISED_DRIFT: Final = 0.09
"""Error of a practised forger that neighbouring targets share, in small-letter heights."""

_PRACTISED_SLIP: Final = 0.03
"""Error of each target of its own, in small-letter heights."""

FORGERIES_PER_FORGER: Final = {Population.DEMONSTRATION: 4, Population.VARIED: 2}
"""How many forgeries of a signature come from one forger before the next takes over."""


class ForgerLevel(StrEnum):
    """What a forger knows.

    ``BLIND``: the words and the script, not how they look; writes them in a hand of their own.
    ``SHAPE_KNOWN``: has the shape in view and draws it. ``PRACTISED``: has learned shape and
    movement until they come nearly as the signer's.
    """

    BLIND = "blind"
    SHAPE_KNOWN = "shape_known"
    PRACTISED = "practised"


LEVELS: Final = (
    ForgerLevel.SHAPE_KNOWN,
    ForgerLevel.PRACTISED,
    ForgerLevel.BLIND,
    ForgerLevel.SHAPE_KNOWN,
)
"""The levels of a varied signer's forgers, in turn; signers begin at different places."""


def forger_number(signer: SyntheticSigner, number: int) -> int:
    """Which of a signer's forgers, from 0, makes forgery ``number`` (from 1)."""
    return (number - 1) // FORGERIES_PER_FORGER[signer.population]


def forger_level(signer: SyntheticSigner, number: int) -> ForgerLevel:
    """The level of whoever makes forgery ``number`` (from 1) of a signer's signature."""
    if signer.population is Population.DEMONSTRATION:
        return ForgerLevel.SHAPE_KNOWN
    return LEVELS[(forger_number(signer, number) + signer.number) % len(LEVELS)]


def write_forged(signer: SyntheticSigner, number: int, level: ForgerLevel | None = None) -> Writing:
    """Skilled forgery number ``number`` (from 1) of a signer's signature.

    A forger who knows the shape knows the written shape, not the movement: it copies the plan's
    targets with errors of proportion, pulls slant, roundness and spacing towards its own habits,
    and draws more than it writes: slower, with more separate strokes, tremor, hesitations and
    extra pen lifts. A blind forger writes the same words fluently in its own hand; a practised one
    errs less, moves nearly as the signer does and doesn't hesitate.

    Args:
        signer: whose signature is imitated.
        number: of the forgery.
        level: of the forger; the one whose turn it is if None.

    Returns:
        The movement; the same for the same arguments.
    """
    forger = stream(signer.seed, signer.number, Purpose.FORGER, forger_number(signer, number))
    rng = stream(signer.seed, signer.number, Purpose.FORGED, number)
    level = level or forger_level(signer, number)
    if level is ForgerLevel.BLIND:
        return _write_blind(signer, forger, rng)
    if level is ForgerLevel.PRACTISED:
        return _write_practised(signer, forger, rng)
    skill = forger.uniform(0.0, 1.0)
    varied = signer.population is Population.VARIED
    own = draw_varied_dynamics(forger) if varied else draw_dynamics(forger)
    dynamics = _drawn(own, skill, forger)
    plan = _imitate(signer, skill, forger)
    return write(_hesitate(perturb(plan, 1.1, rng), skill, rng), dynamics, rng)


def _write_blind(
    signer: SyntheticSigner, forger: np.random.Generator, rng: np.random.Generator
) -> Writing:
    """The signer's words, composed anew in the forger's own style and written fluently."""
    style = adapt_style(draw_style(forger), signer.script)
    dynamics = draw_varied_dynamics(forger)
    plan = to_plan(compose(signer.script, signer.words, style, forger), style)
    return write(perturb(plan, 1.1, rng), dynamics, rng)


def _write_practised(
    signer: SyntheticSigner, forger: np.random.Generator, rng: np.random.Generator
) -> Writing:
    """The signer's shape with small errors of proportion, at nearly the signer's pace."""
    clumsy = forger.uniform(0.0, 1.0)
    own = signer.dynamics
    dynamics = replace(
        own,
        mu=own.mu + forger.uniform(0.0, 0.2),
        sigma=own.sigma * forger.uniform(0.9, 1.1),
        separation=own.separation + forger.uniform(-0.1, 0.3),
        tremor=own.tremor + 0.015 * clumsy,
    )
    drift, slip = _PRACTISED_DRIFT * (1 + 0.5 * clumsy), _PRACTISED_SLIP * (1 + 0.5 * clumsy)
    targets = _misplace(signer.plan.targets, drift, slip, signer.style.letter_height, forger)
    bends = signer.plan.bends * np.exp(0.08 * forger.standard_normal(len(signer.plan.bends)))
    plan = replace(signer.plan, targets=targets, bends=np.clip(bends, -MOST_BEND, MOST_BEND))
    return write(perturb(plan, 1.0, rng), dynamics, rng)


def _misplace(
    targets: Floats, drift: float, slip: float, height: float, rng: np.random.Generator
) -> Floats:
    """Move targets by errors in letter heights: ones that neighbours share, and each one's own."""
    moved = targets.copy()
    for axis in (0, 1):
        moved[:, axis] += drift * height * correlated(rng, len(targets), 0.9)
        moved[:, axis] += slip * height * correlated(rng, len(targets), 0.3)
    return moved


def _drawn(own: Dynamics, skill: float, rng: np.random.Generator) -> Dynamics:
    """The dynamics of a hand that draws somebody else's signature with care."""
    clumsy = 1 - skill
    return replace(
        own,
        mu=own.mu + rng.uniform(0.2, 0.5) + 0.4 * clumsy,
        sigma=own.sigma * rng.uniform(0.8, 1.1),
        separation=own.separation + rng.uniform(0.2, 0.6) + 0.5 * clumsy,
        tremor=rng.uniform(0.02, 0.045) + 0.05 * clumsy,
        tremor_hz=rng.uniform(5.0, 10.0),
        pressure_swing=0.6 * own.pressure_swing,
    )


def _imitate(signer: SyntheticSigner, skill: float, rng: np.random.Generator) -> ActionPlan:
    """The signer's plan as the forger has understood it."""
    plan, clumsy = signer.plan, 1 - skill
    own = draw_style(rng)
    height = signer.style.letter_height
    lean = (0.2 + 0.35 * clumsy) * (np.tan(own.slant) - np.tan(signer.style.slant))
    # Who can write gets single letters about right; sizes, spaces and places drift much more.
    drift, slip = 0.24 + 0.2 * clumsy, 0.07 + 0.08 * clumsy
    targets = _misplace(plan.targets, drift, slip, height, rng)
    targets[:, 0] += lean * targets[:, 1]
    # Errors add to the extent, here and in each run; a forger sees the size and keeps about to it.
    size = np.exp(rng.normal(0, 0.06 + 0.06 * clumsy))
    stretch = np.exp(rng.normal(0, 0.08 + 0.08 * clumsy, 2))
    targets *= 0.97 * size * stretch * np.ptp(plan.targets, axis=0) / np.ptp(targets, axis=0)
    habit = (own.roundness / signer.style.roundness) ** (0.3 + 0.4 * clumsy)
    bends: Floats = plan.bends * habit * np.exp(0.15 * rng.standard_normal(len(plan.bends)))
    return replace(plan, targets=targets, bends=np.clip(bends, -MOST_BEND, MOST_BEND))


def _hesitate(plan: ActionPlan, skill: float, rng: np.random.Generator) -> ActionPlan:
    """Stop to look at the model, and sometimes lift the pen while doing so."""
    count = len(plan.bends)
    stops = rng.random(count) < 0.04 + 0.10 * (1 - skill)
    pauses = plan.pauses + np.where(stops, rng.uniform(0.05, 0.35, count), 0.0)
    lifts = np.flatnonzero(stops & plan.down & (rng.random(count) < 0.35))
    lifts = lifts[lifts > 0]
    # A lift is a tiny way in the air between two targets: the pen comes down a little beside.
    beside = plan.targets[lifts] + rng.normal(0, 0.15, (len(lifts), 2))
    return ActionPlan(
        targets=np.insert(plan.targets, lifts + 1, beside, axis=0),
        bends=np.insert(plan.bends, lifts, 0.0),
        down=np.insert(plan.down, lifts, False),
        pauses=np.insert(pauses, lifts, 0.1),
    )
