"""Signers, their signatures and their forgers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sigvault.synthesis import generate_signer, write_forged, write_genuine
from sigvault.synthesis.composition import Composer
from sigvault.synthesis.flourish import Paraph, draw_paraph, flourish
from sigvault.synthesis.letterforms import CAPITALS, LIFT, SMALL
from sigvault.synthesis.lognormal import trajectory
from sigvault.synthesis.names import pseudo_name, signature_words
from sigvault.synthesis.plan import execute
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.style import draw_style
from sigvault.synthesis.variation import correlated, perturb

SEED = 11

GOLDEN = [
    (
        write_genuine,
        1842,
        [
            [1.41089, 7.159005],
            [0.502532, 0.187511],
            [10.382959, 1.084699],
            [19.86199, 0.666527],
            [23.057917, 0.809797],
            [35.468894, 1.247668],
        ],
    ),
    (
        write_forged,
        4640,
        [
            [4.859915, 12.886507],
            [0.990635, 1.042972],
            [12.833254, 1.582191],
            [18.493803, -0.909971],
            [28.317004, 12.359662],
            [30.011473, -0.058784],
            [38.592402, 2.582883],
        ],
    ),
]
"""The writer, the number of points, and every so many of them in millimetres."""


@pytest.fixture(scope="module")
def signers():
    return [generate_signer(SEED, number) for number in range(1, 25)]


@pytest.fixture(scope="module")
def shapes(signers):
    """Each signer's shapes: four genuine and four forged (by two forgers)."""
    return [
        (
            [_shape(write_genuine(signer, number)) for number in range(1, 5)],
            [_shape(write_forged(signer, number)) for number in (1, 2, 5, 6)],
        )
        for signer in signers
    ]


def _shape(writing) -> np.ndarray:
    """96 points evenly spaced along what was drawn, centred, of unit size."""
    points = writing.points[writing.down]
    step = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0], np.cumsum(step)])
    even = np.linspace(0, along[-1], 96)
    line = np.stack([np.interp(even, along, points[:, axis]) for axis in (0, 1)], axis=1)
    line -= line.mean(axis=0)
    return line / np.linalg.norm(line)


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


def test_the_same_arguments_make_the_same_signature_bit_for_bit():
    for write in (write_genuine, write_forged):
        first = write(generate_signer(3, 2), 4)
        again = write(generate_signer(3, 2), 4)
        assert np.array_equal(first.points, again.points)
        assert np.array_equal(first.down, again.down)
        assert np.array_equal(first.pressure, again.pressure)


@pytest.mark.parametrize("golden", GOLDEN, ids=["genuine", "forged"])
def test_golden_trajectory(golden):
    """Pins the population: whoever changes a signer says so in the changelog."""
    write, count, expected = golden
    points = write(generate_signer(7, 3), 1).points
    assert len(points) == count
    assert np.allclose(points[:: count // 6], expected, atol=1e-5)


def test_a_signature_does_not_depend_on_what_else_was_made():
    signer = generate_signer(SEED, 5)
    alone = write_genuine(signer, 9).points
    for number in range(1, 9):
        write_genuine(signer, number)
    assert np.array_equal(write_genuine(signer, 9).points, alone)


def test_streams_differ_in_every_coordinate():
    keys = itertools.product((0, 1), (1, 2), (Purpose.GENUINE, Purpose.FORGED), (1, 2))
    draws = {float(stream(*key).random()) for key in keys}
    assert len(draws) == 16


def test_signers_look_different_and_their_own_signatures_alike(shapes):
    """The nearest shape to a signature is another of the same signer's."""
    right = 0
    for place, (genuine, _) in enumerate(shapes):
        own = min(_apart(genuine[0], other) for other in genuine[1:])
        others = [other for at, (theirs, _) in enumerate(shapes) if at != place for other in theirs]
        right += own < min(_apart(genuine[0], other) for other in others)
    assert right >= 0.9 * len(shapes)


def test_no_two_genuine_signatures_are_the_same(shapes):
    for genuine, _ in shapes:
        assert all(_apart(a, b) > 0.005 for a, b in itertools.combinations(genuine, 2))


def test_a_skilled_forgery_lies_between_the_signers_own_and_anothers(shapes):
    own, skilled, random = [], [], []
    for place, (genuine, forged) in enumerate(shapes):
        own += [_apart(a, b) for a, b in itertools.combinations(genuine, 2)]
        skilled += [_apart(a, b) for a in genuine for b in forged]
        stranger = shapes[(place + 1) % len(shapes)][0]
        random += [_apart(a, b) for a in genuine for b in stranger]
    assert 1.2 * np.median(own) < np.median(skilled) < 0.7 * np.median(random)


def test_forgers_are_slower(signers):
    ratio = [write_forged(s, 1).times[-1] / write_genuine(s, 1).times[-1] for s in signers]
    assert np.median(ratio) > 1.3
    assert np.mean(np.array(ratio) > 1) > 0.9


def test_forgers_tremble(signers):
    """Relative to the length drawn, a forged line turns more often from left to right."""

    def wobble(writing):
        step = np.diff(writing.points[writing.down], axis=0)
        angle = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        turns = np.diff(np.sign(np.diff(angle))) != 0
        return turns.sum() / np.hypot(*step.T).sum()

    forged = [wobble(write_forged(s, 1)) for s in signers]
    genuine = [wobble(write_genuine(s, 1)) for s in signers]
    assert np.median(forged) > 1.3 * np.median(genuine)


def test_a_forger_has_a_hand_of_their_own(shapes):
    """Forgeries 1 and 2 come from one forger, 5 and 6 from another."""
    same, other = [], []
    for _, (first, second, third, fourth) in shapes:
        same += [_apart(first, second), _apart(third, fourth)]
        other += [_apart(a, b) for a in (first, second) for b in (third, fourth)]
    assert np.median(same) < np.median(other)


def test_writing_is_sound(signers):
    for signer in signers:
        for writing in (write_genuine(signer, 1), write_forged(signer, 1)):
            assert np.isfinite(writing.points).all()
            assert 0.2 < writing.down.mean() <= 1
            assert writing.pressure.min() >= 0
            assert writing.pressure.max() <= 1
            assert not writing.pressure[~writing.down].max(initial=0) > 0.5
            extent = np.ptp(writing.points[writing.down], axis=0)
            assert 5 < extent[0] < 150
            assert 2 < extent[1] < 80


def test_pressure_is_level_whoever_writes(signers):
    def mean(writing):
        way = np.where(writing.down, writing.speed, 0)
        return (way * writing.pressure).sum() / way.sum()

    levels = [mean(w(s, 1)) for s in signers for w in (write_genuine, write_forged)]
    assert np.allclose(levels, 0.5, atol=0.02)


def test_most_signatures_are_wider_than_high(signers):
    ratios = [np.divide(*np.ptp(write_genuine(s, 1).points, axis=0)) for s in signers]
    assert 2 < np.median(ratios) < 4


def test_aiming_brings_the_movement_nearer_to_the_plan(signers):
    from dataclasses import replace

    signer = signers[0]

    def miss(aim):
        dynamics = replace(signer.dynamics, aim=aim, jitter=0.0)
        execution = execute(signer.plan, dynamics, np.random.default_rng(0))
        ends = np.append(execution.switches[1:], execution.duration)
        reached = trajectory(execution.strokes, ends, execution.start)
        return np.abs(reached - signer.plan.targets[1:]).mean()

    assert miss(0.9) < 0.5 * miss(0.0)


def test_without_variation_a_plan_stays_as_it_is(signers):
    plan = signers[0].plan
    same = perturb(plan, 0.0, np.random.default_rng(0))
    assert np.allclose(same.targets, plan.targets)
    assert np.allclose(same.bends, plan.bends)


def test_correlated_noise_has_unit_variance_and_its_memory():
    noise = correlated(np.random.default_rng(0), 20_000, 0.7)
    assert noise.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(noise[:-1], noise[1:])[0, 1] == pytest.approx(0.7, abs=0.03)


def test_every_name_can_be_written():
    rng = np.random.default_rng(0)
    for _ in range(300):
        for word in [*signature_words(rng), pseudo_name(rng, 3)]:
            assert word[0] in CAPITALS
            assert all(letter in SMALL for letter in word[1:])


def test_letterforms_begin_and_end_as_they_should():
    for form in SMALL.values():
        assert all(bend is not LIFT for _, _, bend in form.targets)
        assert not form.later or form.later[0][2] is LIFT
    for forms in CAPITALS.values():
        assert all(form.targets[0][2] is LIFT for form in forms)
        assert all(form.targets[-1][2] is not LIFT for form in forms)


def test_a_less_legible_hand_writes_fewer_targets():
    from dataclasses import replace

    style = draw_style(np.random.default_rng(0))
    count = {
        legibility: sum(
            len(
                Composer(replace(style, legibility=legibility), np.random.default_rng(n)).signature(
                    ["Bemidola"]
                )
            )
            for n in range(30)
        )
        for legibility in (1.0, 0.0)
    }
    assert count[0.0] < 0.85 * count[1.0]


def test_every_flourish_is_drawn_and_can_be_written():
    rng = np.random.default_rng(0)
    assert {draw_paraph(rng) for _ in range(400)} == set(Paraph)
    for kind in Paraph:
        targets = flourish(kind, 8.0, rng)
        assert bool(targets) == (kind is not Paraph.NONE)
