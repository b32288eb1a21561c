from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.domain.errors import IndexFailed
from sigvault.indexing.row_table import RowTable


def numbers(*rows):
    return np.array(rows, np.int64)


def test_rows_keep_their_places_when_others_go():
    table = RowTable()
    table.append(numbers(30, 10, 20))
    table.append(numbers(5))
    table.remove(numbers(10, 99))
    assert (len(table), table.size) == (3, 4)
    assert table.at(numbers(0, 1, 2, 3)).tolist() == [30, -1, 20, 5]
    assert table.occupied().tolist() == [3, 2, 0]


def test_a_taken_row_is_refused_until_it_is_removed():
    table = RowTable()
    table.append(numbers(1, 2))
    with pytest.raises(IndexFailed, match="row 2 is in the index already"):
        table.refuse_taken(numbers(3, 2))
    table.remove(numbers(2))
    table.refuse_taken(numbers(3, 2))


def test_a_few_holes_are_left_and_many_are_worth_compacting():
    table = RowTable()
    table.append(np.arange(2000))
    table.remove(np.arange(400))
    assert not table.worth_compacting
    table.remove(numbers(400))
    assert table.worth_compacting
    small = RowTable()
    small.append(np.arange(100))
    small.remove(np.arange(100))
    assert not small.worth_compacting


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=40))
def test_a_table_behaves_as_a_list_with_holes(steps):
    table, model = RowTable(), []
    for adding, row in steps:
        if adding and row not in model:
            table.append(numbers(row))
            model.append(row)
        elif not adding:
            table.remove(numbers(row))
            model = [-1 if each == row else each for each in model]
    assert table.at(np.arange(table.size)).tolist() == model
    kept = sorted(row for row in model if row >= 0)
    assert table.at(table.occupied()).tolist() == kept
    assert len(table) == len(kept)
