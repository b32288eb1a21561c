from __future__ import annotations

import numpy as np
import pytest

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.checks import (
    check_dimension,
    check_k,
    check_new_rows,
    check_rows,
    check_vectors,
)

UNIT = np.eye(3, dtype=np.float32)


def test_unit_vectors_pass_and_come_back_contiguous():
    every_other = np.repeat(UNIT, 2, axis=0)[::2]
    checked = check_vectors(every_other, 3)
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, UNIT)


def test_norms_that_16_bits_leave_pass():
    halved = np.full((1, 7), 1 / np.sqrt(7), np.float16).astype(np.float32)
    assert np.linalg.norm(halved) != 1.0
    check_vectors(halved, 7)


@pytest.mark.parametrize(
    "vectors",
    [UNIT.astype(np.float64), UNIT[0], UNIT[:, :2], UNIT[None]],
    ids=["float64", "one vector", "too short", "three axes"],
)
def test_arrays_of_another_type_or_shape_are_refused(vectors):
    with pytest.raises(IndexFailed, match=r"not float32 \(N, 3\)"):
        check_vectors(vectors, 3)


@pytest.mark.parametrize("value", [0.0, 2.0, np.nan, np.inf, -np.inf, np.finfo(np.float32).max])
def test_a_vector_that_is_not_of_norm_1_is_refused_by_its_place(value):
    vectors = UNIT.copy()
    vectors[2, 2] = value
    with pytest.raises(IndexFailed, match="vector 2 of 3"):
        check_vectors(vectors, 3)


@pytest.mark.parametrize("rows", [np.arange(3, dtype=np.int32), np.zeros((1, 3), np.int64)])
def test_rows_of_another_type_or_shape_are_refused(rows):
    with pytest.raises(IndexFailed, match=r"not int64 \(N,\)"):
        check_rows(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [([0, 1], "can't name 3"), ([0, -1, 2], "-1 is negative"), ([4, 5, 4], "given twice")],
)
def test_rows_that_can_not_name_new_vectors_are_refused(rows, message):
    with pytest.raises(IndexFailed, match=message):
        check_new_rows(np.array(rows, np.int64), 3)


@pytest.mark.parametrize("k", [0, -1])
def test_k_starts_at_1(k):
    with pytest.raises(IndexFailed, match="ask for 1 or more"):
        check_k(k)


def test_k_may_be_any_whole_number_type():
    assert check_k(np.int64(3)) == 3
    with pytest.raises(TypeError):
        check_k(2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("dimension", [0, -1])
def test_a_dimension_starts_at_1(dimension):
    with pytest.raises(IndexFailed, match="dimension"):
        check_dimension(dimension)
