"""Action plans: the target points a hand aims at, and the strokes that lead there.

The plan is what a hand has learned and what a forger copies; the strokes are how a particular
hand carries it out. This split of a signature into an effector-independent plan and an
effector-dependent execution is that of Ferrer, Diaz-Cabrera and Morales (2015), "Static signature
synthesis: a neuromotor inspired approach for biometrics", IEEE TPAMI 37(3), 667-680. That the
targets are moved until the overlapping strokes come near the intended shape follows Ferrer, Diaz,
Carmona-Duarte and Plamondon (2020), "iDeLog: iterative dual spatial and kinematic extraction of
sigma-lognormal parameters", IEEE TPAMI 42(1), 114-125.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.synthesis.lognormal import Floats, Strokes, arcs, trajectory
from sigvault.synthesis.style import Dynamics

_USUAL_LENGTH = 2.5
"""Length of stroke, in millimetres, at which ``Dynamics.mu`` holds."""

_LIFT_SEPARATION = 3.2
"""Least separation around a pen lift; the pen lands and leaves in motion, so lines taper."""

MOST_BEND = 3.4
"""Bends beyond this, in radians, would make an arc longer than a shape needs."""

WIDEST_BEND = 4.5
"""What a bend may vary to, in radians. The arc is then nearly three times as long as its chord;
towards 2 pi it grows without end."""


@dataclass(frozen=True, eq=False)
class ActionPlan:
    """Virtual target points, in millimetres; x grows to the right, y upwards.

    Attributes:
        targets: float64 (N + 1, 2); the first is where the movement starts.
        bends: how far the direction turns on the way to each target but the first, float64 (N,),
            in radians, anticlockwise positive.
        down: whether the pen is on the paper on that way, bool (N,).
        pauses: additional time before each way, float64 (N,), in seconds.
    """

    targets: Floats
    bends: Floats
    down: npt.NDArray[np.bool_]
    pauses: Floats


@dataclass(frozen=True, eq=False)
class Execution:
    """An action plan carried out by a hand.

    Attributes:
        strokes: the N lognormal strokes.
        start: where the movement starts, float64 (2,), in millimetres.
        down: whether the pen is on the paper during each stroke, bool (N,).
        switches: time at which each stroke takes over from the one before, float64 (N,), seconds.
        duration: time at which the last stroke is done, in seconds.
    """

    strokes: Strokes
    start: Floats
    down: npt.NDArray[np.bool_]
    switches: Floats
    duration: float


def _timing(
    plan: ActionPlan, dynamics: Dynamics, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Draw mu and sigma of every stroke and place them in time: t0, mu, sigma, middles."""
    chords = np.diff(plan.targets, axis=0)
    length = np.hypot(chords[:, 0], chords[:, 1]) + 0.3
    count = len(length)
    mu = dynamics.mu + dynamics.mu_per_length * np.log(length / _USUAL_LENGTH)
    mu = mu + dynamics.jitter * rng.standard_normal(count)
    sigma = dynamics.sigma * np.exp(dynamics.jitter * rng.standard_normal(count))
    width = np.exp(mu + sigma**2 / 2) * np.sqrt(np.expm1(sigma**2))
    separation = np.full(count, dynamics.separation)
    lifted = np.flatnonzero(np.diff(plan.down.astype(np.int8)) != 0) + 1
    separation[lifted] = np.maximum(separation[lifted], _LIFT_SEPARATION)
    steps = separation * (width + np.roll(width, 1)) / 2 + plan.pauses
    steps[0] = 0.0
    middles = np.exp(mu[0]) + np.cumsum(steps)
    return middles - np.exp(mu), mu, sigma, middles


def execute(plan: ActionPlan, dynamics: Dynamics, rng: np.random.Generator) -> Execution:
    """Carry a plan out.

    Overlapping strokes cut corners. As iDeLog does when it fits a model to a recording, the aimed
    targets are moved away from the plan's until what is reached comes near the plan's; the hand's
    ``aim`` says how near.

    Args:
        plan: N strokes' worth of targets.
        dynamics: the hand's.
        rng: where the spread of the strokes' parameters comes from.

    Returns:
        The strokes, with the time at which each begins to rule.
    """
    t0, mu, sigma, middles = _timing(plan, dynamics, rng)
    switches = np.concatenate([[0.0], (middles[:-1] + middles[1:]) / 2])
    ends = np.concatenate([switches[1:], [middles[-1] + 3 * sigma[-1] * np.exp(mu[-1])]])
    aimed = plan.targets.copy()
    strokes = _strokes(aimed, plan.bends, t0, mu, sigma)
    for _ in range(3):
        reached = trajectory(strokes, ends, aimed[0])
        aimed[1:] += dynamics.aim * (plan.targets[1:] - reached)
        strokes = _strokes(aimed, plan.bends, t0, mu, sigma)
    return Execution(strokes, plan.targets[0], plan.down, switches, float(ends[-1]))


def _strokes(targets: Floats, bends: Floats, t0: Floats, mu: Floats, sigma: Floats) -> Strokes:
    length, theta_start, theta_end = arcs(np.diff(targets, axis=0), bends)
    return Strokes(t0, length, mu, sigma, theta_start, theta_end)
