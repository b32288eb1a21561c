"""What a manifest may say, and what none can."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sigvault.domain.backup import (
    CARD,
    DATABASE,
    WEIGHTS,
    BackupFile,
    BackupManifest,
    LogEnd,
    image_path,
    manifest_from_dict,
    manifest_to_dict,
)
from sigvault.domain.identifiers import EventNumber
from sigvault.embedding.card import CARD_FILE, WEIGHTS_FILE

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
IMAGE = "ab" * 32
MANIFEST = BackupManifest(
    backup="1" * 32,
    vault="2" * 32,
    version="0.1.0",
    revision="0006",
    made_at=AT,
    last_event=LogEnd(EventNumber(7), "3" * 64, AT),
    last_change=5,
    signers=2,
    references=6,
    missing=("4" * 64,),
    missing_models=("lost-000000000000",),
    files=(
        BackupFile(DATABASE, 4096, "5" * 64),
        BackupFile(image_path(IMAGE), 100, IMAGE),
        BackupFile(f"models/tiny-0123456789ab/{WEIGHTS}", 50, "6" * 64),
    ),
)


def test_a_manifest_is_read_as_it_was_written():
    assert manifest_from_dict(json.loads(json.dumps(manifest_to_dict(MANIFEST)))) == MANIFEST
    assert MANIFEST.size == 4246


def test_the_first_format_stays_readable(repository):
    kept = repository / "tests" / "golden" / "backup" / "manifest-1.json"
    assert manifest_from_dict(json.loads(kept.read_text("utf-8"))) == MANIFEST


def test_models_are_called_as_they_are_kept():
    assert (WEIGHTS, CARD) == (WEIGHTS_FILE, CARD_FILE)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../vault.sqlite3",
        "images/../../x",
        f"images/ab/{'ab' * 30}/../x",
        "images/ab",
        f"images/AB/{'AB' * 31}",
        f"images/cd/{'ab' * 31}",  # not named by its content
        f"models/../{WEIGHTS}",
        f"models/.hidden/{WEIGHTS}",
        f"models/a/b/{WEIGHTS}",
        "models/tiny/other.bin",
        f"models/tiny/{WEIGHTS}\n",
        "manifest.json",
        "pending/x",
        "images\\ab\\x",
        "",
        3,
        None,
        DATABASE,  # twice
    ],
)
def test_other_paths_are_in_no_manifest(path):
    content = manifest_to_dict(MANIFEST)
    content["files"].append({"path": path, "bytes": 1, "sha256": IMAGE})
    with pytest.raises(ValueError, match=r"can't be|named"):
        manifest_from_dict(content)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backup", "x"),
        ("vault", None),
        ("made_at", "2026-01-01"),
        ("made_at", "yesterday"),
        ("sigvault", 1),
        ("last_event", {"number": -1, "hash": "0" * 64, "at": AT.isoformat()}),
        ("last_event", []),
        ("last_change", "5"),
        ("signers", True),
        ("files", []),
        ("files", [3]),
        ("missing", [1]),
    ],
)
def test_a_manifest_that_says_anything_else_is_none(name, value):
    content = manifest_to_dict(MANIFEST) | {name: value}
    with pytest.raises((ValueError, TypeError, KeyError)):
        manifest_from_dict(content)


@pytest.mark.parametrize("name", sorted(manifest_to_dict(MANIFEST).keys() - {"format"}))
def test_a_manifest_that_lacks_anything_is_none(name):
    content = manifest_to_dict(MANIFEST)
    del content[name]
    with pytest.raises(KeyError):
        manifest_from_dict(content)


def test_the_end_of_a_log_in_words():
    end = replace(MANIFEST.last_event, at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert end.in_words() == "event 7 (2026-01-02 03:04:05 UTC)"
