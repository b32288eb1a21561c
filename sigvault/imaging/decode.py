"""Untrusted bytes to an upright grey picture, within stated limits."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sigvault.domain.errors import ImageTooLarge, UnreadableFile, UnsupportedImage
from sigvault.domain.image import SignatureImage
from sigvault.imaging.levels import measure_levels

_FAINT = 0.5
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


@dataclass(frozen=True)
class DecodeLimits:
    """What a picture may cost before it is refused.

    Attributes:
        max_bytes: largest file in bytes.
        max_pixels: largest width times height in pixels, read from the header.
    """

    max_bytes: int = 32 * 2**20
    max_pixels: int = 40_000_000


DEFAULT_LIMITS = DecodeLimits()


def decode_file(path: str | Path, limits: DecodeLimits = DEFAULT_LIMITS) -> SignatureImage:
    """Read and decode a picture."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise UnreadableFile(f"{path} can't be opened: {error.strerror or error}.") from error
    return decode_bytes(data, limits)


def decode_bytes(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> SignatureImage:
    """Decode a picture."""
    if not data:
        raise UnsupportedImage("The picture is empty (0 bytes).")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"The picture has more than {limits.max_bytes} bytes.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > limits.max_pixels:
                raise ImageTooLarge(
                    f"The picture has {width} x {height} pixels, more than {limits.max_pixels}."
                )
            pixels = _grey(picture)
    except ImageTooLarge:
        raise
    except Exception as error:
        raise UnsupportedImage(f"The picture can't be decoded: {error}") from error
    return SignatureImage(
        pixels=pixels,
        digest=hashlib.sha256(data).hexdigest(),
        source_width=pixels.shape[1],
        source_height=pixels.shape[0],
    )


def _grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The picture upright, on white paper, as luminance uint8 (H, W)."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        deep = np.asarray(upright, dtype=np.float32)
        return np.clip(np.rint(deep / 257.0), 0, 255).astype(np.uint8)
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        paper = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(paper, layered).convert("RGB")
    elif upright.mode not in ("L", "RGB"):
        upright = upright.convert("RGB")
    return _clearest_grey(upright)


def _clearest_grey(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Luminance; or, if ink is faint in it, whichever of it and the colours' extremes is clearer.

    Orange on white is plain in the darkest of its three channels, orange on black in the
    lightest, and faint in luminance.
    """
    luminance = np.array(picture.convert("L"), dtype=np.uint8)
    if picture.mode != "RGB" or measure_levels(luminance).contrast >= _FAINT:
        return luminance
    colours = np.asarray(picture)
    return max((luminance, colours.min(axis=2), colours.max(axis=2)), key=_ink_depth)


def _ink_depth(grey: npt.NDArray[np.uint8]) -> float:
    levels = measure_levels(grey)
    return levels.paper - levels.ink
