"""Leave-one-out against the slow way: a gallery without the reference, compared as always."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes import FakeEmbedder, draw_signature, make_threshold
from sigvault.domain.comparison import Decision, compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.services.consistency import Consistency, leave_each_out

EMBEDDER = FakeEmbedder()


TURNING = FakeEmbedder(turns=(-12.0, 12.0))


def _gallery(*pictures: bytes, embedder: FakeEmbedder = EMBEDDER) -> Gallery:
    inks = [DEFAULT_PREPROCESSING.prepare(decode_bytes(each)).ink for each in pictures]
    references = tuple(
        Reference(ReferenceId(f"r{place}"), embedding)
        for place, embedding in enumerate(embedder.embed(inks, as_references=True))
    )
    return Gallery(SignerId("53"), GenerationId(1), references)


@pytest.mark.parametrize("embedder", [EMBEDDER, TURNING], ids=["level", "turned"])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_is_scored_as_a_probe_against_the_rest(count, embedder):
    pictures = (draw_signature(1, number) for number in range(count))
    gallery = _gallery(*pictures, embedder=embedder)
    threshold = make_threshold(count - 1, EMBEDDER.model)
    for place, own in enumerate(leave_each_out(gallery, threshold)):
        left = gallery.references[place]
        rest = tuple(each for each in gallery.references if each is not left)
        slow = compare(
            left.embedding,
            Gallery(gallery.signer, gallery.generation, rest),
            threshold.fusion,
        )
        assert own.reference == left.id
        assert own.score == pytest.approx(slow.value, abs=1e-6)
        assert own.decision is threshold.decide(slow.value)
        mean = sum(score.cosine for score in slow.per_reference) / len(rest)
        assert own.cosine == pytest.approx(mean, abs=1e-6)
        mean = sum(score.local for score in slow.per_reference) / len(rest)
        assert own.local == pytest.approx(mean, abs=1e-6)


def test_another_signers_signature_stands_out():
    gallery = _gallery(*(draw_signature(1, number) for number in range(3)), draw_signature(2))
    found = leave_each_out(gallery, make_threshold(3, EMBEDDER.model, accept=0.8, refuse=0.5))
    assert [own.decision for own in found][3] is Decision.REFUSE
    assert min(found, key=lambda own: own.cosine).reference == "r3"


def test_a_further_scan_of_an_earlier_reference_is_named():
    pictures = [draw_signature(1), draw_signature(1, 1), draw_signature(1, 1, kind="BMP")]
    plain = make_threshold(2, EMBEDDER.model)
    found = leave_each_out(_gallery(*pictures), replace(plain, copy_limit=0.99))
    assert [own.copy_of for own in found] == [None, None, "r1"]
    assert Consistency(SignerId("53"), found, plain).copies == ((3, 2),)
    unwatched = leave_each_out(_gallery(*pictures), plain)
    assert Consistency(SignerId("53"), unwatched, plain).copies == ()


def test_one_reference_has_nothing_to_be_compared_with():
    assert leave_each_out(_gallery(draw_signature(1)), None) == ()


def test_nothing_is_decided_without_a_threshold():
    for own in leave_each_out(_gallery(draw_signature(1), draw_signature(1, 1)), None):
        assert own.score is None
        assert own.decision is None
        assert own.cosine > 0.5
