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
    drawn = _DRAWN[piece.kind](piece, per_mm * _FINER, 2 * columns * _FINER)
    turned = drawn.rotate(piece.turn, Image.Resampling.BILINEAR, expand=True).reduce(_FINER)
    left, top, right, bottom = writing
    x = round(left + piece.place[0] * (right - left) - turned.width / 2)
    y = round(top + piece.place[1] * (bottom - top) - turned.height / 2)
    part = turned.crop((-x, -y, columns - x, rows - y))
    cover = np.asarray(part, dtype=np.float32) / np.float32(255) * np.float32(piece.cover)
    printed: Grey = paper * (1 - cover) + np.float32(piece.tone) * cover
    return printed


def _sheet(wide: float, tall: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet to draw white on black on, in pixels."""
    sheet = Image.new("L", (int(np.ceil(wide)), int(np.ceil(tall))), 0)
    return sheet, ImageDraw.Draw(sheet)


def _ruled(piece: Clutter, per_mm: float, page: int) -> Image.Image:
    """A line twice as long as the page is wide, so that it reaches both edges."""
    width = max(1, round(piece.size * per_mm))
    sheet, draw = _sheet(2 * page, width + 4)
    draw.line((0, width / 2 + 2, 2 * page, width / 2 + 2), fill=255, width=width)
    return sheet


def _form(piece: Clutter, per_mm: float, page: int) -> Image.Image:
    """A dotted line to sign on, and what belongs there in small print below."""
    dot = max(1.0, 0.35 * per_mm)
    half = min(page / 2, 35 * per_mm)
    sheet, draw = _sheet(2 * half, 9 * per_mm)
    middle = 4.5 * per_mm
    for x in np.arange(0.0, 2 * half, 3 * dot):
        draw.ellipse((x, middle - dot / 2, x + dot, middle + dot / 2), fill=255)
    font = ImageFont.load_default(2.0 * per_mm)
    draw.text((0.5 * half, middle + per_mm), piece.words[0], fill=255, font=font)
    return sheet


def _round_stamp(piece: Clutter, per_mm: float, page: int) -> Image.Image:
    """Two rings and two words, or as large as the page holds."""
    outer = min(piece.size * per_mm, page)
    sheet, draw = _sheet(outer + 2, outer + 2)
    middle = outer / 2 + 1
    for share in (1.0, 0.68):
        radius = share * outer / 2
        box = (middle - radius, middle - radius, middle + radius, middle + radius)
        draw.ellipse(box, outline=255, width=max(1, round(0.5 * per_mm)))
    font = ImageFont.load_default(0.16 * outer)
    text = "\n".join(piece.words[:2])
    draw.text((middle, middle), text, fill=255, font=font, anchor="mm", align="center")
    return sheet


def _boxed_stamp(piece: Clutter, per_mm: float, page: int) -> Image.Image:
    """Two lines of words in a frame."""
    space = 0.15 * min(piece.size * per_mm, page)
    text = "\n".join((" ".join(piece.words[:2]).upper(), " ".join(piece.words[2:4])))
    words = _words(text, 2 * space)
    sheet, draw = _sheet(words.width + 2 * space, words.height + 2 * space)
    sheet.paste(words, (int(space), int(space)))
    frame = (0, 0, sheet.width - 1, sheet.height - 1)
    draw.rectangle(frame, outline=255, width=max(1, round(0.4 * per_mm)))
    return sheet


def _small_print(piece: Clutter, per_mm: float, page: int) -> Image.Image:
    """One line of print."""
    return _words(" ".join(piece.words), min(piece.size * per_mm, page))


def _words(text: str, size: float) -> Image.Image:
    """Centred lines of print on as much sheet as they need."""
    font = ImageFont.load_default(size)
    _, ruler = _sheet(1, 1)
    left, top, right, bottom = ruler.multiline_textbbox((0, 0), text, font, align="center")
    sheet, draw = _sheet(right - left, bottom - top)
    draw.multiline_text((-left, -top), text, fill=255, font=font, align="center")
    return sheet


_DRAWN: Final = {
    ClutterKind.RULED_LINE: _ruled,
    ClutterKind.FORM_LINE: _form,
    ClutterKind.ROUND_STAMP: _round_stamp,
    ClutterKind.BOXED_STAMP: _boxed_stamp,
    ClutterKind.SMALL_PRINT: _small_print,
}
