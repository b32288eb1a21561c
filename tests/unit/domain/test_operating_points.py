"""Deciding at an aimed error rate: which point, what is refused, what is written."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from fakes import make_threshold
from sigvault.domain.aims import (
    RULE_OF_THIRTY,
    RULE_OF_THREE,
    Aim,
    Measure,
)
from sigvault.domain.comparison import ErrorRates, LikelihoodRatio, OperatingPoint, Rate
from sigvault.domain.errors import UnsupportedAim
from sigvault.domain.identifiers import ModelId
from sigvault.domain.serialisation import threshold_from_dict, threshold_to_dict


def point(score: float, fnmr: float, fmr: float) -> OperatingPoint:
    rates = (Rate(rate, rate / 2, min(1.0, rate * 2)) for rate in (fnmr, fmr))
    return OperatingPoint(score, ErrorRates(*rates, skilled_fmr=None))


PLAIN = make_threshold(3, ModelId("m"))  # accept 0.85, refuse 0.6, 900 random forgeries, 1 draw
POINTS = (point(0.5, 0.01, 0.1), point(0.7, 0.05, 0.02), point(0.9, 0.2, 0.005))
THRESHOLD = replace(PLAIN, points=POINTS)


def test_the_laxest_point_that_keeps_an_fmr_is_taken():
    moved = THRESHOLD.at_fmr(0.03)
    assert (moved.accept, moved.refuse) == (0.7, 0.6)
    assert moved.accept_rates == POINTS[1].rates
    assert moved.refuse_rates == PLAIN.refuse_rates
    assert moved.aim == Aim(Measure.FMR, 0.03)
    assert moved.origin.protocol.startswith("accept point moved by whoever asked, to at most 3 %")


def test_the_strictest_point_that_keeps_an_fnmr_is_taken():
    assert THRESHOLD.at_fnmr(0.06).accept == 0.7


def test_refuse_never_lies_above_accept():
    moved = THRESHOLD.at_fmr(0.2)
    assert moved.accept == moved.refuse == 0.5
    assert moved.refuse_rates == moved.accept_rates == POINTS[0].rates


def test_an_aim_below_the_rule_of_three_is_refused_with_the_smallest_supported():
    with pytest.raises(UnsupportedAim, match=r"takes 3000 distinct .* there are 900.*0\.00334"):
        THRESHOLD.at_fmr(0.001)
    with pytest.raises(UnsupportedAim, match="no measured operating point"):
        THRESHOLD.at_fmr(0.0034)


def test_draws_are_not_counted_twice():
    origin = replace(PLAIN.origin, draws=10)
    with pytest.raises(UnsupportedAim, match="there are 90;"):
        replace(THRESHOLD, origin=origin).at_fmr(0.03)


def test_between_the_rules_of_three_and_thirty_a_warning_is_kept():
    assert "few comparisons" in THRESHOLD.at_fmr(0.03).origin.protocol
    assert "few comparisons" not in THRESHOLD.at_fmr(0.04).origin.protocol


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (PLAIN, "no operating points"),
        (replace(THRESHOLD, origin=replace(PLAIN.origin, signers=9)), "9 signers can't"),
    ],
)
def test_without_points_or_signers_no_aim_is_supported(threshold, message):
    with pytest.raises(UnsupportedAim, match=message):
        threshold.at_fmr(0.1)


def test_a_kind_that_was_not_measured_supports_no_aim():
    with pytest.raises(UnsupportedAim, match="skilled forgeries accepted was measured"):
        THRESHOLD.at_skilled_fmr(0.1)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_an_aim_is_a_rate(rate):
    with pytest.raises(ValueError, match="no rate between 0 and 1"):
        THRESHOLD.at_fmr(rate)


def test_what_was_written_before_is_written_and_read_the_same():
    written = threshold_to_dict(PLAIN)
    assert not {"points", "aim"} & set(written)
    assert set(written["likelihood_ratio"]) == {"slope", "intercept", "lower", "upper"}
    assert threshold_from_dict(written) == PLAIN


def test_points_aims_and_knots_survive_writing():
    ratio = LikelihoodRatio(1.0, 0.0, -1.0, 2.0, "kernel", (0.0, 1.0), (-3.0, 3.0))
    moved = replace(THRESHOLD.at_fmr(0.03), likelihood_ratio=ratio)
    assert threshold_from_dict(threshold_to_dict(moved)) == moved
    assert "points" not in threshold_to_dict(moved.without_points)


def test_knots_are_joined_by_straight_lines_within_the_bounds():
    ratio = LikelihoodRatio(1.0, 0.0, -1.0, 2.0, "isotonic", (0.0, 1.0), (-3.0, 3.0))
    assert [ratio.llr(score) for score in (-1.0, 0.5, 0.75, 5.0)] == [-1.0, 0.0, 1.5, 2.0]


@pytest.mark.parametrize(
    "knots", [((0.0,), ()), ((1.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0))]
)
def test_knots_must_rise(knots):
    with pytest.raises(ValueError, match="knots"):
        LikelihoodRatio(1.0, 0.0, -1.0, 1.0, "isotonic", *knots)


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (Measure.FMR, "random forgeries accepted"),
        (Measure.SKILLED_FMR, "skilled forgeries accepted"),
        (Measure.FNMR, "genuine signatures not accepted"),
    ],
)
def test_an_aim_says_what_it_is_a_share_of(measure, words):
    assert measure.words == words
    assert str(Aim(measure, 0.0125)) == f"at most 1.25 % of {words}"
    assert str(Aim(measure, 0.00033333)) == f"at most 0.0333 % of {words}"


def test_every_measure_is_one_of_the_rates_with_words_of_its_own():
    assert {measure.value for measure in Measure} == set(PLAIN.accept_rates.__dataclass_fields__)
    assert len({measure.words for measure in Measure}) == len(Measure)


def test_rules_are_those_of_the_standard():
    """No error in 3/p trials has a chance of 5 % at rate p, and 30 errors a deviation of 18 %."""
    rate = 0.001
    assert (1 - rate) ** (RULE_OF_THREE / rate) == pytest.approx(0.05, abs=0.001)
    assert 1.645 / math.sqrt(RULE_OF_THIRTY) == pytest.approx(0.30, abs=0.001)


@pytest.mark.parametrize("rate", [math.nextafter(0, 1), 0.5, math.nextafter(1, 0)])
def test_an_aim_may_come_as_close_to_none_or_all_as_it_likes(rate):
    assert Aim(Measure.FNMR, rate).rate == rate


def test_skilled_forgeries_are_aimed_at_where_they_were_measured():
    skilled = tuple(
        replace(
            one,
            rates=replace(one.rates, skilled_fmr=Rate(rate, rate, rate)),
        )
        for one, rate in zip(POINTS, (0.3, 0.1, 0.02), strict=True)
    )
    origin = replace(PLAIN.origin, skilled_forgeries=400)
    moved = replace(THRESHOLD, points=skilled, origin=origin).at_skilled_fmr(0.15)
    assert moved.accept == 0.7
    assert moved.aim == Aim(Measure.SKILLED_FMR, 0.15)
    with pytest.raises(UnsupportedAim, match="keeps at most 50 % of skilled"):
        replace(THRESHOLD, origin=origin).at_skilled_fmr(0.5)
