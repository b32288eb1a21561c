"""What can be wrong with a picture of a signature, each with its measured value.

The limits were chosen from the measurements that ``docs/imaging.md`` shows: hardly a genuine
signature of the research sets reaches a severe one. Widths of the stroke serve as the measure of
length where it should not depend on the scan's resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigvault.domain.image import QualityFinding
from sigvault.imaging.canvas import Box, ink_box
from sigvault.imaging.specks import stroke_width


@dataclass(frozen=True)
class QualityLimits:
    """From where on something counts, and from where on the picture can't serve.

    Attributes:
        little_ink: below this the signature is very short; stroke length in stroke widths.
        too_little_ink: the severe limit of the same.
        much_ink: above this there is more than a signature; stroke length in stroke widths.
        too_much_ink: the severe limit of the same.
        dense: above this share of ink in its box it is no pen's work; severe.
        small: below this the longer side of the ink's box is coarse; source pixels.
        too_small: the severe limit of the same.
        strokes_at_border: from this many strokes ending at one border on, ink may be cut off.
        cut_off: the severe limit of the same.
        row_gap: from this empty height on, two parts one above the other may be two signatures;
            in heights of the lower of the two.
        column_gap: the same for parts side by side; in widths of the narrower.
        part: share of all ink that each of the two parts must have.
        severe_gap: times row_gap or column_gap from which on the gap is severe.
        faint: below this contrast of ink and paper, in [0, 1], strokes may be lost.
    """

    little_ink: float = 50.0
    too_little_ink: float = 15.0
    much_ink: float = 1500.0
    too_much_ink: float = 2500.0
    dense: float = 0.5
    small: float = 150.0
    too_small: float = 80.0
    strokes_at_border: int = 4
    cut_off: int = 9
    row_gap: float = 0.4
    column_gap: float = 1.3
    part: float = 0.2
    severe_gap: float = 1.5
    faint: float = 0.25


DEFAULT_QUALITY_LIMITS = QualityLimits()


def inspect_ink(
    ink: npt.NDArray[np.bool_],
    *,
    zoom: float,
    contrast: float,
    rulings: int = 0,
    printed: int = 0,
    limits: QualityLimits = DEFAULT_QUALITY_LIMITS,
) -> tuple[QualityFinding, ...]:
    """The findings about a picture.

    Args:
        ink: bool (H, W), the ink with specks removed, at the working size.
        zoom: pixels of ``ink`` per pixel of the source.
        contrast: of ink against paper in the picture, in [0, 1].
        rulings: how many ruled lines were taken off.
        printed: how many rows of print were.
        limits: from where on something counts.

    Returns:
        The findings, severe ones first; empty if nothing was noticed.
    """
    box = ink_box(ink)
    if box is None:
        return (_blank(),)
    findings = [
        _resolution(max(box.height, box.width) / zoom, limits),
        *_amount(ink, box, limits),
        _border(ink, limits),
        _parts(ink[box.top : box.bottom, box.left : box.right], limits),
        _contrast(contrast, limits),
        _ruled(rulings),
        _printed(printed),
    ]
    found = [finding for finding in findings if finding is not None]
    return tuple(sorted(found, key=lambda finding: not finding.severe))


class Gap(NamedTuple):
    """The emptiest place between two parts of the ink that both matter.

    Attributes:
        ratio: the empty length over the shorter part's extent; 0 if nothing is parted.
        above: whether the parts lie one above the other rather than side by side.
    """

    ratio: float
    above: bool


def widest_gap(ink: npt.NDArray[np.bool_], part: float, *, above: bool) -> Gap:
    """The widest gap between parts that each hold at least ``part`` of the ink.

    Args:
        ink: bool (H, W) with some ink.
        part: share in [0, 0.5].
        above: look for parts one above the other; side by side if false.
    """
    profile = np.count_nonzero(ink, axis=1 if above else 0)
    inked = np.flatnonzero(profile)
    last, following = inked[:-1], inked[1:]
    before = np.cumsum(profile)[last] / profile.sum()
    parted = (following - last > 1) & (before >= part) & (before <= 1 - part)
    if not parted.any():
        return Gap(0.0, above)
    last, following = last[parted], following[parted]
    extent = np.minimum(last - inked[0] + 1, inked[-1] - following + 1)
    return Gap(float(((following - last - 1) / extent).max()), above)


def strokes_at_border(ink: npt.NDArray[np.bool_]) -> int:
    """How many separate stretches of ink lie on the border that has the most of them."""
    sides = (ink[0], ink[-1], ink[:, 0], ink[:, -1])
    return max(int(np.count_nonzero(np.diff(side, prepend=False) & side)) for side in sides)


def _blank() -> QualityFinding:
    return QualityFinding(
        name="blank",
        value=0.0,
        limit=1.0,
        unit="ink pixels",
        severe=True,
        message="There is no ink on the page: scan the signature again, darker.",
    )


def _resolution(longer_side: float, limits: QualityLimits) -> QualityFinding | None:
    if longer_side >= limits.small:
        return None
    severe = longer_side < limits.too_small
    limit = limits.too_small if severe else limits.small
    return QualityFinding(
        name="low_resolution",
        value=longer_side,
        limit=limit,
        unit="pixels",
        severe=severe,
        message=(
            f"The signature is only {longer_side:.0f} pixels long (below {limit:.0f}):"
            " scan it at 300 dpi."
        ),
    )


def _amount(
    ink: npt.NDArray[np.bool_], box: Box, limits: QualityLimits
) -> list[QualityFinding | None]:
    area = int(np.count_nonzero(ink))
    length = area / stroke_width(ink) ** 2
    return [_too_little(length, limits), _too_much(length, limits), _too_dense(area, box, limits)]


def _too_little(length: float, limits: QualityLimits) -> QualityFinding | None:
    if length >= limits.little_ink:
        return None
    severe = length < limits.too_little_ink
    limit = limits.too_little_ink if severe else limits.little_ink
    return QualityFinding(
        name="too_little_ink",
        value=length,
        limit=limit,
        unit="stroke widths",
        severe=severe,
        message=(
            f"All strokes together are {length:.0f} stroke widths long (below {limit:.0f}):"
            " give the whole signature, scanned dark enough."
        ),
    )


def _too_much(length: float, limits: QualityLimits) -> QualityFinding | None:
    if length <= limits.much_ink:
        return None
    severe = length > limits.too_much_ink
    limit = limits.too_much_ink if severe else limits.much_ink
    return QualityFinding(
        name="too_much_ink",
        value=length,
        limit=limit,
        unit="stroke widths",
        severe=severe,
        message=(
            f"All strokes together are {length:.0f} stroke widths long (above {limit:.0f}), as"
            " of printed text or a photo: crop the picture to the signature."
        ),
    )


def _too_dense(area: int, box: Box, limits: QualityLimits) -> QualityFinding | None:
    share = area / (box.height * box.width)
    if share <= limits.dense:
        return None
    return QualityFinding(
        name="too_dense",
        value=share,
        limit=limits.dense,
        unit="share of the ink's box",
        severe=True,
        message=(
            f"Ink covers {share:.0%} of its box (above {limits.dense:.0%}), which no pen stroke"
            " does: give a picture of the signature on plain paper."
        ),
    )


def _border(ink: npt.NDArray[np.bool_], limits: QualityLimits) -> QualityFinding | None:
    strokes = strokes_at_border(ink)
    if strokes < limits.strokes_at_border:
        return None
    severe = strokes >= limits.cut_off
    return QualityFinding(
        name="cut_off",
        value=float(strokes),
        limit=float(limits.cut_off if severe else limits.strokes_at_border),
        unit="strokes at one border",
        severe=severe,
        message=(
            f"{strokes} strokes meet one border of the picture, so part of the signature may be"
            " missing: scan it with paper around it."
        ),
    )


def _parts(ink: npt.NDArray[np.bool_], limits: QualityLimits) -> QualityFinding | None:
    gaps = (
        (widest_gap(ink, limits.part, above=True), limits.row_gap),
        (widest_gap(ink, limits.part, above=False), limits.column_gap),
    )
    gap, limit = max(gaps, key=lambda pair: pair[0].ratio / pair[1])
    if gap.ratio < limit:
        return None
    severe = gap.ratio >= limits.severe_gap * limit
    where = "one above the other" if gap.above else "side by side"
    extent = "heights of the lower" if gap.above else "widths of the narrower"
    return QualityFinding(
        name="several_signatures",
        value=gap.ratio,
        limit=limits.severe_gap * limit if severe else limit,
        unit=f"{extent} part",
        severe=severe,
        message=f"There seem to be two signatures {where}: give each in a picture of its own.",
    )


def _contrast(contrast: float, limits: QualityLimits) -> QualityFinding | None:
    if contrast >= limits.faint:
        return None
    return QualityFinding(
        name="faint",
        value=contrast,
        limit=limits.faint,
        unit="share of the paper's brightness",
        severe=False,
        message=(
            f"The ink is only {contrast:.0%} darker than the paper, so thin strokes may be"
            " lost: scan it darker."
        ),
    )


def _ruled(rulings: int) -> QualityFinding | None:
    if not rulings:
        return None
    lines = "1 ruled line was" if rulings == 1 else f"{rulings} ruled lines were"
    return QualityFinding(
        name="ruled",
        value=float(rulings),
        limit=1.0,
        unit="lines",
        severe=False,
        message=(
            f"{lines} taken off the picture, with any stroke that ran along one: if in doubt, have"
            " a signature written on plain paper."
        ),
    )


def _printed(rows: int) -> QualityFinding | None:
    if not rows:
        return None
    lines = "1 row of print was" if rows == 1 else f"{rows} rows of print were"
    return QualityFinding(
        name="printed",
        value=float(rows),
        limit=1.0,
        unit="rows",
        severe=False,
        message=(
            f"{lines} taken off the picture, with small strokes that lay in one; letters that touch"
            " the signature stay: if in doubt, have a signature written beside the print."
        ),
    )
