"""What a run leaves for people: metrics, events and curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sigvault.training.curves import CURVES_FILE, draw_curves
from sigvault.training.run_log import (
    EVENTS_FOLDER,
    METRICS_FILE,
    mean_waiting,
    note_epoch,
    read_metrics,
)


def entry(epoch: int, **figures: object) -> dict[str, object]:
    return {"epoch": epoch, "loss": 1.0 / epoch, "learning_rate": 1e-3, "waiting": 0.1, **figures}


def test_entries_come_back_in_order(tmp_path: Path):
    entries = [entry(1), entry(2, skilled=0.2), entry(3, skilled=None)]
    for one in entries:
        note_epoch(tmp_path, one)
    assert read_metrics(tmp_path) == entries
    assert not list(tmp_path.glob("*.tmp"))


def test_nothing_is_read_where_nothing_was_noted(tmp_path: Path):
    assert read_metrics(tmp_path) == []
    assert mean_waiting(tmp_path) is None


def test_an_epoch_that_is_done_again_replaces_itself_and_what_came_after(tmp_path: Path):
    for epoch in (1, 2, 3):
        note_epoch(tmp_path, entry(epoch))
    note_epoch(tmp_path, entry(2, loss=7.0))
    assert [(one["epoch"], one["loss"]) for one in read_metrics(tmp_path)] == [(1, 1.0), (2, 7.0)]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path):
    note_epoch(tmp_path, entry(1))
    path = tmp_path / METRICS_FILE
    path.write_text(path.read_text() + json.dumps(entry(2))[:-9], encoding="utf-8")
    assert [one["epoch"] for one in read_metrics(tmp_path)] == [1]
    note_epoch(tmp_path, entry(2))
    assert [one["epoch"] for one in read_metrics(tmp_path)] == [1, 2]


def test_waiting_is_the_mean_over_epochs(tmp_path: Path):
    for epoch, waiting in ((1, 0.1), (2, 0.3)):
        note_epoch(tmp_path, entry(epoch, waiting=waiting))
    assert mean_waiting(tmp_path) == pytest.approx(0.2)


def test_every_number_becomes_an_event_of_its_epoch(tmp_path: Path):
    note_epoch(tmp_path, entry(1, skilled=0.25, random=None))
    note_epoch(tmp_path, entry(2, skilled=0.2))
    content = b"".join(path.read_bytes() for path in (tmp_path / EVENTS_FOLDER).iterdir())
    for name in (b"loss", b"learning_rate", b"waiting", b"skilled"):
        assert name in content
    assert b"random" not in content


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry(1)],
        [entry(1, skilled=0.3, random=0.1, local_skilled=None), entry(2, skilled=0.2, random=0.1)],
    ],
    ids=["none", "not validated", "validated"],
)
def test_curves_are_a_picture_whole_or_not_at_all(tmp_path: Path, entries: list[dict[str, object]]):
    path = draw_curves(tmp_path, entries)
    assert path == tmp_path / CURVES_FILE
    assert [own.name for own in tmp_path.iterdir()] == [CURVES_FILE]
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"


def test_curves_change_with_what_they_show(tmp_path: Path):
    pictures = []
    for name, rate in (("a", 0.3), ("b", 0.3), ("c", 0.2)):
        folder = tmp_path / name
        folder.mkdir()
        entries = [entry(1, skilled=0.4), entry(2, skilled=rate)]
        with Image.open(draw_curves(folder, entries)) as picture:
            pictures.append(picture.tobytes())
    assert pictures[0] == pictures[1] != pictures[2]
