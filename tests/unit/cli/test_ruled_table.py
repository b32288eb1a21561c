"""Tables on terminals of any width."""

import io

import pytest
from rich.console import Console

from sigvault.cli.ruled_table import RuledTable, ruled_table

MODEL = "sigvault-r18-0123456789ab"


def make_table() -> RuledTable:
    table = ruled_table(">Number", "Model", "Status", "Decides since")
    table.add_row("1", MODEL, "", "2026-03-04 10:00:00")
    table.add_row("12", MODEL, "active", "never")
    return table


def printed(table: RuledTable, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_rows_stand_side_by_side_where_there_is_room() -> None:
    lines = printed(make_table(), 80)
    assert lines[1].split() == ["Number", "Model", "Status", "Decides", "since"]
    assert lines[3].split() == ["1", MODEL, "2026-03-04", "10:00:00"]


def test_rows_become_lists_where_a_word_would_be_split() -> None:
    lines = printed(make_table(), 45)
    assert lines == [
        "",
        "Number         1",
        f"Model          {MODEL}",
        "Decides since  2026-03-04 10:00:00",
        "",
        "Number         12",
        f"Model          {MODEL}",
        "Status         active",
        "Decides since  never",
        "",
    ]


@pytest.mark.parametrize("width", range(43, 100))
def test_no_identifier_is_split_at_any_width_that_holds_it(width: int) -> None:
    lines = printed(make_table(), width)
    assert sum(MODEL in line for line in lines) == 2


def test_a_column_that_is_not_to_be_wrapped_keeps_its_width() -> None:
    table = ruled_table("Model", "Where", "Rates")
    table.columns[2].no_wrap = True
    table.add_row(MODEL, "bundled as default in use", "14.6 / 3.0 of all that there are")
    for width in range(75, 90):
        lines = printed(table, width)
        assert sum("14.6 / 3.0 of all that there are" in line for line in lines) == 1
        assert sum(MODEL in line for line in lines) == 1


def test_a_long_value_is_wrapped_within_its_list() -> None:
    table = ruled_table("Name", "Licence")
    table.add_row(MODEL, "research use: trained on sets whose terms say so")
    assert printed(table, 36) == [
        "",
        f"Name     {MODEL}",
        "Licence  research use: trained on",
        "         sets whose terms say so",
        "",
    ]


def test_the_caption_stays() -> None:
    table = make_table()
    table.caption = "Two of them."
    assert printed(table, 45)[-1] == "Two of them."


def test_a_table_without_rows_shows_its_columns() -> None:
    table = ruled_table("Identifier", "Occupation")
    assert "Identifier" in "".join(printed(table, 30))
