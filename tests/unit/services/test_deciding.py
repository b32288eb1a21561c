from __future__ import annotations

from dataclasses import replace

import pytest

from fakes import FakeEmbedder, draw_signature, first_generation, make_threshold
from sigvault.domain.comparison import Decision, compare
from sigvault.domain.errors import GenerationMismatch, NotCalibrated
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.serialisation import evidence_from_dict, evidence_to_dict
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.reporting.words import explain_decision
from sigvault.services.acquisition import acquire
from sigvault.services.resources import require_model
from sigvault.services.verification import require_threshold, weigh

EMBEDDER = FakeEmbedder()


def make_active(*references: int) -> BoundGeneration:
    return first_generation(
        EMBEDDER, *(make_threshold(number, EMBEDDER.model) for number in references)
    )


@pytest.mark.parametrize(
    ("calibrated", "held", "chosen"),
    [((1, 3, 5), 1, 1), ((1, 3, 5), 4, 5), ((5, 3, 1), 9, 5), ((2,), 2, 2)],
)
def test_the_gallerys_number_or_the_next_one_is_taken(calibrated, held, chosen):
    assert require_threshold(make_active(*calibrated), held).references == chosen


def test_too_few_references_name_the_fewest():
    with pytest.raises(NotCalibrated, match=r"2 references.*fewest is for 3"):
        require_threshold(make_active(5, 3), 2)


def test_without_thresholds_nothing_is_decided():
    with pytest.raises(NotCalibrated, match="sigvault calibrate"):
        require_threshold(make_active(), 5)


def test_the_model_has_to_be_the_generations():
    require_model(make_active(1), EMBEDDER)
    with pytest.raises(GenerationMismatch, match="SIGVAULT_MODEL"):
        require_model(make_active(1), FakeEmbedder("other"))


def test_a_probe_that_is_a_reference_again_goes_to_a_person():
    pictures = [acquire(draw_signature(1, n), DEFAULT_PREPROCESSING) for n in range(3)]
    references = EMBEDDER.embed([picture.prepared.ink for picture in pictures])
    gallery = Gallery(
        SignerId("1"),
        GenerationId(1),
        tuple(Reference(ReferenceId(f"r{n}"), each) for n, each in enumerate(references)),
    )
    active = make_active(1, 3)
    plain = active.thresholds[1]
    watchful = replace(plain, copy_limit=0.99)
    score = compare(references[1], gallery, plain.fusion)
    trusting = weigh(score, pictures[1], gallery.signer, plain, active)
    assert (trusting.decision, trusting.findings) == (Decision.ACCEPT, ())
    evidence = weigh(score, pictures[1], gallery.signer, watchful, active)
    assert evidence.decision is Decision.REVIEW is evidence.replay()
    assert (evidence.score, evidence.llr) == (trusting.score, trusting.llr)
    (alarm,) = evidence.findings
    assert (alarm.name, alarm.limit, alarm.severe) == ("copy", 0.99, False)
    assert alarm.value == pytest.approx(1.0)
    assert "reference 2 (r1)" in alarm.message
    assert "like reference 2 of signer 1" in explain_decision(evidence)
    assert evidence_from_dict(evidence_to_dict(evidence)) == evidence


def test_the_evidence_follows_from_the_comparison():
    pictures = [acquire(draw_signature(1, n), DEFAULT_PREPROCESSING) for n in range(4)]
    probe, *references = EMBEDDER.embed([picture.prepared.ink for picture in pictures])
    gallery = Gallery(
        SignerId("1"),
        GenerationId(1),
        tuple(Reference(ReferenceId(str(n)), each) for n, each in enumerate(references)),
    )
    active = make_active(1, 3)
    threshold = active.thresholds[1]
    score = compare(probe, gallery, threshold.fusion)
    evidence = weigh(score, pictures[0], gallery.signer, threshold, active)
    assert evidence.score == score
    assert evidence.decision is threshold.decide(evidence.score.value) is evidence.replay()
    assert evidence.probe_digest == pictures[0].digest
    assert evidence.findings == pictures[0].findings
