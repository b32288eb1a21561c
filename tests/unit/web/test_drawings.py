"""Charts: what is drawn is what was measured."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from fakes import make_threshold
from sigvault.domain.comparison import Decision, ErrorRates, OperatingPoint, Rate
from sigvault.domain.identifiers import ModelId, ReferenceId, SignerId
from sigvault.vault import Consistency, ReferenceConsistency
from sigvault.web.drawings.axis import Axis, axis_around
from sigvault.web.drawings.consistency import draw_consistency, ordinal
from sigvault.web.drawings.det import HEIGHT, draw_det
from sigvault.web.drawings.histogram import BARS, draw_histogram

MODEL = ModelId("fake-0")


def _rate(value: float) -> Rate:
    return Rate(value, 0.8 * value, min(1.0, 1.2 * value))


def _with_points():
    """Points of normal distributions: genuine around 1, skilled forgeries around 0."""
    scores = np.linspace(-0.4, 1.4, 40)
    mated, skilled, random = NormalDist(1, 0.2), NormalDist(0, 0.2), NormalDist(-0.5, 0.2)
    points = tuple(
        OperatingPoint(
            float(score),
            ErrorRates(
                _rate(mated.cdf(score)), _rate(1 - random.cdf(score)), _rate(1 - skilled.cdf(score))
            ),
        )
        for score in scores
    )
    return replace(make_threshold(3, MODEL, accept=0.6, refuse=0.4), points=points)


def test_bars_are_the_shares_between_points():
    threshold = _with_points()
    drawn = draw_histogram(threshold, 0.5)
    assert len(drawn.bars) == BARS
    highest = max(max(bar.mated, bar.skilled) for bar in drawn.bars)
    total = sum(bar.mated for bar in drawn.bars)
    below = sum(bar.mated for bar in drawn.bars if bar.x + bar.width <= drawn.accept + 0.01)
    assert highest == pytest.approx(120.0, abs=0.2)
    assert below / total == pytest.approx(threshold.points[22].rates.fnmr.value, abs=0.03)
    peak = max(drawn.bars, key=lambda bar: bar.mated)
    assert peak.x > drawn.accept
    assert max(drawn.bars, key=lambda bar: bar.skilled).x < drawn.refuse
    assert drawn.refuse < drawn.score < drawn.accept
    last, first = threshold.points[-1].rates.fnmr.value, threshold.points[0].rates.fnmr.value
    assert drawn.mated_beyond == pytest.approx(1.0 - (last - first), abs=1e-9)


def test_a_score_beyond_the_points_has_its_place():
    drawn = draw_histogram(_with_points(), 3.0)
    assert 90.0 < drawn.score < 100.0
    assert drawn.bars[-1].x < 60.0


def test_no_histogram_without_points_or_forgeries():
    assert draw_histogram(make_threshold(3, MODEL), 0.5) is None
    threshold = _with_points()
    without = tuple(
        replace(point, rates=replace(point.rates, skilled_fmr=None)) for point in threshold.points
    )
    assert draw_histogram(replace(threshold, points=without), 0.5) is None


def test_the_curve_falls_and_marks_lie_on_it():
    threshold = _with_points()
    point = threshold.points[20]
    threshold = replace(threshold, accept=point.score, accept_rates=point.rates)
    drawn = draw_det(threshold, threshold.points[25].rates)
    assert [curve.kind for curve in drawn.curves] == ["random", "skilled"]
    for curve in drawn.curves:
        places = [tuple(map(float, each.split(","))) for each in curve.path.split()]
        across, upwards = np.array(places).T
        assert (np.diff(across) <= 1e-9).all()  # stricter: fewer forgeries
        assert (np.diff(upwards) <= 1e-9).all()  # and more genuine ones lost, upwards
        assert 0.0 <= curve.moved.left <= curve.moved.x <= curve.moved.right <= 100.0
        assert 0.0 <= curve.moved.top <= curve.moved.y <= curve.moved.bottom <= HEIGHT
    skilled = drawn.curves[1]
    there = [tuple(map(float, each.split(","))) for each in skilled.path.split()][20]
    assert there == pytest.approx((skilled.accept.x, 100 * skilled.accept.y / HEIGHT), abs=0.02)
    assert [tick.at for tick in drawn.across] == sorted(tick.at for tick in drawn.across)


def test_a_threshold_without_forgeries_has_one_curve():
    threshold = make_threshold(3, MODEL)
    rates = replace(threshold.accept_rates, skilled_fmr=None)
    assert [
        curve.kind for curve in draw_det(replace(threshold, accept_rates=rates), None).curves
    ] == ["random"]


def test_an_axis_has_room_and_round_numbers():
    axis = axis_around([0.2, 0.8])
    assert 0.0 < axis.place(0.2) < axis.place(0.8) < 100.0
    assert axis.place(-5) == 0.0
    assert axis.place(5) == 100.0
    assert [tick.label for tick in Axis(0.0, 1.0).ticks()] == ["0.2", "0.4", "0.6", "0.8"]
    assert axis_around([0.5]).high > 0.5 > axis_around([0.5]).low


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "first"),
        (3, "third"),
        (9, "ninth"),
        (10, "10th"),
        (11, "11th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_places_in_words(number, word):
    assert ordinal(number) == word


def _consistency(*decisions: Decision) -> Consistency:
    scores = {Decision.ACCEPT: 0.9, Decision.REVIEW: 0.7, Decision.REFUSE: 0.1}
    return Consistency(
        SignerId("53"),
        tuple(
            ReferenceConsistency(ReferenceId(f"r{place}"), 0.5, 0.5, scores[each], each)
            for place, each in enumerate(decisions)
        ),
        make_threshold(2, MODEL),
    )


def test_references_that_differ_are_named():
    accept, review, refuse = Decision.ACCEPT, Decision.REVIEW, Decision.REFUSE
    summary = draw_consistency(_consistency(accept, review, refuse)).summary
    assert summary.startswith("The third differs from the others")
    summary = draw_consistency(_consistency(refuse, accept, accept, refuse)).summary
    assert summary.startswith("The first and the fourth differ from the others")
    assert "go together:" in draw_consistency(_consistency(accept, review)).summary
    assert "don't go together" in draw_consistency(_consistency(refuse, refuse)).summary
    chart = draw_consistency(_consistency(accept, refuse))
    assert chart.dots[0].x > chart.accept > chart.refuse > chart.dots[1].x


def test_scans_of_one_signing_are_named_before_all_else():
    """Among copies it is the honest signature that differs."""
    found = _consistency(Decision.ACCEPT, Decision.ACCEPT, Decision.REFUSE)
    first, second, third = found.references
    copied = replace(second, copy_of=first.reference)
    summary = draw_consistency(replace(found, references=(first, copied, third))).summary
    assert summary.startswith("Some references are as alike as scans of one signing, the second of")
    assert "enroll separate signings." in summary


def test_without_a_threshold_nothing_is_judged():
    alone = ReferenceConsistency(ReferenceId("r"), 0.5, 0.5, None, None)
    chart = draw_consistency(Consistency(SignerId("53"), (alone, alone), None))
    assert "no judgement" in chart.summary
    assert chart.accept is None
    assert not chart.fused
    assert draw_consistency(Consistency(SignerId("53"), (), None)) is None
