"""Data sets of synthetic signers on disk."""

from __future__ import annotations

import csv
import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sigvault.datasets import read_layout
from sigvault.domain.errors import ConfigurationError, StorageFailed
from sigvault.synthesis import (
    Population,
    SynthesisSettings,
    forger_level,
    generate_signer,
    render_forged,
    write_dataset,
)

SMALL = SynthesisSettings(signers=2, genuine=3, forged=1, seed=4, dpi=100)


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in _files(folder)}


def test_it_writes_the_folders_layout(tmp_path):
    out = tmp_path / "new" / "set"
    calls: list[tuple[int, int]] = []
    summary = write_dataset(out, SMALL, lambda done, total: calls.append((done, total)))
    assert _files(out) == [
        "forged/001/01.png",
        "forged/002/01.png",
        *(f"genuine/{signer}/{n:02d}.png" for signer in ("001", "002") for n in (1, 2, 3)),
    ]
    assert calls == [(done, 8) for done in range(1, 9)]
    assert (summary.folder, summary.signers) == (out, ("001", "002"))
    assert (summary.genuine, summary.forged) == (6, 2)
    assert summary.bytes_written == sum(len(content) for content in _contents(out).values())


def test_the_files_hold_the_images(tmp_path):
    write_dataset(tmp_path, SMALL)
    with Image.open(tmp_path / "forged/002/01.png") as image:
        assert image.mode == "L"
        assert not image.info
        expected = render_forged(generate_signer(4, 2), 1, dpi=100)
        assert np.array_equal(np.asarray(image), expected)


def test_a_signer_is_the_same_in_a_larger_set(tmp_path):
    write_dataset(tmp_path / "small", SMALL)
    larger = SynthesisSettings(signers=3, genuine=4, forged=2, seed=4, dpi=100)
    write_dataset(tmp_path / "large", larger)
    large = _contents(tmp_path / "large")
    small = _contents(tmp_path / "small")
    assert {name: large[name] for name in small} == small


def test_a_set_can_go_on_where_another_ends(tmp_path):
    write_dataset(tmp_path / "both", SMALL)
    second = SynthesisSettings(signers=1, genuine=3, forged=1, seed=4, first=2, dpi=100)
    write_dataset(tmp_path / "second", second)
    both = _contents(tmp_path / "both")
    part = _contents(tmp_path / "second")
    assert part == {name: content for name, content in both.items() if "/002/" in name}


def test_names_are_as_long_as_the_set_needs(tmp_path):
    many = SynthesisSettings(signers=1, genuine=1, forged=0, first=12_345, dpi=100)
    summary = write_dataset(tmp_path, many)
    assert summary.signers == ("12345",)
    assert _files(tmp_path) == ["genuine/12345/01.png"]


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"not empty.*letter\.txt"):
        write_dataset(tmp_path, SMALL)
    assert _files(tmp_path) == ["letter.txt"]


def test_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="is a file"):
        write_dataset(path, SMALL)
    assert path.read_text() == "mine"


def test_overwriting_replaces_the_images_of_an_earlier_run(tmp_path):
    write_dataset(tmp_path, SMALL)
    before = _contents(tmp_path)
    other = SynthesisSettings(signers=2, genuine=3, forged=1, seed=5, dpi=100)
    write_dataset(tmp_path, other, overwrite=True)
    after = _contents(tmp_path)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)


def test_overwriting_never_leaves_or_deletes_what_it_did_not_make(tmp_path):
    write_dataset(tmp_path, SMALL)
    before = _contents(tmp_path)
    fewer = SynthesisSettings(signers=1, genuine=3, forged=1, seed=4, dpi=100)
    with pytest.raises(ConfigurationError, match="would be left"):
        write_dataset(tmp_path, fewer, overwrite=True)
    assert _contents(tmp_path) == before


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    write = Path.write_bytes

    def full(path, content):
        if "03" in path.name:
            write(path, content[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageFailed, match="No space left") as caught:
        write_dataset(tmp_path, SMALL)
    assert isinstance(caught.value.__cause__, OSError)
    assert _files(tmp_path) == ["genuine/001/01.png", "genuine/001/02.png"]


def test_an_interruption_leaves_only_whole_images(tmp_path):
    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, SMALL, stop)
    assert _files(tmp_path) == ["genuine/001/01.png", "genuine/001/02.png"]


def test_what_progress_raises_is_not_blamed_on_the_disk(tmp_path):
    def broken(_done: int, _total: int) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write_dataset(tmp_path, SMALL, broken)


@pytest.mark.parametrize(
    "wrong",
    [
        {"signers": 0},
        {"signers": 100_001},
        {"genuine": 0},
        {"genuine": 1_001},
        {"forged": -1},
        {"seed": -1},
        {"first": 0},
        {"dpi": 99},
        {"dpi": 601},
        {"dpi": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=rf"^{name} is "):
        SynthesisSettings(**wrong)


VARIED = replace(SMALL, signers=3, forged=4, population=Population.VARIED)


def test_the_demonstration_is_the_default_and_the_varied_population_another(tmp_path):
    named = replace(SMALL, population=Population.DEMONSTRATION, clutter=0.0)
    varied = replace(SMALL, population=Population.VARIED)
    for name, settings in (("default", SMALL), ("named", named), ("varied", varied)):
        write_dataset(tmp_path / name, settings)
    default = _contents(tmp_path / "default")
    assert _contents(tmp_path / "named") == default
    other = _contents(tmp_path / "varied")
    assert set(other) == {*default, "pictures.csv"}
    assert not any(other[name] == content for name, content in default.items())


def test_the_list_tells_what_each_picture_is_and_readers_pass_it_over(tmp_path):
    write_dataset(tmp_path, VARIED)
    with (tmp_path / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    dataset = read_layout(tmp_path)
    assert [path.name for path in dataset.skipped] == ["pictures.csv"]
    assert {row["path"] for row in rows} == {
        specimen.path.relative_to(tmp_path).as_posix() for specimen in dataset.specimens
    }
    for row in rows:
        genuine = row["path"].startswith("genuine/")
        signer = generate_signer(4, int(row["path"].split("/")[1]), Population.VARIED)
        assert row["script"] == signer.script
        assert bool(row["session"]) is genuine
        if not genuine:
            number = int(row["path"][-6:-4])
            assert row["level"] == forger_level(signer, number)
            assert row["forger"] == str((number + 1) // 2)


def test_a_varied_signer_is_the_same_in_a_larger_set_and_overwrites_its_list(tmp_path):
    write_dataset(tmp_path / "small", VARIED)
    write_dataset(tmp_path / "small", VARIED, overwrite=True)
    write_dataset(tmp_path / "large", replace(VARIED, signers=4, genuine=5, forged=6))
    small, large = _contents(tmp_path / "small"), _contents(tmp_path / "large")
    rows = small.pop("pictures.csv").splitlines()
    assert set(rows) < set(large["pictures.csv"].splitlines())
    assert {name: large[name] for name in small} == small


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_of_clutter_that_is_none_is_refused(share):
    with pytest.raises(ConfigurationError, match="clutter"):
        SynthesisSettings(clutter=share)
