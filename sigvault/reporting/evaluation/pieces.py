"""What a page of an evaluation is laid out from: sections of tables, pictures and remarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.comparison import Rate
from sigvault.reporting.evaluation.drawing import Drawing
from sigvault.reporting.evaluation.errors_gallery import ErrorGroup
from sigvault.reporting.evaluation.space import Space

NOTHING = "–"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what it says.
        detail: in small print below, such as an interval in brackets; may be empty.
        loud: whether it says that something is wrong.
    """

    text: str
    detail: str = ""
    loud: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column heads the rows.

    Attributes:
        title: what it holds.
        head: a heading for each column.
        rows: as many cells each.
        notes: remarks below.
        rates: whether it holds error rates, which carry the mark if there is reason for one.
        folded: whether the page shows it only when asked.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    rates: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: its name in addresses.
        title: its heading.
        lead: a paragraph before all else; may be empty.
        tables: in order.
        drawings: in order, after the tables.
        errors: groups of pictures of errors, each with the number of references they belong to.
        space: the interactive view, or None.
        lines: a plain list at the end.
    """

    anchor: str
    title: str
    lead: str = ""
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    errors: tuple[tuple[int, tuple[ErrorGroup, ...]], ...] = ()
    space: Space | None = None
    lines: tuple[str, ...] = ()


def share(value: float | None) -> Cell:
    """A share in per cent, without an interval."""
    return Cell(NOTHING if value is None else f"{per_cent(value)} %")


def rate(value: Rate | None) -> Cell:
    """A share in per cent, with its 95 % interval in brackets."""
    if value is None:
        return Cell(NOTHING)
    return Cell(
        f"{per_cent(value.value)} %", f"({per_cent(value.low)} to {per_cent(value.high)} %)"
    )


def figure(value: Rate | None, digits: int = 3) -> Cell:
    """A figure that is no share, with its 95 % interval in brackets."""
    if value is None:
        return Cell(NOTHING)
    return Cell(f"{value.value:.{digits}f}", f"({value.low:.{digits}f} to {value.high:.{digits}f})")


def per_cent(value: float) -> str:
    """A share in per cent without the sign: ``12.3``, ``3.45``, ``0``."""
    number = 100.0 * value
    if number == 0.0:
        return "0"
    return f"{number:.1f}" if abs(number) >= 9.995 else f"{number:.2f}"


def row(name: str, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """A row with its heading."""
    return (Cell(name), *cells)
