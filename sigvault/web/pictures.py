"""Signatures drawn for the browser: the scan cropped to its ink, and the ink in a colour."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

from sigvault.domain.image import QualityFinding
from sigvault.reporting.pictures import crop_pixels
from sigvault.vault import SignaturePicture

_MOST = 64
"""Pictures kept, a few hundred KB each."""

_SECONDS = 120.0
"""How long one is kept: a page with its pictures, and the next case of the same signer."""


class Tone(StrEnum):
    """The colours of ink: as it is, and those of two signatures laid over each other."""

    INK = "ink"
    PROBE = "probe"
    REFERENCE = "reference"


_COLOURS = {Tone.INK: (16, 18, 22), Tone.PROBE: (0, 92, 175), Tone.REFERENCE: (203, 75, 0)}
"""Blue and orange, which people who confuse red and green tell apart."""


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """A signature ready for the browser.

    Attributes:
        scan: the part of the scan with the ink, as PNG.
        width: pixels of the original that it shows across.
        height: pixels of the original that it shows downwards.
        coverage: uint8 (H, W): the ink on the model's canvas, 255 = ink.
        findings: what quality inspection notices about it.
    """

    scan: bytes
    width: int
    height: int
    coverage: npt.NDArray[np.uint8]
    findings: tuple[QualityFinding, ...]

    def ink(self, tone: Tone) -> bytes:
        """The ink in a colour on nothing, as PNG."""
        pixels = np.empty((*self.coverage.shape, 4), np.uint8)
        pixels[..., :3] = _COLOURS[tone]
        pixels[..., 3] = self.coverage
        return _png(pixels)


def draw(picture: SignaturePicture) -> DrawnPicture:
    """Crop the scan and colour the ink."""
    crop = crop_pixels(picture.image, picture.prepared)
    coverage = np.rint(255.0 * np.clip(picture.prepared.ink.ink, 0.0, 1.0)).astype(np.uint8)
    return DrawnPicture(
        _png(crop.pixels), crop.width, crop.height, coverage, picture.prepared.findings
    )


class Pictures:
    """Keeps what was drawn lately; safe for threads.

    Whoever asks makes sure first that the picture may be shown: one that was erased is not asked
    for any more, and gone from here after two minutes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is drawn yet."""
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, DrawnPicture]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, make: Callable[[], SignaturePicture]) -> DrawnPicture:
        """A drawn picture.

        Args:
            name: what it is kept under.
            make: reads it, if it isn't kept.
        """
        with self._lock:
            self._forget_old()
            found = self._kept.get(name)
        if found is not None:
            return found[1]
        drawn = draw(make())
        with self._lock:
            self._kept[name] = (self._clock(), drawn)
            self._kept.move_to_end(name)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return drawn

    def forget(self) -> None:
        """Let go of all of them, such as after an erasure."""
        with self._lock:
            self._kept.clear()

    def _forget_old(self) -> None:
        oldest = self._clock() - _SECONDS
        for name in [name for name, (at, _) in self._kept.items() if at < oldest]:
            del self._kept[name]


def data_uri(png: bytes) -> str:
    """A PNG as part of the page."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG, made quickly rather than small: it is sent once and never stored."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
