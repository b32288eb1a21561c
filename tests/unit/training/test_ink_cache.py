"""The cache of prepared pictures: shared, checked, and made again when it lies."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sigvault.datasets import Dataset, Layout, Specimen, read_layout
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training import datasets, ink_cache
from sigvault.training.datasets import InkSet, load_ink

SMALL = Preprocessing(height=32, width=48, margin=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures and a file that is none."""
    root = tmp_path_factory.mktemp("signers")
    folder = root / "genuine" / "a"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(3)
    for number in range(10):
        page = Image.new("L", (300, 200), 245)
        points = [tuple(point) for point in generator.uniform(30, 170, (8, 2)).tolist()]
        ImageDraw.Draw(page).line(points, fill=30, width=4)
        page.save(folder / f"{number}.png")
    (folder / "99.png").write_bytes(b"no picture")
    return root


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return read_layout(root, Layout.FOLDERS)


def assert_same(one: InkSet, other: InkSet) -> None:
    np.testing.assert_array_equal(one.ink, other.ink)
    assert one.specimens == other.specimens
    assert one.digests == other.digests
    assert one.failed == other.failed


def unprepared(done: int, total: int) -> None:
    raise AssertionError("nothing was to be prepared again")


def test_prepared_once_then_mapped(dataset: Dataset, tmp_path: Path):
    told: list[tuple[int, int]] = []
    first = load_ink(dataset, SMALL, tmp_path, lambda *done: told.append(done))
    assert told == [(number, 11) for number in range(1, 12)]
    assert len(first.specimens) == 10
    assert "99.png" in first.failed[0]
    again = load_ink(dataset, SMALL, tmp_path, unprepared)
    assert_same(first, again)
    assert isinstance(again.ink, np.memmap)
    assert not again.ink.flags.writeable
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


def test_another_recipe_or_a_changed_file_is_prepared_anew(root: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    folder = copy / "genuine" / "a"
    folder.mkdir(parents=True)
    for path in sorted((root / "genuine" / "a").iterdir())[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    cache = tmp_path / "cache"
    first = load_ink(read_layout(copy), SMALL, cache)
    other = load_ink(read_layout(copy), replace(SMALL, margin=3), cache)
    assert not np.array_equal(first.ink, other.ink)
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes())
    changed = load_ink(read_layout(copy), SMALL, cache)
    assert changed.digests[0] == changed.digests[1]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def other_pictures(path: Path) -> None:
    np.save(path, np.zeros((10, 32, 48), np.uint8))


def other_shape(path: Path) -> None:
    np.save(path, np.zeros((9, 32, 48), np.uint8))


def pickled(path: Path) -> None:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def another_file_digest(path: Path) -> None:
    content = json.loads(path.read_text())
    content["digests"][0] = "0" * 64
    path.write_text(json.dumps(content))


def no_object(path: Path) -> None:
    path.write_text("[1, 2]")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".npy", truncate),
        (".npy", empty),
        (".npy", flip_last_byte),
        (".npy", other_pictures),
        (".npy", other_shape),
        (".npy", pickled),
        (".json", truncate),
        (".json", empty),
        (".json", another_file_digest),
        (".json", no_object),
    ],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_a_damaged_cache_is_noticed_and_made_again(
    dataset: Dataset,
    tmp_path: Path,
    suffix: str,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
):
    first = load_ink(dataset, SMALL, tmp_path)
    (file,) = tmp_path.glob(f"*{suffix}")
    expected = replace(first, ink=np.array(first.ink))
    # Not in place: what is mapped would change with it, or be gone.
    damaged = (tmp_path / "damaged").with_suffix(suffix)
    damaged.write_bytes(file.read_bytes())
    damage(damaged)
    damaged.replace(file)
    with caplog.at_level(logging.WARNING):
        repaired = load_ink(dataset, SMALL, tmp_path)
    assert_same(expected, repaired)
    assert [record.message.count("made again") for record in caplog.records] == [1]
    load_ink(dataset, SMALL, tmp_path, unprepared)


def test_another_set_under_this_one_s_name_is_not_believed(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    expected = load_ink(dataset, SMALL, tmp_path / "own")
    load_ink(dataset, replace(SMALL, margin=3), tmp_path / "other")
    for own in (tmp_path / "own").iterdir():
        (foreign,) = (tmp_path / "other").glob(f"*{own.suffix}")
        foreign.replace(own)
    assert_same(expected, load_ink(dataset, SMALL, tmp_path / "own"))
    assert "other files or another preprocessing" in caplog.text


def test_a_set_without_its_description_was_never_finished(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    first = load_ink(dataset, SMALL, tmp_path)
    next(tmp_path.glob("*.json")).unlink()
    assert_same(first, load_ink(dataset, SMALL, tmp_path))
    assert not caplog.records


def test_an_interruption_loses_the_unfinished_part_alone(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(datasets, "PART", 4)
    expected = load_ink(dataset, SMALL, tmp_path / "whole")

    def interrupt(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    cache = tmp_path / "halves"
    with pytest.raises(KeyboardInterrupt):
        load_ink(dataset, SMALL, cache, interrupt)
    told: list[int] = []
    resumed = load_ink(dataset, SMALL, cache, lambda done, _: told.append(done))
    assert told == [4, 5, 6, 7, 8, 9, 10, 11]
    assert_same(expected, resumed)
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def _load(root: Path, cache: Path) -> bytes:
    return load_ink(read_layout(root, Layout.FOLDERS), SMALL, cache).ink.tobytes()


@pytest.mark.slow
def test_processes_that_start_at_once_do_not_clash(root: Path, dataset: Dataset, tmp_path: Path):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        started = [pool.submit(_load, root, tmp_path) for _ in range(6)]
        results = {future.result() for future in started}
    assert results == {load_ink(dataset, SMALL, tmp_path, unprepared).ink.tobytes()}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


def test_without_room_for_the_cache_the_pictures_are_used_all_the_same(
    dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    expected = load_ink(dataset, SMALL, tmp_path / "cache")
    (tmp_path / "file").write_bytes(b"")
    assert_same(expected, load_ink(dataset, SMALL, tmp_path / "file"))
    assert "can't be kept" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ink_cache.np, "save", full)
    assert len(load_ink(dataset, SMALL, tmp_path).specimens) == 10
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_today_is_tried_again_tomorrow(
    dataset: Dataset, tmp_path: Path
):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    odd = Specimen(SignerId("a"), True, folder)
    with_odd = replace(dataset, specimens=(*dataset.specimens, odd))
    told: list[int] = []
    for turn in (1, 2):
        loaded = load_ink(with_odd, SMALL, tmp_path / "cache", lambda done, _: told.append(done))
        assert len(loaded.failed) == 2
        assert len(told) == 12 * turn


def test_a_file_that_vanishes_is_reported(dataset: Dataset, tmp_path: Path):
    gone = Specimen(SignerId("a"), True, tmp_path / "gone.png")
    loaded = load_ink(replace(dataset, specimens=(*dataset.specimens, gone)), SMALL, tmp_path)
    assert len(loaded.specimens) == 10
    assert "gone.png" in loaded.failed[1]


def test_nothing_usable_is_refused_with_a_reason(tmp_path: Path):
    folder = tmp_path / "genuine" / "a"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(DatasetError, match=r"no image in .* can be used: .*1\.png.*empty"):
            load_ink(read_layout(tmp_path), SMALL, tmp_path / "cache")
