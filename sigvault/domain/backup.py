"""What a backup of a vault consists of: its manifest, and the files that one may name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sigvault.domain.identifiers import EventNumber

FORMAT = 1
"""The newest form of a manifest that is known here."""

DATABASE = "database.sqlite3"
"""Not what a vault calls it, so that nobody opens a backup as a vault by mistake."""

IMAGES = "images"
MODELS = "models"
WEIGHTS = "model.safetensors"
CARD = "card.json"

_HEX_32 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(
    rf"{re.escape(DATABASE)}"
    rf"|{IMAGES}/[0-9a-f]{{2}}/[0-9a-f]{{62}}"
    rf"|{MODELS}/[A-Za-z0-9_-][A-Za-z0-9._-]*/({re.escape(WEIGHTS)}|{re.escape(CARD)})"
)
"""Nothing that begins at a root, leads upwards or hides; other files are in no backup."""


@dataclass(frozen=True)
class LogEnd:
    """Where an audit log ended.

    Attributes:
        number: the last event's number.
        hash: its hash, hex.
        at: when it happened, UTC.
    """

    number: EventNumber
    hash: str
    at: datetime

    def in_words(self) -> str:
        """The event, and when it was."""
        return f"event {self.number} ({self.at:%Y-%m-%d %H:%M:%S} UTC)"


@dataclass(frozen=True)
class BackupFile:
    """A file of a backup.

    Attributes:
        path: where it lies, from the backup's folder on, with slashes.
        size: how many bytes it has.
        sha256: SHA-256 of them, hex.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class BackupManifest:
    """What a backup says of itself.

    Attributes:
        backup: the backup's id, 32 random hex digits.
        vault: the id of the vault that it was made of.
        version: the version of sigvault that made it.
        revision: the revision of the database's schema.
        made_at: when, UTC.
        last_event: the last event that it holds.
        last_change: the number of the last change of a vector that it holds; 0 before the first.
        signers: how many signers are enrolled in it.
        references: how many references.
        missing: digests of enrolled images and kept probes that the vault itself had lost.
        missing_models: models of its generations that weren't kept with the vault, or not as they
            were.
        files: all files but the manifest, by path.
    """

    backup: str
    vault: str
    version: str
    revision: str
    made_at: datetime
    last_event: LogEnd
    last_change: int
    signers: int
    references: int
    missing: tuple[str, ...]
    missing_models: tuple[str, ...]
    files: tuple[BackupFile, ...]

    @property
    def size(self) -> int:
        """How many bytes all files have."""
        return sum(file.size for file in self.files)


def manifest_to_dict(manifest: BackupManifest) -> dict[str, Any]:
    """A manifest, JSON-ready."""
    return {
        "format": FORMAT,
        "backup": manifest.backup,
        "vault": manifest.vault,
        "sigvault": manifest.version,
        "revision": manifest.revision,
        "made_at": manifest.made_at.isoformat(),
        "last_event": end_to_dict(manifest.last_event),
        "last_change": manifest.last_change,
        "signers": manifest.signers,
        "references": manifest.references,
        "missing": list(manifest.missing),
        "missing_models": list(manifest.missing_models),
        "files": [
            {"path": file.path, "bytes": file.size, "sha256": file.sha256}
            for file in manifest.files
        ],
    }


def manifest_from_dict(content: Mapping[str, Any]) -> BackupManifest:
    """Read a manifest of this format.

    Raises:
        ValueError: If it is none, or names what can't be in a backup.
        KeyError: If something is missing.
        TypeError: If something is of another kind.
    """
    files = tuple(_file(each) for each in content["files"])
    paths = Counter(file.path for file in files)
    if paths[DATABASE] != 1 or len(paths) != len(files):
        raise ValueError("the database is not among its files, or a file is named twice")
    return BackupManifest(
        backup=_fitting(_HEX_32, content["backup"]),
        vault=_fitting(_HEX_32, content["vault"]),
        version=_text(content["sigvault"]),
        revision=_text(content["revision"]),
        made_at=_time(content["made_at"]),
        last_event=end_from_dict(content["last_event"]),
        last_change=_count(content["last_change"]),
        signers=_count(content["signers"]),
        references=_count(content["references"]),
        missing=tuple(_text(each) for each in content["missing"]),
        missing_models=tuple(_text(each) for each in content["missing_models"]),
        files=files,
    )


def end_to_dict(end: LogEnd) -> dict[str, Any]:
    """The end of a log, JSON-ready."""
    return {"number": end.number, "hash": end.hash, "at": end.at.isoformat()}


def end_from_dict(content: Mapping[str, Any]) -> LogEnd:
    """Read the end of a log.

    Raises:
        ValueError: If it is none.
        KeyError: If something is missing.
        TypeError: If something is of another kind.
    """
    number = EventNumber(_count(content["number"]))
    return LogEnd(number, _fitting(_SHA256, content["hash"]), _time(content["at"]))


def image_path(digest: str) -> str:
    """Where a backup has an image."""
    return f"{IMAGES}/{digest[:2]}/{digest[2:]}"


def _file(content: Mapping[str, Any]) -> BackupFile:
    path = _fitting(_PATH, content["path"])
    sha256 = _fitting(_SHA256, content["sha256"])
    if path.startswith(f"{IMAGES}/") and path != image_path(sha256):
        raise ValueError(f"{path} is not named by its content")
    return BackupFile(path, _count(content["bytes"]), sha256)


def _fitting(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{value!r} can't be in a backup")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value


def _time(value: object) -> datetime:
    time = datetime.fromisoformat(_text(value))
    if time.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return time
