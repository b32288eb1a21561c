"""Candidates whose galleries differ in size are put in order by where their scores stand."""

from __future__ import annotations

from dataclasses import replace

from fakes import FUSION, make_threshold
from sigvault.domain.comparison import ReferenceScore, Score
from sigvault.domain.identifiers import ModelId, ReferenceId, SignerId
from sigvault.services.identification import _Compared, _rank


class _Held:
    """A gallery of which nothing but the signer matters."""

    def __init__(self, signer: str) -> None:
        self.key = self.signer = SignerId(signer)
        self.gallery = self


class _Aim:
    """An aim that changes nothing."""

    def decide(self, threshold, score):
        return threshold.judge(score), ""


def compared(signer, value, references, refuse, accept):
    threshold = replace(make_threshold(references, ModelId("m")), refuse=refuse, accept=accept)
    parts = (ReferenceScore(ReferenceId("r"), value, 1.0, value),)
    return _Compared(_Held(signer), Score(value, parts, None, FUSION), threshold)


def order(*each):
    def look(score, gallery, threshold):
        return score

    ranked, _ = _rank(list(each), 10, _Aim(), look)
    return [(candidate.rank, candidate.signer) for _, candidate in ranked]


def test_one_reference_scores_higher_and_stands_lower():
    stranger = compared("stranger", 0.336, 1, 0.45, 0.725)
    signer = compared("signer", 0.095, 5, -0.031, 0.065)
    assert order(stranger, signer) == [(1, "signer"), (2, "stranger")]


def test_of_galleries_of_one_size_the_higher_score_comes_first():
    values = {"a": 0.2, "b": 0.9, "c": -0.4, "d": 0.9, "e": 0.06}
    each = [compared(signer, value, 5, -0.031, 0.065) for signer, value in values.items()]
    assert [signer for _, signer in order(*each)] == ["b", "d", "a", "e", "c"]


def test_without_a_zone_between_them_the_nearer_to_the_threshold_comes_first():
    above = compared("above", 0.31, 1, 0.3, 0.3)
    below = compared("below", 0.29, 1, 0.3, 0.3)
    assert order(below, above) == [(1, "above"), (2, "below")]
