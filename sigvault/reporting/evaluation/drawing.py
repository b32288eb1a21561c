"""How the pictures of an evaluation look, and how they become bytes: always the same ones.

Figures are made without pyplot, which keeps state. Colours are those of Okabe and Ito, which
colour-blind people tell apart; lines and markers differ in style too. The paper is white whatever
the page's colours.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sigvault.domain.comparison import Rate
from sigvault.evaluation.protocols import Kind

MATED, RANDOM, SKILLED = "#0072B2", "#B07D00", "#D55E00"
KIND_COLOURS = {Kind.MATED: MATED, Kind.RANDOM: RANDOM, Kind.SKILLED: SKILLED}
KIND_LINES = {Kind.MATED: "-", Kind.RANDOM: "-.", Kind.SKILLED: "--"}
KIND_WORDS = {
    Kind.MATED: "genuine signatures",
    Kind.RANDOM: "random forgeries",
    Kind.SKILLED: "skilled forgeries",
}

SERIES = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B07D00", "#000000")
"""One colour for each number of references, in turn."""

SERIES_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 2)))
"""One style of line for each, likewise."""

TEXT, QUIET, GRID = "#1d1f22", "#5b6068", "#dddfe2"

_STYLE: dict[Any, Any] = {  # matplotlib's type for it is a literal of every name
    "axes.edgecolor": QUIET,
    "axes.labelcolor": TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so widths are the same everywhere
    "font.size": 10.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "svg.fonttype": "path",  # letters as outlines: what fits here fits on every screen and paper
    "svg.hashsalt": "sigvault",
    "text.color": TEXT,
    "xtick.color": QUIET,
    "xtick.labelcolor": TEXT,
    "ytick.color": QUIET,
    "ytick.labelcolor": TEXT,
}
_SETTINGS = threading.RLock()  # matplotlib's settings are the process's


@dataclass(frozen=True)
class Drawing:
    """One picture with what is to be said about it.

    Attributes:
        name: of the picture among those of the report, such as ``"det_skilled"``.
        title: what it shows, in a few words.
        caption: how to read it.
        svg: the picture, an SVG file.
        wide: whether it takes the whole width of a page.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    wide: bool = False

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode("ascii")


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Draw and save figures with the report's settings, whatever the process's are."""
    with _SETTINGS, rc_context(_STYLE):
        yield


def new_figure(width: float = 5.2, height: float = 4.6) -> Figure:
    """An empty figure on white paper; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasSVG(figure)
    return figure


def one_panel(width: float = 5.2, height: float = 4.6) -> tuple[Figure, Axes]:
    """A figure with one pair of axes and a light grid."""
    figure = new_figure(width, height)
    axes = figure.subplots()
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def to_svg(figure: Figure) -> bytes:
    """A figure as an SVG file without a date, so that the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def legend_below(figure: Figure, columns: int = 2) -> None:
    """Put the legend under the axes, where it hides nothing."""
    figure.legend(loc="outside lower center", ncols=columns)


def arms(rate: Rate) -> tuple[tuple[float], tuple[float]]:
    """How far an interval reaches below and above its rate, in per cent, for error bars."""
    below, above = rate.value - rate.low, rate.high - rate.value
    return (100.0 * max(0.0, below),), (100.0 * max(0.0, above),)
