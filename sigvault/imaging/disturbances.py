"""What paper, pens, scanners and phones do to a signature, for measuring how a model bears it.

Each disturbance takes a decoded picture, uint8 (H, W) with 0 = black, and gives another; none
cuts anything off. It depends on picture, strength and seed alone: at strength 1 it is what its
name says, at 0 next to nothing, and above 1 more than that. Lengths are shares of the picture's
longer side, so that pictures of any resolution suffer alike.
"""

from __future__ import annotations

import io
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

_WHITE = 255.0


class Disturbance(StrEnum):
    """What is done to a picture, at strength 1.

    ``TINT``: coloured paper, as grey: 30 % darker, and a seventh of the contrast gone besides.
    ``SHADOW``: light that falls to two fifths from one side to the other. ``RULED``: a grey line
    every eleventh of the longer side. ``PRINTED``: small print at the upper edge and through the
    lower half. ``HALVED`` and ``DOUBLED``: half and twice the size in pixels. ``TURNED_5``,
    ``TURNED_10`` and ``TURNED_20``: turned by so many degrees to either side, the corners filled
    with the picture's median. ``JPEG``: saved at quality 20. ``BLUR``: out of focus. ``NOISE``:
    grain with a deviation of 20 grey levels. ``FAINT``: a light pen, of a quarter of its darkness
    in the mean. ``PERSPECTIVE``: a phone's photograph, askew, shaded and a little soft.
    """

    TINT = "tint"
    SHADOW = "shadow"
    RULED = "ruled"
    PRINTED = "printed"
    HALVED = "scale-0.5"
    DOUBLED = "scale-2"
    TURNED_5 = "rotation-5"
    TURNED_10 = "rotation-10"
    TURNED_20 = "rotation-20"
    JPEG = "jpeg"
    BLUR = "blur"
    NOISE = "noise"
    FAINT = "faint"
    PERSPECTIVE = "perspective"


def disturb(
    pixels: Pixels, disturbance: Disturbance, *, strength: float = 1.0, seed: int = 0
) -> Pixels:
    """Disturb a picture.

    Args:
        pixels: uint8 (H, W), 0 = black, 255 = white; left as it is.
        disturbance: what to do to it.
        strength: how much of it, at least 0.
        seed: of all that is left to chance; the same one gives the same picture.

    Returns:
        uint8 (H', W'); another size where the picture is scaled, turned or seen askew.

    Raises:
        ValueError: If the strength is below 0.
    """
    if not strength >= 0.0:
        raise ValueError(f"a strength of {strength}: use 0 or more")
    return _DISTURBERS[disturbance](pixels, strength, np.random.default_rng(seed))


class _Disturber(Protocol):
    def __call__(self, pixels: Pixels, strength: float, rng: Random, /) -> Pixels:
        """The disturbed picture."""


def _tint(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    """White becomes the paper's colour, and black is lightened by what the paper reflects."""
    del rng  # the same for every picture
    paper = _WHITE * 0.7**strength
    black = 0.15 * min(1.0, strength) * paper
    return _to_pixels(black + (paper - black) * pixels / _WHITE)


def _shadow(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    return _to_pixels(pixels * _light(pixels.shape, 0.4**strength, rng))


def _ruled(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    """Thin grey lines that let darker ink show."""
    longer = max(pixels.shape)
    apart, thick = longer / 11, max(1, round(longer / 400))
    lines = Image.new("L", pixels.shape[::-1], 255)
    draw = ImageDraw.Draw(lines)
    for height in np.arange(apart * rng.uniform(0.2, 0.8), pixels.shape[0], apart):
        draw.line([(0, float(height)), (pixels.shape[1], float(height))], fill=0, width=thick)
    return _print_on(pixels, lines, 0.5 * min(1.0, strength))


def _printed(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    """A line of small print at the upper edge and one through the lower half."""
    height, width = pixels.shape
    words = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(words)
    font = ImageFont.load_default(size=max(8.0, width / 24))
    for text, at in (("Date and place", 0.02), ("Signature of the account holder", 0.6)):
        left = float(rng.uniform(0.02, 0.2)) * width
        draw.text((left, (at + float(rng.uniform(0.0, 0.1))) * height), text, fill=0, font=font)
    return _print_on(pixels, words, 0.8 * min(1.0, strength))


def _scaled(factor: float) -> _Disturber:
    def scale(pixels: Pixels, strength: float, rng: Random) -> Pixels:
        del rng
        height, width = (max(1, round(side * factor**strength)) for side in pixels.shape)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
        return np.array(picture)

    return scale


def _turned(degrees: float) -> _Disturber:
    def turn(pixels: Pixels, strength: float, rng: Random) -> Pixels:
        angle = degrees * strength * rng.choice([-1.0, 1.0])
        picture = Image.fromarray(pixels).rotate(
            float(angle), Image.Resampling.BICUBIC, expand=True, fillcolor=_paper(pixels)
        )
        return np.array(picture)

    return turn


def _jpeg(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    del rng
    file = io.BytesIO()
    quality = max(1, round(100 - 80 * strength))
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.array(picture)


def _blur(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    del rng
    return _soften(pixels, 0.004 * strength)


def _noise(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    return _to_pixels(pixels + rng.normal(0.0, 20.0 * strength, pixels.shape))


def _faint(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    """Ink keeps from a tenth to two fifths of its darkness, less here and more there."""
    pressure = ndimage.gaussian_filter(rng.normal(size=pixels.shape), 0.03 * max(pixels.shape))
    evened = np.clip(0.5 + 0.25 * pressure / max(float(pressure.std()), 1e-12), 0.0, 1.0)
    paper = float(_paper(pixels))
    darkness = np.maximum(0.0, paper - pixels)
    return _to_pixels(pixels + darkness * (1.0 - (0.1 + 0.3 * evened) ** strength))


def _perspective(pixels: Pixels, strength: float, rng: Random) -> Pixels:
    """Each corner moves outwards by up to a tenth of its side, on a page with room for that."""
    height, width = pixels.shape
    room = 0.1 * strength * np.array([width, height])
    page = np.ceil([width, height] + 2.0 * room).astype(int)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    outwards = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    moved = corners + room + outwards * rng.uniform(0.0, 1.0, (4, 2)) * room
    askew = Image.fromarray(pixels).transform(
        (int(page[0]), int(page[1])),
        Image.Transform.PERSPECTIVE,
        _projection(moved, corners).tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=_paper(pixels),
    )
    shaded = np.asarray(askew) * _light((page[1], page[0]), 0.65**strength, rng)
    return _soften(_to_pixels(shaded), 0.0015 * strength)


_DISTURBERS: dict[Disturbance, _Disturber] = {
    Disturbance.TINT: _tint,
    Disturbance.SHADOW: _shadow,
    Disturbance.RULED: _ruled,
    Disturbance.PRINTED: _printed,
    Disturbance.HALVED: _scaled(0.5),
    Disturbance.DOUBLED: _scaled(2.0),
    Disturbance.TURNED_5: _turned(5.0),
    Disturbance.TURNED_10: _turned(10.0),
    Disturbance.TURNED_20: _turned(20.0),
    Disturbance.JPEG: _jpeg,
    Disturbance.BLUR: _blur,
    Disturbance.NOISE: _noise,
    Disturbance.FAINT: _faint,
    Disturbance.PERSPECTIVE: _perspective,
}


def _paper(pixels: Pixels) -> int:
    """The paper's grey: the median, since ink is the lesser part."""
    return int(np.median(pixels))


def _light(shape: tuple[int, ...], least: float, rng: Random) -> Floats:
    """Light float64 ``shape`` that falls from 1 to ``least``, smoothly, in a chance direction."""
    turn = rng.uniform(0.0, 2.0 * np.pi)
    rows, columns = np.ogrid[-1.0 : 1.0 : shape[0] * 1j, -1.0 : 1.0 : shape[1] * 1j]
    along = rows * np.sin(turn) + columns * np.cos(turn)
    share = (along - along.min()) / max(float(np.ptp(along)), 1e-12)
    light: Floats = 1.0 - (1.0 - least) * share * share * (3.0 - 2.0 * share)
    return light


def _projection(places: Floats, sources: Floats) -> Floats:
    """Pillow's eight numbers for the projection that takes four places (4, 2) to sources (4, 2).

    A place (x, y) comes from ((a x + b y + c) / w, (d x + e y + f) / w) with w = g x + h y + 1.
    """
    x, y = places.T
    zero, one = np.zeros(4), np.ones(4)
    u, v = sources.T
    across = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1)
    down = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1)
    solved: Floats = np.linalg.solve(np.concatenate([across, down]), np.concatenate([u, v]))
    return solved


def _print_on(pixels: Pixels, marks: Image.Image, darkness: float) -> Pixels:
    """Marks, black on white, printed where the picture is not darker already."""
    printed = _paper(pixels) * (1.0 - darkness)
    share = 1.0 - np.asarray(marks) / _WHITE
    return _to_pixels(np.minimum(pixels, pixels * (1.0 - share) + printed * share))


def _soften(pixels: Pixels, share: float) -> Pixels:
    """Blurred with a deviation of a share of the longer side."""
    blurred = ndimage.gaussian_filter(pixels.astype(np.float64), share * max(pixels.shape))
    return _to_pixels(blurred)


def _to_pixels(grey: Floats) -> Pixels:
    return np.clip(np.rint(grey), 0.0, _WHITE).astype(np.uint8)
