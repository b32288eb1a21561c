"""Strokes become thinner, thicker, broken or lost, each against a naive loop."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from sigvault.training.augmentation.changes import Changes, draw_changes
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.augmentation.strokes import (
    break_strokes,
    change_width,
    largest_near,
    lose_patches,
)

SHAPE = (24, 40)
EVERYTHING = Augmentation(stroke_width=1.0, gaps=1.0, erase=1.0)
NOTHING = Augmentation(stroke_width=0.0, gaps=0.0, erase=0.0)


def drawn(settings: Augmentation, count: int = 12) -> list[Changes]:
    return [draw_changes(settings, SHAPE, seed) for seed in range(count)]


def ink(count: int = 12) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    generator = np.random.default_rng(2)
    return generator.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def test_largest_near_is_max_pooling():
    pictures = torch.rand(3, 1, *SHAPE, generator=torch.Generator().manual_seed(1))
    for signed in (pictures, -pictures):
        pooled = functional.max_pool2d(signed, 3, stride=1, padding=1)
        assert torch.equal(largest_near(signed), pooled)


def test_stroke_width_is_erosion_or_dilation_mixed_in():
    pictures = torch.from_numpy(ink()[:, None].astype(np.float32) / 255)
    changes = drawn(EVERYTHING)
    assert {entry.thickness > 0 for entry in changes} == {True, False}
    for picture, result, entry in zip(
        pictures, change_width(pictures, changes), changes, strict=True
    ):
        for row in range(SHAPE[0]):
            for column in range(SHAPE[1]):
                near = picture[0, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                widest = near.max() if entry.thickness > 0 else near.min()
                share = abs(entry.thickness)
                expected = (1 - share) * picture[0, row, column] + share * widest
                assert abs(float(result[0, row, column] - expected)) < 1e-5


def test_gaps_are_discs_on_the_ink_and_nothing_else_changes():
    pictures = ink()
    before = pictures.copy()
    broken = break_strokes(pictures, changes := drawn(EVERYTHING))
    np.testing.assert_array_equal(pictures, before)
    for picture, result, entry in zip(pictures, broken, changes, strict=True):
        expected = picture.copy()
        inked = np.argwhere(picture >= 128)
        assert 1 <= len(entry.gaps) <= 3
        for gap in entry.gaps:
            centre = inked[int(gap.place * len(inked))]
            assert result[tuple(centre)] == 0
            apart = np.indices(SHAPE) - centre[:, None, None]
            expected[(apart**2).sum(axis=0) <= gap.radius**2] = 0
        np.testing.assert_array_equal(result, expected)


def test_a_blank_picture_has_no_strokes_to_break():
    blank = np.zeros((2, *SHAPE), np.uint8)
    np.testing.assert_array_equal(break_strokes(blank, drawn(EVERYTHING, 2)), blank)


def test_patches_are_small_inside_and_empty():
    changes = drawn(EVERYTHING, 200)
    for entry in changes:
        patch = entry.patch
        assert patch is not None
        assert patch.height * patch.width <= 0.03 * SHAPE[0] * SHAPE[1] + 10
        assert 0 <= patch.top <= SHAPE[0] - patch.height
        assert 0 <= patch.left <= SHAPE[1] - patch.width
    erased = lose_patches(torch.ones(200, 1, *SHAPE), changes)
    for picture, entry in zip(erased, changes, strict=True):
        patch = entry.patch
        assert patch is not None
        assert int((picture == 0).sum()) == patch.height * patch.width
        assert float(picture[0, patch.top, patch.left]) == 0


def test_what_is_switched_off_does_not_happen():
    pictures = ink()
    changes = drawn(NOTHING)
    assert break_strokes(pictures, changes) is pictures
    values = torch.from_numpy(pictures[:, None].astype(np.float32))
    assert torch.equal(change_width(values, changes), values)
    assert torch.equal(lose_patches(values.clone(), changes), values)
