"""Every layout is read, found out, and says what doesn't fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigvault.datasets import Layout, detect_layout, read_layout
from sigvault.datasets.layouts import natural_key
from sigvault.domain.errors import DatasetError

FILES = {
    Layout.CEDAR: {
        "original/original_2_10.png": ("2", True),
        "original/original_10_1.jpg": ("10", True),
        "forged/forgeries_2_3.png": ("2", False),
    },
    Layout.SIGCOMP2011: {
        "003/003_01.PNG": ("003", True),
        "003_forg/0210003_01.jpg": ("003", False),
    },
    Layout.FOLDERS: {
        "genuine/ann/1.tif": ("ann", True),
        "genuine/bob/x y.webp": ("bob", True),
        "forged/ann/1.bmp": ("ann", False),
    },
    Layout.CROSSMEDIA: {
        "w001_n03/1_2.jpg": ("w001", True),
        "control01_n10/4_1.jpg": ("control01", True),
    },
}


def _write(root: Path, names: dict[str, tuple[str, bool]]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


@pytest.mark.parametrize("layout", Layout)
def test_each_layout_is_found_out_and_read(tmp_path: Path, layout: Layout):
    _write(tmp_path, FILES[layout])
    (tmp_path / "README.md").write_text("not an image", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.png").write_bytes(b"")
    dataset = read_layout(tmp_path)
    assert dataset.layout is layout
    assert dataset.skipped == (tmp_path / "README.md",)
    found = {
        str(specimen.path.relative_to(tmp_path)): (specimen.signer, specimen.genuine)
        for specimen in dataset.specimens
    }
    assert found == FILES[layout]


def test_the_other_names_of_the_cedar_folders(tmp_path: Path):
    names = {
        "full_org/original_1_1.png": ("1", True),
        "full_forg/forgeries_1_1.png": ("1", False),
    }
    _write(tmp_path, names)
    assert len(read_layout(tmp_path).specimens) == 2


def test_a_forgery_in_the_folder_of_originals_is_skipped_not_believed(tmp_path: Path):
    _write(tmp_path, FILES[Layout.CEDAR])
    stray = tmp_path / "original" / "forgeries_2_9.png"
    stray.write_bytes(b"")
    dataset = read_layout(tmp_path)
    assert dataset.skipped == (stray,)


def test_signers_come_in_natural_order_and_by_kind(tmp_path: Path):
    _write(tmp_path, FILES[Layout.CEDAR])
    dataset = read_layout(tmp_path)
    assert dataset.signers == ("2", "10")
    assert [s.path.name for s in dataset.of(dataset.signers[0], genuine=True)] == [
        "original_2_10.png"
    ]
    assert len(dataset.of(dataset.signers[0], genuine=False)) == 1
    assert sorted(["10", "9", "a2", "a10"], key=natural_key) == ["9", "10", "a2", "a10"]


def test_crossmedia_keeps_what_was_written(tmp_path: Path):
    _write(tmp_path, FILES[Layout.CROSSMEDIA])
    assert {specimen.text for specimen in read_layout(tmp_path).specimens} == {"n03", "n10"}


def test_what_is_no_data_set_is_refused_with_advice(tmp_path: Path):
    with pytest.raises(DatasetError, match="no folder"):
        read_layout(tmp_path / "missing")
    with pytest.raises(DatasetError, match="--manifest"):
        detect_layout(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="no image"):
        read_layout(tmp_path, Layout.CEDAR)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_dangling_link_is_no_file(tmp_path: Path):
    _write(tmp_path, FILES[Layout.FOLDERS])
    (tmp_path / "genuine" / "ann" / "2.png").symlink_to(tmp_path / "nowhere.png")
    assert len(read_layout(tmp_path).specimens) == 3
