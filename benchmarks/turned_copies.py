"""How near to a reference its own picture stays when it is turned, and which probes to turn back.

Run: ``python benchmarks/turned_copies.py TRAJECTORIES [--model DIR]``

TRAJECTORIES is what ``scripts/render_trajectories`` drew. Scores the validation signers of
``configs/strokes.toml``, whom no weight was trained on, so that `CLOSER_LOOK` is chosen without the
signers that attacks are reported on. Two of five references of each are turned as pictures and
harmonised anew; up to four other genuine signatures show what a closer look costs. Whether a
threshold would accept them is left out: all are taken for accepted. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from attacks import REFERENCES, Examined, Examiner, read, with_pixels

from sigvault.datasets import Dataset, read_layout
from sigvault.domain.comparison import compare
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import SignatureImage
from sigvault.embedding.card import bundled_model
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.services.closer_look import CloserLook
from sigvault.training.config import read_config
from sigvault.training.splits import split_signers

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "strokes.toml"
MARGINS = (0.06, 0.07, 0.08, 0.09)
ANGLES = (3.0, 4.5, 6.0, 7.5, 10.0, 15.0, 18.0)
TURNED_A_SIGNER = 2
OTHERS_A_SIGNER = 4


def main() -> int:
    """Embed, turn, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model())
    chosen = parser.parse_args()
    examiner = Examiner(chosen.model)
    dataset = read_layout(chosen.trajectories)
    watched = split_signers(dataset.signers, read_config(CONFIG).split).validation
    scores: dict[str, list[tuple[float, float]]] = {}
    for number, signer in enumerate(watched):
        for title, pair in score_signer(examiner, dataset, signer, number):
            scores.setdefault(title, []).append(pair)
    limit = examiner.threshold.copy_limit
    if limit is None:
        sys.exit("the model's thresholds know no copies: run `sigvault release` again")
    show({title: np.array(pairs) for title, pairs in scores.items()}, limit)
    return 0


def score_signer(
    examiner: Examiner, dataset: Dataset, signer: SignerId, seed: int
) -> list[tuple[str, tuple[float, float]]]:
    """Titles, each with the highest local score before and after a closer look."""
    files = [one.path for one in dataset.specimens if one.signer == signer and one.genuine]
    pictures = list(read(files[:REFERENCES]))
    enrolled = [one for one in examiner.embed(pictures, as_references=True) if one is not None]
    if len(enrolled) < REFERENCES:
        return []
    references = (
        Reference(ReferenceId(str(place)), one.embedding) for place, one in enumerate(enrolled)
    )
    gallery = Gallery(signer, GenerationId(1), tuple(references))
    probes = [
        (f"turned by {degrees:g} degrees", turned(pictures[place % REFERENCES], degrees, place))
        for degrees in ANGLES
        for place in range(seed, seed + TURNED_A_SIGNER)
    ]
    others = read(files[REFERENCES : REFERENCES + OTHERS_A_SIGNER])
    probes += [("other genuine signatures", picture) for picture in others]
    examined = examiner.embed([picture for _, picture in probes])
    return [
        (title, look(examiner, one, gallery))
        for (title, _), one in zip(probes, examined, strict=True)
        if one is not None
    ]


def turned(picture: SignatureImage, degrees: float, seed: int) -> SignatureImage:
    """A picture turned to either side."""
    strength = degrees / 20.0
    pixels = disturb(picture.pixels, Disturbance.TURNED_20, strength=strength, seed=seed)
    return with_pixels(picture, pixels)


def look(examiner: Examiner, probe: Examined, gallery: Gallery) -> tuple[float, float]:
    """The highest local score of the probe as it is, and after a closer look, asked for or not."""
    score = compare(probe.embedding, gallery, examiner.threshold.fusion)
    plain = max(one.local for one in score.per_reference)
    # Accepted, and just below the limit, whatever they are.
    asking = replace(examiner.threshold, accept=-2.0, refuse=-2.0, copy_limit=plain + 1e-9)
    seen = CloserLook(examiner.embedder, probe.ink)(score, gallery, asking)
    return plain, max(one.likest for one in seen.per_reference)


def show(scores: dict[str, np.ndarray], limit: float) -> None:
    """One row a title."""
    sys.stdout.write(f"Copies from a local score of {limit:.3f}.\n\n")
    margins = " | ".join(f"looked at, alarm from {margin:.2f} below" for margin in MARGINS)
    sys.stdout.write(f"| Probes | of them | alarm without | {margins} | alarm, all looked at |\n")
    sys.stdout.write(f"|{'---|' * (4 + len(MARGINS))}\n")
    for title, pairs in scores.items():
        plain, closer = pairs.T
        cells = [f"{100 * np.mean(plain >= limit):.0f} %"]
        for margin in MARGINS:
            looked = plain >= limit - margin
            alarm = looked & (closer >= limit)
            cells.append(f"{100 * np.mean(looked):.0f} %, {100 * np.mean(alarm):.0f} %")
        cells.append(f"{100 * np.mean(closer >= limit):.0f} %")
        sys.stdout.write(f"| {title} | {len(pairs)} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    sys.exit(main())
