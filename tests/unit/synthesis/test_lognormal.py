"""Sigma-lognormal strokes: the closed forms against numeric integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.synthesis.lognormal import Strokes, arcs, progress, trajectory, velocity

finite = {"allow_nan": False, "allow_infinity": False}


@st.composite
def one_stroke(draw):
    start = draw(st.floats(-4, 4, **finite))
    return Strokes(
        t0=np.array([draw(st.floats(0, 1, **finite))]),
        length=np.array([draw(st.floats(0.1, 30, **finite))]),
        mu=np.array([draw(st.floats(-2.5, -1, **finite))]),
        sigma=np.array([draw(st.floats(0.1, 0.5, **finite))]),
        theta_start=np.array([start]),
        theta_end=np.array([start + draw(st.floats(-3.4, 3.4, **finite))]),
    )


def _times(strokes: Strokes) -> np.ndarray:
    last = strokes.t0 + np.exp(strokes.mu + 6 * strokes.sigma)
    return np.linspace(0, float(last.max()), 20_001)


@given(one_stroke())
def test_the_integral_of_the_speed_is_the_strokes_length(stroke):
    times = _times(stroke)
    speed = np.linalg.norm(velocity(stroke, times)[0], axis=1)
    assert np.trapezoid(speed, times) == pytest.approx(stroke.length[0], rel=1e-3)


@given(one_stroke())
def test_the_closed_form_equals_the_integral_of_the_velocity(stroke):
    times = _times(stroke)
    speeds = velocity(stroke, times)[0]
    steps = (speeds[1:] + speeds[:-1]) / 2 * np.diff(times)[:, None]
    integral = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    exact = trajectory(stroke, times, np.array([3.0, -2.0])) - [3.0, -2.0]
    assert np.abs(exact - integral).max() < 2e-3 * max(1.0, stroke.length[0])


@given(one_stroke())
def test_the_direction_turns_from_start_to_end(stroke):
    times = _times(stroke)
    done = progress(stroke, times)[0]
    moving = (done > 1e-4) & (done < 1 - 1e-4)
    speeds = velocity(stroke, times[moving])[0]
    direction = np.unwrap(np.arctan2(speeds[:, 1], speeds[:, 0]))
    expected = [stroke.theta_start[0], stroke.theta_end[0]]
    turned = direction[[0, -1]] - direction[0] + stroke.theta_start[0]
    assert np.allclose(turned, expected, atol=5e-3)
    assert np.allclose(np.cos(direction[0]), np.cos(expected[0]), atol=5e-3)


def test_strokes_add_up():
    first = Strokes(*(np.array([v]) for v in (0.0, 5.0, -1.6, 0.25, 0.3, 1.4)))
    second = Strokes(*(np.array([v]) for v in (0.1, 7.0, -1.7, 0.30, -1.2, -1.2)))
    both = Strokes(
        *(np.array([a, b]) for a, b in ((0.0, 0.1), (5.0, 7.0), (-1.6, -1.7), (0.25, 0.3))),
        np.array([0.3, -1.2]),
        np.array([1.4, -1.2]),
    )
    times = np.linspace(0, 1.5, 300)
    origin = np.zeros(2)
    apart = trajectory(first, times, origin) + trajectory(second, times, origin)
    assert np.allclose(trajectory(both, times, origin), apart, atol=1e-12)


def test_nothing_moves_before_the_command():
    stroke = Strokes(*(np.array([v]) for v in (0.5, 5.0, -1.6, 0.25, 0.3, 1.4)))
    times = np.array([-1.0, 0.0, 0.5])
    assert np.array_equal(trajectory(stroke, times, np.ones(2)), np.ones((3, 2)))
    assert not velocity(stroke, times).any()


@given(
    st.tuples(st.floats(-9, 9, **finite), st.floats(-9, 9, **finite)),
    st.floats(-3.4, 3.4, **finite),
)
def test_an_arc_leads_to_its_target(chord, bend):
    length, start, end = arcs(np.array([chord]), np.array([bend]))
    one = np.array([1.0])
    stroke = Strokes(0 * one, length, -1.6 * one, 0.2 * one, start, end)
    reached = trajectory(stroke, np.array([50.0]), np.zeros(2))[0]
    assert np.allclose(reached, chord, atol=1e-6)
    assert end[0] - start[0] == pytest.approx(bend, abs=1e-9)
