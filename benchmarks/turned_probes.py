"""What straightening is worth: probes that lie turned, and what it costs those that don't.

Run: ``python benchmarks/turned_probes.py TRAJECTORIES [--model DIR] [--references R]``
or ``python benchmarks/turned_probes.py DATA --every-signer [--angles 0,20]``

TRAJECTORIES is what ``scripts/render_trajectories`` drew. Scores the validation signers of
``configs/strokes.toml``, whom no weight was trained on, so that the rule of
`sigvault.domain.turned_probe` is chosen without the signers that error rates are reported on. Every
probe is turned as a picture, to either side, and harmonised anew. Each is scored as it is and
straightened where a turn is told, by several least turns and residuals; whichever score is higher
counts. Prints Markdown: equal error rates, what is accepted where 2 % of the level skilled
forgeries are, and how many are turned back. With ``--every-signer`` all signers of a data set are
taken, which the model must not have seen: to report on, not to choose by.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from attacks import Examined, Examiner, read
from turned_copies import CONFIG, turned

from sigvault.datasets import Dataset, Specimen, read_layout
from sigvault.domain import turned_probe
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import SignatureImage
from sigvault.embedding.card import bundled_model
from sigvault.evaluation.error_rates import equal_error
from sigvault.services.comparing import Claimed
from sigvault.services.straightening import straighten
from sigvault.training.config import read_config
from sigvault.training.splits import split_signers

ANGLES = (0.0, 10.0, 15.0, 20.0, 25.0)
TAKEN = turned_probe.LEAST_TURN, turned_probe.RESIDUAL
RULES = (TAKEN, (10.0, 1.5), (12.0, 1.5), (16.0, 1.5), (14.0, 1.0), (14.0, 2.5))
"""Least turn in degrees and residual in cells."""

MOST = 30
"""Files of each kind a signer."""

STRANGERS = 6
"""Random forgeries a signer."""

SKILLED_RATE = 0.02
GENUINE, FORGED, RANDOM = "genuine", "skilled", "random"


@dataclass(frozen=True)
class Scored:
    """One probe.

    Attributes:
        kind: what it is.
        plain: its score as it is.
        straight: straightened, by each of `RULES`; the plain one where no turn is told.
        told: whether one is.
    """

    kind: str
    plain: float
    straight: tuple[float, ...]
    told: tuple[bool, ...]


def main() -> int:
    """Embed, turn, straighten, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=bundled_model())
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--every-signer", action="store_true")
    parser.add_argument("--angles", help="0 first; all if left out, such as 0,20")
    chosen = parser.parse_args()
    angles = tuple(map(float, chosen.angles.split(","))) if chosen.angles else ANGLES
    if angles[0]:
        parser.error("the level probes come first: begin with 0")
    examiner = Examiner(chosen.model)
    dataset = read_layout(chosen.data)
    watched: Sequence[SignerId] = tuple(dataset.signers)
    if not chosen.every_signer:
        watched = split_signers(dataset.signers, read_config(CONFIG).split).validation
    if len(watched) < 2:
        sys.exit(f"{chosen.data} has too few signers to validate with")
    found: dict[float, list[Scored]] = {degrees: [] for degrees in angles}
    for place, signer in enumerate(watched):
        gallery, probes = plan(examiner, dataset, watched, place, chosen.references)
        if gallery is None:
            continue
        for number, (kind, picture) in enumerate(probes):
            for degrees in angles:
                shown = turned(picture, degrees, number) if degrees else picture
                (one,) = examiner.embed([shown])
                if one is not None:
                    found[degrees].append(score(examiner, kind, one, gallery))
        sys.stderr.write(f"\r{place + 1} of {len(watched)} signers, {signer}   ")
    sys.stderr.write("\n")
    show(found)
    return 0


def plan(
    examiner: Examiner, dataset: Dataset, watched: Sequence[SignerId], place: int, references: int
) -> tuple[Gallery | None, Iterator[tuple[str, SignatureImage]]]:
    """One signer's gallery, None with too few that can serve, and all that it meets."""
    signer = watched[place]
    files = of(dataset, signer, genuine=True)
    enrolled = examiner.embed(list(read(files[:references])), as_references=True)
    usable = [one.embedding for one in enrolled if one is not None]
    if len(usable) < references:
        return None, iter(())
    gallery = Gallery(
        signer,
        GenerationId(1),
        tuple(Reference(ReferenceId(str(n)), one) for n, one in enumerate(usable)),
    )
    most = min(STRANGERS, len(watched) - 1)
    strangers = [watched[(place + ahead) % len(watched)] for ahead in range(1, most + 1)]
    others = [of(dataset, one, genuine=True)[place % references] for one in strangers]
    kinds = (
        (GENUINE, files[references:]),
        (FORGED, of(dataset, signer, genuine=False)),
        (RANDOM, others),
    )
    return gallery, ((kind, picture) for kind, paths in kinds for picture in read(paths))


def of(dataset: Dataset, signer: SignerId, *, genuine: bool) -> list[Path]:
    """A signer's files of one kind."""

    def fits(one: Specimen) -> bool:
        return one.signer == signer and one.genuine is genuine

    return [one.path for one in islice(filter(fits, dataset.specimens), MOST)]


def score(examiner: Examiner, kind: str, probe: Examined, gallery: Gallery) -> Scored:
    """A probe as it is and straightened, whatever a threshold would have decided."""
    claimed = Claimed(gallery, examiner.threshold)
    compared = claimed.compare(probe.ink, probe.embedding)
    references = [one.embedding for one in gallery.references]
    turns = examiner.embedder.card.local_turns
    straight: dict[float, float] = {}
    scores, told = [], []
    for least, residual in RULES:
        turned_probe.LEAST_TURN, turned_probe.RESIDUAL = least, residual
        degrees = turned_probe.tell_turn(probe.embedding, references, turns)
        if degrees is not None and degrees not in straight:
            straight[degrees] = straighten(
                examiner.embedder, compared, gallery, degrees
            ).score.value
        scores.append(compared.score.value if degrees is None else straight[degrees])
        told.append(degrees is not None)
    return Scored(kind, compared.score.value, tuple(scores), tuple(told))


def show(found: dict[float, list[Scored]]) -> None:
    """One row an angle and rule, the plain scores first."""
    level = [one.plain for one in found[0.0] if one.kind == FORGED]
    accept = float(np.quantile(level, 1.0 - SKILLED_RATE))
    sys.stdout.write(
        "| Turned by | least turn, residual | skilled EER | random EER | genuine accepted | "
        "skilled accepted | genuine, skilled, random turned back |\n"
    )
    sys.stdout.write(f"|{'---|' * 7}\n")
    for degrees, probes in found.items():
        plain = [replace(one, straight=(one.plain,), told=(False,)) for one in probes]
        sys.stdout.write(line(degrees, "not straightened", plain, 0, accept))
        for place, (least, residual) in enumerate(RULES):
            title = f"{least:g} degrees, {residual:g} cells"
            sys.stdout.write(line(degrees, title, probes, place, accept))


def line(degrees: float, title: str, probes: list[Scored], place: int, accept: float) -> str:
    """One row."""
    scores = {
        kind: np.array([one.straight[place] for one in probes if one.kind == kind])
        for kind in (GENUINE, FORGED, RANDOM)
    }
    told = {
        kind: np.mean([one.told[place] for one in probes if one.kind == kind]) for kind in scores
    }
    cells = [
        f"{degrees:g} degrees" if degrees else "nothing",
        title,
        f"{100 * equal_error(scores[GENUINE], scores[FORGED]).rate:.1f} %",
        f"{100 * equal_error(scores[GENUINE], scores[RANDOM]).rate:.1f} %",
        f"{100 * np.mean(scores[GENUINE] >= accept):.0f} %",
        f"{100 * np.mean(scores[FORGED] >= accept):.1f} %",
        ", ".join(f"{100 * share:.0f} %" for share in told.values()),
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
