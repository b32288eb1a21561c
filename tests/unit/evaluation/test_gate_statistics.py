import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import skeletonize

from sigvault.evaluation.gate_statistics import (
    coarse_ink,
    grey_statistics,
    ink_statistics,
    redraw_path,
    widen,
)


def test_of_a_grey_picture_as_pixel_by_pixel():
    pixels = np.random.default_rng(0).integers(20, 250, (31, 45)).astype(np.uint8)
    grey = pixels.astype(float)
    paper = np.quantile(grey, 0.5, method="inverted_cdf")
    ink = grey <= (paper + grey.min()) / 2
    steps = np.abs(np.diff(grey, axis=1))
    assert grey_statistics(pixels) == pytest.approx(
        {
            "paper median": paper,
            "mean grey": grey.mean(),
            "paper noise": grey[~ink].std(),
            "grey levels": np.unique(pixels).size,
            "ink mean": grey[ink].mean(),
            "ink tenth percentile": np.quantile(grey[ink], 0.1, method="inverted_cdf"),
            "steepest edge": np.quantile(steps, 0.999, method="inverted_cdf"),
            "ink fraction": ink.mean(),
            "width": 45,
            "height": 31,
            "aspect": 45 / 31,
        }
    )


def test_of_ink():
    ink = np.zeros((128, 208), np.float32)
    ink[40:44, 20:120] = ink[80:84, 20:120] = 1
    found = ink_statistics(ink)
    assert found["separate pieces"] == 2
    assert (found["width"], found["height"]) == (100, 44)
    assert found["ink fraction"] == pytest.approx(8 / 44)
    assert found["stroke width"] == pytest.approx(2 * 800 / (2 * 208))
    assert found["share of half tones"] == 0
    assert found["ink mean"] == 1
    assert found["upright travel"] == pytest.approx(16 / 400)
    assert found["steepest edge across"] == 0
    assert found["steepest edge down"] == 1
    assert found["paper noise"] == 0


def test_traces_that_resizing_leaves_are_no_ink():
    ink = np.zeros((64, 64), np.float32)
    ink[20:24, 10:50] = 1
    traced = ink.copy()
    traced[19, 9:51] = traced[24, 9:51] = 1e-12
    assert ink_statistics(traced) == pytest.approx(ink_statistics(ink), rel=1e-5)


def test_noise_is_the_papers_alone():
    ink = np.zeros((60, 60), np.float32)
    ink[20:24, 10:50] = 1
    ink[18:26, 8:52] += 0.2 * (ink[18:26, 8:52] == 0)
    assert ink_statistics(ink)["paper noise"] == 0
    ink[40:] += np.random.default_rng(0).normal(0.2, 0.05, (20, 60)).astype(np.float32)
    paper = np.r_[
        ink[:18].ravel(), ink[26:].ravel(), ink[18:26, :8].ravel(), ink[18:26, 52:].ravel()
    ]
    assert ink_statistics(ink)["paper noise"] == pytest.approx(paper.std(), rel=1e-5)


@pytest.mark.parametrize("level", [0, 0.3, 1])
def test_even_pictures_have_finite_statistics(level):
    found = ink_statistics(np.full((16, 24), level, np.float32))
    assert np.isfinite(list(found.values())).all()
    assert level or set(found.values()) == {0.0}


@pytest.mark.parametrize("shape", [(3, 1), (4, 4)])
@pytest.mark.parametrize("level", [0, 255])
def test_even_grey_pictures_have_finite_statistics(shape, level):
    blank = grey_statistics(np.full(shape, level, np.uint8))
    assert np.isfinite(list(blank.values())).all()


def test_coarse_ink_is_the_mean_of_each_square():
    ink = np.random.default_rng(0).random((9, 14)).astype(np.float32)
    naive = [ink[top : top + 4, left : left + 4].mean() for top in (0, 4) for left in (0, 4, 8)]
    assert coarse_ink(ink) == pytest.approx(np.array(naive))


@pytest.mark.parametrize("square", [True, False])
def test_widening_is_scipys_dilation(square):
    drawn = np.random.default_rng(0).random((20, 30)) < 0.1
    structure = ndimage.generate_binary_structure(2, 2 if square else 1)
    before = drawn.copy()
    np.testing.assert_array_equal(
        widen(drawn, square=square), ndimage.binary_dilation(drawn, structure)
    )
    np.testing.assert_array_equal(drawn, before)


class TestRedrawnPath:
    @pytest.mark.parametrize("fineness", [1, 2, 4])
    def test_it_is_the_whole_pictures_skeleton_widened_and_averaged(self, fineness):
        rng = np.random.default_rng(1)
        rough = ndimage.gaussian_filter(rng.random((48 * fineness, 64 * fineness)), 2)
        fine = (rough / rough.max()).astype(np.float32)
        fine[:, : 7 * fineness] = 0
        naive = skeletonize(fine > 0.5)
        assert naive.any()
        for turn in range({1: 0, 2: 1, 4: 3}[fineness]):
            structure = ndimage.generate_binary_structure(2, 1 + turn % 2)
            naive = ndimage.binary_dilation(naive, structure)
        means = [
            naive[top : top + fineness, left : left + fineness].mean()
            for top in range(0, 48 * fineness, fineness)
            for left in range(0, 64 * fineness, fineness)
        ]
        found = redraw_path(fine, fineness)
        np.testing.assert_allclose(found.ravel(), means, rtol=1e-6)

    def test_one_path_by_any_pen_on_any_scan_is_redrawn_the_same(self):
        """Thick or thin, crisp or soft: a level stroke comes out as the same level stroke."""
        drawn = []
        for thickness, blur in ((3, 0), (9, 0), (5, 1.0)):
            fine = np.zeros((128, 256), np.float32)
            fine[64 - thickness // 2 : 65 + thickness // 2, 20:230] = 1
            drawn.append(redraw_path(ndimage.gaussian_filter(fine, blur), 4))
        middle = slice(10, 52)
        for other in drawn[1:]:
            np.testing.assert_array_equal(drawn[0][:, middle], other[:, middle])
        column = drawn[0][:, 30]
        assert column.sum() == pytest.approx(7 / 4)
        broad = redraw_path(fine, 4, 2.2)[:, 30]
        assert broad.sum() == pytest.approx(9 / 4)
        assert ink_statistics(drawn[0])["height"] == ink_statistics(drawn[1])["height"]

    def test_on_the_canvas_itself_the_pen_is_one_pixel_wide(self):
        ink = np.zeros((32, 64), np.float32)
        ink[10:15, 5:60] = 0.9
        assert redraw_path(ink, 1)[:, 30].sum() == 1

    def test_paper_gives_no_path(self):
        assert not redraw_path(np.full((32, 64), 0.4, np.float32), 2).any()
