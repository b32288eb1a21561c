"""Skilled forgeries: another hand that imitates a shape it has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.plan import ActionPlan
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.signer import SyntheticSigner
from sigvault.synthesis.specimen import Writing, correlated, perturb, write
from sigvault.synthesis.style import Dynamics, draw_dynamics, draw_style

FORGERIES_PER_FORGER = 4
"""How many forgeries of a signature come from one forger before the next takes over."""


def write_forged(signer: SyntheticSigner, number: int) -> Writing:
    """Skilled forgery number ``number`` (from 1) of a signer's signature.

    The forger knows the written shape, not the movement: it copies the plan's targets with errors
    of proportion, pulls slant, roundness and spacing towards its own habits, and draws more than
    it writes: slower, with more separate strokes, tremor, hesitations and extra pen lifts.

    Args:
        signer: whose signature is imitated.
        number: of the forgery.

    Returns:
        The movement; the same for the same arguments.
    """
    forger = stream(
        signer.seed, signer.number, Purpose.FORGER, (number - 1) // FORGERIES_PER_FORGER
    )
    skill = forger.uniform(0.0, 1.0)
    dynamics = _drawn(draw_dynamics(forger), skill, forger)
    plan = _imitate(signer, skill, forger)
    rng = stream(signer.seed, signer.number, Purpose.FORGED, number)
    return write(_hesitate(perturb(plan, 1.1, rng), skill, rng), dynamics, rng)


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
    targets = plan.targets.copy()
    count = len(targets)
    # Who can write gets single letters about right; sizes, spaces and places drift much more.
    drift, slip = (0.24 + 0.2 * clumsy) * height, (0.07 + 0.08 * clumsy) * height
    for axis in (0, 1):
        targets[:, axis] += drift * correlated(rng, count, 0.9)
        targets[:, axis] += slip * correlated(rng, count, 0.3)
    targets[:, 0] += lean * targets[:, 1]
    # Errors add to the extent, here and in each run; a forger sees the size and keeps about to it.
    size = np.exp(rng.normal(0, 0.06 + 0.06 * clumsy))
    stretch = np.exp(rng.normal(0, 0.08 + 0.08 * clumsy, 2))
    targets *= 0.97 * size * stretch * np.ptp(plan.targets, axis=0) / np.ptp(targets, axis=0)
    habit = (own.roundness / signer.style.roundness) ** (0.3 + 0.4 * clumsy)
    bends: Floats = plan.bends * habit * np.exp(0.15 * rng.standard_normal(len(plan.bends)))
    return replace(plan, targets=targets, bends=np.clip(bends, -3.4, 3.4))


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
