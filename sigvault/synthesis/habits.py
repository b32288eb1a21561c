"""How the signers of the varied population move and vary, fitted to recorded signatures.

The ranges were set so that ``benchmarks/synthesis_fit.py`` finds about the same medians and
percentiles in recordings and in what is written here; ``docs/synthesis.md`` holds its table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigvault.synthesis.style import Dynamics
from sigvault.synthesis.variation import Variation


@dataclass(frozen=True)
class Habits:
    """How a signer varies over time, and what now and then is left out or added.

    Attributes:
        variation: what varies by how much, over all of a signer's signatures.
        session_length: signatures in a row that are written on one occasion, at least 1.
        session_share: share of the variance that the signatures of a session have in common.
        drift_share: share that changes slowly from session to session.
        omits: chance that a signature lacks a small mark: a dot, a bar, a short stroke.
        joins: chance for each short lift that the pen stays on the paper.
        adds: chance that a signature ends with a stroke that isn't the signer's usual one.
    """

    variation: Variation
    session_length: int
    session_share: float
    drift_share: float
    omits: float
    joins: float
    adds: float


def draw_habits(rng: np.random.Generator) -> Habits:
    """Draw how a signer varies; what varies much in one signer may vary little in another."""
    shape = float(np.exp(rng.normal(0, 0.2)))
    return Habits(
        variation=Variation(
            size=0.052 * float(np.exp(rng.normal(0, 0.35))),
            aspect=0.046 * float(np.exp(rng.normal(0, 0.35))),
            slant=3.0 * float(np.exp(rng.normal(0, 0.5))),
            baseline=1.8 * float(np.exp(rng.normal(0, 0.4))),
            stretch=(0.075 * shape, 0.058 * shape),
            direction=(3.6 * shape, 2.6 * shape),
            bend=0.17 * shape,
            correction=0.7,
            pace=0.1 * float(np.exp(rng.normal(0, 0.4))),
        ),
        session_length=int(rng.integers(3, 9)),
        session_share=rng.uniform(0.15, 0.35),
        drift_share=rng.uniform(0.05, 0.25),
        omits=rng.uniform(0.0, 0.12),
        joins=rng.uniform(0.0, 0.12),
        adds=rng.uniform(0.0, 0.05),
    )


def draw_steadiness(rng: np.random.Generator) -> float:
    """Draw the factor on all of a signer's variation; above 1 for unsteady hands."""
    return float(np.exp(rng.normal(0, 0.35)))


def draw_varied_dynamics(rng: np.random.Generator) -> Dynamics:
    """Draw the dynamics of a hand that writes its own signature."""
    return Dynamics(
        mu=rng.uniform(-2.45, -1.75),
        mu_per_length=rng.uniform(0.10, 0.25),
        sigma=rng.uniform(0.18, 0.30),
        separation=rng.uniform(2.4, 3.5),
        aim=rng.uniform(0.55, 0.95),
        jitter=rng.uniform(0.04, 0.12),
        tremor=rng.uniform(0.0, 0.02),
        tremor_hz=rng.uniform(8.0, 12.0),
        pressure_swing=rng.uniform(0.25, 0.6),
    )
