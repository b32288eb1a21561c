"""What is kept of a run for people: metrics as JSON lines, TensorBoard events, curves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"
EVENTS_FOLDER = "events"


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """One entry an epoch, in order; a line that a crash cut off is left out."""
    path = folder / METRICS_FILE
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return entries


def mean_waiting(folder: Path) -> float | None:
    """The share of the time that steps waited for images, the mean over the epochs."""
    shares = [entry["waiting"] for entry in read_metrics(folder) if "waiting" in entry]
    return sum(shares) / len(shares) if shares else None


def note_epoch(folder: Path, entry: dict[str, Any]) -> None:
    """Add an epoch; a resumed run replaces what it does again."""
    kept = [one for one in read_metrics(folder) if one["epoch"] < entry["epoch"]]
    lines = [json.dumps(one) for one in (*kept, entry)]
    partial = folder / f"{METRICS_FILE}.{os.getpid()}.tmp"
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(folder / METRICS_FILE)
    _write_events(folder / EVENTS_FOLDER, entry)


def _write_events(folder: Path, entry: dict[str, Any]) -> None:
    from tensorboardX import (  # type: ignore[import-untyped]  # noqa: PLC0415  # slow to import
        SummaryWriter,
    )

    with SummaryWriter(str(folder)) as writer:
        for name, value in entry.items():
            if isinstance(value, int | float) and name != "epoch":
                writer.add_scalar(name, value, entry["epoch"])
