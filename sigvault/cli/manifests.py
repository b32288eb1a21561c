"""Tables that name a signer and a picture in each line."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from sigvault.domain.errors import ConfigurationError
from sigvault.domain.identifiers import SignerId

COLUMNS = ("signer", "path")


@dataclass(frozen=True)
class ManifestRow:
    """A line of a manifest.

    Attributes:
        signer: whose signature the picture is or is claimed to be.
        path: the picture; a relative one starts from the manifest's folder.
        name: the picture as the manifest names it.
    """

    signer: SignerId
    path: Path
    name: str


def read_manifest(path: Path) -> list[ManifestRow]:
    """The rows of a CSV file in UTF-8 with columns signer and path; others are left alone.

    Raises:
        ConfigurationError: If the table can't be read or lacks something.
    """
    found = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise ConfigurationError(
                    f"{path} has no column {' and no column '.join(missing)}: the first line must "
                    "name the columns signer and path"
                )
            for row in rows:
                signer, image = ((row[column] or "").strip() for column in COLUMNS)
                if not signer or not image:
                    raise ConfigurationError(
                        f"{path}, line {rows.line_num}: a signer or a path is missing"
                    )
                found.append(ManifestRow(SignerId(signer), path.parent / image, image))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(
            f"{path} can't be read as a table ({error}): give a CSV file in UTF-8"
        ) from error
    if not found:
        raise ConfigurationError(f"{path} names no picture: each line gives a signer and a path")
    return found
