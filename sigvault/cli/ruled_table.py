"""A table for terminals of any width."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.measure import Measurement, measure_renderables
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_ROOMY = 10_000
"""Columns of a terminal on which no word has to be split."""


def ruled_table(*columns: str) -> RuledTable:
    """A table; a column whose name starts with ``>`` holds numbers."""
    table = RuledTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold"
        )
    return table


class RuledTable(Table):
    """A table that splits no word: rather its rows become lists of what their columns hold.

    An identifier in pieces can be neither read nor copied.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rows side by side or, on a narrow terminal, one list below the other."""
        roomy = options.update(max_width=_ROOMY)
        needs = [self._need(console, roomy, place) for place in range(len(self.columns))]
        most = sum(need.maximum for need in needs)
        rules = self.__rich_measure__(console, roomy).maximum - most
        room = options.max_width - rules
        if room < sum(need.minimum for need in needs):
            yield from self._lists()
        elif room >= most:
            yield from super().__rich_console__(console, options)
        else:
            shown = copy(self)
            shown.columns = [
                replace(column, width=width)
                for column, width in zip(self.columns, _widths(needs, room), strict=True)
            ]
            yield from Table.__rich_console__(shown, console, options)

    def _need(self, console: Console, options: ConsoleOptions, place: int) -> Measurement:
        """How wide a column has to be for its words, and for its cells as they are."""
        column = self.columns[place]
        need = measure_renderables(console, options, [column.header, *column.cells])
        return Measurement(need.maximum, need.maximum) if column.no_wrap else need

    def _lists(self) -> RenderResult:
        """Each row as a list: the columns' names beside what they hold, if anything."""
        widest = max(cell_len(str(column.header)) for column in self.columns)
        for cells in zip_longest(*(column.cells for column in self.columns)):
            yield Text()
            yield self._list(cells, widest)
        yield Text()
        if self.caption:
            yield Text(str(self.caption), style="table.caption")

    def _list(self, cells: Sequence[RenderableType], widest: int) -> Table:
        listed = Table(box=None, show_header=False, pad_edge=False)
        listed.add_column(style="dim", width=widest)
        listed.add_column(overflow="fold")
        for column, cell in zip(self.columns, cells, strict=True):
            if str(cell):
                listed.add_row(column.header, cell)
        return listed


def _widths(needs: Sequence[Measurement], room: int) -> list[int]:
    """Each column's width: what its words need, and its share of the rest by what it lacks."""
    lacking = [need.span for need in needs]
    rest = room - sum(need.minimum for need in needs)
    widths, before = [], 0
    for need, lack in zip(needs, lacking, strict=True):
        given = rest * (before + lack) // sum(lacking) - rest * before // sum(lacking)
        widths.append(need.minimum + given)
        before += lack
    return widths
