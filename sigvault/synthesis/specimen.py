"""One piece of writing: a perturbed run of a signer's plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sigvault.synthesis.lognormal import Floats, trajectory
from sigvault.synthesis.plan import ActionPlan, execute
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.sessions import run_of_the_day
from sigvault.synthesis.signer import SyntheticSigner
from sigvault.synthesis.style import Dynamics
from sigvault.synthesis.variation import USUAL, perturb

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
    if signer.habits is not None:
        plan, dynamics = run_of_the_day(signer, signer.habits, number, amount, rng)
        return write(plan, dynamics, rng)
    pace = replace(signer.dynamics, mu=signer.dynamics.mu + rng.normal(0, USUAL.pace))
    return write(perturb(signer.plan, amount, rng), pace, rng)
