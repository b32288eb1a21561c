"""Any mode of picture to one upright grey channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from sigvault.imaging.levels import measure_levels

_FAINT = 0.5
_WHITE_SHARE = 0.999
_WHITE = 255

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Undo an EXIF orientation (1 to 8, EXIF 2.32 section 4.6.4); others are left alone."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def to_grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """One grey channel of a picture in any mode that Pillow decodes to.

    Transparency is laid on white; palettes and CMYK become RGB first. Pictures of more than 8
    bits, which scanners fill to different depths, are scaled so that their 99.9th percentile is
    white; what is no number counts as paper.

    Returns:
        uint8 (H, W), 0 = black.
    """
    if picture.mode.startswith(("I", "F")):
        return _from_deep(np.asarray(picture, dtype=np.float32))
    if picture.mode == "LAB":
        return np.array(picture.getchannel("L"), dtype=np.uint8)
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        picture = Image.alpha_composite(paper, layered).convert("RGB")
    elif picture.mode in ("1", "L"):
        return np.array(picture.convert("L"), dtype=np.uint8)
    return _clearest_grey(picture.convert("RGB"))


def _clearest_grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Luminance; or, if ink is faint in it, whichever of it and the colours' extremes is clearer.

    Orange on white is plain in the darkest of its three channels, orange on black in the
    lightest, and faint in luminance.
    """
    luminance = np.array(picture.convert("L"), dtype=np.uint8)
    if measure_levels(luminance).contrast >= _FAINT:
        return luminance
    red, green, blue = picture.split()
    darkest = np.array(ImageChops.darker(ImageChops.darker(red, green), blue))
    lightest = np.array(ImageChops.lighter(ImageChops.lighter(red, green), blue))
    return max((luminance, darkest, lightest), key=lambda grey: measure_levels(grey).depth)


def _from_deep(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    finite = np.isfinite(values)
    if not finite.any():
        return np.full(values.shape, _WHITE, dtype=np.uint8)
    white = float(np.quantile(values[finite], _WHITE_SHARE))
    if white <= 0:
        return np.where(finite, 0, _WHITE).astype(np.uint8)
    scaled = np.where(finite, values, white) * (_WHITE / white)
    return np.clip(np.rint(scaled), 0, _WHITE).astype(np.uint8)
