"""Embeddings in three dimensions, to be turned around: plotly's figure and its library.

The library is a few megabytes. It lies in the page once, as text, and runs when somebody asks.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass

import numpy as np

from sigvault.reporting.evaluation.maps import PALETTE, Shown, principal_components

_STYLES = {
    "mated": ("solid", "link to a mated image"),
    "skilled": ("dash", "link to a skilled forgery"),
    "random": ("dot", "link to another signer"),
}


@dataclass(frozen=True)
class Space:
    """The interactive view.

    Attributes:
        figure: plotly's figure as JSON that is safe inside a script element.
        library: plotly.js, likewise.
        caption: what is drawn.
    """

    figure: str
    library: str
    caption: str


def draw_space(shown: Shown) -> Space:
    """The images along three principal components."""
    from plotly.graph_objects import (  # type: ignore[import-untyped]  # noqa: PLC0415 - slow
        Figure,
        Scatter3d,
    )
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # noqa: PLC0415

    places, shares = principal_components(shown.vectors, 3)
    places = np.round(places, 4)
    figure = Figure()
    for number, name in enumerate(shown.names):
        for forged in (False, True):
            own = (shown.owner == number) & (shown.forged == forged)
            if not own.any():
                continue
            what = f"{html.escape(name)}, {'skilled forgery' if forged else 'genuine'}"
            figure.add_trace(
                Scatter3d(
                    **_coordinates(places[own]),
                    mode="markers",
                    name=html.escape(name),
                    legendgroup=str(number),
                    showlegend=not forged,
                    hovertemplate=f"{what}<extra></extra>",
                    marker={
                        "size": 3.5,
                        "symbol": "cross" if forged else "circle",
                        "color": PALETTE[number % len(PALETTE)],
                    },
                )
            )
    for kind, (dash, words) in _STYLES.items():
        ends = [(link.start, link.end) for link in shown.links if link.kind == kind]
        if ends:
            figure.add_trace(
                Scatter3d(
                    **_segments(places, ends),
                    mode="lines",
                    name=words,
                    hoverinfo="skip",
                    line={"color": "#1d1f22", "dash": dash, "width": 4},
                )
            )
    axes = [f"component {k + 1} ({100.0 * share:.0f} %)" for k, share in enumerate(shares)]
    figure.update_layout(
        template="none",
        paper_bgcolor="#ffffff",
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={"camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.2}}}
        | {f"{axis}axis": {"title": {"text": axes[k]}} for k, axis in enumerate("xyz")},
        legend={"itemsizing": "constant", "font": {"size": 11}, "y": 0.92},
    )
    return Space(
        figure=_safe(figure.to_json()),
        library=get_plotlyjs(),
        caption=(
            f"{shown.who} Three principal components, which hold {100.0 * shares.sum():.0f} % of "
            "the variance. Circles are genuine signatures, crosses skilled forgeries; drag to "
            "turn, scroll to zoom, click a name to hide it."
        ),
    )


def _coordinates(places: np.ndarray) -> dict[str, list[float]]:
    return {axis: places[:, k].tolist() for k, axis in enumerate("xyz")}


def _segments(places: np.ndarray, ends: list[tuple[int, int]]) -> dict[str, list[float | None]]:
    """Several lines as one, with gaps between them."""
    return {
        axis: [value for one, other in ends for value in (*places[[one, other], k].tolist(), None)]
        for k, axis in enumerate("xyz")
    }


def _safe(text: str) -> str:
    """JSON in which nothing can end a script element."""
    return json.dumps(json.loads(text), separators=(",", ":")).replace("<", "\\u003c")
