"""Deciding on candidates: how often strangers may be taken for somebody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes import FUSION, make_threshold
from sigvault.domain.aims import DEFAULT_FPIR, Aim, Measure
from sigvault.domain.comparison import (
    Decision,
    ErrorRates,
    OperatingPoint,
    Rate,
    ReferenceScore,
    Score,
    Threshold,
    select_threshold,
)
from sigvault.domain.identifiers import ModelId, ReferenceId
from sigvault.domain.searching import SearchAim, decide_from
from sigvault.embedding.card import bundled_model, read_card

SOME = Rate(0.1, 0.05, 0.2)


def measured(*points: tuple[float, float]) -> Threshold:
    """A threshold accepting from 0.85, with an FMR at each score."""
    plain = make_threshold(3, ModelId("m"))
    return replace(
        plain,
        points=tuple(
            OperatingPoint(score, ErrorRates(SOME, Rate(fmr, fmr, fmr), None))
            for score, fmr in points
        ),
        origin=replace(plain.origin, random_forgeries=10_000),
    )


def scored(value: float) -> Score:
    """A probe against one reference, with this fused score."""
    return Score(value, (ReferenceScore(ReferenceId("r"), value, 1.0, value),), None, FUSION)


THRESHOLD = measured((0.6, 0.1), (0.85, 0.01), (0.9, 0.001), (0.95, 0.0004))


@pytest.mark.parametrize(
    ("score", "signers", "decision"),
    [
        (0.86, 1, Decision.ACCEPT),
        (0.86, 2, Decision.REVIEW),
        (0.91, 10, Decision.ACCEPT),
        (0.91, 11, Decision.REVIEW),
        (0.96, 25, Decision.ACCEPT),
        (0.7, 1, Decision.REVIEW),
        (0.5, 1, Decision.REFUSE),
        (0.5, 25, Decision.REFUSE),
    ],
)
def test_the_more_signers_are_searched_the_more_a_candidate_has_to_score(score, signers, decision):
    assert SearchAim(0.01, signers).decide(THRESHOLD, scored(score)) == (decision, "")


def test_what_a_verification_would_not_accept_is_not_accepted_at_a_lax_rate():
    lax = measured((0.5, 0.2), (0.7, 0.05))
    assert lax.at_fmr(0.1).accept < 0.75 < lax.accept
    assert SearchAim(0.5, 5).decide(lax, scored(0.75)) == (Decision.REVIEW, "")


@pytest.mark.parametrize(
    ("score", "decision"),
    [(0.99, Decision.REVIEW), (0.7, Decision.REVIEW), (0.5, Decision.REFUSE)],
)
def test_where_the_data_can_not_tell_nobody_is_accepted_and_it_says_why(score, decision):
    found, reason = SearchAim(0.01, 1000).decide(THRESHOLD, scored(score))
    assert found is decision
    assert "rule of three" in reason


def test_each_comparison_keeps_its_share():
    assert SearchAim(0.05, 50).fmr == Aim(Measure.FMR, 0.001)


def test_strangers_are_accepted_at_most_as_often_as_aimed_at_however_scores_hang_together():
    random = np.random.default_rng(3)
    signers, searches = 40, 4000
    # Each stranger resembles everybody a little or not at all, so the comparisons depend.
    scores = 0.6 * random.normal(size=(searches, 1)) + 0.8 * random.normal(size=(searches, signers))
    levels = np.linspace(0.0, 5.0, 501)
    others = random.normal(size=1_000_000)
    points = [(float(level), float((others >= level).mean())) for level in levels]
    threshold = replace(measured(*points), accept=0.0, refuse=-1.0)
    threshold = replace(threshold, origin=replace(threshold.origin, random_forgeries=1_000_000))
    aim = SearchAim(0.05, signers)
    accepted = [aim.decide(threshold, scored(float(best)))[0] for best in scores.max(axis=1)]
    fpir = accepted.count(Decision.ACCEPT) / searches
    assert 0.02 < fpir <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / searches)


@pytest.mark.parametrize("rate", [0.0, 1e-320, 1e-10, 1.0, -1.0, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match="FPIR"):
        SearchAim(rate, 3)


def test_at_least_one_signer_is_searched():
    with pytest.raises(ValueError, match="0 signers"):
        SearchAim(DEFAULT_FPIR, 0)


def named_rate(reason: str) -> float:
    """The rate that a message says to give."""
    return float(reason.partition("give --at-fpir ")[2].split()[0])


def test_where_there_are_too_few_comparisons_the_rate_to_give_is_named():
    few = replace(THRESHOLD, points=measured((0.85, 0.01), (0.99, 0.0)).points)
    assert SearchAim(0.01, 1000).accept_point(few) == (
        float("inf"),
        "with 1000 signers, an FPIR of at most 1 % takes 300000 distinct comparisons with other "
        "signers by the rule of three, and there are 10000; give --at-fpir 0.3 (30 %) or more, or "
        "calibrate with more signers",
    )
    assert SearchAim(0.3, 1000).accept_point(few) == (0.99, "")
    assert "with 1 signer, an FPIR of at most 0.01 %" in SearchAim(1e-4, 1).accept_point(few)[1]


def test_where_no_measured_score_is_high_enough_the_rate_to_give_is_named():
    _, reason = SearchAim(0.035, 100).accept_point(THRESHOLD)
    assert "takes a score that at most 0.035 % of other signers' reach" in reason
    assert "the highest measured is reached by 0.04 %" in reason
    assert named_rate(reason) == 0.041
    assert SearchAim(0.041, 100).accept_point(THRESHOLD) == (0.95, "")


@pytest.mark.parametrize("signers", [1, 2, 7, 12, 99, 290, 1000, 2497])
def test_the_rate_that_is_named_is_enough(signers):
    _, reason = SearchAim(1e-6, signers).accept_point(THRESHOLD)
    enough = named_rate(reason)
    assert SearchAim(enough, signers).accept_point(THRESHOLD)[1] == ""
    if enough > 0.002:
        assert SearchAim(enough - 0.002, signers).accept_point(THRESHOLD)[1]


def test_with_too_many_signers_for_any_rate_none_is_named():
    for signers in (2500, 100_000_000):
        _, reason = SearchAim(0.01, signers).accept_point(THRESHOLD)
        assert "--at-fpir" not in reason
        assert reason.endswith("no FPIR can be kept with so many: calibrate with more signers")


def test_where_something_else_is_wrong_with_the_data_that_is_said():
    origin = replace(THRESHOLD.origin, signers=9)
    for threshold, wrong in (
        (replace(THRESHOLD, points=()), "no operating points"),
        (replace(THRESHOLD, origin=origin), "9 signers can't support"),
        (replace(THRESHOLD, origin=replace(origin, random_forgeries=0)), "was measured"),
    ):
        accept, reason = SearchAim(0.01, 5).accept_point(threshold)
        assert (accept, wrong in reason) == (float("inf"), True)


def test_the_bundled_thresholds_accept_by_default_among_as_many_signers_as_documented():
    bundled = read_card(bundled_model()).thresholds
    for references, most in ((1, 11), (5, 11), (15, 11), (16, 7), (20, 7)):
        threshold = select_threshold(bundled, references)
        assert SearchAim(DEFAULT_FPIR, most).accept_point(threshold)[1] == ""
        _, reason = SearchAim(DEFAULT_FPIR, most + 1).accept_point(threshold)
        assert f"with {most + 1} signers, an FPIR of at most 1 % takes" in reason


@pytest.mark.parametrize(
    ("score", "decision"),
    [(0.9, Decision.ACCEPT), (0.86, Decision.REVIEW), (0.7, Decision.REVIEW), (0.5, "refuse")],
)
def test_by_its_score_alone_a_copy_is_decided_on_like_anything_else(score, decision):
    watchful = replace(THRESHOLD, copy_limit=0.4)
    assert decide_from(0.9, watchful, score) is Decision(decision)
