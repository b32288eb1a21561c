"""How long decoding and harmonising takes, beside scikit-image's threshold alone.

Run: ``python benchmarks/imaging.py [--turns 30]``

Prints a Markdown table; "bundled" is the recipe of the bundled model, on its canvas. What is
counted is processor time on one thread, which other programs on the machine disturb least.
Contenders take turns; the ratio of the medians is what to quote. The baseline is
``skimage.filters.threshold_sauvola`` with the same window and k and the comparison with it, on the
decoded picture: no decoding, specks, crop, canvas or quality findings.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from skimage.filters import threshold_sauvola

from sigvault.embedding.card import bundled_model, read_card
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING, Recipe, read_preprocessing


def main() -> int:
    """Time each picture and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=30)
    turns = parser.parse_args().turns
    bundled = read_preprocessing(read_card(bundled_model()).preprocessing)
    scan, page = signature_scan(600, 350), printed_page(2480, 3508)
    pictures = {
        "600 x 350 scan, PNG": encoded(scan, "PNG"),
        "600 x 350 scan, JPEG": encoded(scan, "JPEG"),
        "A4 page at 300 dpi, signature alone, PNG": encoded(signature_page(2480, 3508), "PNG"),
        "A4 page at 300 dpi, printed text, PNG": encoded(page, "PNG"),
        "A4 page at 300 dpi, printed text, colour JPEG": encoded(page.convert("RGB"), "JPEG"),
    }
    lines = [
        "| Picture | decode, ms | sauvola-1, ms | bundled, ms | decode and bundled, ms"
        " | threshold_sauvola, ms | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, data in pictures.items():
        few = turns if "600" in name else min(turns, max(3, turns // 6))
        lines.append(f"| {name} | {' | '.join(measured(data, bundled, few))} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def measured(data: bytes, bundled: Recipe, turns: int) -> list[str]:
    """Medians in milliseconds, and the ratio of ours whole to the baseline."""
    image = decode_bytes(data)
    contenders: tuple[Callable[[], object], ...] = (
        lambda: decode_bytes(data),
        lambda: DEFAULT_PREPROCESSING.prepare(image),
        lambda: bundled.prepare(image),
        lambda: bundled.prepare(decode_bytes(data)),
        lambda: baseline(image.pixels),
    )
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(turns):
        for contender, own in zip(contenders, times, strict=True):
            started = time.process_time()
            contender()
            own.append(1000 * (time.process_time() - started))
    medians = [median(own) for own in times]
    return [f"{value:.1f}" for value in medians] + [f"{medians[3] / medians[4]:.2f}"]


def baseline(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The same threshold by scikit-image."""
    threshold = threshold_sauvola(  # type: ignore[no-untyped-call]
        pixels, window_size=DEFAULT_PREPROCESSING.window, k=DEFAULT_PREPROCESSING.k
    )
    return np.asarray(pixels <= threshold, dtype=np.bool_)


def signature_scan(width: int, height: int) -> Image.Image:
    """Loops of a pen on slightly noisy paper."""
    picture = Image.new("L", (width, height), 240)
    draw_signature(picture, (0.1 * width, 0.2 * height), 0.8 * width, 0.6 * height)
    return with_noise(picture)


def signature_page(width: int, height: int) -> Image.Image:
    """A page with nothing but a signature near its foot."""
    picture = Image.new("L", (width, height), 240)
    draw_signature(picture, (0.55 * width, 0.8 * height), 700, 250)
    return with_noise(picture)


def printed_page(width: int, height: int) -> Image.Image:
    """A page of text with a signature below."""
    picture = Image.new("L", (width, height), 240)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(44)
    for top in range(200, int(0.7 * height), 80):
        draw.text((200, top), "The undersigned agrees to what is written above. " * 2, 20, font)
    draw_signature(picture, (0.55 * width, 0.8 * height), 700, 250)
    return with_noise(picture)


def draw_signature(
    picture: Image.Image, corner: tuple[float, float], width: float, height: float
) -> None:
    """Loops along a line, four pixels wide."""
    turn = np.linspace(0, 14 * np.pi, 800)
    x = corner[0] + width * (turn / turn[-1] * 0.9 + 0.05 * (1 + np.sin(turn)))
    y = corner[1] + height * (0.5 + 0.45 * np.cos(turn) * np.cos(turn / 9))
    ImageDraw.Draw(picture).line(list(zip(x, y, strict=True)), fill=60, width=4)


def with_noise(picture: Image.Image) -> Image.Image:
    """The grain of a scanner, always the same."""
    grain = np.random.default_rng(0).normal(0, 3, (picture.height, picture.width))
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
