from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from search_stand_ins import halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import packing
from sigvault.indexing.packing import check_norms, coded, packed, widened

FINE = unit(np.random.default_rng(0), 50, 8)
COARSE = halved(FINE)


@given(st.lists(st.sampled_from(["fine", "coarse", "half", "none"]), max_size=5))
def test_packed_vectors_are_the_same_vectors(names):
    kinds = {
        "fine": FINE[:3],
        "coarse": COARSE[3:9],
        "half": COARSE[9:12].astype(np.float16),
        "none": COARSE[:0],
    }
    parts = [kinds[name] for name in names]
    whole = packed(parts, 8)
    expected = np.concatenate([np.empty((0, 8)), *parts])
    np.testing.assert_array_equal(whole, expected)
    assert whole.dtype == (np.float32 if "fine" in names else np.float16)


def test_one_part_that_is_packed_already_is_not_copied():
    half = COARSE.astype(np.float16)
    assert packed([COARSE[:0], half], 8) is half


@pytest.mark.parametrize("odd", [0, 20, 49])
def test_one_vector_that_16_bits_do_not_hold_is_enough(monkeypatch, odd):
    monkeypatch.setattr(packing, "BLOCK", 16)
    mixed = COARSE.copy()
    mixed[odd] = FINE[odd]
    assert packed([mixed], 8).dtype == np.float32
    np.testing.assert_array_equal(packed([mixed], 8), mixed)


def test_widened_vectors_are_the_same_in_32_bits():
    np.testing.assert_array_equal(widened(COARSE.astype(np.float16)), COARSE)
    assert widened(COARSE) is COARSE


@pytest.mark.parametrize("wrong", [0.0, 1.01, np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 30, 49])
def test_a_norm_that_is_not_1_is_refused(monkeypatch, wrong, at):
    monkeypatch.setattr(packing, "_WORKED_ON", 16)
    for vectors in (FINE, COARSE.astype(np.float16)):
        check_norms(vectors)
        bad = vectors.copy()
        bad[at] *= wrong
        with pytest.raises(IndexFailed, match="norm is not 1"):
            check_norms(bad)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_codes_are_within_what_they_say_of_the_vectors(monkeypatch, dtype):
    monkeypatch.setattr(packing, "_WORKED_ON", 16)
    vectors = COARSE.astype(dtype)
    blocks = [(each.codes.copy(), each.scale, each.residual) for each in coded(vectors)]
    assert [len(codes) for codes, *_ in blocks] == [16, 16, 16, 2]
    assert len({scale for _, scale, _ in blocks}) == 1
    codes = np.concatenate([codes for codes, *_ in blocks])
    assert np.array_equal(codes, np.rint(codes))
    assert np.abs(codes).max() == 127
    start = 0
    for block, scale, residual in blocks:
        exact = vectors[start : start + len(block)].astype(np.float64)
        distances = np.linalg.norm(exact - block / scale, axis=1)
        assert distances.max() <= residual * (1 + 1e-5)
        assert residual <= distances.max() * (1 + 1e-5)
        start += len(block)
