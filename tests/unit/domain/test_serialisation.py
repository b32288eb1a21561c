"""Domain values survive JSON exactly, and anything else is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.audit import canonical_json
from sigvault.domain.comparison import (
    Candidate,
    Decision,
    ErrorRates,
    Evidence,
    LikelihoodRatio,
    Origin,
    Rate,
    ReferenceScore,
    Score,
    Threshold,
)
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Spread
from sigvault.domain.image import QualityFinding
from sigvault.domain.model_card import ModelCard
from sigvault.domain.serialisation import (
    candidate_from_dict,
    candidate_to_dict,
    card_from_dict,
    card_to_dict,
    evidence_from_dict,
    evidence_to_dict,
    evidence_to_json,
    finding_from_dict,
    finding_to_dict,
    fusion_from_dict,
    fusion_to_dict,
    score_to_dict,
    threshold_from_dict,
    threshold_to_dict,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
share = st.floats(0.0, 1.0)
text = st.text(max_size=12)
count = st.integers(0, 10**12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(text, json_values, max_size=3)
rates = st.builds(Rate, finite, finite, finite)
error_rates = st.builds(ErrorRates, rates, rates, st.none() | rates)
origins = st.builds(Origin, text, text, count, count, count, count, count, count, text, text)
ratios = st.builds(LikelihoodRatio, finite, finite, finite, finite)
fusions = st.builds(FusionRule, st.integers(1, 9), share, share, share)
spreads = st.builds(Spread, finite, finite)
findings = st.builds(QualityFinding, text, finite, finite, text, st.booleans(), text)
scores = st.builds(
    Score,
    finite,
    st.lists(st.builds(ReferenceScore, text, finite, finite, finite), max_size=3).map(tuple),
    st.none() | spreads,
    fusions,
)
decisions = st.sampled_from(Decision)


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    """Thresholds with the operating points in order."""
    refuse, accept = sorted(draw(st.tuples(finite, finite)))
    return Threshold(
        references=draw(st.integers(1, 20)),
        accept=accept,
        refuse=refuse,
        accept_rates=draw(error_rates),
        refuse_rates=draw(error_rates),
        likelihood_ratio=draw(ratios),
        fusion=draw(fusions),
        origin=draw(origins),
    )


evidences = st.builds(
    Evidence,
    text,
    text,
    decisions,
    scores,
    finite,
    thresholds(),
    st.lists(findings, max_size=2).map(tuple),
    text,
    text,
    count,
)
candidates = st.builds(Candidate, st.integers(1, 9), text, scores, finite, decisions)
digests = st.frozensets(text, max_size=4)
cards = st.builds(
    ModelCard,
    name=text,
    sha256=text,
    architecture=objects,
    preprocessing=objects,
    preprocessing_name=text,
    fusion=fusions,
    training_data=st.lists(text, max_size=3).map(tuple),
    training_digests=digests,
    recipe=objects,
    metrics=objects,
    thresholds=st.lists(thresholds(), max_size=2).map(tuple),
    calibration_digests=digests,
    licence=text,
)


def through_json(content: dict[str, Any]) -> Any:
    return json.loads(json.dumps(content, allow_nan=False))


@given(thresholds())
def test_a_threshold_survives(threshold: Threshold) -> None:
    assert threshold_from_dict(through_json(threshold_to_dict(threshold))) == threshold


@given(evidences)
def test_evidence_survives(evidence: Evidence) -> None:
    assert evidence_from_dict(through_json(evidence_to_dict(evidence))) == evidence


@given(evidences, st.none() | finite)
def test_evidence_is_written_as_canonical_json_writes_it(
    evidence: Evidence, turned: float | None
) -> None:
    seen = tuple(replace(one, turned=turned) for one in evidence.score.per_reference)
    evidence = replace(evidence, score=replace(evidence.score, per_reference=seen))
    assert evidence_to_json(evidence) == canonical_json(evidence_to_dict(evidence))


@given(evidences, st.sampled_from([0, np.float64(0.1)]))
def test_numbers_of_other_types_are_written_alike(evidence: Evidence, number: float) -> None:
    row = ReferenceScore("1", number, number, number)
    for score in (
        replace(evidence.score, value=number),
        replace(evidence.score, per_reference=(row,)),
        replace(evidence.score, spread=Spread(number, number)),
    ):
        other = replace(evidence, score=score, llr=number)
        assert evidence_to_json(other) == canonical_json(evidence_to_dict(other))


@given(evidences, st.sampled_from([math.nan, math.inf]))
def test_evidence_that_json_cannot_hold_is_refused_by_name(
    evidence: Evidence, number: float
) -> None:
    row = ReferenceScore("1", number, 0.0, 0.0)
    cases = {
        "llr": replace(evidence, llr=number),
        "score.value": replace(evidence, score=replace(evidence.score, value=number)),
        r"score.per_reference\[0\].cosine": replace(
            evidence, score=replace(evidence.score, per_reference=(row,))
        ),
        "signer": replace(evidence, signer=b"1"),
    }
    for path, case in cases.items():
        with pytest.raises(ValueError, match=rf"^evidence\.{path} "):
            evidence_to_json(case)


@given(candidates)
def test_a_candidate_survives(candidate: Candidate) -> None:
    content = through_json(candidate_to_dict(candidate))

    assert candidate_from_dict(content) == candidate
    assert content["score"] == through_json(score_to_dict(candidate.score))


@given(findings, fusions)
def test_findings_and_fusion_rules_survive(finding: QualityFinding, fusion: FusionRule) -> None:
    assert finding_from_dict(through_json(finding_to_dict(finding))) == finding
    assert fusion_from_dict(through_json(fusion_to_dict(fusion))) == fusion


@given(cards)
def test_a_model_card_survives_with_its_digests_sorted(card: ModelCard) -> None:
    content = through_json(card_to_dict(card))

    assert card_from_dict(content) == card
    assert content["training_digests"] == sorted(card.training_digests)
    assert content["calibration_digests"] == sorted(card.calibration_digests)


RATE = Rate(0.1, 0.05, 0.2)
THRESHOLD = Threshold(
    references=5,
    accept=0.5,
    refuse=0.25,
    accept_rates=ErrorRates(RATE, RATE, None),
    refuse_rates=ErrorRates(RATE, RATE, RATE),
    likelihood_ratio=LikelihoodRatio(10.0, -4.0, -2.0, 2.0),
    fusion=FusionRule(),
    origin=Origin("synthetic", "repeated draws", 30, 300, 900, 300, 10, 7, "m-0", "p-1"),  # type: ignore[arg-type]
)


def test_what_is_read_says_its_types() -> None:
    content = threshold_to_dict(THRESHOLD)
    content["accept"] = 1

    read = threshold_from_dict(content)

    assert isinstance(read.accept, float)
    assert read == replace(THRESHOLD, accept=1.0)


def test_a_field_with_a_default_may_be_missing() -> None:
    assert fusion_from_dict({"top": 2}) == FusionRule(top=2)


def broken(path: list[Any], value: Any) -> dict[str, Any]:
    """The threshold's dictionary with one field replaced, or left out if value is `...`."""
    content: Any = through_json(threshold_to_dict(THRESHOLD))
    place = content
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (broken(["origin", "seed"], ...), r"threshold\.origin\.seed is missing"),
        (broken(["origin", "seed"], "7"), r"threshold\.origin\.seed is '7', not int"),
        (broken(["origin", "seed"], True), r"threshold\.origin\.seed is True, not int"),
        (broken(["accept"], True), r"threshold\.accept is True, not float"),
        (broken(["accept"], float("nan")), r"threshold\.accept is nan"),
        (broken(["accept"], 10**400), r"threshold\.accept is 1000.*no finite number"),
        (broken(["accept"], 0.0), r"threshold can't be: refuse \(0\.25\) lies above"),
        (broken(["accept_rates"], [1]), r"threshold\.accept_rates is \[1\], not an object"),
        (broken(["accept_rates", "fmr"], None), r"threshold\.accept_rates\.fmr is None"),
        (broken(["fusion", "tops"], 3), r"threshold\.fusion has the unknown field tops"),
        (broken(["fusion", "top"], 0), r"threshold\.fusion can't be: top is 0"),
    ],
)
def test_content_that_is_no_threshold_is_refused_by_name(
    content: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        threshold_from_dict(content)


def test_an_unknown_decision_is_refused_by_name() -> None:
    score = Score(0.5, (), None, FusionRule())
    content = candidate_to_dict(Candidate(1, "53", score, 1.0, Decision.ACCEPT))  # type: ignore[arg-type]
    content["decision"] = "perhaps"

    with pytest.raises(ValueError, match=r"candidate\.decision is 'perhaps', not one of accept"):
        candidate_from_dict(content)


def test_a_list_that_is_none_is_refused_by_name() -> None:
    score = Score(0.5, (), None, FusionRule())
    content = candidate_to_dict(Candidate(1, "53", score, 1.0, Decision.ACCEPT))  # type: ignore[arg-type]
    content["score"]["per_reference"] = "x" * 60

    with pytest.raises(ValueError, match=r"per_reference is 'x+\.\.\., not a list"):
        candidate_from_dict(content)


@pytest.mark.parametrize(
    "metrics", [{"eer": float("inf")}, {"eer": object()}, {"eer": {1: 2}}, {"eer": b"0.1"}]
)
def test_what_json_cannot_hold_is_not_written(metrics: dict[str, Any]) -> None:
    card = ModelCard("m", "0" * 64, {}, {}, "p-1", FusionRule(), (), frozenset(), {}, metrics)

    with pytest.raises(ValueError, match=r"card\.metrics(\.eer)? (is|has)"):
        card_to_dict(card)
