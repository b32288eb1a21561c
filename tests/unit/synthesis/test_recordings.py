"""Recorded movements become scans: right way up, strokes apart, repeatable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigvault.datasets import read_layout
from sigvault.domain.errors import DatasetError
from sigvault.synthesis.trajectories import (
    Recording,
    read_recordings,
    render_recording,
    write_recordings,
)

# An L: down on the left, then to the right along the bottom; y grows downwards.
CORNER = np.array([[0, 0], [0, 50], [0, 100], [50, 100], [100, 100]], dtype=np.float64)


def _recording(points: np.ndarray, stroke: list[int], pressure: float = 0.6) -> Recording:
    return Recording(
        "7", True, "a", points, np.full(len(points), pressure), np.array(stroke, np.int16)
    )


def _ink(recording: Recording) -> np.ndarray:
    pixels = render_recording(recording, np.random.default_rng(1))
    assert pixels is not None
    ink = pixels < 150
    rows, columns = np.nonzero(ink)
    return ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def test_a_movement_is_drawn_upright():
    ink = _ink(_recording(CORNER, [0, 0, 0, 0, 0]))
    half = (ink.shape[0] // 2, ink.shape[1] // 2)
    assert ink[: half[0], : half[1]].any()
    assert ink[half[0] :, half[1] :].any()
    assert not ink[: half[0], half[1] :].any()


@pytest.mark.parametrize("stroke", [[0, 0, 1, 1], [0, 0, -1, 1]])
def test_nothing_is_drawn_between_strokes(stroke: list[int]):
    """Two bars far apart: a stroke ends where the next one starts elsewhere."""
    points = np.array([[0, 0], [0, 100], [100, 0], [100, 100]], dtype=np.float64)
    if -1 in stroke:
        points = np.array([[0, 0], [0, 100], [50, 50], [100, 50]], dtype=np.float64)
        ink = _ink(_recording(np.vstack([points, [[100, 100]]]), [*stroke, 1]))
    else:
        ink = _ink(_recording(points, stroke))
    middle = ink[:, ink.shape[1] // 3 : 2 * ink.shape[1] // 3]
    assert not middle.any()


def test_unknown_pressure_is_drawn_all_the_same():
    assert _ink(_recording(CORNER, [0] * 5, pressure=float("nan"))).any()


def test_nothing_written_gives_no_picture():
    assert render_recording(_recording(CORNER, [-1] * 5), np.random.default_rng(0)) is None
    assert render_recording(_recording(CORNER * 0, [0] * 5), np.random.default_rng(0)) is None


def _write_set(path: Path) -> Path:
    stroke = [0, 0, 0, 0, 0]
    np.savez(
        path,
        signer=np.array(["1", "1", "2"]),
        genuine=np.array([True, False, True]),
        sample=np.array(["a", "b", "a"]),
        start=np.array([0, 5, 10, 15]),
        x=np.tile(CORNER[:, 0], 3).astype(np.int32),
        y=np.tile(CORNER[:, 1], 3).astype(np.int32),
        t_ms=np.zeros(15, np.float32),
        pressure=np.full(15, 0.4, np.float32),
        stroke=np.array(stroke * 3, np.int16),
    )
    return path


def test_a_set_becomes_a_data_set_and_a_second_run_keeps_its_pictures(tmp_path: Path):
    path = _write_set(tmp_path / "pens.npz")
    told: list[tuple[int, int]] = []
    assert write_recordings(path, tmp_path / "out", progress=lambda *at: told.append(at)) == 3
    assert told == [(1, 3), (2, 3), (3, 3)]
    dataset = read_layout(tmp_path / "out")
    assert dataset.signers == ("pens-1", "pens-2")
    assert [specimen.genuine for specimen in dataset.specimens] == [True, False, True]
    first = {s.path: s.path.read_bytes() for s in dataset.specimens}
    dataset.specimens[0].path.unlink()
    assert write_recordings(path, tmp_path / "out") == 3
    assert {s.path: s.path.read_bytes() for s in dataset.specimens} == first
    with Image.open(dataset.specimens[0].path) as picture:
        assert picture.mode == "L"


def test_signers_can_be_left_out(tmp_path: Path):
    path = _write_set(tmp_path / "pens.npz")
    assert write_recordings(path, tmp_path / "out", leave_out={"1"}) == 1
    assert read_layout(tmp_path / "out").signers == ("pens-2",)


def test_a_file_that_is_no_set_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match="no set of recorded signatures"):
        read_recordings(tmp_path / "missing.npz")
    (tmp_path / "noise.npz").write_bytes(b"noise")
    with pytest.raises(DatasetError, match="no set of recorded signatures"):
        read_recordings(tmp_path / "noise.npz")
    np.savez(tmp_path / "other.npz", signer=np.array(["1"]))
    with pytest.raises(DatasetError, match="no set of recorded signatures"):
        read_recordings(tmp_path / "other.npz")
