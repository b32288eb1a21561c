"""A run's curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

CURVES_FILE = "curves.png"
VALIDATION = {
    "skilled": "cosine, skilled",
    "random": "cosine, random",
    "local_skilled": "local, skilled",
    "local_random": "local, random",
}


def draw_curves(folder: Path, entries: Sequence[dict[str, Any]]) -> Path:
    """Draw loss, validation errors and learning rate over the epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=(11, 3.6), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    loss, errors, rate = figure.subplots(1, 3)
    epochs = [entry["epoch"] for entry in entries]
    loss.plot(epochs, [entry["loss"] for entry in entries], marker=".")
    loss.set(title="Training loss", ylabel="mean loss of the epoch")
    for name, label in VALIDATION.items():
        known = [(one["epoch"], 100 * one[name]) for one in entries if one.get(name) is not None]
        if known:
            errors.plot(*zip(*known, strict=True), marker=".", label=label)
    errors.set(title="Validation signers", ylabel="equal error rate, %")
    if errors.lines:
        errors.set_ylim(bottom=0)
        errors.legend(fontsize="small")
    rate.plot(epochs, [entry["learning_rate"] for entry in entries], marker=".")
    rate.set(title="Learning rate", ylabel="at the end of the epoch")
    for axes in (loss, errors, rate):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    path = folder / CURVES_FILE
    partial = path.with_name(f"{CURVES_FILE}.tmp")
    figure.savefig(partial, format="png")
    partial.replace(path)
    return path
