from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sigvault.datasets import read_layout
from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.image import SignatureImage
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import (
    DEFAULT_PREPROCESSING,
    RECIPES,
    Preprocessing,
    finer_canvas,
    preprocessing_by_name,
)

prepare = DEFAULT_PREPROCESSING.prepare


def likeness(one, other):
    """Correlation of two canvases, slightly blurred so that a pixel's shift is forgiven."""

    def blurred(ink):
        small = Image.fromarray(np.rint(255 * ink).astype(np.uint8)).reduce(2)
        return np.asarray(small, np.float64).ravel()

    return np.corrcoef(blurred(one), blurred(other))[0, 1]


@pytest.fixture
def inked(as_image):
    return lambda pixels: prepare(as_image(pixels)).ink.ink


class TestEveryPicture:
    @examples(max_examples=40)
    @given(pixels=arrays(np.uint8, st.tuples(st.integers(1, 50), st.integers(1, 70))))
    def test_gives_ink_on_the_canvas(self, pixels):

        image = SignatureImage(pixels, "0" * 64, pixels.shape[1], pixels.shape[0])
        prepared = prepare(image)
        ink = prepared.ink.ink
        assert ink.shape == (128, 208)
        assert ink.dtype == np.float32
        assert ink.min() >= 0
        assert ink.max() <= 1
        assert (prepared.box is None) == (not ink.any())
        if prepared.box is not None:
            box = prepared.box
            assert 0 <= box.top < box.bottom <= pixels.shape[0]
            assert 0 <= box.left < box.right <= pixels.shape[1]

    def test_is_named_and_keeps_its_digest(self, signature, as_image):
        prepared = prepare(as_image(signature, "ab" * 32))
        assert prepared.ink.digest == "ab" * 32
        assert prepared.ink.preprocessing == DEFAULT_PREPROCESSING.name

    def test_gives_the_same_ink_again_in_any_thread(self, signature, as_image):
        image = as_image(signature)
        first = prepare(image).ink.ink
        with ThreadPoolExecutor(4) as pool:
            for other in pool.map(prepare, [image] * 8):
                assert np.array_equal(other.ink.ink, first)

    def test_is_left_as_it_was(self, signature, as_image):
        image = as_image(signature.copy())
        prepare(image)
        assert np.array_equal(image.pixels, signature)


class TestWhatDoesNotMatter:
    @pytest.mark.parametrize("tint", [-60, -20, 10])
    def test_the_tone_of_the_paper(self, drawn, inked, tint):
        other = inked(drawn(paper=240 + tint, ink=60 + tint))
        assert likeness(inked(drawn()), other) > 0.98

    @pytest.mark.parametrize("ink", [10, 90, 130, 180])
    def test_the_darkness_of_the_ink(self, drawn, inked, ink):
        assert likeness(inked(drawn()), inked(drawn(ink=ink))) > 0.95

    def test_light_from_one_side(self, drawn, inked):
        shade = np.linspace(0.5, 1.0, 600)[None, :] * np.linspace(0.8, 1.0, 350)[:, None]
        shaded = (drawn() * shade).astype(np.uint8)
        assert likeness(inked(drawn()), inked(shaded)) > 0.98

    def test_light_ink_on_a_dark_screen(self, drawn, inked):
        assert likeness(inked(drawn()), inked(255 - drawn())) > 0.98

    def test_the_grain_of_the_paper(self, drawn, inked):
        grain = np.random.default_rng(0).normal(0, 6, (350, 600))
        noisy = np.clip(drawn() + grain, 0, 255).astype(np.uint8)
        assert likeness(inked(drawn()), inked(noisy)) > 0.98

    @pytest.mark.parametrize("shift", [(0, 37), (21, 0), (30, 30)])
    def test_where_on_the_page_it_stands(self, drawn, inked, shift):
        page = np.full((500, 800), 240, np.uint8)
        page[60:410, 60:660] = drawn()
        moved = np.roll(page, shift, axis=(0, 1))
        assert np.abs(inked(page) - inked(moved)).max() < 1e-5

    @pytest.mark.parametrize("factor", [0.6, 1.5, 2.0])
    def test_the_resolution_of_the_scan(self, drawn, inked, factor):
        size = round(600 * factor), round(350 * factor)
        scaled = np.asarray(Image.fromarray(drawn()).resize(size, Image.Resampling.LANCZOS))
        assert likeness(inked(drawn()), inked(scaled)) > 0.95

    def test_how_much_page_there_is_around_it(self, drawn, as_image):
        signature = drawn()
        page = np.full((3508, 2480), 240, np.uint8)
        page[2600:2950, 1200:1800] = signature
        alone, on_page = prepare(as_image(signature)), prepare(as_image(page))
        assert likeness(alone.ink.ink, on_page.ink.ink) > 0.98
        assert on_page.ink.scale == pytest.approx(alone.ink.scale, rel=0.02)
        offset = np.array(on_page.box) - np.array(alone.box)
        assert np.abs(offset - [2600, 1200, 2600, 1200]).max() <= 3

    def test_whether_ink_was_harmonised_before(self, signature, inked):
        """Ink drawn again as a picture gives the same ink: nothing is added or lost."""
        first = inked(signature)
        again = inked(np.rint(255 * (1 - first)).astype(np.uint8))
        assert likeness(first, again) > 0.95


class TestScale:
    def test_nothing_is_stretched_and_a_dot_is_not_blown_up(self, as_image):
        pixels = np.full((200, 300), 240, np.uint8)
        pixels[90:96, 140:170] = 40
        prepared = prepare(as_image(pixels))
        rows, columns = np.nonzero(prepared.ink.ink > 0.5)
        assert prepared.ink.scale == DEFAULT_PREPROCESSING.max_scale
        assert np.ptp(columns) + 1 == pytest.approx(60, abs=6)
        assert np.ptp(rows) + 1 == pytest.approx(12, abs=6)

    def test_the_box_is_in_pixels_of_the_source_before_any_reduction(self, drawn, as_image):
        whole = as_image(drawn(1200, 700))
        reduced = replace(as_image(drawn(600, 350)), source_width=1200, source_height=700)
        difference = np.array(prepare(whole).box) - np.array(prepare(reduced).box)
        assert np.abs(difference).max() <= 8
        assert prepare(reduced).ink.scale == pytest.approx(prepare(whole).ink.scale, rel=0.03)

    def test_a_page_full_of_ink_is_read_at_the_working_size(self, drawn, as_image):
        prepared = prepare(as_image(drawn(3000, 1750, pen=20, margin=0.02)))
        assert (
            likeness(prepared.ink.ink, prepare(as_image(drawn(600, 350, margin=0.02))).ink.ink)
            > 0.9
        )


class TestModelCard:
    def test_it_goes_there_and_back(self):
        card = DEFAULT_PREPROCESSING.to_dict()
        assert set(card) | {"pen", "fineness", "ruled", "faint_k", "printed"} == {
            "name",
            *(field.name for field in fields(Preprocessing)),
        }
        assert Preprocessing.from_dict(card) == DEFAULT_PREPROCESSING
        other = replace(DEFAULT_PREPROCESSING, k=0.3)
        assert Preprocessing.from_dict(other.to_dict()) == other

    @pytest.mark.parametrize("name", ["sauvola-0", "otsu-1", None])
    def test_another_recipe_is_refused(self, name):
        card = DEFAULT_PREPROCESSING.to_dict() | {"name": name}
        with pytest.raises(CheckpointMismatch, match="sauvola-1"):
            Preprocessing.from_dict(card)

    def test_other_parameters_are_refused(self):
        card = DEFAULT_PREPROCESSING.to_dict()
        with pytest.raises(CheckpointMismatch, match="blur"):
            Preprocessing.from_dict(card | {"blur": 1})
        del card["window"]
        with pytest.raises(CheckpointMismatch, match="window"):
            Preprocessing.from_dict(card)

    def test_it_is_frozen(self):
        with pytest.raises(FrozenInstanceError):
            DEFAULT_PREPROCESSING.k = 0.3


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["cedar", "sigcomp2011_dutch", "crossmedia_chinese"])
def test_hardly_a_real_signature_fails(real_data, name):
    specimens = [one for one in read_layout(real_data / name).specimens if one.genuine][::100]
    prepared = [prepare(decode_file(one.path)) for one in specimens]
    failed = sum(any(finding.severe for finding in one.findings) for one in prepared)
    assert len(specimens) > 5
    assert failed == 0
    for one in prepared:
        rows, columns = np.nonzero(one.ink.ink)
        assert max(np.ptp(rows) / 120, np.ptp(columns) / 200) > 0.95


@pytest.mark.parametrize("name", RECIPES)
def test_a_finer_canvas_shows_the_same_in_more_pixels(name: str) -> None:
    page = np.full((300, 500), 250, np.uint8)
    page[100:110, 60:420] = 20
    page[100:220, 200:212] = 20
    image = SignatureImage(page, "0" * 64, 500, 300)
    recipe = preprocessing_by_name(name)
    plain = recipe.prepare(image).ink.ink
    fine = finer_canvas(recipe, 4).prepare(image).ink.ink
    assert fine.shape == tuple(4 * side for side in plain.shape)
    height, width = plain.shape
    means = fine.reshape(height, 4, width, 4).mean(axis=(1, 3))
    assert np.abs(means - plain).mean() < 0.01
