"""How a hand varies from one signature to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.plan import WIDEST_BEND, ActionPlan


@dataclass(frozen=True)
class Variation:
    """How much of what varies; standard deviations from one signature to the next.

    Attributes:
        size: of the size of the whole, in log units.
        aspect: of the ratio of width to height, in log units.
        slant: in degrees.
        baseline: of the angle of the whole, in degrees.
        stretch: of the length of the way to each target, as a share of it: what neighbouring ways
            share, and what is each one's own.
        direction: of the direction of each way, in degrees: shared, and each one's own.
        bend: of the bend of each way, as a share of it.
        correction: share of the slow drift along the writing that the eye corrects, in [0, 1].
        pace: of the pace of the whole, in log units.
    """

    size: float
    aspect: float
    slant: float
    baseline: float
    stretch: tuple[float, float]
    direction: tuple[float, float]
    bend: float
    correction: float
    pace: float


USUAL: Final = Variation(
    size=0.05,
    aspect=0.035,
    slant=2.0,
    baseline=1.8,
    stretch=(0.045, 0.03),
    direction=(2.0, 1.4),
    bend=0.12,
    correction=0.75,
    pace=0.05,
)
"""Of the demonstration's signers, and of forgers in a run of their own plan."""


def correlated(rng: np.random.Generator, count: int, memory: float) -> Floats:
    """Noise of unit variance whose neighbours resemble each other (first-order autoregression).

    Args:
        rng: where it comes from.
        count: how many values.
        memory: correlation of neighbours, in [0, 1).

    Returns:
        float64 (count,).
    """
    noise = rng.standard_normal(count)
    gain = np.sqrt(1 - memory**2)
    for index in range(1, count):
        noise[index] = memory * noise[index - 1] + gain * noise[index]
    return noise


def perturb(
    plan: ActionPlan, amount: float, rng: np.random.Generator, variation: Variation = USUAL
) -> ActionPlan:
    """Vary a plan as a hand does from one signature to the next.

    Size, aspect, slant and baseline vary as a whole; the way to each target varies in length and
    direction with noise that neighbours share, since a hand that starts wide goes on wide.

    Args:
        plan: the learned plan.
        amount: 1 is the variation of a usual signer.
        rng: where the variation comes from.
        variation: what varies by how much at the amount 1.

    Returns:
        A plan with as many targets.
    """
    ways = np.diff(plan.targets, axis=0)
    count = len(ways)
    shared, own = variation.stretch
    stretch = 1 + amount * (shared * correlated(rng, count, 0.7) + own * rng.standard_normal(count))
    shared, own = variation.direction
    turn = amount * np.radians(
        shared * correlated(rng, count, 0.7) + own * rng.standard_normal(count)
    )
    cos, sin = np.cos(turn), np.sin(turn)
    varied = np.stack(
        [cos * ways[:, 0] - sin * ways[:, 1], sin * ways[:, 0] + cos * ways[:, 1]], axis=1
    )
    varied = varied * stretch[:, None]
    # Errors of single ways would add up along the writing; the eye corrects most of the drift.
    drift = np.cumsum(varied - ways, axis=0)
    targets = plan.targets.copy()
    targets[1:] += drift - variation.correction * _smooth(drift)
    bends = plan.bends * (1 + amount * variation.bend * rng.standard_normal(count))
    bends = np.clip(bends, -WIDEST_BEND, WIDEST_BEND)
    return replace(plan, targets=_whole(targets, amount, rng, variation), bends=bends)


def _smooth(drift: Floats) -> Floats:
    """The slow part of a drift: a running mean with a memory of a few strokes."""
    slow = np.zeros_like(drift)
    for index in range(1, len(drift)):
        slow[index] = 0.75 * slow[index - 1] + 0.25 * drift[index - 1]
    return slow


def _whole(
    targets: Floats, amount: float, rng: np.random.Generator, variation: Variation
) -> Floats:
    """Vary the size, aspect, slant and baseline of the whole."""
    size = np.exp(amount * rng.normal(0, variation.size))
    aspect = np.exp(amount * rng.normal(0, variation.aspect))
    slant = np.tan(amount * np.radians(rng.normal(0, variation.slant)))
    turn = amount * np.radians(rng.normal(0, variation.baseline))
    cos, sin = np.cos(turn), np.sin(turn)
    shear = np.array([[aspect, 0.0], [slant, 1.0]])
    rotate = np.array([[cos, sin], [-sin, cos]])
    whole: Floats = size * targets @ shear @ rotate
    return whole
