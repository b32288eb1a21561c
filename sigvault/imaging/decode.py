"""Untrusted bytes to an upright grey picture, within stated limits.

Accepted are PNG, JPEG, BMP, TIFF and WebP pictures of one page. Size is checked against the
limits from the header, before any pixel is decoded. What Pillow raises on damaged or hostile
bytes, which may be anything, leaves here as one of sigvault's own errors.
"""

from __future__ import annotations

import hashlib
import io
import math
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from sigvault.domain.errors import (
    ConfigurationError,
    ImageError,
    ImageTooLarge,
    UnreadableFile,
    UnsupportedImage,
)
from sigvault.domain.image import SignatureImage
from sigvault.imaging.grey import to_grey, upright

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
_ACCEPTED = "PNG, JPEG, BMP, TIFF or WebP"
_MEBIBYTE = 2**20
_ORIENTATION = 0x0112
_OPENING = threading.Lock()

# Only to say what a refused file is; Pillow alone decides what is accepted.
_KNOWN_OTHERS = (
    (b"%PDF", 0, "a PDF document: export the page with the signature as PNG at 300 dpi"),
    (b"GIF8", 0, f"a GIF picture: save it as {_ACCEPTED}"),
    (b"ftyphei", 4, f"a HEIC photo: save it as {_ACCEPTED}"),
    (b"ftypavif", 4, f"an AVIF picture: save it as {_ACCEPTED}"),
    (b"ftypmif1", 4, f"a HEIF photo: save it as {_ACCEPTED}"),
    (b"PK\x03\x04", 0, "a ZIP archive or an office document: give the picture itself"),
    (b"<svg", 0, f"an SVG drawing: save it as {_ACCEPTED}"),
    (b"<!DOCTYPE html", 0, "a web page: give the picture itself"),
    (b"<html", 0, "a web page: give the picture itself"),
)


@dataclass(frozen=True)
class DecodeLimits:
    """What a picture may cost before it is refused.

    Attributes:
        max_bytes: largest file in bytes.
        max_pixels: largest width times height in pixels, as the header states them.
        fine_side: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as its longer side
            keeps at least this many pixels; 3508 is an A4 page at 300 dpi.
    """

    max_bytes: int = 32 * _MEBIBYTE
    max_pixels: int = 40_000_000
    fine_side: int = 3508

    def __post_init__(self) -> None:
        if min(self.max_bytes, self.max_pixels, self.fine_side) < 1:
            raise ConfigurationError(f"Every limit on pictures must be at least 1, not {self}.")


DEFAULT_LIMITS = DecodeLimits()


def read_at_most(path: Path, most: int) -> bytes:
    """Read the beginning of a picture's file.

    Args:
        path: the file.
        most: how many bytes to read at most.

    Raises:
        UnreadableFile: if it is missing, a folder, a pipe, or not permitted.
    """
    try:
        if path.is_dir():
            raise UnreadableFile(f"{path} is a folder: give the picture's file.")
        # Reading these may never begin; a device that never ends is cut off at the limit.
        if path.is_fifo() or path.is_socket():
            raise UnreadableFile(f"{path} is no regular file: give the picture's file.")
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError as error:
        raise UnreadableFile(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(
            f"{path} can't be read ({reason}): check the path and its permissions."
        ) from error


def read_bytes(path: str | Path, limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """Read a picture's file, and no more of it than the limit allows.

    Raises:
        UnreadableFile: if it is missing, a folder, a pipe, or not permitted.
        ImageTooLarge: if it has more bytes than allowed.
    """
    data = read_at_most(Path(path), limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"{path}: {_too_many_bytes(limits)}")
    return data


def decode_file(path: str | Path, limits: DecodeLimits = DEFAULT_LIMITS) -> SignatureImage:
    """Read and decode a picture's file.

    Raises:
        UnreadableFile: if the file can't be read.
        UnsupportedImage: if it holds no picture of an accepted format, or a damaged one.
        ImageTooLarge: if it has more bytes or pixels than allowed.
    """
    data = read_bytes(path, limits)
    try:
        return decode_bytes(data, limits)
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from error


def decode_bytes(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> SignatureImage:
    """Decode a picture.

    The result is turned upright as EXIF says, laid on white where it is transparent, and grey:
    luminance, or a clearer channel if ink is faint in luminance (see :mod:`.grey`).

    Args:
        data: the file's bytes.
        limits: what the picture may cost.

    Returns:
        The picture, with the SHA-256 of ``data``.

    Raises:
        UnsupportedImage: if the bytes are empty, of another format, damaged, or of several
            pages or frames.
        ImageTooLarge: if there are more bytes or pixels than allowed.
    """
    if not data:
        raise UnsupportedImage("The picture is empty (0 bytes): scan or copy it again.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(_too_many_bytes(limits))
    try:
        with _open(data) as picture:
            pixels, size = _decode(picture, limits)
    except ImageError:
        raise
    except Exception as error:  # hostile bytes make decoders raise anything
        raise _translated(error, data) from error
    return SignatureImage(
        pixels=pixels,
        digest=hashlib.sha256(data).hexdigest(),
        source_width=size[0],
        source_height=size[1],
    )


def _open(data: bytes) -> Image.Image:
    """Read the header; Pillow's warning of a huge picture is left out: the limit is checked next.

    The filters of warnings belong to the whole process, so that threads take turns.
    """
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=FORMATS)


def _decode(
    picture: Image.Image, limits: DecodeLimits
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """Grey pixels, and the upright width and height of the source."""
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels, more than the {limits.max_pixels:,}"
            " allowed: crop it to the signature or scan it at 300 dpi."
        )
    _refuse_several_pages(picture)
    _reduce_while_decoding(picture, limits)
    picture.load()
    turned = upright(picture, _orientation(picture))
    swapped = turned.size != picture.size and turned.size == picture.size[::-1]
    return to_grey(turned), (height, width) if swapped else (width, height)


def _refuse_several_pages(picture: Image.Image) -> None:
    """Refuse animations and documents; a page followed by smaller copies of it is one page.

    A photo's second frame (JPEG with a preview or a depth map) is left alone. Only the second
    page is looked at: a hostile file may claim millions.
    """
    if picture.format in ("PNG", "WEBP"):
        if getattr(picture, "is_animated", False):
            raise UnsupportedImage("The picture is animated: save one frame as PNG.")
    elif picture.format == "TIFF":
        size = picture.size
        try:
            picture.seek(1)
        except EOFError:
            return
        thumbnail = math.prod(picture.size) < math.prod(size)
        picture.seek(0)
        if not thumbnail:
            raise UnsupportedImage(
                "The TIFF file has several pages: save the page with the signature alone."
            )


def _reduce_while_decoding(picture: Image.Image, limits: DecodeLimits) -> None:
    """Let the JPEG decoder reduce a huge photo, which costs a fraction of decoding it whole."""
    if picture.format in ("JPEG", "MPO"):
        factor = 1
        while factor < 8 and max(picture.size) >= 2 * factor * limits.fine_side:
            factor *= 2
        if factor > 1:
            picture.draft(None, (picture.width // factor, picture.height // factor))


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if there is none or the EXIF data can't be read."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken label does not spoil the picture
        return 1


def _translated(error: Exception, data: bytes) -> ImageError:
    """Whatever Pillow raised, in sigvault's words."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageTooLarge(
            "The picture states an enormous size: crop it to the signature or scan it at 300 dpi."
        )
    if isinstance(error, MemoryError):
        return ImageTooLarge("There is not enough memory to decode the picture: reduce it.")
    if isinstance(error, UnidentifiedImageError):
        return UnsupportedImage(f"The picture is {_what_it_is(data)}.")
    reason = str(error) or type(error).__name__
    return UnsupportedImage(
        f"The picture is damaged or cut short and can't be decoded ({reason}):"
        " scan or copy it again."
    )


def _what_it_is(data: bytes) -> str:
    head = data[:64].lstrip()
    for signature, offset, words in _KNOWN_OTHERS:
        if head[offset:].lower().startswith(signature.lower()):
            return words
    return f"none that can be read, whatever its name says: give a {_ACCEPTED} file"


def _too_many_bytes(limits: DecodeLimits) -> str:
    return (
        f"The picture has more than the {limits.max_bytes / _MEBIBYTE:.3g} MiB allowed:"
        " crop it to the signature or save it with compression."
    )
