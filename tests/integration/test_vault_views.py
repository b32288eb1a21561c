"""A vault whose model looks at references from several sides."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, open_vault
from sigvault.cli.reports import picture_verification
from sigvault.domain.comparison import compare
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.services.reindexing import ReindexPlan
from sigvault.settings import Settings
from sigvault.storage.embeddings import load_gallery
from sigvault.storage.engine import read_session
from sigvault.storage.signers import get_signer

TURNS = (-12.0, 12.0)


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder("turning", turns=TURNS)


@pytest.fixture
def enrolled(vault, items):
    vault.enroll(items(4, 3))
    return vault


def turned(picture: bytes, degrees: float) -> bytes:
    """The picture as if the sheet had lain askew in the scanner."""
    with Image.open(io.BytesIO(picture)) as source:
        askew = source.convert("L").rotate(
            degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255
        )
    file = io.BytesIO()
    askew.save(file, format="PNG")
    return file.getvalue()


def gallery_of(vault, signer):
    with read_session(vault._resources.engine) as session:
        return load_gallery(session, get_signer(session, signer).key, 1)


def locals_of(verification):
    return [each.local for each in verification.evidence.score.per_reference]


def test_every_view_of_a_reference_comes_back(enrolled, embedder):
    pictures = [draw_signature(2, number) for number in range(3)]
    inks = [DEFAULT_PREPROCESSING.prepare(decode_bytes(each)).ink for each in pictures]
    wanted = embedder.embed(inks, as_references=True)
    for reference, expected in zip(gallery_of(enrolled, "2").references, wanted, strict=True):
        assert reference.embedding.local.shape[0] == 1 + len(TURNS)
        assert np.array_equal(reference.embedding.local, expected.local)


def test_an_askew_probe_meets_the_view_that_is_askew_as_well(enrolled, items, tmp_path):
    with create_vault(Settings(tmp_path / "level"), embedder=FakeEmbedder("level")) as level:
        level.enroll(items(4, 3))
        for degrees in TURNS:
            probe = turned(draw_signature(2, 99), degrees)
            with_views, without = (locals_of(one.verify("2", probe)) for one in (enrolled, level))
            assert np.mean(np.subtract(with_views, without)) > 0.02
        straight = draw_signature(2, 99)
        with_views, without = (locals_of(one.verify("2", straight)) for one in (enrolled, level))
        assert min(np.subtract(with_views, without)) > -1e-6


def test_the_probe_is_looked_at_as_it_is(enrolled, embedder):
    probe = draw_signature(2, 99)
    ink = DEFAULT_PREPROCESSING.prepare(decode_bytes(probe)).ink
    expected = compare(embedder.embed([ink])[0], gallery_of(enrolled, "2"), embedder.card.fusion)
    first = enrolled.verify("2", probe)
    assert first.evidence.score == expected
    again = enrolled.verify("2", probe)  # by the spread that the first decision kept
    assert again.evidence.score == expected
    assert enrolled.replay(again.event).agrees


def test_all_that_compares_compares_alike(enrolled):
    probe = draw_signature(2, 99)
    verified = enrolled.verify("2", probe).evidence.score
    found = enrolled.identify(probe, top=4).candidates
    (own,) = [each for each in found if each.signer == "2"]
    assert own.score == verified
    for each in enrolled.consistency("2").references:
        assert each.local > 0.5


def test_a_report_shows_the_view_that_agrees(enrolled, tmp_path):
    probe = tmp_path / "probe.png"
    probe.write_bytes(turned(draw_signature(2, 99), 12.0))
    verification = enrolled.verify("2", probe)
    case = picture_verification(enrolled, verification, probe, "a case")
    scores = verification.evidence.score.per_reference
    for view, score in zip(case.references, scores, strict=True):
        assert view.match.score == pytest.approx(score.local, abs=1e-6)
        assert TURNS[view.match.view - 1] == 12.0


def test_a_vault_moves_from_a_level_model_to_one_that_turns(items, embedder, tmp_path):
    level = FakeEmbedder("level")
    settings = Settings(tmp_path / "moving", by="tester")
    with create_vault(settings, embedder=level) as vault:
        vault.enroll(items(4, 3))
    with open_vault(settings, embedder=(level, embedder)) as vault:
        before = locals_of(vault.verify("2", draw_signature(2, 99)))
        vault.reindex(embedder, ReindexPlan(force=True))
        after = locals_of(vault.verify("2", draw_signature(2, 99)))
        assert vault.status().model == embedder.model
        assert min(np.subtract(after, before)) > -1e-6
