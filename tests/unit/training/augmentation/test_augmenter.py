"""Each picture hangs on its ink and its seed; the changes mean what they say over many draws."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.training.augmentation.augmenter import Augmenter
from sigvault.training.augmentation.changes import draw_changes
from sigvault.training.augmentation.settings import Augmentation

SHAPE = (32, 52)
EVERYTHING = Augmentation(crop=(0.9, 1.05), elastic=2.0, elastic_spacing=16, gaps=0.5, erase=0.5)
INK = (np.random.default_rng(1).random((9, *SHAPE)) > 0.85).astype(np.uint8) * 255


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(9)), st.integers(1, 9))
def test_a_picture_is_the_same_however_the_batch_is_dealt(order: list[int], size: int):
    augment = Augmenter(EVERYTHING)
    seeds = np.arange(9) * 2**59 + 7
    whole = augment(INK, seeds.tolist())
    for first in range(0, 9, size):
        rows = order[first : first + size]
        part = augment(INK[rows], seeds[rows].tolist())
        assert torch.equal(part, whole[rows])


def test_another_seed_gives_another_picture_and_the_same_the_same():
    augment = Augmenter(EVERYTHING)
    same = augment(INK[[0, 0, 0]], [1, 1, 2])
    assert torch.equal(same[0], same[1])
    assert not torch.equal(same[0], same[2])


def test_global_random_states_and_the_ink_are_left_alone():
    before, ink = (torch.get_rng_state(), np.random.get_state()[1].tolist()), INK.copy()  # noqa: NPY002
    drawn = random.getstate()
    ink.setflags(write=False)
    Augmenter(EVERYTHING)(ink, range(9))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert random.getstate() == drawn
    np.testing.assert_array_equal(ink, INK)


def test_pictures_are_ink_shares():
    pictures = Augmenter(EVERYTHING)(INK, range(9))
    assert pictures.shape == (9, 1, *SHAPE)
    assert pictures.dtype == torch.float32
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1
    assert Augmenter(EVERYTHING)(INK[:0], []).shape == (0, 1, *SHAPE)


def test_a_seed_too_few_is_refused():
    with pytest.raises(ValueError, match="8 and 0 seeds for 9 pictures"):
        Augmenter(EVERYTHING)(INK, range(8))


def test_switching_one_change_on_leaves_the_others_as_they_were():
    plain = Augmentation()
    for seed in range(20):
        with_elastic = draw_changes(replace(plain, elastic=2.0), SHAPE, seed)
        without = draw_changes(plain, SHAPE, seed)
        assert with_elastic.affine == without.affine
        assert with_elastic.patch == without.patch
        assert with_elastic.thickness == without.thickness


def test_changes_are_as_large_and_as_frequent_as_configured():
    chosen = Augmentation(
        rotation=4, translation=0.03, scale=0.08, shear=5, stroke_width=0.5, gaps=0.25, erase=0.2
    )
    drawn = [draw_changes(chosen, SHAPE, seed) for seed in range(4000)]
    for values, largest in (
        ([entry.affine.angle for entry in drawn], 4.0),
        ([entry.affine.shear for entry in drawn], 5.0),
        ([entry.affine.scale - 1 for entry in drawn], 0.08),
        ([entry.affine.shift[0] for entry in drawn], 0.03 * SHAPE[1]),
        ([entry.affine.shift[1] for entry in drawn], 0.03 * SHAPE[0]),
    ):
        assert np.abs(values).max() <= largest + 1e-9
        assert np.std(values) == pytest.approx(largest / np.sqrt(3), rel=0.05)
        assert abs(np.mean(values)) < 0.05 * largest
    for happened, share in (
        ([entry.thickness != 0 for entry in drawn], 0.5),
        ([bool(entry.gaps) for entry in drawn], 0.25),
        ([entry.patch is not None for entry in drawn], 0.2),
    ):
        assert np.mean(happened) == pytest.approx(share, abs=0.03)
