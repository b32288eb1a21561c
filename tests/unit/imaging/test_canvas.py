import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.imaging.canvas import Box, fit_scale, ink_box, place_on_canvas


def slowly_placed(ink, box, height, width, scale):
    """Each source pixel spread over the canvas pixels that it covers, one at a time."""
    canvas = np.zeros((height, width))
    top, left = (height - box.height * scale) / 2, (width - box.width * scale) / 2

    def shares(start, count):
        for pixel in range(int(np.floor(start)), int(np.floor(start + scale)) + 1):
            share = min(start + scale, pixel + 1) - max(start, pixel)
            if share > 0 and 0 <= pixel < count:
                yield pixel, share

    for row in range(box.height):
        for column in range(box.width):
            if ink[box.top + row, box.left + column]:
                for down, height_share in shares(top + row * scale, height):
                    for across, width_share in shares(left + column * scale, width):
                        canvas[down, across] += height_share * width_share
    return canvas


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0.2, 2.0))
def test_placing_is_area_averaging(height, width, seed, most):
    ink = np.random.default_rng(seed).random((height, width)) < 0.3
    box = ink_box(ink)
    if box is None:
        return
    scale = fit_scale(box, 24, 32, 2, most)
    placed = place_on_canvas(ink, box, height=24, width=32, scale=scale)
    assert placed.shape == (24, 32)
    assert placed.dtype == np.float32
    assert placed.min() >= 0
    assert placed.max() <= 1
    assert np.allclose(placed, slowly_placed(ink, box, 24, 32, scale), atol=1e-5)
    assert placed.sum() == pytest.approx(np.count_nonzero(ink) * scale**2, rel=1e-4)
    assert not placed[:2].any()
    assert not placed[:, -2:].any()


def test_the_scale_fits_the_tighter_side_and_is_bounded():
    assert fit_scale(Box(0, 0, 100, 100), 128, 208, 4, 9.0) == pytest.approx(1.2)
    assert fit_scale(Box(0, 0, 10, 400), 128, 208, 4, 9.0) == pytest.approx(0.5)
    assert fit_scale(Box(0, 0, 10, 10), 128, 208, 4, 2.0) == 2.0


def test_a_circle_stays_round():
    rows, columns = np.indices((300, 300))
    ink = np.hypot(rows - 150, columns - 150) < 140
    box = ink_box(ink)
    placed = place_on_canvas(ink, box, height=128, width=208, scale=fit_scale(box, 128, 208, 4, 2))
    tall, wide = np.ptp(np.nonzero(placed > 0.5), axis=1) + 1
    assert tall == wide


def test_the_box_is_the_smallest():
    ink = np.zeros((10, 20), bool)
    assert ink_box(ink) is None
    ink[3, 5] = ink[7, 11] = True
    assert ink_box(ink) == Box(3, 5, 8, 12)
    assert (ink_box(ink).height, ink_box(ink).width) == (5, 7)
