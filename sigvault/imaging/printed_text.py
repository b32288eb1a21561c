"""Rows of small print taken off, with the signature beside and across them left.

Captions, dates and names are printed about the place where a form is signed. Letters of print stand
on one line, to a pixel or two, and many of them are of one height, as exactly; a hand's don't and
aren't. Letters that touch a stroke of the signature are one piece with it, and stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_EIGHT = np.ones((3, 3), dtype=bool)

_STEEPEST = 3.0
_STEP = 0.25
"""Degrees from the level up to which rows are looked for, and between the angles tried."""

_LOWEST = 7
"""Pieces of fewer rows of pixels are dots, or the paper's grain."""

_WIDEST = 6.0
"""Heights that a piece is wide at most: letters that touch each other are one piece."""

_MOST_PIECES = 300
"""More pieces are a page of text or a texture, and no caption."""

_LETTERS = 8
_PIECES = 5
"""What makes a row print: so many letters, in so many pieces."""

_LETTERS_MORE = 4
_PIECES_MORE = 3
"""The same once another row, of about the same size, is certain."""

_WIDE_LETTERS = 3
"""Letters that a wide piece counts for at most; one for each time that it is as wide as high."""

_LEAST_ALIKE = 3
_ALIKE = 0.41
"""Pieces of a row that must be small letters, of one height: so many, and so large a share."""

_TRUE = 0.05
"""How far a letter strays from the row's lines, in heights of a small letter; a pixel at least."""

_ASCENDER, _DESCENDER = 0.8, 0.6
"""How far letters reach above the small ones and below the line at most, in their heights."""

_BLANK = 15.0
"""Heights of a small letter between two pieces of a row at most: the signature may lie there."""

_BESIDE = 1.5
"""How far beyond its ends, in the same measure, a row's dots and commas lie."""

_SMALL = 4.0
"""What is left is at least so many times as high as a small letter of the row."""

_LOW = 0.6
"""Dots, commas and dashes are lower than this, in the same measure."""

_IN_ROW = 0.75
"""Share of the other pieces within a row's band that stand as letters do, at least."""

_ALIKE_SIZE = 0.4
"""By how much rows of about the same size differ."""

_MOST_ROWS = 20


class Unprinted(NamedTuple):
    """Ink without print.

    Attributes:
        ink: bool (H, W), a subset of the ink that there was.
        rows: how many rows of print were taken off.
    """

    ink: Bools
    rows: int


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Connected pieces (8-neighbours) of ink.

    Attributes:
        top: first row of each, float64 (N,).
        bottom: the row after its last, float64 (N,).
        left: first column, float64 (N,).
        right: the column after its last, float64 (N,).
    """

    top: Floats
    bottom: Floats
    left: Floats
    right: Floats

    @property
    def height(self) -> Floats:
        """In pixels, float64 (N,)."""
        return self.bottom - self.top

    @property
    def width(self) -> Floats:
        """In pixels, float64 (N,)."""
        return self.right - self.left

    def levelled(self, slope: float) -> _Pieces:
        """The same, moved up or down as if a row of this slope were level."""
        lower = slope * (self.left + self.right) / 2
        return _Pieces(self.top - lower, self.bottom - lower, self.left, self.right)

    def __getitem__(self, chosen: Ints | Bools) -> _Pieces:
        return _Pieces(self.top[chosen], self.bottom[chosen], self.left[chosen], self.right[chosen])


@dataclass(frozen=True, eq=False)
class _Row:
    """A row of print.

    Attributes:
        slope: pixels that it falls by for each to the right.
        roof: where its small letters begin, levelled.
        base: where they end: the line that letters stand on.
        letters: how many were counted.
        members: the pieces that they are, as indices.
    """

    slope: float
    roof: float
    base: float
    letters: float
    members: Ints

    @property
    def size(self) -> float:
        """The height of a small letter, in pixels."""
        return self.base - self.roof


class _Need(NamedTuple):
    """What makes a row.

    Attributes:
        letters: so many at least.
        pieces: that they are at least.
        size: the height that small letters have, about; None for any.
    """

    letters: int
    pieces: int
    size: float | None = None


def clear_print(ink: Bools) -> Unprinted:
    """Take rows of print off.

    A row is found by the pieces that stand on one line, at most 3 degrees askew: eight letters at
    least in five pieces or more, two in five of one height. Where there is one, shorter rows of
    about its size are found, too. What lies whole in a row's band, dots and commas and all, goes,
    unless what would be left is not at least four times as high as a small letter: then it may be
    the signature itself that is written in print.

    Args:
        ink: bool (H, W).
    """
    labels, _ = ndimage.label(ink, structure=_EIGHT)
    boxes = ndimage.find_objects(labels)
    if len(boxes) < _PIECES:
        return Unprinted(ink, 0)
    ends = np.array(
        [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in boxes], float
    )
    pieces = _Pieces(*ends.T)
    printed = np.zeros(len(boxes), dtype=np.bool_)
    rows = 0
    for band in _find_bands(pieces):
        printed |= band
        rows += 1
    if not rows:
        return Unprinted(ink, 0)
    return Unprinted(ink & ~np.append(False, printed)[labels], rows)


def _find_bands(pieces: _Pieces) -> Iterator[Bools]:
    """What goes with each row, bool (N,); the surest row first."""
    free = np.ones(len(pieces.top), dtype=np.bool_)
    size: float | None = None
    for _ in range(_MOST_ROWS):
        row = _find_row(pieces, free, _Need(_LETTERS, _PIECES))
        if row is None and size is not None:
            row = _find_row(pieces, free, _Need(_LETTERS_MORE, _PIECES_MORE, size))
        band = None if row is None else _band(pieces, free, row)
        if row is None or band is None:
            return
        size = size or row.size
        free &= ~band
        yield band


def _find_row(pieces: _Pieces, free: Bools, need: _Need) -> _Row | None:
    """The row of the most letters among the pieces of no row yet.

    Args:
        pieces: N of them.
        free: bool (N,), which of them are.
        need: what makes a row.
    """
    height, width = pieces.height, pieces.width
    likely = free & (height >= _LOWEST) & (height <= height.max() / 2)
    likely &= (width > 1) & (width <= _WIDEST * height)
    numbers = np.flatnonzero(likely)
    if not need.pieces <= len(numbers) <= _MOST_PIECES:
        return None
    best: _Row | None = None
    for degrees in np.arange(-_STEEPEST, _STEEPEST + _STEP / 2, _STEP):
        slope = float(np.tan(np.radians(degrees)))
        own = pieces.levelled(slope)[numbers]
        best = _best_row(own, slope, numbers, need, best)
    return best


def _best_row(
    own: _Pieces, slope: float, numbers: Ints, need: _Need, best: _Row | None
) -> _Row | None:
    """The row of one slope that holds more letters than the best so far, or that one."""
    counts = np.clip(np.round(own.width / own.height), 1, _WIDE_LETTERS)
    # Every piece in turn is taken for a small letter of a row, down; all others, across.
    alike, members = _fit(own, own.top[:, None], own.bottom[:, None])
    fair = (alike.sum(axis=1) >= _LEAST_ALIKE) & (members.sum(axis=1) >= need.pieces)
    if need.size is not None:
        fair &= np.abs(own.height / need.size - 1) <= _ALIKE_SIZE
    found = members @ counts * fair
    for small in np.argsort(-found, kind="stable"):
        if found[small] < max(need.letters, best.letters + 1 if best else 0):
            break
        part = _unbroken(own, np.flatnonzero(members[small]), int(small))
        held = float(counts[part].sum())
        enough = max(_LEAST_ALIKE, _ALIKE * len(part))
        whole = held >= need.letters and len(part) >= need.pieces
        sure = whole and alike[small][part].sum() >= enough
        if sure and (best is None or held > best.letters):
            roof, base = float(own.top[small]), float(own.bottom[small])
            best = _Row(slope, roof, base, held, numbers[part])
    return best


def _fit(own: _Pieces, roof: Floats | float, base: Floats | float) -> tuple[Bools, Bools]:
    """Which pieces are small letters of a row, and which are letters of it at all."""
    size = base - roof
    stray = np.maximum(1.0, _TRUE * size)
    below, lower = own.bottom - base, own.top - roof
    standing, level = np.abs(below) <= stray, np.abs(lower) <= stray
    tall = standing & (lower < -stray) & (lower >= -_ASCENDER * size)
    hanging = level & (below > stray) & (below <= _DESCENDER * size)
    small = standing & level
    return small, small | tall | hanging


def _unbroken(own: _Pieces, part: Ints, small: int) -> Ints:
    """Of a row's pieces those that follow each other, before and after one of them."""
    ordered = part[np.argsort(own.left[part], kind="stable")]
    reached = np.maximum.accumulate(own.right[ordered])
    blank = own.left[ordered][1:] - reached[:-1]
    cuts = np.flatnonzero(blank > _BLANK * own.height[small]) + 1
    return next(each for each in np.split(ordered, cuts) if small in each)


def _band(pieces: _Pieces, free: Bools, row: _Row) -> Bools | None:
    """What goes with a row, bool (N,); None if it is no print after all."""
    own, size = pieces.levelled(row.slope), row.size
    within = free & (own.top >= row.roof - size) & (own.bottom <= row.base + size)
    _, letters = _fit(own, row.roof, row.base)
    letters &= within
    first, last = own.left[row.members].min(), own.right[row.members].max()
    while True:  # on to letters that were not counted
        near = letters & (own.right >= first - _BLANK * size) & (own.left <= last + _BLANK * size)
        ends = own.left[near].min(), own.right[near].max()
        if ends == (first, last):
            break
        first, last = ends
    beyond = _BESIDE * size
    band = within & (own.left >= first - beyond) & (own.right <= last + beyond)
    whole = band & (own.height >= _LOW * size)
    others = free & ~band
    if not others.any() or own.height[others].max() < _SMALL * size:
        return None
    return band if (letters & whole).sum() >= _IN_ROW * whole.sum() else None
