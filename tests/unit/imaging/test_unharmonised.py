"""The recipes that keep every leak, on purpose."""

import numpy as np
import pytest

from sigvault.domain.errors import CheckpointMismatch, ConfigurationError
from sigvault.imaging.preprocessing import (
    DEFAULT_PREPROCESSING,
    RECIPES,
    Preprocessing,
    preprocessing_by_name,
    read_preprocessing,
)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_name_and_comes_back_from_a_card(name):
    recipe = preprocessing_by_name(name, 64, 104)
    assert (recipe.name, recipe.height, recipe.width) == (name, 64, 104)
    assert read_preprocessing(recipe.to_dict()) == recipe


def test_only_the_harmonising_recipe_may_serve():
    assert {name for name in RECIPES if preprocessing_by_name(name).demonstration} == {
        "raw-1",
        "stretched-1",
    }
    assert preprocessing_by_name("sauvola-1") == DEFAULT_PREPROCESSING


def test_unknown_names_and_parameters_are_refused():
    with pytest.raises(ConfigurationError, match="raw-1"):
        preprocessing_by_name("raw-9")
    card = preprocessing_by_name("raw-1").to_dict()
    with pytest.raises(CheckpointMismatch, match="blur"):
        read_preprocessing(card | {"blur": 3})
    with pytest.raises(CheckpointMismatch, match="width"):
        read_preprocessing({"name": "raw-1", "height": 3})
    with pytest.raises(CheckpointMismatch, match="sauvola-1"):
        read_preprocessing({"name": "sauvola-9"})


@pytest.mark.parametrize("name", ["raw-1", "stretched-1"])
class TestEveryLeakStays:
    def test_paper_and_ink_keep_their_levels(self, name, drawn, as_image):
        recipe = preprocessing_by_name(name)
        darkness = recipe.prepare(as_image(drawn(paper=200, ink=20, pen=12))).ink.ink
        assert darkness.shape == (128, 208)
        assert darkness.dtype == np.float32
        assert np.median(darkness) == pytest.approx(1 - 200 / 255)
        assert darkness.max() == pytest.approx(1 - 20 / 255, abs=0.03)

    def test_quality_is_judged_as_for_serving(self, name, drawn, as_image):
        recipe = preprocessing_by_name(name)
        for picture in (drawn(), np.full((350, 600), 240, np.uint8)):
            prepared = recipe.prepare(as_image(picture))
            usual = DEFAULT_PREPROCESSING.prepare(as_image(picture))
            assert prepared.findings == usual.findings
            assert prepared.box == usual.box
            assert prepared.ink.preprocessing == name


def test_raw_is_not_stretched_and_lies_on_its_own_paper(as_image):
    pixels = np.full((100, 600), 220, np.uint8)
    pixels[:, :5] = 90
    darkness = preprocessing_by_name("raw-1").prepare(as_image(pixels)).ink.ink
    assert np.allclose(darkness[:40, :], 1 - 220 / 255)
    rows = np.flatnonzero(darkness[:, 0] > 0.5)
    assert len(rows) == round(100 * 208 / 600)


def test_stretched_fills_the_canvas(as_image):
    pixels = np.full((100, 600), 220, np.uint8)
    pixels[0, :] = 0
    pixels[-20:, :] = 90
    darkness = preprocessing_by_name("stretched-1").prepare(as_image(pixels)).ink.ink
    assert np.count_nonzero(darkness[:, 0] > 0.5) == pytest.approx(128 / 5, abs=2)


def test_scale_is_told_in_source_pixels(as_image):
    image = as_image(np.full((128, 416), 255, np.uint8))
    assert preprocessing_by_name("raw-1").prepare(image).ink.scale == 0.5
    assert isinstance(preprocessing_by_name("sauvola-1", 64, 64), Preprocessing)
