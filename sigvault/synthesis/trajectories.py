"""Recorded pen movements as scans: the movement is a real signer's, pen and paper are drawn.

A set of recordings is one ``.npz`` file without pickled objects: ``signer``, ``genuine`` (bool)
and ``sample`` for each signature; ``start`` (n + 1 offsets into the points); and for each point
``x`` and ``y`` (y grows downwards), ``t_ms`` and ``pressure`` (not a number where unknown) and
``stroke`` (the number of the stroke, -1 while the pen hovers).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from PIL import Image

from sigvault.domain.errors import DatasetError
from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.rendering import Pixels, render
from sigvault.synthesis.scans import draw_scan
from sigvault.synthesis.specimen import Writing

LONGEST_SIDE = (35.0, 75.0)
"""The longer side of a drawn signature lies between these, in millimetres."""

DPI = 200.0
"""Enough for the canvas, and twice as quick to draw as 300."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded signature.

    Attributes:
        signer: whose it is, or is meant to look like.
        genuine: False for a skilled forgery.
        sample: its name within the signer's.
        points: float64 (T, 2), x and y in the recorder's units, y growing downwards.
        pressure: float64 (T,) in [0, 1]; not a number where unknown.
        stroke: int16 (T,): number of the stroke, -1 while the pen hovers.
    """

    signer: str
    genuine: bool
    sample: str
    points: Floats
    pressure: Floats
    stroke: npt.NDArray[np.int16]


def read_recordings(path: Path) -> tuple[Recording, ...]:
    """Read a set of recordings.

    Raises:
        DatasetError: If the file is no such set.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            columns = {name: content[name] for name in content.files}
        bounds = zip(columns["start"][:-1], columns["start"][1:], strict=True)
        points = np.stack([columns["x"], columns["y"]], axis=1).astype(np.float64)
        return tuple(
            Recording(
                signer=str(columns["signer"][number]),
                genuine=bool(columns["genuine"][number]),
                sample=str(columns["sample"][number]),
                points=points[start:end],
                pressure=columns["pressure"][start:end].astype(np.float64),
                stroke=columns["stroke"][start:end],
            )
            for number, (start, end) in enumerate(bounds)
        )
    except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise DatasetError(f"{path} is no set of recorded signatures: {error}") from error


def render_recording(recording: Recording, rng: np.random.Generator) -> Pixels | None:
    """Draw a recording with a pen, a sheet and a scanner that are drawn at random.

    Returns:
        uint8 (H, W), 0 = black, 255 = white; None if nothing was written.
    """
    down = recording.stroke >= 0
    inked = recording.points[down]
    extent = np.ptp(inked, axis=0).max() if len(inked) > 1 else 0.0
    if extent == 0.0:
        return None
    scale = rng.uniform(*LONGEST_SIDE) / extent
    # Between two strokes without a hovering point, one is put in: nothing is drawn there.
    breaks = np.flatnonzero((np.diff(recording.stroke) != 0) & down[1:] & down[:-1]) + 1
    points = np.insert(recording.points, breaks, recording.points[breaks], axis=0)
    points = points * (scale, -scale)
    down = np.insert(down, breaks, False)
    pressure = np.insert(_usual_pressure(recording), breaks, 0.5)
    steps = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    times = np.arange(len(points), dtype=np.float64)
    writing = Writing(points, down, steps, pressure, times)
    return render(writing, draw_scan(rng, DPI), rng)


def _usual_pressure(recording: Recording) -> Floats:
    """Pressure about 0.5 in the mean, within [0, 1]; 0.5 throughout where none was recorded."""
    pressure = recording.pressure
    known = pressure[(recording.stroke >= 0) & np.isfinite(pressure)]
    if not len(known) or known.mean() == 0.0:
        return np.full(len(pressure), 0.5)
    scaled = np.nan_to_num(pressure / known.mean() * 0.5, nan=0.5)
    usual: Floats = np.clip(scaled, 0.0, 1.0)
    return usual


def write_recordings(
    path: Path,
    out: Path,
    *,
    seed: int = 0,
    leave_out: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Draw a set of recordings into the layout ``folders``, signers named after the set.

    Each picture depends on the seed, the set, the signer and the sample alone; pictures that lie
    there already are kept, so that an interrupted run can go on.

    Args:
        path: the set.
        out: the data set's folder; several sets may share it.
        seed: of pens, sheets and scanners.
        leave_out: signers to leave out, such as people who are in another set too.
        progress: told of how many of how many recordings are done.

    Returns:
        How many pictures of the set lie there now.

    Raises:
        DatasetError: If the file is no such set.
    """
    recordings = read_recordings(path)
    written = 0
    for number, recording in enumerate(recordings, start=1):
        if recording.signer not in leave_out:
            written += _write(recording, path.stem, out, seed)
        if progress is not None:
            progress(number, len(recordings))
    return written


def _write(recording: Recording, name: str, out: Path, seed: int) -> bool:
    kind = "genuine" if recording.genuine else "forged"
    target = out / kind / f"{name}-{recording.signer}" / f"{recording.sample}.png"
    if target.is_file():
        return True
    key = f"{seed} {name} {kind} {recording.signer} {recording.sample}".encode()
    entropy = int.from_bytes(hashlib.sha256(key).digest()[:16], "big")
    pixels = render_recording(recording, np.random.default_rng(entropy))
    if pixels is None:
        return False
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=1)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".tmp")
    partial.write_bytes(content.getvalue())
    partial.replace(target)
    return True
