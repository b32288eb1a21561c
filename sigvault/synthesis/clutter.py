"""What else is on the paper: ruled lines, form lines, stamps and small print.

It is drawn knowing where the writing is and nothing about who writes. Print is set in the type
that Pillow brings; what it says are pseudo-words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.names import pseudo_name

Grey = npt.NDArray[np.float32]

_FINER: Final = 2
"""Clutter is drawn this many times finer than the scan, and averaged."""


class ClutterKind(StrEnum):
    """What there may be on the paper."""

    RULED_LINE = "ruled_line"
    FORM_LINE = "form_line"
    ROUND_STAMP = "round_stamp"
    BOXED_STAMP = "boxed_stamp"
    SMALL_PRINT = "small_print"


@dataclass(frozen=True)
class Clutter:
    """One thing on the paper.

    Attributes:
        kind: what it is.
        tone: its grey level, in [0, 255].
        cover: how much of the paper's light it takes, in (0, 1].
        place: where its middle lies, in shares of the writing's width from the left and height
            from the top; outside [0, 1] it lies beside the writing.
        size: height of a stamp or of a line of print, or width of a line, in millimetres.
        turn: its angle in degrees, anticlockwise.
        words: what it says.
    """

    kind: ClutterKind
    tone: float
    cover: float
    place: tuple[float, float]
    size: float
    turn: float
    words: tuple[str, ...]


def draw_clutter(rng: np.random.Generator) -> tuple[Clutter, ...]:
    """Draw one or two things of different kinds."""
    kinds = list(ClutterKind)
    count = int(rng.choice([1, 2], p=[0.65, 0.35]))
    return tuple(_draw(kinds[place], rng) for place in rng.permutation(len(kinds))[:count])


def _draw(kind: ClutterKind, rng: np.random.Generator) -> Clutter:
    words = tuple(pseudo_name(rng, int(rng.integers(1, 4))) for _ in range(int(rng.integers(2, 6))))
    stamp = kind in (ClutterKind.ROUND_STAMP, ClutterKind.BOXED_STAMP)
    printed = kind is ClutterKind.SMALL_PRINT
    size = rng.uniform(14, 28) if kind is ClutterKind.ROUND_STAMP else rng.uniform(7, 14)
    if not stamp:
        size = rng.uniform(1.5, 2.6) if printed else rng.uniform(0.1, 0.4)
    down = rng.uniform(0.2, 0.9) if stamp else rng.uniform(0.7, 1.1)
    if printed:
        down = float(rng.choice([-0.15, 1.15])) + rng.normal(0, 0.05)
    return Clutter(
        kind=kind,
        tone=rng.uniform(60, 140) if stamp else rng.uniform(20, 120),
        cover=rng.uniform(0.35, 0.85) if stamp else rng.uniform(0.6, 1.0),
        place=(rng.uniform(0.1, 0.9), down),
        size=size,
        turn=rng.normal(0, 12) if stamp else rng.normal(0, 0.6),
        words=words,
    )


def print_on(paper: Grey, piece: Clutter, writing: Floats, per_mm: float) -> Grey:
    """Put one thing on the paper.

    Args:
        paper: float32 (H, W), grey levels, 255 = white.
        piece: what.
        writing: left, top, right and bottom of the writing, in pixels.
        per_mm: pixels per millimetre.

    Returns:
        float32 (H, W): the paper with it; what would lie beyond the edge is cut off.
    """
    rows, columns = paper.shape
    # Drawn on a square twice as large, so that a turned line still reaches both edges.
    side = 2 * max(rows, columns)
    sheet = Image.new("L", (side * _FINER, side * _FINER), 0)
    _DRAWN[piece.kind](ImageDraw.Draw(sheet), piece, per_mm * _FINER, side * _FINER / 2)
    turned = sheet.rotate(piece.turn, Image.Resampling.BILINEAR).reduce(_FINER)
    left, top, right, bottom = writing
    x = int(side / 2 - left - piece.place[0] * (right - left))
    y = int(side / 2 - top - piece.place[1] * (bottom - top))
    part = turned.crop((x, y, x + columns, y + rows))
    cover = np.asarray(part, dtype=np.float32) / np.float32(255) * np.float32(piece.cover)
    printed: Grey = paper * (1 - cover) + np.float32(piece.tone) * cover
    return printed


def _ruled(draw: ImageDraw.ImageDraw, piece: Clutter, per_mm: float, middle: float) -> None:
    width = max(1, round(piece.size * per_mm))
    draw.line((0, middle, 2 * middle, middle), fill=255, width=width)


def _form(draw: ImageDraw.ImageDraw, piece: Clutter, per_mm: float, middle: float) -> None:
    """A dotted line to sign on, and what belongs there in small print below."""
    dot = max(1.0, 0.35 * per_mm)
    half = min(middle - 1, 35 * per_mm)
    for x in np.arange(middle - half, middle + half, 3 * dot):
        draw.ellipse((x, middle - dot / 2, x + dot, middle + dot / 2), fill=255)
    font = ImageFont.load_default(2.0 * per_mm)
    draw.text((middle - 0.5 * half, middle + per_mm), piece.words[0], fill=255, font=font)


def _round_stamp(draw: ImageDraw.ImageDraw, piece: Clutter, per_mm: float, middle: float) -> None:
    width = max(1, round(0.5 * per_mm))
    for share in (1.0, 0.68):
        radius = 0.5 * share * piece.size * per_mm
        box = (middle - radius, middle - radius, middle + radius, middle + radius)
        draw.ellipse(box, outline=255, width=width)
    font = ImageFont.load_default(0.16 * piece.size * per_mm)
    text = "\n".join(piece.words[:2])
    draw.text((middle, middle), text, fill=255, font=font, anchor="mm", align="center")


def _boxed_stamp(draw: ImageDraw.ImageDraw, piece: Clutter, per_mm: float, middle: float) -> None:
    font = ImageFont.load_default(0.3 * piece.size * per_mm)
    text = "\n".join((" ".join(piece.words[:2]).upper(), " ".join(piece.words[2:4])))
    left, top, right, bottom = draw.multiline_textbbox((middle, middle), text, font, "mm")
    space = 0.15 * piece.size * per_mm
    box = (left - space, top - space, right + space, bottom + space)
    draw.rectangle(box, outline=255, width=max(1, round(0.4 * per_mm)))
    draw.text((middle, middle), text, fill=255, font=font, anchor="mm", align="center")


def _small_print(draw: ImageDraw.ImageDraw, piece: Clutter, per_mm: float, middle: float) -> None:
    font = ImageFont.load_default(piece.size * per_mm)
    draw.text((middle, middle), " ".join(piece.words), fill=255, font=font, anchor="mm")


_DRAWN: Final = {
    ClutterKind.RULED_LINE: _ruled,
    ClutterKind.FORM_LINE: _form,
    ClutterKind.ROUND_STAMP: _round_stamp,
    ClutterKind.BOXED_STAMP: _boxed_stamp,
    ClutterKind.SMALL_PRINT: _small_print,
}
