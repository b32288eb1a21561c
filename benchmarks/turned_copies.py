"""How near to a reference its own picture stays when it is turned, and what is turned back.

Run: ``python benchmarks/turned_copies.py TRAJECTORIES [--model DIR]``

TRAJECTORIES is what ``scripts/render_trajectories`` drew. Scores the validation signers of
``configs/strokes.toml``, whom no weight was trained on, so that the rule of
`sigvault.services.closer_look` is chosen without the signers that attacks are reported on. Two of
five references of each are turned as pictures and harmonised anew; up to ten other genuine
signatures show what a closer look costs. Whether a threshold would accept them is left out: all are
taken for accepted. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from attacks import REFERENCES, Examined, Examiner, read, with_pixels

from sigvault.datasets import Dataset, read_layout
from sigvault.domain.comparison import CLOSER_LOOK
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import SignatureImage
from sigvault.embedding.card import bundled_model
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.services import closer_look
from sigvault.services.closer_look import look_closer, suspect_copy
from sigvault.services.comparing import Claimed
from sigvault.training.config import read_config
from sigvault.training.splits import split_signers

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "strokes.toml"
ANGLES = (1.5, 2.0, 3.0, 4.5, 6.0, 7.5, 9.0, 10.5, 12.0, 13.5, 15.0, 16.5, 18.0, 19.0)
TURNED_A_SIGNER = 2
OTHERS_A_SIGNER = 10
RESIDUALS = (0.4, 0.45, 0.5, 0.55, 0.6)
"""Cells; the one that is taken is among them."""

ALWAYS = 4.0
"""Taken off a limit: nothing lies so far below."""


@dataclass(frozen=True)
class Looked:
    """What became of a probe.

    Attributes:
        plain: its highest local score as it is.
        closer: the highest turned back as told, by each of `RESIDUALS`; None where no turn is.
    """

    plain: float
    closer: tuple[float | None, ...]


def main() -> int:
    """Embed, turn, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model())
    chosen = parser.parse_args()
    examiner = Examiner(chosen.model)
    limit = examiner.threshold.copy_limit
    if limit is None:
        sys.exit("the model's thresholds know no copies: run `sigvault release` again")
    dataset = read_layout(chosen.trajectories)
    watched = split_signers(dataset.signers, read_config(CONFIG).split).validation
    if not watched:
        sys.exit(f"{chosen.trajectories} has too few signers for any to validate with")
    looked: dict[str, list[Looked]] = {}
    for number, signer in enumerate(watched):
        for title, one in look_at_signer(examiner, dataset, signer, number):
            looked.setdefault(title, []).append(one)
    show(looked, limit)
    return 0


def look_at_signer(
    examiner: Examiner, dataset: Dataset, signer: SignerId, seed: int
) -> Iterator[tuple[str, Looked]]:
    """Titles, each with what became of a probe."""
    files = [one.path for one in dataset.specimens if one.signer == signer and one.genuine]
    pictures = list(read(files[:REFERENCES]))
    enrolled = [one for one in examiner.embed(pictures, as_references=True) if one is not None]
    if len(enrolled) < REFERENCES:
        return
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
    for title, picture in probes:
        (one,) = examiner.embed([picture])
        if one is not None:
            yield title, look(examiner, one, gallery)


def turned(picture: SignatureImage, degrees: float, seed: int) -> SignatureImage:
    """A picture turned to either side."""
    strength = degrees / 20.0
    pixels = disturb(picture.pixels, Disturbance.TURNED_20, strength=strength, seed=seed)
    return with_pixels(picture, pixels)


def look(examiner: Examiner, probe: Examined, gallery: Gallery) -> Looked:
    """What a closer look finds, whatever the threshold would have decided."""
    accepting = replace(examiner.threshold, accept=-ALWAYS, refuse=-ALWAYS)
    claimed = Claimed(gallery, accepting)
    compared = claimed.compare(probe.ink, probe.embedding)
    closer: list[float | None] = []
    scores: dict[float, float] = {}
    for residual in RESIDUALS:
        closer_look.RESIDUAL = residual
        degrees = suspect_copy(compared, claimed)
        if degrees is not None and degrees not in scores:
            seen = look_closer(examiner.embedder, compared, claimed, degrees)
            scores[degrees] = max(one.likest for one in seen.per_reference)
        closer.append(None if degrees is None else scores[degrees])
    return Looked(max(one.local for one in compared.score.per_reference), tuple(closer))


def show(looked: dict[str, list[Looked]], limit: float) -> None:
    """One row a title."""
    sys.stdout.write(f"Copies from a local score of {limit:.3f}.\n\n")
    columns = " | ".join(f"looked at, alarm within {residual:g} cells" for residual in RESIDUALS)
    near = f"within {CLOSER_LOOK:g} of the limit"
    sys.stdout.write(f"| Probes | of them | alarm without | {near} | {columns} |\n")
    sys.stdout.write(f"|{'---|' * (4 + len(RESIDUALS))}\n")
    for title, probes in looked.items():
        plain = np.array([one.plain for one in probes])
        alarm = plain >= limit
        asked = ~alarm & (plain >= limit - CLOSER_LOOK)
        cells = [share(alarm), share(asked)]
        for place in range(len(RESIDUALS)):
            closer = [one.closer[place] for one in probes]
            taken = np.array([each is not None for each in closer])
            found = np.array([each is not None and each >= limit for each in closer])
            cells.append(f"{share(taken)}, {share(alarm | found)}")
        sys.stdout.write(f"| {title} | {len(probes)} | {' | '.join(cells)} |\n")


def share(those: np.ndarray) -> str:
    """How many of them, in per cent."""
    return f"{100 * np.mean(those):.0f} %"


if __name__ == "__main__":
    sys.exit(main())
