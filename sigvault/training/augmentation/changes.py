"""What happens to one picture, drawn from its seed alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.training.augmentation.settings import Augmentation, NewSigners

_UNIFORMS = 32
_MOST_GAPS = 3
_GAP_RADIUS = (1.5, 3.5)
_PATCH_AREA = (0.002, 0.02)
_PATCH_ASPECT = 3.3


@dataclass(frozen=True)
class Affine:
    """A similarity and a slight shear about the picture's centre, as torchvision counts them.

    Attributes:
        angle: degrees, clockwise in a picture whose row 0 is the top.
        shift: right and down, in pixels.
        scale: factor of size, the same for all directions.
        shear: degrees, along the rows.
    """

    angle: float
    shift: tuple[float, float]
    scale: float
    shear: float


@dataclass(frozen=True)
class Gap:
    """A short break of a stroke.

    Attributes:
        place: which of the ink's pixels is its centre, as a share of them in [0, 1).
        radius: in pixels.
    """

    place: float
    radius: float


@dataclass(frozen=True)
class Patch:
    """A rectangle of which everything is lost; top, left, height and width in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Changes:
    """Everything that happens to one picture, in this order.

    Attributes:
        gaps: breaks of its strokes.
        affine: rotation, size, place and slant.
        elastic: float32 (2, R, C), the control points' displacement right and down, in pixels;
            empty (2, 0, 0) for none.
        thickness: from -1, thinner by a pixel on each side, to 1, thicker by as much.
        patch: what is lost at the end, or none.
    """

    gaps: tuple[Gap, ...]
    affine: Affine
    elastic: npt.NDArray[np.float32]
    thickness: float
    patch: Patch | None


@dataclass(frozen=True, eq=False)
class Manner:
    """How another signer writes what a signer wrote.

    Attributes:
        widths: factor of widths, above 0.
        heights: factor of heights, above 0.
        slant: degrees, along the rows; with the given factors all of the canvas stays on it.
        elastic: float32 (2, R, C), as in `Changes`, after all that; it may push ink off the canvas
            by its largest displacement.
    """

    widths: float
    heights: float
    slant: float
    elastic: npt.NDArray[np.float32]


def control_points(length: int, spacing: int) -> int:
    """How many control points lie along an edge of the picture, both ends included."""
    return max(2, round(length / spacing) + 1)


def draw_changes(settings: Augmentation, shape: tuple[int, int], seed: int) -> Changes:
    """Draw one picture's changes.

    The same numbers are drawn whatever the settings, so that two settings that differ in one
    change differ in nothing else.

    Args:
        settings: what may happen.
        shape: height and width of the picture, in pixels.
        seed: 0 or more; the same seed gives the same changes.
    """
    generator = np.random.default_rng(seed)
    numbers = iter(generator.random(_UNIFORMS).tolist())
    affine = _draw_affine(settings, shape, numbers=[next(numbers) for _ in range(8)])
    thickness = 2 * next(numbers) - 1 if next(numbers) < settings.stroke_width else 0.0
    erased, area, aspect, down, across = (next(numbers) for _ in range(5))
    patch = _place_patch(shape, area, aspect, down, across) if erased < settings.erase else None
    broken, count = next(numbers), 1 + int(_MOST_GAPS * next(numbers))
    gaps = [Gap(next(numbers), _between(_GAP_RADIUS, next(numbers))) for _ in range(_MOST_GAPS)]
    return Changes(
        gaps=tuple(gaps[:count]) if broken < settings.gaps else (),
        affine=affine,
        elastic=_draw_field(settings.elastic, settings.elastic_spacing, shape, generator),
        thickness=thickness,
        patch=patch,
    )


def draw_manner(settings: NewSigners, shape: tuple[int, int], seed: int) -> Manner | None:
    """Draw how a signer becomes another, or None for one who stays.

    Args:
        settings: how many become others, and how.
        shape: height and width of the pictures, in pixels.
        seed: 0 or more; the same seed gives the same.
    """
    generator = np.random.default_rng(seed)
    chosen, stretch, slant = generator.random(3).tolist()
    if chosen >= settings.probability:
        return None
    narrower = settings.stretch * (2 * stretch - 1)
    degrees = settings.slant * (2 * slant - 1)
    fits = shape[1] / (shape[1] + shape[0] * math.tan(math.radians(abs(degrees))))
    return Manner(
        widths=fits * (1 - max(0.0, narrower)),
        heights=fits * (1 - max(0.0, -narrower)),
        slant=degrees,
        elastic=_draw_field(settings.elastic, settings.elastic_spacing, shape, generator),
    )


def _draw_affine(settings: Augmentation, shape: tuple[int, int], numbers: list[float]) -> Affine:
    """The affine change and the crop after it, which enlarges and shifts once more, in one."""
    angle, right, down, size, shear = (2 * number - 1 for number in numbers[:5])
    side = math.sqrt(_between(settings.crop, numbers[5]))
    shifts = []
    for length, shift, window in zip(
        reversed(shape), (right, down), (2 * number - 1 for number in numbers[6:8]), strict=True
    ):
        # The window lies anywhere inside the canvas, or the canvas inside a larger window.
        off_centre = window * abs(1 - side) / 2
        shifts.append(length * (shift * settings.translation - off_centre) / side)
    return Affine(
        angle=angle * settings.rotation,
        shift=(shifts[0], shifts[1]),
        scale=(1 + size * settings.scale) / side,
        shear=shear * settings.shear,
    )


def _draw_field(
    largest: float, spacing: int, shape: tuple[int, int], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    if largest == 0:
        return np.zeros((2, 0, 0), np.float32)
    rows, columns = (control_points(length, spacing) for length in shape)
    drawn = generator.uniform(-largest, largest, (2, rows, columns))
    return drawn.astype(np.float32)


def _place_patch(
    shape: tuple[int, int], area: float, aspect: float, down: float, across: float
) -> Patch:
    """A rectangle of 0.2 to 2 % of the picture, at most 3.3 times as long as wide."""
    pixels = _between(_PATCH_AREA, area) * shape[0] * shape[1]
    ratio = _PATCH_ASPECT ** (2 * aspect - 1)
    height = min(shape[0], max(1, round(math.sqrt(pixels * ratio))))
    width = min(shape[1], max(1, round(math.sqrt(pixels / ratio))))
    top, left = int(down * (shape[0] - height + 1)), int(across * (shape[1] - width + 1))
    return Patch(top, left, height, width)


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * share
