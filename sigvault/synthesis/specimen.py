"""One piece of writing: a perturbed run of a signer's plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sigvault.synthesis.lognormal import Floats, trajectory
from sigvault.synthesis.plan import ActionPlan, execute
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.signer import SyntheticSigner
from sigvault.synthesis.style import Dynamics

SAMPLING_HZ = 250.0
"""Points of a trajectory per second."""


@dataclass(frozen=True, eq=False)
class Writing:
    """The movement of a pen.

    Attributes:
        points: positions, float64 (T, 2), in millimetres; x grows to the right, y upwards.
        down: whether the pen is on the paper, bool (T,).
        speed: float64 (T,), in millimetres per second.
        pressure: float64 (T,) in [0, 1]; 0.5 in the mean over the line's length.
        times: float64 (T,), in seconds.
    """

    points: Floats
    down: npt.NDArray[np.bool_]
    speed: Floats
    pressure: Floats
    times: Floats


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


def perturb(plan: ActionPlan, amount: float, rng: np.random.Generator) -> ActionPlan:
    """Vary a plan as a hand does from one signature to the next.

    Size, aspect, slant and baseline vary as a whole; the way to each target varies in length and
    direction with noise that neighbours share, since a hand that starts wide goes on wide.

    Args:
        plan: the learned plan.
        amount: 1 is the variation of a usual signer.
        rng: where the variation comes from.

    Returns:
        A plan with as many targets.
    """
    ways = np.diff(plan.targets, axis=0)
    count = len(ways)
    stretch = 1 + amount * (0.045 * correlated(rng, count, 0.7) + 0.03 * rng.standard_normal(count))
    turn = amount * np.radians(2.0 * correlated(rng, count, 0.7) + 1.4 * rng.standard_normal(count))
    cos, sin = np.cos(turn), np.sin(turn)
    varied = np.stack(
        [cos * ways[:, 0] - sin * ways[:, 1], sin * ways[:, 0] + cos * ways[:, 1]], axis=1
    )
    varied = varied * stretch[:, None]
    # Errors of single ways would add up along the writing; the eye corrects most of the drift.
    drift = np.cumsum(varied - ways, axis=0)
    targets = plan.targets.copy()
    targets[1:] += drift - 0.75 * _smooth(drift)
    bends = plan.bends * (1 + amount * 0.12 * rng.standard_normal(count))
    return replace(plan, targets=_whole(targets, amount, rng), bends=bends)


def _smooth(drift: Floats) -> Floats:
    """The slow part of a drift: a running mean with a memory of a few strokes."""
    slow = np.zeros_like(drift)
    for index in range(1, len(drift)):
        slow[index] = 0.75 * slow[index - 1] + 0.25 * drift[index - 1]
    return slow


def _whole(targets: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Vary the size, aspect, slant and baseline of the whole."""
    size = np.exp(amount * rng.normal(0, 0.05))
    aspect = np.exp(amount * rng.normal(0, 0.035))
    slant = np.tan(amount * np.radians(rng.normal(0, 2.0)))
    turn = amount * np.radians(rng.normal(0, 1.8))
    cos, sin = np.cos(turn), np.sin(turn)
    shear = np.array([[aspect, 0.0], [slant, 1.0]])
    rotate = np.array([[cos, sin], [-sin, cos]])
    whole: Floats = size * targets @ shear @ rotate
    return whole


def write(plan: ActionPlan, dynamics: Dynamics, rng: np.random.Generator) -> Writing:
    """Carry a plan out and sample the movement.

    Args:
        plan: the targets.
        dynamics: the hand's.
        rng: where the spread of the strokes' parameters and the tremor come from.

    Returns:
        The movement at SAMPLING_HZ points a second.
    """
    execution = execute(plan, dynamics, rng)
    times = np.arange(0.0, execution.duration, 1.0 / SAMPLING_HZ)
    points = trajectory(execution.strokes, times, execution.start)
    ruling = np.searchsorted(execution.switches, times, side="right") - 1
    down = execution.down[ruling]
    step = np.gradient(points, axis=0)
    speed = np.hypot(step[:, 0], step[:, 1]) * SAMPLING_HZ
    points = points + _tremor(step, times, dynamics, rng)
    return Writing(points, down, speed, _pressure(speed, down, dynamics), times)


def _tremor(step: Floats, times: Floats, dynamics: Dynamics, rng: np.random.Generator) -> Floats:
    """Oscillation across the movement, its phase and strength wandering."""
    count = len(times)
    phase = 2 * np.pi * dynamics.tremor_hz * times + np.cumsum(0.12 * rng.standard_normal(count))
    knots = np.abs(rng.standard_normal(count // 40 + 3))
    strength = np.interp(np.arange(count) / 40, np.arange(len(knots)), knots)
    norm = np.hypot(step[:, 0], step[:, 1]) + 1e-3
    across = np.stack([-step[:, 1], step[:, 0]], axis=1) / norm[:, None]
    tremor: Floats = (dynamics.tremor * strength * np.sin(phase))[:, None] * across
    return tremor


def _pressure(speed: Floats, down: npt.NDArray[np.bool_], dynamics: Dynamics) -> Floats:
    """Pressure falls with speed and near lifts.

    It is relative: over the length of the line its mean is 0.5 whoever writes, so that a slow
    hand's lines are neither wider nor darker on the whole.
    """
    way = np.where(down, speed, 0.0)
    usual = float(np.sum(way * speed) / (np.sum(way) + 1e-9)) + 1e-9
    relative = np.log((speed + 0.4 * usual) / (1.4 * usual))
    ramp = _since_lift(down) * _since_lift(down[::-1])[::-1]
    pressure = np.clip(0.5 - 0.6 * dynamics.pressure_swing * relative, 0.05, None) * ramp
    mean = float(np.sum(way * pressure) / (np.sum(way) + 1e-9)) + 1e-9
    levelled: Floats = np.clip(pressure * (0.5 / mean), 0.0, 1.0)
    return levelled


def _since_lift(down: npt.NDArray[np.bool_]) -> Floats:
    """Rises from 0.2 to 1 over the first 40 ms after the pen touches the paper."""
    index = np.arange(len(down))
    landed = np.maximum.accumulate(np.where(down, -1, index))
    rise: Floats = np.clip(0.2 + 0.8 * (index - landed) / (0.04 * SAMPLING_HZ), 0.2, 1.0)
    return rise


def write_genuine(signer: SyntheticSigner, number: int) -> Writing:
    """The signer's signature number ``number`` (from 1); the same for the same arguments."""
    rng = stream(signer.seed, signer.number, Purpose.GENUINE, number)
    amount = signer.variation * np.exp(rng.normal(0, 0.2))
    pace = replace(signer.dynamics, mu=signer.dynamics.mu + rng.normal(0, 0.05))
    return write(perturb(signer.plan, amount, rng), pace, rng)
