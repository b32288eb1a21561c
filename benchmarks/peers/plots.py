"""The comparison as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from peers.report import Result, cold_start, measured, memory, p50, p99, recall_of

_COLOURS = ("#0072b2", "#e69f00", "#009e73")
"""Told apart by everybody (Okabe and Ito)."""
_MARKS = ("o", "s", "D")
_OWN = "sigvault"


def draw_all(document: dict[str, Any], folder: Path) -> list[Path]:
    """Write the pictures; their paths."""
    mpl.use("agg")
    results = measured(document["results"])
    if not results:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "identify.png": _identify,
        "operations.png": _operations,
        "resources.png": _resources,
    }
    for name, draw in pictures.items():
        draw(results).savefig(folder / name, dpi=130)
    return [folder / name for name in pictures]


def _sizes(results: Sequence[Result]) -> list[int]:
    return sorted({result["references"] for result in results})


def _peers(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result["peer"] for result in results))


def _identify(results: Sequence[Result]) -> Figure:
    """Time of a probe by size of batch, a panel a size."""
    sizes, peers = _sizes(results), _peers(results)
    figure = Figure(figsize=(5.6 * len(sizes) + 1.4, 2.0 + 0.46 * len(peers)), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for panel, size in zip(panels, sizes, strict=True):
        some = [result for result in results if result["references"] == size]
        for place, batch in enumerate((1, 16, 256)):
            label = "one probe" if batch == 1 else f"{batch} at once"
            for result in some:
                middle = p50(result, f"identify {batch}")
                last = p99(result, f"identify {batch}")
                if middle is not None and last is not None:
                    row = peers.index(result["peer"]) + (place - 1) * 0.2
                    _dot(panel, middle / batch, last / batch, row, place, label)
                    label = ""
        for result in some:
            panel.text(
                1.015,
                peers.index(result["peer"]),
                f"{recall_of(result):.3f}",
                transform=panel.get_yaxis_transform(),
                verticalalignment="center",
                fontsize=9,
            )
        panel.text(1.015, 1.01, "recall@10", transform=panel.transAxes, fontsize=9)
        _finish(panel, peers, "milliseconds a probe, p50 with a line to p99")
        panel.set_title(f"Identify among {size:,} references")
    _legend(figure, panels[0])
    return figure


def _operations(results: Sequence[Result]) -> Figure:
    """1:1, changes and cold start, a panel each, sizes by colour."""
    workloads = {
        "Verify: compare with 10 references": "verify",
        "Enroll one reference, durable": "enroll",
        "Erase a signer, durable and not found": "erase",
    }
    sizes, peers = _sizes(results), _peers(results)
    figure = Figure(figsize=(12, 2.4 + 0.72 * len(peers)), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True).flat
    for panel, (title, workload) in zip(panels, workloads.items(), strict=False):
        for place, size in enumerate(sizes):
            label = f"{size:,} references"
            for result in results:
                middle, last = p50(result, workload), p99(result, workload)
                if result["references"] == size and middle is not None and last is not None:
                    row = peers.index(result["peer"]) + _offset(place, len(sizes))
                    _dot(panel, middle, last, row, place, label)
                    label = ""
        _finish(panel, peers, "milliseconds, p50 with a line to p99")
        panel.set_title(title)
    panel = panels[3]
    _dots(panel, results, lambda result: cold_start(result)[0])
    _finish(panel, peers, "seconds, with imports")
    panel.set_title("Cold start to the first right answer")
    _legend(figure, panel)
    return figure


def _resources(results: Sequence[Result]) -> Figure:
    """Filling, memory and disk."""
    peers = _peers(results)
    figure = Figure(figsize=(14, 2.0 + 0.42 * len(peers)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    columns: dict[str, tuple[str, Callable[[Result], float]]] = {
        "Filling, with what searches need": (
            "references a second",
            lambda result: (
                result["references"] / (result["fill"]["stored"] + result["fill"]["built"])
            ),
        ),
        "Memory while serving": ("GB, peak", lambda result: memory(result) / 1e9),
        "Disk": ("GB", lambda result: result["fill"]["disk"] / 1e9),
    }
    for panel, (title, (unit, value)) in zip(panels, columns.items(), strict=True):
        _dots(panel, results, value)
        _finish(panel, peers, unit)
        panel.set_title(title)
    _legend(figure, panels[2])
    return figure


def _dots(panel: Axes, results: Sequence[Result], value: Callable[[Result], float]) -> None:
    sizes, peers = _sizes(results), _peers(results)
    for place, size in enumerate(sizes):
        label = f"{size:,} references"
        for result in results:
            if result["references"] == size:
                row = peers.index(result["peer"]) + _offset(place, len(sizes))
                _dot(panel, value(result), value(result), row, place, label)
                label = ""


def _legend(figure: Figure, panel: Axes) -> None:
    """Below all panels, where it covers nothing."""
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _offset(place: int, among: int) -> float:
    return (place - (among - 1) / 2) * 0.7 / among


def _dot(panel: Axes, middle: float, last: float, row: float, place: int, label: str) -> None:
    colour = _COLOURS[place % len(_COLOURS)]
    panel.plot([middle, max(middle, last)], [row, row], color=colour, linewidth=1.6, alpha=0.6)
    mark = _MARKS[place % len(_MARKS)]
    panel.plot([middle], [row], mark, color=colour, markersize=6, label=label or None)


def _finish(panel: Axes, names: Sequence[str], unit: str) -> None:
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    panel.xaxis.set_major_locator(LogLocator(subs=steps))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel(unit + " (log scale)")
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.grid(visible=True, axis="x", which="major", color="#d0d0d0", linewidth=0.8)
    panel.set_axisbelow(True)
    for tick, name in zip(panel.get_yticklabels(), names, strict=False):  # shared: once
        tick.set_fontweight("bold" if name.startswith(_OWN) else "normal")
