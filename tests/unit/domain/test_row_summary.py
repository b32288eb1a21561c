from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.row_summary import RowSummary


@given(st.sets(st.integers(0, 2**40), max_size=20))
def test_a_summary_is_count_largest_and_sum(rows):
    summary = RowSummary.of(np.array(sorted(rows), np.int64))
    assert summary == RowSummary(len(rows), max(rows, default=-1), sum(rows))


@pytest.mark.parametrize("other", [[1, 2], [1, 2, 3, 4], [1, 2, 5], [0, 2, 3]])
def test_other_rows_have_another_summary(other):
    assert RowSummary.of(np.array(other)) != RowSummary.of(np.array([1, 2, 3]))
