"""How well rows of print are told from handwriting, and how cleanly they are taken off.

Run: ``python benchmarks/printed_forms.py DATASET [DATASET ...] [--most N]``

For each data set, of pictures without print:

- in how many a row of print is found as they are;
- with two rows of print drawn on (the disturbance *printed*): in how many none is found, and the
  ink too much and the ink missing, beside the plain picture's, as shares of that, before and after
  print is taken off.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from ruled_paper import DRAWN_ON, amiss, find, read_pictures, write

from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.printed_text import clear_print


def main() -> int:
    """Look at each data set and print its row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=3000, help="pictures of a set at most")
    chosen = parser.parse_args()
    write(
        "| Data | pictures | with a row | printed on: | none found | too much | missing "
        "| too much in the worst tenth |"
    )
    write("|---|---|---|---|---|---|---|---|")
    for path in chosen.datasets:
        pictures = [
            (pixels, find(pixels, ruled=True)) for pixels in read_pictures(path, chosen.most)
        ]
        pictures = [(pixels, ink) for pixels, ink in pictures if ink.any()]
        if not pictures:
            sys.exit(f"{path} has no picture of a size that ink is looked for in as it is")
        found = sum(clear_print(ink).rows > 0 for _, ink in pictures)
        some = pictures[:: max(1, len(pictures) // DRAWN_ON)]
        blind, shares = 0, []
        for number, (pixels, ink) in enumerate(some):
            printed = find(disturb(pixels, Disturbance.PRINTED, seed=number), ruled=True)
            cleared = clear_print(printed)
            blind += not cleared.rows
            shares.append([amiss(printed, ink), amiss(cleared.ink, ink)])
        middle, worst = np.median(shares, axis=0), np.quantile(shares, 0.9, axis=0)
        cells = [
            f"{100 * before:.1f} → {100 * after:.1f} %"
            for before, after in (middle[:, 0], middle[:, 1], worst[:, 0])
        ]
        row = [path.name, len(pictures), found, len(some), blind, *cells]
        write(f"| {' | '.join(map(str, row))} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
