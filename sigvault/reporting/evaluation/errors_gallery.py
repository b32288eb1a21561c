"""The hardest errors as pairs of pictures, read from the files that the comparisons came from."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sigvault.domain.errors import ImageError
from sigvault.evaluation.hardest_errors import HardError
from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.results import ReferencesResult
from sigvault.imaging.decode import decode_file
from sigvault.reporting.evaluation.drawing import KIND_WORDS

WIDEST = 320
"""No embedded picture is wider, in pixels."""

TALLEST = 240
"""Nor taller."""

_QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """A picture small enough for the page.

    Attributes:
        name: the file's name, without its folder.
        uri: a JPEG as a data URI; None where the file can't be read any more.
        width: in pixels; 0 without a picture.
        height: in pixels; likewise.
    """

    name: str
    uri: str | None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class ErrorPair:
    """A comparison that went wrong, with both pictures.

    Attributes:
        kind: what the probe was, in words.
        signer: the claimed signer.
        score: what it scored.
        verdict: what the frozen threshold said, in words; empty without a threshold.
        wrong: whether the frozen threshold was wrong.
        probe: the probe.
        nearest: the reference that it is most like.
    """

    kind: str
    signer: str
    score: float
    verdict: str
    wrong: bool
    probe: Thumbnail
    nearest: Thumbnail


@dataclass(frozen=True)
class ErrorGroup:
    """The hardest errors of one kind for one number of references.

    Attributes:
        title: which they are.
        pairs: the worst first.
    """

    title: str
    pairs: tuple[ErrorPair, ...]


def gather_errors(result: ReferencesResult) -> tuple[ErrorGroup, ...]:
    """The hardest errors by kind; none where the files are unknown."""
    groups = []
    for kind in Kind:
        pairs = tuple(
            _pair(error, kind) for error in result.hardest if error.kind == kind.name.lower()
        )
        if pairs:
            worst = "lowest-scoring" if kind is Kind.MATED else "highest-scoring"
            groups.append(ErrorGroup(f"The {worst} {KIND_WORDS[kind]}", pairs))
    return tuple(groups)


def _pair(error: HardError, kind: Kind) -> ErrorPair:
    return ErrorPair(
        kind=KIND_WORDS[kind],
        signer=error.signer,
        score=error.score,
        verdict=_verdict(error.wrong, kind),
        wrong=bool(error.wrong),
        probe=make_thumbnail(error.probe),
        nearest=make_thumbnail(error.nearest),
    )


def _verdict(wrong: bool | None, kind: Kind) -> str:
    if wrong is None:
        return ""
    accepted = wrong is not (kind is Kind.MATED)
    said = "accepted" if accepted else "not accepted"
    return f"{said} at the frozen point: {'wrong' if wrong else 'right'}"


def make_thumbnail(file: str) -> Thumbnail:
    """Read a picture and make it small; a file that can't be read has none."""
    path = Path(file)
    try:
        pixels = decode_file(path).pixels
    except ImageError:
        return Thumbnail(path.name, None)
    picture = Image.fromarray(pixels)
    picture.thumbnail((WIDEST, TALLEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Thumbnail(path.name, uri, picture.width, picture.height)
