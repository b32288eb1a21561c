from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fakes import FakeEmbedder, draw_signature, make_threshold
from sigvault.domain.comparison import Evidence, compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import EventNumber, GenerationId, ReferenceId, SignerId
from sigvault.domain.image import QualityFinding
from sigvault.domain.local_matching import match_local
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.reporting import Case, Picture, ReferenceView

MakeCase = Callable[..., Case]


@pytest.fixture
def make_picture() -> Callable[[bytes], Picture]:
    def make(data: bytes) -> Picture:
        image = decode_bytes(data)
        return Picture(image, DEFAULT_PREPROCESSING.prepare(image))

    return make


@pytest.fixture
def make_case(make_picture) -> MakeCase:
    """A case of signer 1 with three references, scored as a vault would."""

    def make(
        probe: bytes | None = None,
        *,
        signer: str = "1",
        title: str = "A case",
        note: str = "",
        accept: float = 0.85,
        refuse: float = 0.6,
        findings: tuple[QualityFinding, ...] = (),
    ) -> Case:
        embedder = FakeEmbedder()
        pictures = [make_picture(draw_signature(1, number)) for number in (1, 2, 3)]
        questioned = make_picture(probe or draw_signature(1, 9))
        own, *others = embedder.embed([p.prepared.ink for p in (questioned, *pictures)])
        references = tuple(
            Reference(ReferenceId(f"{number:032x}"), other)
            for number, other in enumerate(others, start=1)
        )
        gallery = Gallery(SignerId(signer), GenerationId(1), references)
        score = compare(own, gallery, embedder.card.fusion)
        threshold = replace(make_threshold(3, embedder.model), accept=accept, refuse=refuse)
        evidence = Evidence(
            signer=gallery.signer,
            probe_digest=questioned.image.digest,
            decision=threshold.decide(score.value),
            score=score,
            llr=threshold.likelihood_ratio.llr(score.value),
            threshold=threshold,
            findings=findings,
            model=embedder.model,
            preprocessing=embedder.preprocessing,
            generation=GenerationId(1),
        )
        views = tuple(
            ReferenceView(each.id, picture, match_local(own.local, each.embedding.local))
            for each, picture in zip(references, pictures, strict=True)
        )
        return Case(title, evidence, EventNumber(7), questioned, views, note)

    return make
