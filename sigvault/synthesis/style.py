"""Writing styles: the seeded habits of a hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dynamics:
    """How a hand moves: what the lognormal strokes of its movements have in common.

    Attributes:
        mu: logarithm of the median delay of a stroke of the hand's usual length, in log seconds.
        mu_per_length: how ``mu`` grows with the logarithm of the stroke's length; near 0 the hand
            takes the same time for long strokes as for short ones (isochrony).
        sigma: median response time of a stroke on a logarithmic scale, without unit.
        separation: time from one stroke's middle to the next one's, in standard deviations of
            their speed profiles; small values write fluently and round the corners off.
        aim: share of that rounding which the hand corrects by aiming beyond the target, in [0, 1].
        jitter: spread of each stroke's own ``mu`` and ``sigma``, in log units.
        tremor: amplitude of the tremor across the movement, in millimetres.
        tremor_hz: its frequency, in hertz.
        pressure_swing: how much the pressure falls with speed, in [0, 1].
    """

    mu: float
    mu_per_length: float
    sigma: float
    separation: float
    aim: float
    jitter: float
    tremor: float
    tremor_hz: float
    pressure_swing: float


@dataclass(frozen=True)
class Style:
    """How a hand shapes its writing.

    Attributes:
        letter_height: height of a small letter, in millimetres.
        width: horizontal stretch of the letters, 1 = as drawn.
        slant: inclination to the right of the upright, in radians.
        baseline: angle of the baseline, in radians.
        roundness: factor on every bend; below 1 the hand is angular.
        capitals: factor on the height of capitals.
        extenders: factor on ascenders and descenders.
        spacing: additional advance after each letter, in small-letter heights.
        legibility: 1 = each letter is written out, 0 = the word decays to a wavy line.
        connected: chance that two letters which can join are joined.
        own_shape: spread of the hand's own deformation of every letter, in small-letter heights.
        stacking: chance that the last of several words goes below the others.
    """

    letter_height: float
    width: float
    slant: float
    baseline: float
    roundness: float
    capitals: float
    extenders: float
    spacing: float
    legibility: float
    connected: float
    own_shape: float
    stacking: float


def draw_dynamics(rng: np.random.Generator) -> Dynamics:
    """Draw the dynamics of a hand that writes its own signature.

    The ranges make strokes of a tenth to a fifth of a second that overlap by about a half, the
    pace of fluent handwriting.
    """
    return Dynamics(
        mu=rng.uniform(-2.0, -1.5),
        mu_per_length=rng.uniform(0.10, 0.25),
        sigma=rng.uniform(0.20, 0.34),
        separation=rng.uniform(2.2, 3.1),
        aim=rng.uniform(0.55, 0.95),
        jitter=rng.uniform(0.04, 0.10),
        tremor=rng.uniform(0.0, 0.015),
        tremor_hz=rng.uniform(8.0, 12.0),
        pressure_swing=rng.uniform(0.25, 0.6),
    )


def draw_style(rng: np.random.Generator) -> Style:
    """Draw the style of a hand; the population is broad, most hands lean to the right."""
    legibility = (rng.uniform(0.75, 1.0), rng.uniform(0.35, 0.75), rng.uniform(0.0, 0.35))
    return Style(
        letter_height=float(np.exp(rng.normal(np.log(3.0), 0.16))),
        width=float(np.exp(rng.normal(0.1, 0.2))),
        slant=float(np.radians(np.clip(rng.normal(14, 14), -18, 45))),
        baseline=float(np.radians(np.clip(rng.normal(4, 5), -8, 20))),
        roundness=rng.uniform(0.55, 1.15),
        capitals=float(np.exp(rng.normal(0.15, 0.22))),
        extenders=float(np.exp(rng.normal(0.05, 0.18))),
        spacing=rng.uniform(0.06, 0.42),
        legibility=legibility[int(rng.choice(3, p=[0.35, 0.35, 0.3]))],
        connected=1.0 if rng.random() < 0.6 else rng.uniform(0.5, 1.0),
        own_shape=rng.uniform(0.05, 0.15),
        stacking=0.08,
    )
