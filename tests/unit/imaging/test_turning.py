"""Ink turned on its canvas."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.imaging.turning import turn_ink


def _box(ink: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return rows[0], rows[-1], columns[0], columns[-1]


def _bar(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    ink = np.zeros(shape, np.float32)
    ink[rows, columns] = 1.0
    return ink


def test_nothing_turned_is_what_it_was():
    ink = np.zeros((96, 156), np.float32)
    ink[8:88, 40:45] = ink[40:44, 20:136] = 1.0
    np.testing.assert_allclose(turn_ink(ink, 0.0), ink, atol=1e-6)


def test_anticlockwise_lifts_the_right_end():
    bar = _bar((96, 156), slice(46, 50), slice(8, 148))
    turned = turn_ink(bar, 20.0)
    left, right = np.argwhere(turned[:, :40])[:, 0], np.argwhere(turned[:, -40:])[:, 0]
    assert right.mean() < left.mean() - 20
    mirrored = turn_ink(bar, -20.0)
    np.testing.assert_allclose(mirrored[::-1], turned, atol=1e-4)


def test_a_quarter_turn_is_numpys():
    ink = _bar((97, 97), slice(10, 87), slice(38, 59))
    ink[11:30, 38:45] = 0.0
    np.testing.assert_allclose(turn_ink(ink, 90.0), np.rot90(ink), atol=1e-4)


@pytest.mark.parametrize("degrees", [-45.0, -12.0, 12.0, 30.0])
def test_ink_that_fills_the_canvas_fills_it_turned(degrees):
    ink = _bar((96, 156), slice(46, 50), slice(8, 148))
    ink[16:80, 76:80] = 1.0
    top, bottom, left, right = _box(turn_ink(ink, degrees) > 0.3)
    gaps = min(top, 95 - bottom), min(left, 155 - right)
    assert min(gaps) == pytest.approx(8, abs=1)
    # In the middle of the canvas, whatever direction it runs out of room in.
    assert top + bottom == pytest.approx(95, abs=2)
    assert left + right == pytest.approx(155, abs=2)


def test_a_small_signature_is_not_blown_up():
    ink = _bar((96, 156), slice(44, 52), slice(70, 86))
    turned = turn_ink(ink, 12.0)
    top, bottom, left, right = _box(turned > 0.3)
    assert bottom - top < 20
    assert right - left < 30


def test_grey_levels_stay_between_paper_and_ink():
    rng = np.random.default_rng(5)
    ink = np.zeros((64, 104), np.float32)
    ink[8:56, 8:96] = rng.random((48, 88))
    turned = turn_ink(ink, 7.0)
    assert turned.dtype == np.float32
    assert turned.shape == ink.shape
    assert 0.0 <= turned.min() < turned.max() <= 1.0


def test_a_blank_canvas_stays_blank():
    blank = np.zeros((64, 104), np.float32)
    assert not turn_ink(blank, 12.0).any()
