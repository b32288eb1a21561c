"""A picture of a reference that was turned a little is told as a copy, and nothing else is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature, first_generation, make_threshold
from sigvault.domain.comparison import CLOSER_LOOK, Decision, Score, Threshold, compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import InkImage
from sigvault.domain.local_matching import TURN_MARGIN, match_local
from sigvault.domain.serialisation import evidence_from_dict, evidence_to_dict
from sigvault.domain.turn_fit import SHORT, fit_turn
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_ink
from sigvault.reporting.words import explain_decision
from sigvault.services.acquisition import Acquired, acquire
from sigvault.services.closer_look import (
    LOSS,
    LOSS_A_DEGREE,
    MOST_VIEWS,
    RESIDUAL,
    look_closer,
    suspect_copy,
)
from sigvault.services.comparing import Claimed, Comparison
from sigvault.services.verification import weigh


class Case:
    """A gallery of three, and a probe that is its second picture, turned by three degrees."""

    def __init__(self, signer: int = 1, turns: tuple[float, ...] = ()) -> None:
        self.embedder = FakeEmbedder(turns=turns, wide=True)
        self.pictures = [
            acquire(draw_signature(signer, n), DEFAULT_PREPROCESSING) for n in range(3)
        ]
        self.gallery = self.enroll(self.pictures)
        self.probe = turned(self.pictures[1], 3.0)
        self.threshold = replace(make_threshold(3, self.embedder.model), accept=-1.0, refuse=-1.0)
        self.score = self.compare(self.probe)
        self.embedder.batches.clear()

    def enroll(self, pictures: list[Acquired]) -> Gallery:
        inks = [each.prepared.ink for each in pictures]
        embedded = self.embedder.embed(inks, as_references=True)
        references = (Reference(ReferenceId(f"r{n}"), each) for n, each in enumerate(embedded))
        return Gallery(SignerId("1"), GenerationId(1), tuple(references))

    def compare(self, probe: Acquired) -> Score:
        (embedding,) = self.embedder.embed([probe.prepared.ink])
        return compare(embedding, self.gallery, self.threshold.fusion)

    def limited(self, limit: float) -> Threshold:
        return replace(self.threshold, copy_limit=limit)

    def suspect(self, threshold: Threshold, probe: Acquired | None = None) -> float | None:
        return suspect_copy(*self.compared(threshold, probe))

    def look(self, threshold: Threshold, probe: Acquired | None = None) -> Score:
        """As a verification does."""
        compared, claimed = self.compared(threshold, probe)
        degrees = suspect_copy(compared, claimed)
        if degrees is None:
            return compared.score
        return look_closer(self.embedder, compared, claimed, degrees)

    def compared(
        self, threshold: Threshold, probe: Acquired | None = None
    ) -> tuple[Comparison, Claimed]:
        ink = (probe or self.probe).prepared.ink
        (embedding,) = self.embedder.embed([ink])
        self.embedder.batches.clear()
        claimed = Claimed(self.gallery, threshold)
        return claimed.compare(ink, embedding), claimed


def turned(picture: Acquired, degrees: float) -> Acquired:
    ink = picture.prepared.ink
    other = replace(ink, ink=turn_ink(ink.ink, degrees))
    return replace(picture, prepared=replace(picture.prepared, ink=other))


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_reference_that_was_turned_is_told_as_its_copy(case: Case):
    nearest = max(one.local for one in case.score.per_reference)
    threshold = case.limited(nearest + 0.01)
    assert threshold.judge(case.score) is Decision.ACCEPT
    seen = case.look(threshold)
    assert (seen.value, seen.spread) == (case.score.value, case.score.spread)
    likest = max(seen.per_reference, key=lambda one: one.turned or 0.0)
    assert likest.reference == "r1"
    assert threshold.copied(seen) == likest
    assert threshold.judge(seen) is Decision.REVIEW
    assert case.embedder.batches == [1]
    # The slow way: each reference with the probe turned by as much.
    degrees = case.suspect(threshold)
    assert degrees is not None
    assert degrees == pytest.approx(-3.0, abs=1.5)
    ink = case.probe.prepared.ink
    (back,) = case.embedder.embed([replace(ink, ink=turn_ink(ink.ink, degrees))])
    for one, reference in zip(seen.per_reference, case.gallery.references, strict=True):
        alike = match_local(back.level, reference.embedding.local).score
        assert one.turned == pytest.approx(alike, abs=1e-6)
    assert [one.local for one in seen.per_reference] == [
        one.local for one in case.score.per_reference
    ]


def test_the_evidence_says_so_and_can_be_replayed(case: Case):
    threshold = case.limited(max(one.local for one in case.score.per_reference) + 0.01)
    active = first_generation(case.embedder, threshold)
    seen = case.look(threshold)
    evidence = weigh(seen, case.probe, SignerId("1"), threshold, active)
    assert evidence.decision is Decision.REVIEW is evidence.replay()
    (alarm,) = [finding for finding in evidence.findings if finding.name == "copy"]
    assert "reference 2 (r1) once it is turned a little" in alarm.message
    assert alarm.value >= threshold.copy_limit > max(one.local for one in seen.per_reference)
    assert "like reference 2 of signer 1 once it is turned a little" in explain_decision(evidence)
    assert f"{alarm.value:.3f}" in explain_decision(evidence)
    assert evidence_from_dict(evidence_to_dict(evidence)) == evidence
    before = evidence_to_dict(weigh(case.score, case.probe, SignerId("1"), case.threshold, active))
    assert all("turned" not in one for one in before["score"]["per_reference"])  # type: ignore[index]


def test_it_is_taken_only_where_it_is_asked_for(case: Case):
    nearest = max(one.local for one in case.score.per_reference)
    far, near = case.limited(nearest + CLOSER_LOOK + 0.01), case.limited(nearest + 0.01)
    unaccepted = replace(near, accept=5.0, refuse=-5.0)
    for threshold in (far, case.threshold, unaccepted, case.limited(nearest)):
        assert case.look(threshold) == case.score
    assert case.embedder.batches == []
    assert case.look(near) != case.score
    assert case.embedder.batches == [1]


@pytest.mark.parametrize("turns", [(), (-12.0, 12.0)], ids=["level", "three sides"])
def test_the_turn_is_told_by_the_view_that_explains_it_best(turns):
    case = Case(turns=turns)
    nearest = max(one.local for one in case.score.per_reference)
    for limit in (nearest + 0.005, nearest + 0.03, nearest + 0.06, nearest + 0.1):
        told = case.suspect(case.limited(limit))
        assert told == slow_suspect(case, limit)


def slow_suspect(case: Case, limit: float) -> float | None:
    """Every view of every reference, one after the other, and the most alike of them asked."""
    (probe,) = case.embedder.embed([case.probe.prepared.ink])
    found = []
    for reference in case.gallery.references:
        local = reference.embedding.local
        for number, view in enumerate(local if local.ndim == 4 else [local]):
            margin = TURN_MARGIN if number else 0.0
            score = match_local(probe.level, view).score - margin
            if score >= limit - CLOSER_LOOK:
                found.append((score, fit_turn(probe.level, view)))
    found.sort(key=lambda one: -one[0])
    told = [
        (fit.residual, fit.degrees)
        for score, fit in found[:MOST_VIEWS]
        if fit.residual <= RESIDUAL and score + LOSS + LOSS_A_DEGREE * abs(fit.degrees) >= limit
    ]
    if not told:
        return None
    _, degrees = min(told)
    return degrees + math.copysign(SHORT, degrees)


def test_a_second_signature_is_not_looked_at(case: Case):
    other = acquire(draw_signature(1, 7), DEFAULT_PREPROCESSING)
    score = case.compare(other)
    nearest = max(one.local for one in score.per_reference)
    threshold = case.limited(min(0.99, nearest + 0.07))
    assert threshold.asks_closer_look(score)
    assert case.suspect(threshold, other) is None
    assert case.look(threshold, other) == score
    assert case.embedder.batches == []
    assert threshold.judge(score) is Decision.ACCEPT


def test_what_no_turn_could_bring_to_the_limit_is_not_looked_at(case: Case):
    """The picture as it is, but with a limit that no picture reaches."""
    score = case.compare(case.pictures[1])
    nearest = max(one.local for one in score.per_reference)
    asked = case.limited(nearest + LOSS - 0.001), case.limited(nearest + LOSS + 0.05)
    near, far = (case.suspect(threshold, case.pictures[1]) for threshold in asked)
    assert near is not None
    assert far is None


def test_the_ink_itself_is_left_alone(case: Case):
    ink: InkImage = case.probe.prepared.ink
    before = ink.ink.copy()
    threshold = case.limited(max(one.local for one in case.score.per_reference) + 0.01)
    case.look(threshold)
    np.testing.assert_array_equal(ink.ink, before)
