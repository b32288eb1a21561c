from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sigvault.domain.errors import IndexFailed
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.indexing import snapshot as snapshot_module
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.snapshot import (
    SnapshotIdentity,
    discard_snapshots,
    list_snapshots,
    read_snapshot,
    sweep_snapshots,
    write_snapshot,
)

IDENTITY = SnapshotIdentity(ModelId("tiny-0123456789ab"), GenerationId(3), 4)
GOLDEN = Path(__file__).parents[2] / "golden" / "index"
GOLDEN_IDENTITY = SnapshotIdentity(ModelId("golden-0123456789ab"), GenerationId(1), 4)


def contents(count=5, first=10):
    angles = np.linspace(0.0, 3.0, count)
    vectors = np.zeros((count, 4), np.float32)
    vectors[:, 0], vectors[:, 3] = np.cos(angles), np.sin(angles)
    return IndexContents(np.arange(first, first + count), vectors)


def write(folder, held=None, identity=IDENTITY, last_change=7):
    return write_snapshot(
        folder, held or contents(), identity, last_change=last_change, history="8:beef"
    )


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_holds(snapshot, expected):
    np.testing.assert_array_equal(snapshot.contents.rows, expected.rows)
    np.testing.assert_array_equal(snapshot.contents.vectors, expected.vectors)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_what_was_written_is_read(tmp_path, count):
    manifest = write(tmp_path / "new" / "index", contents(count))
    snapshot = read_snapshot(tmp_path / "new" / "index", IDENTITY)
    assert snapshot.manifest == manifest
    assert (manifest.count, manifest.last_change, manifest.history) == (count, 7, "8:beef")
    assert_holds(snapshot, contents(count))


def test_no_snapshot_is_no_error(tmp_path):
    assert read_snapshot(tmp_path, IDENTITY) is None
    assert read_snapshot(tmp_path / "nowhere", IDENTITY) is None


def test_a_newer_snapshot_takes_the_place_of_the_older_and_leaves_nothing_of_it(tmp_path):
    write(tmp_path)
    write(tmp_path, contents(6), last_change=9)
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents(6))
    assert len(names(tmp_path)) == 3


def test_writing_the_same_again_keeps_it(tmp_path):
    write(tmp_path)
    before = names(tmp_path)
    write(tmp_path, last_change=8)
    assert names(tmp_path) == before
    assert read_snapshot(tmp_path, IDENTITY).manifest.last_change == 8


def test_generations_lie_side_by_side(tmp_path):
    other = replace(IDENTITY, generation=GenerationId(4))
    write(tmp_path)
    write(tmp_path, contents(2), other)
    write(tmp_path, contents(3), other)
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents())
    assert_holds(read_snapshot(tmp_path, other), contents(3))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_only_the_owner_can_read_it(tmp_path):
    folder = tmp_path / "index"
    write(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_any_damaged_byte_is_noticed(tmp_path):
    write(tmp_path)
    for path in tmp_path.glob("*.npy"):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(IndexFailed, match="is damaged"):
                read_snapshot(tmp_path, IDENTITY)
        path.write_bytes(whole)
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents())


def test_an_array_of_any_shorter_or_longer_length_is_noticed(tmp_path):
    write(tmp_path)
    for path in tmp_path.glob("*.npy"):
        whole = path.read_bytes()
        for wrong in (*(whole[:length] for length in range(len(whole))), whole + b"\0"):
            path.write_bytes(wrong)
            with pytest.raises(IndexFailed, match="is damaged"):
                read_snapshot(tmp_path, IDENTITY)
        path.write_bytes(whole)


def test_a_missing_array_is_noticed(tmp_path):
    manifest = write(tmp_path)
    (tmp_path / f"{manifest.vectors_sha256}.npy").unlink()
    with pytest.raises(IndexFailed, match="can't be read"):
        read_snapshot(tmp_path, IDENTITY)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "\x00\xff" * 20,
        lambda text: text.replace('"count": 5', '"count": "5"'),
        lambda text: text.replace('"count": 5', '"count": true'),
        lambda text: text.replace('"last_change"', '"last_chance"'),
        lambda text: text.replace('"rows_sha256": "', '"rows_sha256": "../../'),
    ],
    ids=["half", "empty", "list", "noise", "text", "truth", "misspelt", "path"],
)
def test_a_damaged_manifest_is_noticed(tmp_path, damage):
    write(tmp_path)
    path = only(tmp_path, "*.json")
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(IndexFailed, match="built anew"):
        read_snapshot(tmp_path, IDENTITY)


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_another_format_is_refused(tmp_path, version):
    write(tmp_path)
    path = only(tmp_path, "*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": version}))
    with pytest.raises(IndexFailed, match="format"):
        read_snapshot(tmp_path, IDENTITY)


@pytest.mark.parametrize(
    ("field", "value"), [("model", "other-0123456789ab"), ("dimension", 8), ("generation", 2)]
)
def test_a_snapshot_of_something_else_is_refused(tmp_path, field, value):
    write(tmp_path)
    path = only(tmp_path, "*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(IndexFailed, match="not of"):
        read_snapshot(tmp_path, IDENTITY)


def test_arrays_of_another_shape_than_the_manifest_says_are_refused(tmp_path):
    write(tmp_path)
    path = only(tmp_path, "*.json")
    path.write_text(path.read_text().replace('"count": 5', '"count": 4'))
    with pytest.raises(IndexFailed, match=r"not int64 \(4,\)"):
        read_snapshot(tmp_path, IDENTITY)


def test_objects_are_never_unpickled(tmp_path):
    write(tmp_path)
    held = contents()
    planted = IndexContents(np.array([Path("x")] * 5, object), held.vectors)
    with pytest.raises(ValueError, match="allow_pickle"):
        write(tmp_path, planted)
    np.save(tmp_path / "planted.npy", planted.rows, allow_pickle=True)
    digest = hashlib.sha256((tmp_path / "planted.npy").read_bytes()).hexdigest()
    (tmp_path / "planted.npy").rename(tmp_path / f"{digest}.npy")
    path = only(tmp_path, "*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows_sha256": digest}))
    with pytest.raises(IndexFailed, match="allow_pickle"):
        read_snapshot(tmp_path, IDENTITY)


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path):
    blocked = tmp_path / "index"
    blocked.write_text("not a folder")
    with pytest.raises(IndexFailed, match="could not be kept"):
        write(blocked)
    with pytest.raises(IndexFailed, match="can't be read"):
        read_snapshot(blocked, IDENTITY)


def test_a_full_disk_leaves_the_old_snapshot(tmp_path, monkeypatch):
    write(tmp_path)
    before = names(tmp_path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexFailed, match="No space left"):
        write(tmp_path, contents(9))
    assert names(tmp_path) == before
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents())


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_killed_before_any_rename_the_old_snapshot_stays(tmp_path, renames):
    write(tmp_path)
    code = f"""
        import os, pathlib, numpy as np
        from sigvault.indexing.contents import IndexContents
        from sigvault.indexing.snapshot import SnapshotIdentity, write_snapshot
        left, rename = {renames}, pathlib.Path.replace
        def killed(self, target):
            global left
            if left == 0:
                os._exit(9)
            left -= 1
            return rename(self, target)
        pathlib.Path.replace = killed
        held = IndexContents(np.arange(2), np.eye(2, 4, dtype=np.float32))
        identity = SnapshotIdentity({IDENTITY.model!r}, {IDENTITY.generation}, 4)
        write_snapshot(pathlib.Path({str(tmp_path)!r}), held, identity, last_change=99)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == 9
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents())
    left_behind = {path for path in tmp_path.iterdir() if path.suffix == ".tmp"}
    assert len(left_behind) == 1
    write(tmp_path, contents(3))
    assert left_behind <= set(tmp_path.iterdir())  # it could belong to a writer at work
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    write(tmp_path, contents(4))
    assert len(names(tmp_path)) == 3
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents(4))


def test_discarding_leaves_no_vector_behind(tmp_path):
    write(tmp_path)
    write(tmp_path, contents(2), replace(IDENTITY, generation=GenerationId(4)))
    (tmp_path / "killed.tmp").write_bytes(b"vectors")
    discard_snapshots(tmp_path)
    assert names(tmp_path) == []
    discard_snapshots(tmp_path)
    discard_snapshots(tmp_path / "nowhere")


def test_what_can_not_be_discarded_is_named(tmp_path):
    (tmp_path / "in-the-way.npy").mkdir()
    with pytest.raises(IndexFailed, match="remove that folder by hand"):
        discard_snapshots(tmp_path)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_vectors_are_as_wide_as_they_have_to_be(tmp_path, monkeypatch, wide, mapped):
    monkeypatch.setattr(snapshot_module, "_CAN_MAP", mapped)
    held = contents(9) if wide else IndexContents(np.arange(3), np.eye(3, 4, dtype=np.float32))
    write(tmp_path, held)
    found = read_snapshot(tmp_path, IDENTITY)
    assert_holds(found, held)
    assert found.contents.vectors.dtype == (np.float32 if wide else np.float16)
    assert isinstance(found.contents.vectors.base, np.memmap) == mapped


def test_what_is_mapped_outlives_the_file_and_can_not_change_it(tmp_path):
    write(tmp_path)
    vectors = read_snapshot(tmp_path, IDENTITY).contents.vectors
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    vectors[0, 0] = 99.0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    discard_snapshots(tmp_path)
    np.testing.assert_array_equal(vectors[1:], contents().vectors[1:])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    "planted",
    [
        np.zeros((5, 4), np.float64),
        np.zeros((4, 5), np.float32),
        np.asfortranarray(np.zeros((5, 4), np.float32)),
        np.zeros((5, 4), object),
    ],
    ids=["type", "shape", "order", "objects"],
)
def test_other_arrays_under_their_right_digest_are_refused(tmp_path, monkeypatch, planted, mapped):
    monkeypatch.setattr(snapshot_module, "_CAN_MAP", mapped)
    write(tmp_path)
    np.save(tmp_path / "planted.npy", planted, allow_pickle=True)
    digest = hashlib.sha256((tmp_path / "planted.npy").read_bytes()).hexdigest()
    (tmp_path / "planted.npy").rename(tmp_path / f"{digest}.npy")
    path = only(tmp_path, "*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "vectors_sha256": digest}))
    if planted.flags.c_contiguous or mapped:
        with pytest.raises(IndexFailed, match="built anew"):
            read_snapshot(tmp_path, IDENTITY)
    else:
        assert_holds(read_snapshot(tmp_path, IDENTITY), IndexContents(contents().rows, planted))


def test_an_array_in_a_later_version_of_numpys_format_is_refused(tmp_path):
    write(tmp_path)
    path = tmp_path / "later.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, contents().vectors, version=(2, 0))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.rename(tmp_path / f"{digest}.npy")
    manifest = only(tmp_path, "*.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "vectors_sha256": digest}))
    with pytest.raises(IndexFailed, match="version"):
        read_snapshot(tmp_path, IDENTITY)


@pytest.mark.parametrize("wide", [False, True])
def test_the_golden_snapshots_can_be_read(wide):
    found = read_snapshot(GOLDEN / ("32-bit" if wide else "16-bit"), GOLDEN_IDENTITY)
    manifest = found.manifest
    assert (manifest.format, manifest.count, manifest.last_change) == (2, 5, 12)
    assert (manifest.history, manifest.faiss) == ("34:0f1e2d", "1.15.1")
    assert found.contents.rows.tolist() == [1, 2, 3, 5, 8]
    assert found.contents.vectors.dtype == (np.float32 if wide else np.float16)
    np.testing.assert_array_equal(found.contents.vectors, golden_vectors(wide=wide))


def golden_vectors(*, wide):
    last = [0.6, 0, 0, 0.8] if wide else [0, 0, 0, -1]
    halves = [0.5, 0.5, -0.5, -0.5]
    return np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], halves, last], np.float32)


@pytest.mark.parametrize("wide", [False, True])
def test_the_format_is_still_that_of_the_golden_snapshots(tmp_path, wide):
    held = IndexContents(np.array([1, 2, 3, 5, 8]), golden_vectors(wide=wide))
    write_snapshot(
        tmp_path, held, GOLDEN_IDENTITY, last_change=12, history="34:0f1e2d", faiss="1.15.1"
    )
    golden = GOLDEN / ("32-bit" if wide else "16-bit")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in golden.iterdir()
    }


def test_the_first_format_is_refused_so_that_the_index_is_built_anew():
    with pytest.raises(IndexFailed, match="format 1, not 2; it has to be built anew"):
        read_snapshot(GOLDEN / "format-1", GOLDEN_IDENTITY)


def test_what_is_outdated_by_the_end_is_not_kept_and_leaves_no_vector(tmp_path):
    write(tmp_path)
    before = names(tmp_path)
    seen = []

    def outdated() -> bool:
        seen.append(sorted(path.suffix for path in tmp_path.iterdir()))
        return True

    with pytest.raises(IndexFailed, match="was erased while the index was kept"):
        write_snapshot(tmp_path, contents(3), IDENTITY, last_change=9, outdated=outdated)
    assert names(tmp_path) == before
    # Everything was written, and the manifest's name alone was missing.
    assert seen == [[".json", ".npy", ".npy", ".npy", ".npy", ".tmp"]]
    assert_holds(read_snapshot(tmp_path, IDENTITY), contents())


def test_snapshots_are_listed_with_the_last_change_that_they_include(tmp_path):
    assert list_snapshots(tmp_path / "nowhere") == {}
    write(tmp_path)
    write(tmp_path, contents(2), replace(IDENTITY, generation=GenerationId(4)), last_change=11)
    assert list_snapshots(tmp_path) == {3: 7, 4: 11}
    (tmp_path / "generation-4.json").write_text("{}")
    with pytest.raises(IndexFailed):
        list_snapshots(tmp_path)


def test_sweeping_takes_what_was_left_behind_long_ago_alone(tmp_path):
    write(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    kept = names(tmp_path)
    (tmp_path / f"{'0' * 64}.npy").write_bytes(b"somebody's")
    os.utime(tmp_path / f"{'0' * 64}.npy", (0, 0))
    (tmp_path / "new.tmp").touch()
    sweep_snapshots(tmp_path)
    assert names(tmp_path) == sorted([*kept, "new.tmp"])
