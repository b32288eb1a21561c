"""What the bundled models make of a picture is theirs for ever.

Every vault holds vectors that a model wrote earlier, and a card binds weights and parameters, not
the code between a file's bytes and a vector. A change there that moves these figures makes vectors
incomparable that bear one model's name: it needs a recipe of another name and a model of its own,
not new figures here. The pictures are synthetic, and kept, so that the generator may change.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from sigvault.domain.local_matching import match_local
from sigvault.embedding.card import bundled_models
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import read_preprocessing

PICTURES = ("reference", "genuine", "forged")
COMPONENTS = 16


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "tests" / "golden" / "embedding"


@pytest.fixture(scope="module")
def golden(folder):
    return json.loads((folder / "bundled.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=bundled_models())
def described(request, folder):
    """A bundled model's name, and what it makes of each picture."""
    embedder = TorchEmbedder(bundled_models()[request.param], "cpu")
    recipe = read_preprocessing(embedder.card.preprocessing)
    inks = {name: recipe.prepare(decode_file(folder / f"{name}.png")).ink for name in PICTURES}
    (reference,) = embedder.embed([inks["reference"]], as_references=True)
    probes = embedder.embed([inks[name] for name in PICTURES])
    return embedder.model, inks, reference, dict(zip(PICTURES, probes, strict=True))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_becomes_the_same_ink(folder, described, name):
    _, inks, _, _ = described
    kept = np.asarray(Image.open(folder / f"{name}.ink.png"), np.float32) / 255
    assert kept.shape == inks[name].ink.shape
    assert np.abs(kept - inks[name].ink).max() <= 1 / 255


def test_and_the_same_vector_and_local_scores(golden, described):
    model, _, reference, probes = described
    kept = golden[model]
    for name in PICTURES:
        assert probes[name].vector[:COMPONENTS] == pytest.approx(kept[name]["vector"], abs=2e-4)
        assert float(reference.vector @ probes[name].vector) == pytest.approx(
            kept[name]["cosine"], abs=2e-4
        )
        match = match_local(probes[name].local, reference.local)
        assert match.score == pytest.approx(kept[name]["local"], abs=2e-3)
        assert match.view == kept[name]["view"]
