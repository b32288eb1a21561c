"""Candidates of galleries of different sizes are put in order by what their scores mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes import FUSION, make_threshold, with_points
from sigvault.domain.comparison import (
    Decision,
    LikelihoodRatio,
    ReferenceScore,
    Score,
    Threshold,
)
from sigvault.domain.identifiers import ModelId, ReferenceId, SignerId
from sigvault.domain.searching import SearchAim
from sigvault.services.identification import _Compared, _rank

AIM = SearchAim(0.2, 5)


class _Held:
    """A gallery of which nothing but the signer matters."""

    def __init__(self, signer: str) -> None:
        self.key = self.signer = SignerId(signer)
        self.gallery = self


def threshold(references, refuse, accept, **changes) -> Threshold:
    plain = make_threshold(references, ModelId("m"), refuse=refuse, accept=accept)
    ratio = LikelihoodRatio(12.0, -12.0 * refuse, -1.0, 1.0)  # 0 at refuse, soon at its bounds
    return replace(with_points(plain), likelihood_ratio=ratio, **changes)


ONE, FIVE = threshold(1, 0.45, 0.725), threshold(5, -0.031, 0.065)


def compared(signer, value, by, copied=0.0):
    parts = (ReferenceScore(ReferenceId("r"), copied, 1.0, copied),)
    return _Compared(_Held(signer), Score(value, parts, None, FUSION), by)


def ranked(*each, top=10, aim=AIM):
    def look(one):
        return one

    found, unsupported = _rank(list(each), top, aim, look)
    assert [candidate.rank for _, candidate in found] == list(range(1, len(found) + 1))
    return [(one.signer, one.decision) for _, one in found], unsupported


def order(*each):
    return [signer for signer, _ in ranked(*each)[0]]


def test_who_is_accepted_comes_before_a_stranger_with_a_higher_score():
    stranger, signer = compared("stranger", 0.336, ONE), compared("signer", 0.095, FIVE)
    assert ranked(stranger, signer) == (
        [("signer", Decision.ACCEPT), ("stranger", Decision.REFUSE)],
        "",
    )
    assert ranked(stranger, signer, top=1)[0] == [("signer", Decision.ACCEPT)]


def test_the_decision_is_the_searchs_own():
    """What a verification would accept, but is not accepted among so many, ranks as review."""
    lax = threshold(1, 0.45, 0.725)
    rates = replace(lax.accept_rates, fmr=replace(lax.accept_rates.fmr, value=0.1))
    strict = replace(lax.points[1], score=0.99)
    lax = replace(lax, points=(replace(lax.points[1], rates=rates), strict))
    nearly, accepted = compared("nearly", 0.98, lax), compared("accepted", 0.066, FIVE)
    assert nearly.standing > accepted.standing
    assert ranked(nearly, accepted)[0] == [
        ("accepted", Decision.ACCEPT),
        ("nearly", Decision.REVIEW),
    ]


def test_of_equal_decisions_the_likelier_comes_first_and_then_who_stands_higher():
    unlikely = compared("unlikely", 0.46, ONE)
    likely = compared("likely", 0.03, FIVE)
    assert order(unlikely, likely) == ["likely", "unlikely"]
    far, near = compared("far", 0.8, ONE), compared("near", 0.2, FIVE)
    assert [each.place(0.0)[1] for each in (far, near)] == [-1.0, -1.0]
    assert order(far, near) == ["near", "far"]


def test_of_galleries_of_one_size_the_higher_score_comes_first_and_of_equal_ones_the_first_name():
    values = {"d": 0.9, "a": 0.2, "b": 0.9, "c": -0.4, "e": 0.06}
    each = [compared(signer, value, FIVE) for signer, value in values.items()]
    assert order(*each) == ["b", "d", "a", "e", "c"]


@pytest.mark.parametrize("by", [ONE, FIVE])
def test_galleries_of_one_size_are_ordered_by_score_whatever_the_likelihood_ratio_is(by):
    random = np.random.default_rng(0)
    knots = np.sort(random.uniform(-1.0, 1.0, 40)), np.sort(random.uniform(-2.0, 2.0, 40))
    pieces = replace(by.likelihood_ratio, scores=tuple(knots[0]), llrs=tuple(knots[1]))
    values = random.uniform(-1.0, 1.0, 400)
    for threshold_ in (by, replace(by, likelihood_ratio=pieces)):
        each = [compared(f"{n:03}", value, threshold_) for n, value in enumerate(values)]
        found = [int(signer) for signer, _ in ranked(*each, top=400)[0]]
        assert found == np.argsort(-values, kind="stable").tolist()


def test_nobody_who_is_accepted_hides_a_copy_with_a_higher_score():
    watchful = replace(FIVE, copy_limit=0.9)
    copied, own = compared("copied", 0.5, watchful, 0.95), compared("own", 0.1, watchful)
    assert ranked(own, copied)[0] == [("copied", Decision.REVIEW), ("own", Decision.ACCEPT)]


def test_without_a_zone_between_them_the_nearer_to_the_threshold_comes_first():
    narrow = threshold(1, 0.3, 0.3)
    assert order(compared("below", 0.29, narrow), compared("above", 0.31, narrow)) == [
        "above",
        "below",
    ]


def test_nobody_can_be_accepted_only_where_that_holds_for_all_sizes():
    poor = replace(ONE, origin=replace(ONE.origin, random_forgeries=10))
    led, leads = compared("led", 0.0, FIVE), compared("leads", 0.6, poor)
    assert ranked(led, leads, top=1) == ([("leads", Decision.REVIEW)], "")
    _, unsupported = ranked(leads)
    assert "with 5 signers, an FPIR of at most 20 % takes 75 distinct comparisons" in unsupported
    assert ranked() == ([], "")
