"""What a run gets of good and bad folders, and what it says of the rest."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sigvault.datasets import Layout, read_layout
from sigvault.domain.errors import DatasetError
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training.config import Batch, DataSource, Split, TrainingConfig
from sigvault.training.copies import CopyKind
from sigvault.training.material import Material, gather

SMALL = Preprocessing(height=32, width=48, margin=1)
NOBODY_HELD_OUT = Split(folds=1, validation_share=0)


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    page = Image.new("L", (400, 240), 245)
    points = np.random.default_rng(seed).uniform(40, 200, (8, 2)) * (1.7, 1)
    ImageDraw.Draw(page).line([tuple(point) for point in points.tolist()], fill=30, width=4)
    page.save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight signers, three genuine and two forged each."""
    for signer in range(8):
        for kind, count in (("genuine", 3), ("forged", 2)):
            for number in range(count):
                path = tmp_path / "data" / kind / f"s{signer}" / f"{number}.png"
                draw(path, 100 * signer + 10 * (kind == "forged") + number)
    return tmp_path


def gathered(root: Path, split: Split = NOBODY_HELD_OUT, signers: int = 2) -> Material:
    config = TrainingConfig(
        name="tiny",
        data=(DataSource("data", Layout.FOLDERS, "made up"),),
        licence="none",
        split=split,
        batch=Batch(signers=signers),
    )
    return gather(config, SMALL, root, root / "cache")


def counts(material: Material) -> list[tuple[int, int]]:
    return [(len(group.genuine), len(group.forged)) for group in material.training]


def digest(path: Path) -> str:
    return decode_file(path).digest


def test_everything_of_a_sound_folder_is_used(root: Path):
    material = gathered(root)
    assert counts(material) == [(3, 2)] * 8
    assert len(material.ink) == 40
    assert len(material.digests) == 40
    assert material.left_out() == {
        "files": [],
        "signers": [],
        "copies": {"dropped": {str(kind): 0 for kind in CopyKind}, "cases": []},
    }


def test_rows_lead_to_the_pictures_that_they_are_of(root: Path):
    material = gathered(root)
    path = root / "data" / "forged" / "s5" / "1.png"
    expected = np.rint(SMALL.prepare(decode_file(path)).ink.ink * 255).astype(np.uint8)
    np.testing.assert_array_equal(material.ink[material.training[5].forged[1]], expected)


def test_held_out_pictures_cannot_be_reached(root: Path):
    material = gathered(root, Split(folds=4, fold=1, validation_share=0.2))
    held_out = material.splits["data"].held_out
    dataset = read_layout(root / "data")
    there = {own.tobytes() for own in material.ink[:]}
    assert len(held_out) == 2
    for specimen in dataset.specimens:
        ink = np.rint(SMALL.prepare(decode_file(specimen.path)).ink.ink * 255).astype(np.uint8)
        unseen = specimen.signer in held_out
        assert (ink.tobytes() not in there) is unseen
        assert (digest(specimen.path) not in material.digests) is unseen


def test_all_of_a_set_that_does_not_validate_are_trained_on(root: Path):
    shutil.copytree(root / "data", root / "more")
    for path in (root / "more").rglob("*.png"):
        draw(path, 9000 + int(digest(path)[:6], 16))
    config = TrainingConfig(
        name="tiny",
        data=(
            DataSource("data", Layout.FOLDERS, "made up"),
            DataSource("more", Layout.FOLDERS, "made up", validates=False),
        ),
        licence="none",
        split=Split(folds=4, fold=1, validation_share=0.5),
        batch=Batch(signers=2),
    )
    material = gather(config, SMALL, root, root / "cache")
    assert [len(material.splits[name].validation) for name in ("data", "more")] == [3, 0]
    assert [len(material.splits[name].training) for name in ("data", "more")] == [3, 6]
    assert material.splits["data"].held_out == material.splits["more"].held_out
    assert (len(material.training), len(material.validation)) == (9, 3)


def test_unequal_numbers_are_used_as_they_are(root: Path):
    (root / "data" / "genuine" / "s1" / "2.png").unlink()
    shutil.rmtree(root / "data" / "forged" / "s2")
    draw(root / "data" / "forged" / "s3" / "7.png", 5000)
    assert counts(gathered(root))[:4] == [(3, 2), (2, 2), (3, 0), (3, 3)]


def test_a_signer_with_one_picture_is_skipped_and_named(
    root: Path, caplog: pytest.LogCaptureFixture
):
    for name in ("1.png", "2.png"):
        (root / "data" / "genuine" / "s4" / name).unlink()
    material = gathered(root)
    assert counts(material) == [(3, 2)] * 7
    assert len(material.ink) == 35
    (reason,) = material.skipped
    assert reason.startswith("signer s4 of data: 1 genuine and 2 forged")
    assert "s4" in caplog.text


def test_forgeries_without_genuine_signatures_are_skipped_and_named(root: Path):
    shutil.rmtree(root / "data" / "genuine" / "s4")
    material = gathered(root)
    assert counts(material) == [(3, 2)] * 7
    assert material.skipped[0].startswith("signer s4 of data: 0 genuine and 2 forged")
    assert digest(root / "data" / "forged" / "s4" / "0.png") not in material.digests


def test_forgeries_alone_are_refused(root: Path):
    shutil.rmtree(root / "data" / "genuine")
    with pytest.raises(DatasetError, match="0 signers with two genuine signatures"):
        gathered(root)


def test_one_signer_is_refused_by_the_folder_s_name(root: Path):
    for kind in ("genuine", "forged"):
        for signer in range(1, 8):
            shutil.rmtree(root / "data" / kind / f"s{signer}")
    with pytest.raises(DatasetError, match=r"data: 1 of 1 signers left to train on"):
        gathered(root)
    with pytest.raises(DatasetError, match=r"data: 1 signers don't make 4 folds"):
        gathered(root, Split(folds=4))


def test_the_same_picture_under_two_signers_is_nobody_s(
    root: Path, caplog: pytest.LogCaptureFixture
):
    source = root / "data" / "genuine" / "s1" / "0.png"
    shutil.copy(source, root / "data" / "genuine" / "s2" / "9.png")
    # Saved anew it has other bytes and is the same picture all the same.
    with Image.open(source) as picture:
        picture.save(root / "data" / "genuine" / "s3" / "9.bmp")
    material = gathered(root)
    assert counts(material) == [(3, 2), (2, 2), *[(3, 2)] * 6]
    (case,) = material.copies
    assert case.kind is CopyKind.TWO_SIGNERS
    assert case.kept is None
    assert len(case.dropped) == 3
    assert "under two signers" in caplog.text
    assert digest(source) not in material.digests
    assert (
        json.loads(json.dumps(material.left_out()))["copies"]["dropped"]["under two signers"] == 3
    )


def test_a_picture_that_is_genuine_and_forged_is_neither(root: Path):
    source = root / "data" / "genuine" / "s1" / "0.png"
    shutil.copy(source, root / "data" / "forged" / "s1" / "9.png")
    material = gathered(root)
    assert counts(material)[1] == (2, 2)
    assert [case.kind for case in material.copies] == [CopyKind.GENUINE_AND_FORGED]


def test_a_picture_twice_of_one_signer_counts_once(root: Path):
    source = root / "data" / "genuine" / "s1" / "0.png"
    with Image.open(source) as picture:
        picture.save(root / "data" / "genuine" / "s1" / "9.bmp")
    material = gathered(root)
    assert counts(material) == [(3, 2)] * 8
    assert [case.kind for case in material.copies] == [CopyKind.REPEATED]
    # Whoever meets either file again must know that the picture was seen.
    assert digest(root / "data" / "genuine" / "s1" / "9.bmp") in material.digests


@pytest.mark.parametrize("reverse", [False, True])
def test_no_picture_is_on_two_sides_of_the_split(root: Path, reverse: bool):
    split = Split(folds=4, fold=1, validation_share=0.2)
    parts = gathered(root, split).splits["data"]
    trained, measured = parts.training[0], parts.held_out[0]
    source, target = (measured, trained) if reverse else (trained, measured)
    copied = root / "data" / "genuine" / source / "0.png"
    shutil.copy(copied, root / "data" / "genuine" / target / "9.png")
    material = gathered(root, split)
    assert digest(copied) not in material.digests
    (case,) = material.copies
    assert case.kind is CopyKind.ACROSS_SPLIT
    assert case.kept is not None
    assert case.kept.parent.name == measured


def test_unreadable_files_are_left_out_and_the_rest_is_used(root: Path):
    bad = root / "data" / "genuine" / "s0"
    (bad / "0.png").write_bytes(b"")
    (bad / "8.png").write_bytes((bad / "1.png").read_bytes()[:60])
    material = gathered(root)
    assert counts(material) == [(2, 2), *[(3, 2)] * 7]
    assert [Path(line.split(":")[0]).name for line in material.failed] == ["0.png", "8.png"]
    assert len(material.left_out()["files"]) == 2


def test_a_data_set_named_twice_counts_once(root: Path):
    config = TrainingConfig(
        name="tiny",
        data=(DataSource("data", Layout.FOLDERS, ""),) * 2,
        licence="none",
        split=replace(NOBODY_HELD_OUT),
        batch=Batch(signers=2),
    )
    assert counts(gather(config, SMALL, root, root / "cache")) == [(3, 2)] * 8
