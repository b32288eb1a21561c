import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from sigvault.imaging.specks import _swollen, remove_specks, stroke_width

SETTINGS = {"edge": 5, "gap": 2.5, "speck_area": 0.5, "dirt_share": 0.01, "reach": 0.15}


@pytest.fixture
def ink(drawn):
    return drawn() < 150


def changed(before, after):
    return int(np.count_nonzero(before ^ after))


class TestWhatStays:
    def test_a_clean_signature(self, ink):
        assert np.array_equal(remove_specks(ink, **SETTINGS), ink)

    def test_the_dot_of_an_i(self, ink):
        ink[20:25, 300:305] = True  # 17 pixels above the writing
        assert remove_specks(ink, **SETTINGS)[20:25, 300:305].all()

    def test_a_stroke_that_the_pen_left_in_dots(self, ink):
        for start in range(100, 500, 8):
            ink[330, start : start + 3] = True
        assert remove_specks(ink, **SETTINGS)[330].sum() == 150

    def test_a_stroke_that_is_cut_by_the_border(self, ink):
        ink[0:60, 300:304] = True
        assert remove_specks(ink, **SETTINGS)[0:60, 300:304].all()

    def test_a_long_underline_away_from_the_border(self, ink):
        ink[325:328, 20:580] = True
        assert remove_specks(ink, **SETTINGS)[325:328, 20:580].all()

    def test_the_argument(self, ink):
        ink[:, 598] = True
        before = ink.copy()
        remove_specks(ink, **SETTINGS)
        assert np.array_equal(ink, before)

    @pytest.mark.parametrize("shape", [(1, 1), (3, 50), (12, 12), (40, 1)])
    def test_any_shape_will_do(self, shape):
        for ink in (np.zeros(shape, bool), np.ones(shape, bool)):
            assert remove_specks(ink, **SETTINGS).shape == shape


class TestWhatGoes:
    def test_dust(self, ink):
        clean = ink.copy()
        ink[25, 30:33] = True
        ink[340, 580] = True
        assert np.array_equal(remove_specks(ink, **SETTINGS), clean)

    def test_dirt_far_from_the_writing_does_not_inflate_the_crop(self):
        ink = np.zeros((600, 800), bool)
        ink[280:290, 200:600] = True
        ink[20:26, 700:706] = True
        cleaned = remove_specks(ink, **SETTINGS)
        assert not cleaned[:100].any()
        assert cleaned[280:290, 200:600].all()

    @pytest.mark.parametrize("side", range(4))
    def test_the_edge_of_the_scan(self, ink, side):
        soiled = ink.copy()
        np.rot90(soiled, side)[:4, 10:200] = True
        assert np.array_equal(remove_specks(soiled, **SETTINGS), ink)

    @pytest.mark.parametrize("side", range(4))
    def test_a_ruled_frame_though_it_leans_and_lies_inside(self, ink, side):
        soiled = ink.copy()
        turned = np.rot90(soiled, side)
        length = turned.shape[1]
        for column in range(length):
            top = 6 + round(2 * column / length)
            turned[top : top + 3, column] = True
        assert np.array_equal(remove_specks(soiled, **SETTINGS), ink)


@examples(max_examples=30)
@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_nothing_is_ever_added(ink):
    assert not (remove_specks(ink, **SETTINGS) & ~ink).any()


@examples(max_examples=30)
@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), st.integers(1, 6))
def test_swelling_is_scipys_dilation(ink, radius):
    square = np.ones((2 * radius + 1, 2 * radius + 1), bool)
    assert np.array_equal(_swollen(ink, radius), ndimage.binary_dilation(ink, square))


@pytest.mark.parametrize("pen", [3, 6, 9])
def test_the_width_of_a_stroke(pen):
    ink = np.zeros((200, 200), bool)
    rows, columns = np.indices(ink.shape)
    radius = np.hypot(rows - 100, columns - 100)
    ink[np.abs(radius - 70) < pen / 2] = True
    assert stroke_width(ink) == pytest.approx(pen, rel=0.12)


def test_no_ink_has_no_width():
    assert stroke_width(np.zeros((5, 5), bool)) == 0
