"""A probe that lies turned is compared turned back, where that is worth it, and it is said so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes import FakeEmbedder, draw_signature, first_generation, make_threshold
from sigvault.domain.audit import canonical_json
from sigvault.domain.comparison import Decision, compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.serialisation import (
    evidence_from_dict,
    evidence_to_dict,
    evidence_to_json,
    score_to_dict,
)
from sigvault.domain.turned_probe import tell_turn
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import as_compared, turn_image
from sigvault.services.acquisition import acquire
from sigvault.services.closer_look import look_closer, suspect_copy
from sigvault.services.comparing import Claimed
from sigvault.services.straightening import look_again, straighten, suspect_turn
from sigvault.services.verification import weigh

TURNS = (-12.0, 12.0)


class Case:
    """A gallery of four, and a fifth signature of the hand, turned by 21 degrees."""

    def __init__(self) -> None:
        self.embedder = FakeEmbedder(turns=TURNS, wide=True)
        pictures = [acquire(draw_signature(1, n), DEFAULT_PREPROCESSING) for n in range(5)]
        inks = [each.prepared.ink for each in pictures[:4]]
        embedded = self.embedder.embed(inks, as_references=True)
        references = (Reference(ReferenceId(f"r{n}"), each) for n, each in enumerate(embedded))
        self.gallery = Gallery(SignerId("1"), GenerationId(1), tuple(references))
        level = pictures[4]
        turned = turn_image(level.prepared.ink, 21.0)
        self.level = level
        self.probe = replace(level, prepared=replace(level.prepared, ink=turned))
        self.threshold = replace(make_threshold(3, self.embedder.model), accept=9.0, refuse=-9.0)
        self.claimed = Claimed(self.gallery, self.threshold)
        self.compared = self.compare(self.probe)
        self.embedder.batches.clear()

    def compare(self, picture):
        ink = picture.prepared.ink
        (embedding,) = self.embedder.embed([ink])
        return self.claimed.compare(ink, embedding)


@pytest.fixture
def case():
    return Case()


def test_turned_back_it_is_as_alike_as_it_was_level(case):
    degrees = suspect_turn(case.embedder, case.compared, case.claimed)
    assert degrees == pytest.approx(-21.0, abs=4.0)
    references = [reference.embedding for reference in case.gallery.references]
    assert degrees == tell_turn(case.compared.embedding, references, TURNS)
    straight = straighten(case.embedder, case.compared, case.gallery, degrees)
    assert case.embedder.batches == [1]
    assert straight.score.straightened == degrees
    before, after = case.compared.score.value, straight.score.value
    level = case.compare(case.level).score.value
    assert before < after
    assert after == pytest.approx(level, abs=0.5 * (level - before))


def test_its_scores_are_those_of_the_ink_turned_by_hand(case):
    degrees = suspect_turn(case.embedder, case.compared, case.claimed)
    straight = straighten(case.embedder, case.compared, case.gallery, degrees)
    (embedding,) = case.embedder.embed([turn_image(case.probe.prepared.ink, degrees)])
    by_hand = compare(embedding, case.gallery, case.threshold.fusion)
    assert replace(straight.score, straightened=None) == by_hand
    shown = as_compared(case.probe.prepared, straight.score)
    assert (shown.ink.ink == straight.ink.ink).all()
    assert as_compared(case.probe.prepared, case.compared.score) is case.probe.prepared


def test_what_is_accepted_as_it_is_costs_no_pass(case):
    value = case.compared.score.value
    accepted = Claimed(case.gallery, replace(case.threshold, accept=value, refuse=-9.0))
    assert suspect_turn(case.embedder, case.compared, accepted) is None
    assert look_again(case.embedder, case.compared, accepted) == case.compared.score
    assert case.embedder.batches == []


def test_what_is_less_alike_turned_stays_as_it_is(case):
    level = case.compare(case.level)
    assert straighten(case.embedder, level, case.gallery, 30.0) is level


def test_a_copy_that_was_turned_far_is_told_once_it_is_straightened(case):
    """The picture of a reference itself, turned by 21 degrees."""
    own = acquire(draw_signature(1, 2), DEFAULT_PREPROCESSING)
    ink = turn_image(own.prepared.ink, 21.0)
    (embedding,) = case.embedder.embed([ink])
    compared = case.claimed.compare(ink, embedding)
    degrees = suspect_turn(case.embedder, compared, case.claimed)
    straight = straighten(case.embedder, compared, case.gallery, degrees)
    nearest = max(straight.score.per_reference, key=lambda one: one.local)
    assert nearest.reference == "r2"
    accept = 0.5 * (compared.score.value + straight.score.value)
    limited = replace(case.threshold, accept=accept, copy_limit=nearest.local + 0.01)
    claimed = Claimed(case.gallery, limited)
    seen = look_again(case.embedder, compared, claimed)
    asked = suspect_copy(straight, claimed)
    assert asked is not None
    assert seen == look_closer(case.embedder, straight, claimed, asked)
    assert seen.straightened == degrees


def test_the_evidence_says_so_and_can_be_replayed(case):
    degrees = suspect_turn(case.embedder, case.compared, case.claimed)
    straight = straighten(case.embedder, case.compared, case.gallery, degrees).score
    accept = 0.5 * (case.compared.score.value + straight.value)
    threshold = replace(case.threshold, accept=accept, refuse=-9.0)
    active = first_generation(case.embedder, threshold)
    evidence = weigh(straight, case.probe, SignerId("1"), threshold, active)
    assert evidence.decision is Decision.ACCEPT is evidence.replay()
    (finding,) = [one for one in evidence.findings if one.name == "turned"]
    assert "turned anticlockwise by" in finding.message
    assert evidence_from_dict(evidence_to_dict(evidence)) == evidence
    assert evidence_to_json(evidence) == canonical_json(evidence_to_dict(evidence))
    assert score_to_dict(straight)["straightened"] == degrees
    assert "straightened" not in score_to_dict(case.compared.score)
