"""How much of the pen's path a faint pen loses, and how much of it is found again.

Run: ``python benchmarks/faint_pen.py DATASET [DATASET ...] [--most N]``

For each data set: how many pictures are of low contrast as they are, so that the recipe that
follows faint strokes changes their ink at all; and with the ink made faint (the disturbance
*faint*), which shares of the plain picture's path lie farther than three pixels from ink, and of
the faint picture's path farther than three pixels from the plain ink: by the recipe that doesn't
follow faint strokes, and by the one that does. Means, in per cent.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ruled_paper import Ink, Pixels, find, read_pictures, write
from scipy.ndimage import distance_transform_edt

from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.one_pen import trace
from sigvault.imaging.preprocessing import FAINT_K

NEAR = 3.0
"""Pixels that a path may lie from ink: followed strokes come out thicker, and lost ones thinner."""


def main() -> int:
    """Look at each data set and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=200, help="pictures of a set at most")
    chosen = parser.parse_args()
    write("| Data | pictures | of low contrast | faint: path lost | path added |")
    write("|---|---|---|---|---|")
    for path in chosen.datasets:
        found = [(pixels, find(pixels)) for pixels in read_pictures(path, chosen.most)]
        pictures = [(pixels, plain) for pixels, plain in found if plain.any()]
        if not pictures:
            sys.exit(f"{path} has no picture of a size that ink is looked for in as it is")
        low = sum(
            not np.array_equal(plain, find(pixels, faint_k=FAINT_K)) for pixels, plain in pictures
        )
        shares = np.array([amiss(*each, number) for number, each in enumerate(pictures)])
        cells = [
            f"{100 * before:.1f} → {100 * after:.1f} %" for before, after in shares.mean(axis=0)
        ]
        row = [path.name, len(pictures), low, *cells]
        write(f"| {' | '.join(map(str, row))} |")
    return 0


def amiss(pixels: Pixels, plain: Ink, seed: int) -> list[list[float]]:
    """Path lost and path added, each without and with faint strokes followed."""
    faint = disturb(pixels, Disturbance.FAINT, seed=seed)
    inks = find(faint), find(faint, faint_k=FAINT_K)
    return [
        [far(trace(plain), ink) for ink in inks],
        [far(trace(ink), plain) if ink.any() else 0.0 for ink in inks],
    ]


def far(path: npt.NDArray[np.intp], ink: Ink) -> float:
    """The share of a path that lies far from ink."""
    if not ink.any():
        return 1.0
    distance = distance_transform_edt(~ink)
    return float((distance[tuple(path.T)] > NEAR).mean())


if __name__ == "__main__":
    sys.exit(main())
