"""A picture of a reference that was turned a little is told as a copy, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature, make_threshold
from sigvault.domain.comparison import CLOSER_LOOK, Decision, Score, Threshold, compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import InkImage
from sigvault.domain.local_matching import match_local
from sigvault.domain.serialisation import evidence_from_dict, evidence_to_dict
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_ink
from sigvault.reporting.words import explain_decision
from sigvault.services.acquisition import Acquired, acquire
from sigvault.services.closer_look import STEPS, CloserLook
from sigvault.services.verification import weigh


class Case:
    """A gallery of three, and a probe that is its second picture, turned by three degrees."""

    def __init__(self, signer: int = 1) -> None:
        self.embedder = FakeEmbedder()
        self.pictures = [
            acquire(draw_signature(signer, n), DEFAULT_PREPROCESSING) for n in range(3)
        ]
        self.gallery = self.enroll(self.pictures)
        self.probe = turned(self.pictures[1], 3.0)
        self.threshold = replace(make_threshold(3, self.embedder.model), accept=-1.0, refuse=-1.0)
        self.score = self.compare(self.probe)
        self.embedder.batches.clear()

    def enroll(self, pictures: list[Acquired]) -> Gallery:
        embedded = self.embedder.embed([each.prepared.ink for each in pictures])
        references = (Reference(ReferenceId(f"r{n}"), each) for n, each in enumerate(embedded))
        return Gallery(SignerId("1"), GenerationId(1), tuple(references))

    def compare(self, probe: Acquired) -> Score:
        (embedding,) = self.embedder.embed([probe.prepared.ink])
        return compare(embedding, self.gallery, self.threshold.fusion)

    def limited(self, limit: float) -> Threshold:
        return replace(self.threshold, copy_limit=limit)

    def look(self) -> CloserLook:
        return CloserLook(self.embedder, self.probe.prepared.ink)


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
    seen = case.look()(case.score, case.gallery, threshold)
    assert (seen.value, seen.spread) == (case.score.value, case.score.spread)
    likest = max(seen.per_reference, key=lambda one: one.turned or 0.0)
    assert likest.reference == "r1"
    assert threshold.copied(seen) == likest
    assert threshold.judge(seen) is Decision.REVIEW
    assert case.embedder.batches == [2, 2]  # a little, and further, since it became more alike
    # The slow way: each turned picture with each reference, one after the other.
    ink = case.probe.prepared.ink
    turns = [turn_ink(ink.ink, degrees) for step in STEPS for degrees in step]
    probes = case.embedder.embed([replace(ink, ink=each) for each in turns])
    for one, reference in zip(seen.per_reference, case.gallery.references, strict=True):
        scores = [match_local(each.level, reference.embedding.local).score for each in probes]
        assert one.turned == pytest.approx(max(scores), abs=1e-6)
    assert [one.local for one in seen.per_reference] == [
        one.local for one in case.score.per_reference
    ]


def test_the_evidence_says_so_and_can_be_replayed(case: Case):
    threshold = case.limited(max(one.local for one in case.score.per_reference) + 0.01)
    active = BoundGeneration(
        GenerationId(1),
        case.embedder.model,
        case.embedder.preprocessing,
        case.embedder.dimension,
        (threshold,),
    )
    seen = case.look()(case.score, case.gallery, threshold)
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


def test_it_is_taken_once_and_only_where_it_is_asked_for(case: Case):
    nearest = max(one.local for one in case.score.per_reference)
    far, near = case.limited(nearest + CLOSER_LOOK + 0.01), case.limited(nearest + 0.01)
    unaccepted = replace(near, accept=5.0, refuse=-5.0)
    look = case.look()
    for threshold in (far, case.threshold, unaccepted, case.limited(nearest)):
        assert look(case.score, case.gallery, threshold) == case.score
    assert case.embedder.batches == []
    first = look(case.score, case.gallery, near)
    assert first == look(case.score, case.gallery, near) != case.score
    assert case.embedder.batches == [2, 2]


def test_a_second_signature_is_none(case: Case):
    other = acquire(draw_signature(1, 7), DEFAULT_PREPROCESSING)
    score = case.compare(other)
    nearest = max(one.local for one in score.per_reference)
    threshold = case.limited(min(0.99, nearest + 0.07))
    look = CloserLook(case.embedder, other.prepared.ink)
    seen = look(score, case.gallery, threshold)
    assert all(one.turned is not None for one in seen.per_reference)
    assert threshold.judge(seen) is Decision.ACCEPT


def test_what_no_turn_makes_likelier_is_not_turned_further(case: Case):
    """The picture as it is: both turns lead away from it."""
    score = case.compare(case.pictures[1])
    threshold = case.limited(max(one.local for one in score.per_reference) + 0.01)
    case.embedder.batches.clear()
    seen = CloserLook(case.embedder, case.pictures[1].prepared.ink)(score, case.gallery, threshold)
    assert case.embedder.batches == [2]
    assert all(one.turned is not None for one in seen.per_reference)


def test_the_ink_itself_is_left_alone(case: Case):
    ink: InkImage = case.probe.prepared.ink
    before = ink.ink.copy()
    threshold = case.limited(max(one.local for one in case.score.per_reference) + 0.01)
    case.look()(case.score, case.gallery, threshold)
    np.testing.assert_array_equal(ink.ink, before)
