from __future__ import annotations

import pytest

from fakes import FakeEmbedder, draw_signature, make_threshold
from sigvault.domain.comparison import compare
from sigvault.domain.errors import GenerationMismatch, NotCalibrated
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.services.acquisition import acquire
from sigvault.services.resources import require_model
from sigvault.services.verification import require_threshold, weigh

EMBEDDER = FakeEmbedder()


def make_active(*references: int) -> BoundGeneration:
    return BoundGeneration(
        GenerationId(1),
        EMBEDDER.model,
        EMBEDDER.preprocessing,
        EMBEDDER.dimension,
        tuple(make_threshold(number, EMBEDDER.model) for number in references),
    )


@pytest.mark.parametrize(
    ("calibrated", "held", "chosen"),
    [((1, 3, 5), 1, 1), ((1, 3, 5), 4, 3), ((5, 3, 1), 9, 5), ((2,), 2, 2)],
)
def test_the_largest_number_not_above_the_gallerys_is_taken(calibrated, held, chosen):
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
    evidence = weigh(probe, pictures[0], gallery, threshold, active)
    assert evidence.score == compare(probe, gallery, threshold.fusion)
    assert evidence.decision is threshold.decide(evidence.score.value) is evidence.replay()
    assert evidence.probe_digest == pictures[0].digest
    assert evidence.findings == pictures[0].findings
