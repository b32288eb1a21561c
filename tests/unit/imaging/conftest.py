"""Drawn signatures: no real one is needed to test imaging."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sigvault.domain.image import SignatureImage


def drawn(width=600, height=350, *, paper=240, ink=60, pen=4, margin=0.12, at=(0, 0)):
    """Loops of a pen on plain paper, uint8 (height, width)."""
    picture = Image.new("L", (width, height), paper)
    turn = np.linspace(0, 10 * np.pi, 600)
    inner = (width * (1 - 2 * margin), height * (1 - 2 * margin))
    x = at[0] + margin * width + inner[0] * (0.9 * turn / turn[-1] + 0.05 * (1 + np.sin(turn)))
    y = at[1] + margin * height + inner[1] * (0.5 + 0.45 * np.cos(turn) * np.cos(turn / 7))
    ImageDraw.Draw(picture).line(list(zip(x, y, strict=True)), fill=ink, width=pen)
    return np.array(picture)


def as_image(pixels, digest="0" * 64):
    """Pixels as if they had been decoded."""
    pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
    return SignatureImage(pixels, digest, pixels.shape[1], pixels.shape[0])


@pytest.fixture(name="drawn")
def drawn_signature():
    return drawn


@pytest.fixture(name="as_image")
def image_of():
    return as_image


@pytest.fixture
def signature():
    return drawn()
