from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigvault.storage.durability import copy_file, make_folder


@pytest.fixture
def happened(monkeypatch) -> list[str]:
    """What reached the disk, in order: a file by its name, a folder with a slash."""
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def sync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        events.append(f"{path.name}/" if path.is_dir() else "content")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(
        Path, "replace", lambda one, two: (events.append("rename"), replace(one, two))
    )
    return events


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells files apart as Linux does")
def test_a_copy_is_on_the_disk_before_it_has_its_name(tmp_path, happened):
    (tmp_path / "from").write_bytes(b"weights")
    (tmp_path / "kept").mkdir()

    copy_file(tmp_path / "from", tmp_path / "kept" / "to")

    assert happened == ["content", "rename", "kept/"]
    assert (tmp_path / "kept" / "to").read_bytes() == b"weights"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells files apart as Linux does")
def test_a_new_folder_s_name_is_on_the_disk(tmp_path, happened):
    make_folder(tmp_path / "images")
    make_folder(tmp_path / "images")

    assert happened == [f"{tmp_path.name}/"]


def test_a_copy_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "to").write_bytes(b"old")

    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "missing", tmp_path / "to")

    assert [path.name for path in tmp_path.iterdir()] == ["to"]
    assert (tmp_path / "to").read_bytes() == b"old"
