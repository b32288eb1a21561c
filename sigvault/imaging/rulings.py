"""Ruled lines taken off, with the writing across them left.

A form's or an exercise book's lines run from border to border, straighter and more level than a
hand draws; only such lines are looked for. A signature line that ends inside the picture can't be
told from a signer's own underline, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks

from sigvault.imaging.specks import stroke_width

Floats = npt.NDArray[np.float64]

_WHITE = 255.0

_STEEPEST = 3.5
_STEP = 0.25
"""Degrees from the level up to which lines are looked for, and between the angles tried. Strokes of
hands that cross a whole picture mostly rise by more."""

_BORDER = 0.03
"""A line is seen up to this share of the width before the picture's border, at both ends."""

_LEAST_LENGTH = 0.5
"""Share of the width over which it runs at least, where it leaves through the top or bottom."""

_MOST_LINES = 60
_MOST_RUNS = 80
"""More lines, or more thin runs of ink in the mean column, are a texture and no ruled page."""

_NARROW = 100
"""In a picture of fewer columns a line isn't told from a stroke."""

_ALONE, _AMONG_OTHERS = 0.35, 0.2
"""Shares of the columns in which a line must be seen apart from writing; the second, once another
line parallel to it is certain."""

_SEEN = 0.6
"""Share of the columns in which a line that no other one vouches for is seen at all."""

_STRAIGHT = 0.5
_BOW = 1.5
"""The most that it strays, as a robust deviation in pixels, and that it bows, in pixels."""

_APART = 5
"""Rows between two lines at least."""

_NEAR = 2.0
"""A run whose middle lies within so many pixels of the line is the line's."""

_BEYOND = 1.5
"""How many pixels the edges of a line waver."""

_DARKER = 0.4
"""Writing is at least by this share of the line's own contrast darker than the line."""


@dataclass(frozen=True, eq=False)
class Ruling:
    """A ruled line.

    Attributes:
        curve: coefficients, highest power first, of the row at a column less half the width.
        thickness: in pixels.
    """

    curve: Floats
    thickness: float

    def rows(self, columns: npt.NDArray[np.intp], width: int) -> Floats:
        """The row of the line's middle at each column of a picture of this width."""
        return np.asarray(np.polyval(self.curve, columns - width / 2), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Unbroken stretches of ink, from top to bottom.

    Attributes:
        columns: intp (N,).
        first: their first rows, intp (N,).
        after: the rows after their last, intp (N,).
    """

    columns: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    after: npt.NDArray[np.intp]

    @property
    def heights(self) -> npt.NDArray[np.intp]:
        return self.after - self.first

    @property
    def middles(self) -> Floats:
        return (self.first + self.after - 1) / 2

    def only(self, chosen: npt.NDArray[np.bool_]) -> _Runs:
        return _Runs(self.columns[chosen], self.first[chosen], self.after[chosen])


def find_rulings(ink: npt.NDArray[np.bool_]) -> tuple[Ruling, ...]:
    """The ruled lines of a picture.

    Middles of thin vertical runs of ink vote for lines (Hough transform; Duda and Hart, "Use of the
    Hough transformation to detect lines and curves in pictures", CACM 1972); the lines that run
    parallel to the strongest one are each fitted by a parabola, for pages that are not quite
    flat, and kept if they run from border to border, and straight.

    Args:
        ink: bool (H, W).

    Returns:
        The lines, from top to bottom; none if no line runs from border to border.
    """
    if ink.shape[1] < _NARROW:
        return ()
    runs = _runs_of(ink)
    thin = runs.only(runs.heights <= max(4.0, 1.5 * stroke_width(ink)))
    if len(thin.columns) > _MOST_RUNS * ink.shape[1]:
        return ()
    fitted = [_fit(start, thin, ink.shape) for start in _parallels(thin, ink.shape)]
    straight = [each for each in fitted if each is not None]
    if not any(_is_certain(each, runs, thin, ink.shape) for each in straight):
        return ()
    return tuple(straight)


def clear_rulings(
    ink: npt.NDArray[np.bool_], grey: npt.NDArray[np.float32], rulings: Sequence[Ruling]
) -> npt.NDArray[np.bool_]:
    """Ink without its ruled lines.

    A stretch of a line stays where something crosses it: where the ink reaches beyond the line's
    edges, or is clearly darker than the line.

    Args:
        ink: bool (H, W).
        grey: in which it was found, float32 (H, W) in [0, 255]; the paper is white.
        rulings: its lines, as `find_rulings` gave them.

    Returns:
        bool (H, W), a subset of ``ink``; ``ink`` itself if there are no lines.
    """
    if not rulings:
        return ink
    runs = _runs_of(ink)
    cleared = np.zeros(len(runs.columns), dtype=np.bool_)
    darkest = _darkest(grey, runs)
    for ruling in rulings:
        cleared |= _lies_on(ruling, runs, ink.shape[1], darkest)
    lines = _painted(runs.only(cleared), ink.shape)
    return _bridge(ink & ~lines, lines, max(each.thickness for each in rulings))


def _runs_of(ink: npt.NDArray[np.bool_]) -> _Runs:
    padded = np.zeros((ink.shape[1], ink.shape[0] + 1), dtype=np.int8)
    padded[:, :-1] = ink.T
    steps = np.diff(padded.ravel(), prepend=0)
    first, after = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    columns, rows = np.divmod(first, padded.shape[1])
    return _Runs(columns, rows, rows + after - first)


def _parallels(thin: _Runs, shape: tuple[int, ...]) -> list[Floats]:
    """Straight lines, as curves, with votes enough, parallel to the one with most; top first."""
    from skimage.transform import hough_line  # noqa: PLC0415 - slow to import

    height, width = shape
    voters = np.zeros((height, width), dtype=np.uint8)
    voters[thin.middles.astype(np.intp), thin.columns] = 1
    angles = np.radians(90.0 + np.arange(-_STEEPEST, _STEEPEST + _STEP, _STEP))
    votes, _, distances = hough_line(voters, theta=angles)  # type: ignore[no-untyped-call]
    votes = votes.astype(np.int64)
    votes[1:-1] = votes[:-2] + votes[1:-1] + votes[2:]
    turn = int(votes.max(axis=0).argmax())
    along, angle = votes[:, turn], angles[turn]
    peaks, _ = find_peaks(along, height=_AMONG_OTHERS * width, distance=_APART)
    if len(peaks) > _MOST_LINES:
        return []
    middles = (distances[peaks] - width / 2 * np.cos(angle)) / np.sin(angle)
    return [np.array([-np.cos(angle) / np.sin(angle), middle]) for middle in middles]


def _fit(start: Floats, thin: _Runs, shape: tuple[int, ...]) -> Ruling | None:
    """The line near a straight one, by the thin runs along it; none if few, or not straight."""
    width = shape[1]
    curve, along = start, _along(start, thin, width, 2 * _NEAR)
    for degree in (1, 2, 2):
        if len(along.columns) < _AMONG_OTHERS * width:
            return None
        curve = np.polyfit(along.columns - width / 2, along.middles, degree)
        along = _along(curve, thin, width, _NEAR)
    if len(along.columns) < _AMONG_OTHERS * width:
        return None
    ruling = Ruling(curve, float(np.median(along.heights)))
    return ruling if _is_straight(ruling, along, shape) else None


def _along(curve: Floats, thin: _Runs, width: int, reach: float) -> _Runs:
    """The runs whose middles lie within ``reach`` of a line."""
    return thin.only(np.abs(thin.middles - np.polyval(curve, thin.columns - width / 2)) <= reach)


def _is_straight(ruling: Ruling, along: _Runs, shape: tuple[int, ...]) -> bool:
    """Whether it reaches the picture's border at both ends, and hardly strays, by its runs."""
    strays = np.abs(along.middles - ruling.rows(along.columns, shape[1]))
    first, last = _ends(ruling, shape)
    border = max(3.0, _BORDER * shape[1])
    return bool(
        abs(ruling.curve[0]) * (shape[1] / 2) ** 2 <= _BOW
        and last - first >= _LEAST_LENGTH * shape[1]
        and along.columns.min() < first + border
        and along.columns.max() > last - border
        and 1.4826 * np.median(strays) <= _STRAIGHT
    )


def _is_certain(ruling: Ruling, runs: _Runs, thin: _Runs, shape: tuple[int, ...]) -> bool:
    """Whether it is seen for so long that no other line has to vouch for it."""
    alone = np.unique(_along(ruling.curve, thin, shape[1], _NEAR).columns)
    rows = ruling.rows(runs.columns, shape[1])
    seen = np.unique(runs.columns[(runs.first <= rows + 1) & (runs.after - 1 >= rows - 1)])
    first, last = _ends(ruling, shape)
    length = last - first + 1
    return len(alone) >= _ALONE * length and len(seen) >= _SEEN * length


def _ends(ruling: Ruling, shape: tuple[int, ...]) -> tuple[int, int]:
    """The first and the last column in which the line lies in the picture."""
    rows = ruling.rows(np.arange(shape[1]), shape[1])
    inside = np.flatnonzero((rows >= 0) & (rows <= shape[0] - 1))
    return (int(inside[0]), int(inside[-1])) if inside.size else (0, 0)


def _lies_on(
    ruling: Ruling, runs: _Runs, width: int, darkest: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Which runs are nothing but the line."""
    rows, half = ruling.rows(runs.columns, width), ruling.thickness / 2 + _BEYOND
    within = (runs.first >= rows - half - 0.5) & (runs.after - 1 <= rows + half + 0.5)
    if not within.any():
        return within
    tone = float(np.median(darkest[within]))
    return np.asarray(within & (darkest >= tone - _DARKER * (_WHITE - tone)))


def _darkest(grey: npt.NDArray[np.float32], runs: _Runs) -> npt.NDArray[np.float32]:
    """The darkest grey in each run."""
    flat = np.append(grey.T.ravel(), np.float32(_WHITE))
    height = grey.shape[0]
    edges = np.stack([runs.columns * height + runs.first, runs.columns * height + runs.after])
    return np.minimum.reduceat(flat, edges.T.ravel())[::2]


def _bridge(
    ink: npt.NDArray[np.bool_], lines: npt.NDArray[np.bool_], thickness: float
) -> npt.NDArray[np.bool_]:
    """Strokes joined again across what was taken off."""
    from skimage.morphology import isotropic_closing  # noqa: PLC0415 - slow to import

    reach = round(thickness / 2 + _BEYOND) + 1
    padded = np.pad(ink, 2 * reach)
    closed = isotropic_closing(padded, reach)  # type: ignore[no-untyped-call]
    closed = closed[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    return np.asarray(ink | (closed & lines))


def _painted(runs: _Runs, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    steps = np.zeros((shape[0] + 1, shape[1]), dtype=np.int8)
    steps[runs.first, runs.columns] = 1
    np.add.at(steps, (runs.after, runs.columns), -1)
    return np.cumsum(steps, axis=0, dtype=np.int8)[:-1].astype(np.bool_)
