import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt
from skimage.filters import threshold_sauvola

from sigvault.domain.errors import CheckpointMismatch
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.ink import brightest_ink, find_ink, sauvola_threshold
from sigvault.imaging.levels import level, measure_levels
from sigvault.imaging.preprocessing import preprocessing_by_name, read_preprocessing

SETTINGS = {"smoothing": 3, "window": 51, "k": 0.15, "low_contrast": 0.4, "max_gain": 3.0}


class TestSauvola:
    @pytest.mark.parametrize(("window", "k"), [(51, 0.15), (25, 0.2), (3, 0.5)])
    @pytest.mark.parametrize("shape", [(120, 200), (60, 31)])
    def test_it_is_scikit_images(self, window, k, shape):
        grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        ours = sauvola_threshold(grey.astype(np.float32), window, k)
        theirs = threshold_sauvola(grey, window_size=window, k=k)
        assert ours.dtype == np.float32
        assert np.allclose(ours, theirs, atol=0.02)

    def test_the_picture_is_left_alone(self):
        grey = np.random.default_rng(0).random((40, 50), dtype=np.float32) * 255
        before = grey.copy()
        sauvola_threshold(grey, 9, 0.2)
        assert np.array_equal(grey, before)


class TestFindInk:
    @pytest.mark.parametrize("at", [(0, 0), (200, 0), (0, 150), (230, 160)])
    def test_looking_near_dark_pixels_only_misses_nothing(self, drawn, at):
        page = np.full((500, 800), 235, np.uint8)
        page[at[1] : at[1] + 300, at[0] : at[0] + 500] = drawn(500, 300, margin=0.0)
        page[450:455, 700:705] = 190
        grey = level(page, 0.4, 3.0)
        everywhere = grey <= sauvola_threshold(grey, 51, 0.15)
        assert np.array_equal(find_ink(page, **SETTINGS | {"smoothing": 1}).ink, everywhere)

    @given(
        arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))),
        st.floats(0.05, 0.6),
    )
    def test_no_threshold_is_brighter_than_ink_can_be(self, pixels, k):
        grey = pixels.astype(np.float32)
        assert sauvola_threshold(grey, 5, k).max() <= brightest_ink(k)

    def test_the_pen_is_found_and_the_paper_is_not(self, drawn):
        pixels = drawn()
        ink = find_ink(pixels, **SETTINGS).ink
        pen = pixels < 150
        assert ink[pen].mean() > 0.99
        assert np.count_nonzero(ink) < 1.8 * np.count_nonzero(pen)

    @pytest.mark.parametrize("level", [0, 1, 128, 254, 255])
    def test_plain_paper_of_any_tone_has_no_ink(self, level):
        assert not find_ink(np.full((80, 120), level, np.uint8), **SETTINGS).ink.any()

    def test_the_grain_of_paper_is_no_ink(self):
        paper = np.random.default_rng(0).normal(230, 4, (200, 300)).clip(0, 255)
        assert not find_ink(paper.astype(np.uint8), **SETTINGS).ink.any()


class TestLevels:
    def test_paper_and_ink(self, drawn):
        found = measure_levels(drawn(paper=220, ink=50))
        assert (found.paper, found.ink, found.is_reversed) == (220, 50, False)
        assert found.contrast == pytest.approx(170 / 220)

    def test_light_on_dark_is_reversed(self, drawn):
        found = measure_levels(255 - drawn(paper=220, ink=50))
        assert found.is_reversed
        assert (found.paper, found.ink) == (220, 50)

    def test_a_shaded_dark_page_is_not(self, drawn):
        shade = np.linspace(0.3, 0.6, 600)
        assert not measure_levels((drawn(paper=220, ink=20) * shade).astype(np.uint8)).is_reversed

    def test_faint_ink_is_darkened_and_paper_made_white(self, drawn):
        faint = level(drawn(paper=200, ink=160), 0.4, 3.0)
        assert faint.max() == 255
        assert faint.min() == pytest.approx(255 * 0.6, abs=1)
        capped = level(drawn(paper=200, ink=190), 0.4, 3.0)
        assert capped.min() == pytest.approx(255 * (1 - 3 * 0.05), abs=1)

    def test_dark_ink_keeps_its_contrast(self, drawn):
        dark = level(drawn(paper=200, ink=50), 0.4, 3.0)
        assert dark.min() == pytest.approx(255 * 50 / 200, abs=1)

    @examples(max_examples=30)
    @given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12))))
    def test_any_pixels_give_levels_in_range(self, pixels):
        found = measure_levels(pixels)
        assert 0 <= found.ink <= found.paper <= 255
        assert 0 <= found.contrast <= 1
        levelled = level(pixels, 0.4, 3.0)
        assert levelled.min() >= 0
        assert levelled.max() <= 255


class TestFaintInk:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_stroke_whose_pressure_wanes_is_followed(self, drawn, seed):
        pen = drawn() < 150
        faint = disturb(drawn(), Disturbance.FAINT, seed=seed)
        lost = find_ink(faint, **SETTINGS).ink
        followed = find_ink(faint, **SETTINGS, faint_k=0.07).ink
        assert lost[pen].mean() < 0.9
        assert followed[pen].mean() > 0.97
        assert np.count_nonzero(followed) < 2.2 * np.count_nonzero(pen)

    def test_what_touches_nothing_clear_is_not_followed(self, drawn):
        page = drawn(ink=170)
        page[5:8, 5:60] = 222  # a shadow, too faint by itself
        ink = find_ink(page, **SETTINGS, faint_k=0.07).ink
        assert ink[40:].any()
        assert not ink[:20].any()

    def test_where_the_pen_is_dark_nothing_changes(self, drawn):
        page = drawn(ink=60)
        page[100:103] = np.minimum(page[100:103], 215)  # a pale line through the strokes
        plain = find_ink(page, **SETTINGS).ink
        assert np.array_equal(find_ink(page, **SETTINGS, faint_k=0.07).ink, plain)

    def test_noise_on_the_paper_is_no_faint_stroke(self, drawn):
        rng = np.random.default_rng(2)
        grainy = drawn(ink=150) + rng.normal(0, 6, (350, 600))
        page = np.clip(grainy, 0, 255).astype(np.uint8)
        pen = drawn(ink=150) < 200
        followed = find_ink(page, **SETTINGS, faint_k=0.07).ink
        assert np.count_nonzero(followed) < 2.2 * np.count_nonzero(pen)

    def test_the_recipe_that_follows_is_one_of_its_own(self, drawn, as_image):
        before, after = (preprocessing_by_name(name) for name in ("onepen-3", "onepen-4"))
        assert [read_preprocessing(each.to_dict()) for each in (before, after)] == [before, after]
        assert after.to_dict()["faint_k"] == 0.07
        with pytest.raises(CheckpointMismatch, match="faint_k"):
            read_preprocessing(before.to_dict() | {"faint_k": 0.07})
        dark = as_image(drawn())
        clean = after.prepare(dark).ink.ink
        assert np.array_equal(before.prepare(dark).ink.ink, clean)
        faint = as_image(disturb(drawn(), Disturbance.FAINT, seed=2))
        lost = [
            distance_transform_edt(each.prepare(faint).ink.ink < 0.5)[clean > 0.5].max()
            for each in (before, after)
        ]
        assert lost[0] > 8
        assert lost[1] < 3
