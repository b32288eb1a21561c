"""How well ruled lines are told from strokes, and how cleanly they are taken off.

Run: ``python benchmarks/ruled_paper.py DATASET [DATASET ...] [--most N]``

For each data set, of pictures on plain paper:

- in how many a line is found as they are, and once they are cropped to their ink, where a stroke
  from end to end looks most like a line;
- with lines drawn on (the disturbance *ruled*): the ink too much and the ink missing, beside the
  plain picture's, as shares of that, before and after lines are taken off.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sigvault.datasets import read_layout
from sigvault.domain.errors import ImageError
from sigvault.imaging.canvas import ink_box
from sigvault.imaging.decode import decode_file
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.ink import find_ink
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.rulings import find_rulings

Pixels = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.bool_]

DRAWN_ON = 200
"""Of so many pictures of each set, or so, something is drawn on the paper."""


def main() -> int:
    """Look at each data set and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=3000, help="pictures of a set at most")
    chosen = parser.parse_args()
    write("| Data | pictures | with a line | cropped to the ink | ruled: too much | missing |")
    write("|---|---|---|---|---|---|")
    for path in chosen.datasets:
        pictures = list(read_pictures(path, chosen.most))
        inks = [find(pixels) for pixels in pictures]
        as_scanned = sum(bool(find_rulings(ink)) for ink in inks)
        cropped = sum(bool(find_rulings(crop(ink))) for ink in inks)
        if not any(ink.any() for ink in inks):
            sys.exit(f"{path} has no picture of a size that ink is looked for in as it is")
        step = max(1, len(pictures) // DRAWN_ON)
        shares = np.array(
            [
                before_and_after(pixels, ink, number)
                for number, (pixels, ink) in enumerate(
                    zip(pictures[::step], inks[::step], strict=True)
                )
                if ink.any()
            ]
        )
        cells = [
            f"{100 * before:.1f} → {100 * after:.1f} %"
            for before, after in np.median(shares, axis=0).T
        ]
        row = [path.name, len(pictures), as_scanned, cropped, *cells]
        write(f"| {' | '.join(map(str, row))} |")
    return 0


def write(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def read_pictures(path: Path, most: int) -> Iterator[Pixels]:
    """Every so many-th picture that is no larger than ink is looked for at."""
    specimens = read_layout(path).specimens
    for specimen in specimens[:: max(1, -(-len(specimens) // most))]:
        try:
            pixels = decode_file(specimen.path).pixels
        except ImageError:
            continue
        if (
            DEFAULT_PREPROCESSING.smallest_side
            <= max(pixels.shape)
            <= (DEFAULT_PREPROCESSING.working_side)
        ):
            yield pixels


def find(pixels: Pixels, *, ruled: bool = False, faint_k: float = 0.0) -> Ink:
    """The ink, with ruled lines or without, and faint strokes followed by this weight."""
    recipe = DEFAULT_PREPROCESSING
    return find_ink(
        pixels,
        smoothing=recipe.smoothing,
        window=recipe.window,
        k=recipe.k,
        low_contrast=recipe.low_contrast,
        max_gain=recipe.max_gain,
        ruled=ruled,
        faint_k=faint_k,
    ).ink


def crop(ink: Ink) -> Ink:
    """Ink without the paper round it."""
    box = ink_box(ink)
    return ink if box is None else ink[box.top : box.bottom, box.left : box.right]


def before_and_after(pixels: Pixels, wanted: Ink, seed: int) -> list[tuple[float, float]]:
    """What is amiss before and after lines that are drawn on are taken off."""
    ruled = disturb(pixels, Disturbance.RULED, seed=seed)
    return [amiss(find(ruled), wanted), amiss(find(ruled, ruled=True), wanted)]


def amiss(ink: Ink, wanted: Ink) -> tuple[float, float]:
    """(ink too much, ink missing), as shares of what is wanted."""
    total = np.count_nonzero(wanted)
    return np.count_nonzero(ink & ~wanted) / total, np.count_nonzero(wanted & ~ink) / total


if __name__ == "__main__":
    sys.exit(main())
