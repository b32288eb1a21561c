r"""The sigma-lognormal model of rapid human movement.

Plamondon's Kinematic Theory describes a movement as the vector sum of strokes. The speed of
stroke i is a scaled lognormal of time and its direction turns in proportion to the way travelled:

.. math::

    |v_i(t)| = \frac{D_i}{\sigma_i \sqrt{2\pi} (t - t_{0i})}
               \exp\frac{-[\ln(t - t_{0i}) - \mu_i]^2}{2 \sigma_i^2},
    \qquad
    \phi_i(t) = \theta_{s,i} + (\theta_{e,i} - \theta_{s,i}) \, \Lambda_i(t)

where :math:`\Lambda_i` is the cumulative lognormal, the share of the stroke that is done. So each
stroke alone is an arc of a circle and its displacement has a closed form; no numeric integration
is needed, and none is done.

Sources: Plamondon (1995), "A kinematic theory of rapid human movements", parts I and II,
Biological Cybernetics 72, 295-320, for the lognormal speed; O'Reilly and Plamondon (2009),
"Development of a Sigma-Lognormal representation for on-line signatures", Pattern Recognition 42,
3324-3337, section 2, for speed and direction (eqs. 1-2) and displacement (eqs. 11-12).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

_STRAIGHT = 1e-9
"""Turning, in radians, below which an arc is evaluated as a line."""


@dataclass(frozen=True, eq=False)
class Strokes:
    """The lognormal strokes of one movement, in order; every array is float64 (N,).

    Attributes:
        t0: time at which the command to move is given, in seconds.
        length: arc length D that the stroke adds to the movement, in millimetres, >= 0.
        mu: logarithm of the stroke's median delay after ``t0``, in log seconds.
        sigma: its response time on a logarithmic scale, > 0, without unit.
        theta_start: direction at the start, in radians, anticlockwise from the writing direction.
        theta_end: direction at the end, in radians; not wrapped, so that it tells the turning.
    """

    t0: Floats
    length: Floats
    mu: Floats
    sigma: Floats
    theta_start: Floats
    theta_end: Floats

    def __len__(self) -> int:
        """Number of strokes."""
        return len(self.t0)


def progress(strokes: Strokes, times: Floats) -> Floats:
    """The share of each stroke that is done: the cumulative lognormal.

    Args:
        strokes: N strokes.
        times: seconds, float64 (T,).

    Returns:
        float64 (N, T) in [0, 1], not falling along the second axis.
    """
    elapsed = times[None, :] - strokes.t0[:, None]
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.maximum(elapsed, 0.0))
    done: Floats = ndtr((logarithm - strokes.mu[:, None]) / strokes.sigma[:, None])
    return done


def velocity(strokes: Strokes, times: Floats) -> Floats:
    """The velocity of each stroke.

    Args:
        strokes: N strokes.
        times: seconds, float64 (T,).

    Returns:
        float64 (N, T, 2) in millimetres per second; x grows to the right, y upwards.
    """
    elapsed = times[None, :] - strokes.t0[:, None]
    safe = np.where(elapsed > 0, elapsed, 1.0)
    sigma = strokes.sigma[:, None]
    exponent = -0.5 * ((np.log(safe) - strokes.mu[:, None]) / sigma) ** 2
    density = np.exp(exponent) / (sigma * np.sqrt(2 * np.pi) * safe)
    speed = np.where(elapsed > 0, strokes.length[:, None] * density, 0.0)
    turning = (strokes.theta_end - strokes.theta_start)[:, None]
    direction = strokes.theta_start[:, None] + turning * progress(strokes, times)
    return np.stack([speed * np.cos(direction), speed * np.sin(direction)], axis=-1)


def trajectory(strokes: Strokes, times: Floats, start: Floats) -> Floats:
    """Where the pen tip is: the start plus the displacement of every stroke.

    O'Reilly and Plamondon (2009), eqs. 11 and 12; their limit where a stroke doesn't turn.

    Args:
        strokes: N strokes.
        times: seconds, float64 (T,).
        start: position before the first stroke, float64 (2,), in millimetres.

    Returns:
        float64 (T, 2) in millimetres; x grows to the right, y upwards.
    """
    turning = strokes.theta_end - strokes.theta_start
    straight = np.abs(turning) < _STRAIGHT
    done = progress(strokes, times)
    radius = strokes.length / np.where(straight, 1.0, turning)
    angle = strokes.theta_start[:, None] + turning[:, None] * done
    line = np.where(straight, strokes.length, 0.0)
    arc = np.where(straight, 0.0, radius)
    x = arc @ np.sin(angle) - arc @ np.sin(strokes.theta_start)
    y = arc @ np.cos(strokes.theta_start) - arc @ np.cos(angle)
    x = x + (line * np.cos(strokes.theta_start)) @ done
    y = y + (line * np.sin(strokes.theta_start)) @ done
    positions: Floats = start + np.stack([x, y], axis=-1)
    return positions


def arcs(chords: Floats, bends: Floats) -> tuple[Floats, Floats, Floats]:
    """The arcs that lead from one target point to the next.

    Args:
        chords: from target to target, float64 (N, 2), in millimetres.
        bends: how far the direction turns along each, float64 (N,), in radians, within (-2 pi,
            2 pi); anticlockwise is positive.

    Returns:
        The arc lengths (N,) in millimetres, and the directions at start and end (N,) in radians.
    """
    heading = np.arctan2(chords[:, 1], chords[:, 0])
    half = bends / 2
    length = np.hypot(chords[:, 0], chords[:, 1]) / np.sinc(half / np.pi)
    return length, heading - half, heading + half
