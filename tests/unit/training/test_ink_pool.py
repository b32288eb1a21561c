"""A pool gives what concatenated arrays would, and travels light."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.training.ink_pool import InkPool

GENERATOR = np.random.default_rng(1)
FIRST = GENERATOR.integers(0, 256, (7, 4, 6), dtype=np.uint8)
SECOND = GENERATOR.integers(0, 256, (5, 4, 6), dtype=np.uint8)
PARTS = ((FIRST, np.array([0, 2, 3, 6])), (SECOND, np.array([1, 4])))
WHOLE = np.concatenate([FIRST[[0, 2, 3, 6]], SECOND[[1, 4]]])


@given(st.lists(st.integers(0, 5)))
def test_rows_come_as_from_one_array(rows: list[int]):
    np.testing.assert_array_equal(InkPool(PARTS)[np.array(rows, np.int64)], WHOLE[rows])


def test_one_row_and_a_slice_come_likewise():
    pool = InkPool(PARTS)
    assert len(pool) == 6
    np.testing.assert_array_equal(pool[4], WHOLE[4])
    np.testing.assert_array_equal(pool[1:5], WHOLE[1:5])
    with pytest.raises(IndexError):
        pool[6]


def test_what_comes_is_a_copy():
    pool = InkPool(PARTS)
    pool[0][:] = 7
    pool[np.array([0, 1])][:] = 7
    np.testing.assert_array_equal(pool[:], WHOLE)


def test_a_mapped_file_is_sent_by_name(tmp_path: Path):
    big = np.repeat(FIRST, 1000, axis=0)
    np.save(tmp_path / "ink.npy", big)
    mapped = np.load(tmp_path / "ink.npy", mmap_mode="r")
    pool = InkPool([(mapped, np.arange(50)), (SECOND, np.arange(5))])
    sent = ForkingPickler.dumps(pool)
    assert len(sent) < big.nbytes / 10
    np.testing.assert_array_equal(ForkingPickler.loads(sent)[:], pool[:])


def test_a_piece_of_a_mapped_file_is_not_taken_for_the_whole(tmp_path: Path):
    np.save(tmp_path / "ink.npy", FIRST)
    piece = np.load(tmp_path / "ink.npy", mmap_mode="r")[3:]
    pool = ForkingPickler.loads(ForkingPickler.dumps(InkPool([(piece, np.arange(4))])))
    np.testing.assert_array_equal(pool[:], FIRST[3:])
