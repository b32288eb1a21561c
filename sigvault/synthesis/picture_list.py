"""A list of what each synthetic picture is, for whoever studies forgers, scripts or sessions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sigvault.synthesis.forger import forger_level, forger_number
from sigvault.synthesis.sessions import session_of
from sigvault.synthesis.signer import SyntheticSigner

LIST_NAME: Final = "pictures.csv"
"""The list's file name in the data set's folder."""

_COLUMNS: Final = ("path", "script", "session", "forger", "level")


def describe_picture(
    path: Path, signer: SyntheticSigner, number: int, *, genuine: bool
) -> tuple[str, ...]:
    """One row of the list.

    Args:
        path: of the picture, relative to the data set's folder.
        signer: whose signature it is, or is meant to look like.
        number: of the signature, from 1.
        genuine: False for a skilled forgery.

    Returns:
        Path and script; session (from 1) of a genuine signature, or forger (from 1) and level.
    """
    told: tuple[str, ...] = ("", "", "")
    if not genuine:
        told = ("", str(forger_number(signer, number) + 1), forger_level(signer, number).value)
    elif signer.habits is not None:
        told = (str(session_of(signer.habits, number) + 1), "", "")
    return (path.as_posix(), signer.script.value, *told)


def list_pictures(rows: Iterable[tuple[str, ...]]) -> bytes:
    """The rows as a CSV file in UTF-8, with a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()
