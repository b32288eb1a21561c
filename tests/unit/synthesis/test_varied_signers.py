"""The varied population: scripts, sessions, slips, and three levels of forger."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sigvault.synthesis import (
    ForgerLevel,
    Population,
    Script,
    forger_level,
    generate_signer,
    render_genuine,
    write_forged,
    write_genuine,
)
from sigvault.synthesis.forger import LEVELS
from sigvault.synthesis.letterforms import LIFT
from sigvault.synthesis.plan import WIDEST_BEND
from sigvault.synthesis.scans import PENS, draw_varied_scan
from sigvault.synthesis.scripts import SHARES, compose, draw_words
from sigvault.synthesis.sessions import run_of_the_day, session_of
from sigvault.synthesis.style import draw_style
from sigvault.synthesis.variation import perturb

SEED = 11


def _varied(number: int):
    return generate_signer(SEED, number, Population.VARIED)


@pytest.fixture(scope="module")
def signers():
    return [_varied(number) for number in range(1, 41)]


@pytest.fixture(scope="module")
def by_script(signers):
    return {script: [own for own in signers if own.script is script] for script in Script}


def _shape(writing) -> np.ndarray:
    """96 points evenly spaced along what was drawn, centred, of unit size."""
    points = writing.points[writing.down]
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    even = np.linspace(0, along[-1], 96)
    line = np.stack([np.interp(even, along, points[:, axis]) for axis in (0, 1)], axis=1)
    line -= line.mean(axis=0)
    return line / np.linalg.norm(line)


def _without_slips(signer):
    """A mark left out shifts all points along the rest of the line."""
    return replace(signer, habits=replace(signer.habits, omits=0.0, adds=0.0, joins=0.0))


def _apart(a, b) -> float:
    return float(np.linalg.norm(_shape(a) - _shape(b)))


def test_every_script_has_its_share():
    scripts = Counter(_varied(number).script for number in range(1, 201))
    for script, share in SHARES.items():
        assert scripts[script] == pytest.approx(200 * share, abs=25)


@pytest.mark.parametrize("script", Script)
def test_a_scripts_writing_is_sound(by_script, script):
    assert len(by_script[script]) >= 3
    for signer in by_script[script]:
        for writing in (write_genuine(signer, 1), write_forged(signer, 1)):
            assert np.isfinite(writing.points).all()
            assert 0.2 < writing.down.mean() <= 1
            extent = np.ptp(writing.points[writing.down], axis=0)
            assert 5 < extent[0] < 160
            assert 2 < extent[1] < 120


@pytest.mark.parametrize("script", Script)
def test_all_ink_lies_on_the_page(by_script, script):
    for signer in by_script[script][:3]:
        pixels = render_genuine(signer, 1, dpi=100)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert pixels.min() < np.median(pixels) - 60
        assert edge.min() > np.median(pixels) - 45


@pytest.mark.parametrize("script", Script)
def test_a_scripts_signers_differ_more_than_their_signatures(by_script, script):
    some = [_without_slips(signer) for signer in by_script[script][:6]]
    own = [_apart(write_genuine(signer, 1), write_genuine(signer, 2)) for signer in some]
    others = [
        _apart(write_genuine(a, 1), write_genuine(b, 1))
        for place, a in enumerate(some)
        for b in some[:place]
    ]
    assert np.median(own) < 0.6 * np.median(others)


@pytest.mark.parametrize("script", Script)
def test_any_words_of_a_script_can_be_written(script):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        targets = compose(script, draw_words(script, rng), draw_style(rng), rng)
        assert targets[0][2] is LIFT
        assert len(targets) > 2


def test_arabic_like_hands_write_leftwards(by_script):
    for signer in by_script[Script.ARABIC_LIKE]:
        body = signer.plan.targets[: len(signer.plan.targets) // 2]
        assert body[-1, 0] < body[0, 0]


def test_the_same_arguments_make_the_same_signature_in_any_order():
    for write in (write_genuine, write_forged):
        late = write(_varied(3), 9).points
        for number in range(1, 9):
            write(_varied(3), number)
        assert np.array_equal(write(_varied(3), 9).points, late)


def test_the_populations_share_no_signer():
    for number in range(1, 6):
        plain, varied = generate_signer(SEED, number), _varied(number)
        assert plain.population is Population.DEMONSTRATION
        assert varied.population is Population.VARIED
        assert plain.plan.targets.shape != varied.plan.targets.shape or not np.allclose(
            plain.plan.targets, varied.plan.targets
        )


def test_signatures_of_one_session_are_more_alike_than_of_two(signers):
    within, between = [], []
    for signer in signers:
        long = replace(signer, habits=replace(signer.habits, session_length=4, session_share=0.5))
        first = [_shape(write_genuine(long, number)) for number in (1, 2)]
        second = [_shape(write_genuine(long, number)) for number in (29, 30)]
        assert session_of(long.habits, 2) == 0
        assert session_of(long.habits, 29) == 7
        within += [np.linalg.norm(a - b) for a, b in (first, second)]
        between += [np.linalg.norm(a - b) for a in first for b in second]
    assert np.median(within) < 0.9 * np.median(between)


def test_marks_are_left_out_strokes_added_and_lifts_dragged(signers):
    def ways(**chances) -> list[tuple[int, int]]:
        none = {"omits": 0.0, "adds": 0.0, "joins": 0.0, **chances}
        plans = [
            run_of_the_day(own, replace(own.habits, **none), 1, 1.0, np.random.default_rng(0))[0]
            for own in signers
        ]
        assert all(len(plan.targets) == len(plan.down) + 1 for plan in plans)
        return [(len(plan.down), int((~plan.down).sum())) for plan in plans]

    usual = ways()
    assert [count for count, _ in usual] == [len(own.plan.down) for own in signers]
    for fewer, (count, _) in zip(ways(omits=1.0), usual, strict=True):
        assert count - 3 <= fewer[0] <= count
    assert sum(count for count, _ in ways(omits=1.0)) < sum(count for count, _ in usual)
    assert all(more[0] > count for more, (count, _) in zip(ways(adds=1.0), usual, strict=True))
    assert sum(lifts for _, lifts in ways(joins=1.0)) < sum(lifts for _, lifts in usual)


def test_forgers_take_turns_and_signers_begin_at_different_levels():
    levels = [forger_level(_varied(4), number) for number in range(1, 9)]
    assert levels == [level for level in LEVELS for _ in (1, 2)]
    assert {forger_level(_varied(number), 1) for number in range(1, 5)} == set(ForgerLevel)
    plain = generate_signer(SEED, 1)
    assert {forger_level(plain, number) for number in range(1, 20)} == {ForgerLevel.SHAPE_KNOWN}


def test_the_more_a_forger_knows_the_nearer_the_shape(signers):
    apart = {
        level: np.median(
            [
                _apart(write_genuine(own, 1), write_forged(own, number, level))
                for own in signers
                for number in (1, 3)
            ]
        )
        for level in ForgerLevel
    }
    genuine = np.median([_apart(write_genuine(own, 1), write_genuine(own, 2)) for own in signers])
    assert apart[ForgerLevel.BLIND] > 1.3 * apart[ForgerLevel.SHAPE_KNOWN]
    assert apart[ForgerLevel.SHAPE_KNOWN] > 1.15 * apart[ForgerLevel.PRACTISED]
    assert apart[ForgerLevel.PRACTISED] > genuine


def test_practised_forgers_have_nearly_the_signers_pace(signers):
    def pace(level):
        return np.median(
            [
                write_forged(own, 1, level).times[-1] / write_genuine(own, 1).times[-1]
                for own in signers
            ]
        )

    assert 0.95 < pace(ForgerLevel.PRACTISED) < 1.35
    assert pace(ForgerLevel.SHAPE_KNOWN) > 1.4


def test_pens_are_drawn_by_their_shares_and_within_their_ranges():
    scans = [draw_varied_scan(np.random.default_rng(seed), 300) for seed in range(400)]
    broad = [scan.pen_width > 0.55 for scan in scans]
    pale = [scan.ink_tone > 100 for scan in scans]
    assert 0.05 < np.mean(broad) < 0.2
    assert 0.01 < np.mean(pale) < 0.1
    assert all(scan.ink_tone + 60 < scan.paper_tone for scan in scans)
    assert sum(kind.share for kind in PENS.values()) == pytest.approx(1)
    assert all(kind.share > 0 for kind in PENS.values())


def test_no_stroke_is_bent_into_a_circle():
    # Varied twice, a stroke of this signature would bend by 2 pi: an arc of several metres.
    points = write_genuine(generate_signer(1, 402, Population.VARIED), 1).points
    assert np.ptp(points, axis=0).max() < 60.0


def test_bends_vary_only_so_far(signers):
    plan = replace(signers[0].plan, bends=np.full(len(signers[0].plan.bends), 3.4))
    varied = perturb(plan, 5.0, np.random.default_rng(3))
    assert np.abs(varied.bends).max() == WIDEST_BEND
