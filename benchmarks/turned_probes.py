"""What turning does to a comparison, and what looking at the probe from several angles gives back.

Run: ``python benchmarks/turned_probes.py TRAJECTORIES --model DIR``

TRAJECTORIES is what ``scripts/render_trajectories`` drew, DIR a model trained on them that takes
onepen pictures. Pictures of the validation signers, whom no weight was trained on, are turned, and
embedded at each angle. A probe turned by so many degrees, to either side, is compared with level
references; searching, its embeddings at several angles about that one are all compared, and the
best score counts. Fused scores, nine tenths local, mean of the best three references.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from local_stages import eer_cell, embed, read_material, signers_of, write
from PIL import Image

from sigvault.datasets import Specimen
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import ImageError
from sigvault.domain.local_blocks import match_local_block
from sigvault.embedding.checkpoint import load_model
from sigvault.evaluation.error_rates import SignerScores
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Recipe, read_preprocessing

ANGLES = (-16, -12, -8, -4, 0, 4, 8, 12, 16)
TURNED = (0, 4, 8)
SEARCHED = (0, 4, 8)
REFERENCES = (1, 5)
DRAWS = 10
TOP = 3
LOCAL_WEIGHT = 0.9

Floats = npt.NDArray[np.float64]


def main() -> int:
    """Embed every picture at every angle, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    chosen = parser.parse_args()
    material = read_material(chosen.trajectories)
    watched = material.of(material.split.validation)
    network, card = load_model(chosen.model)
    recipe = read_preprocessing(card.preprocessing)
    found = {}
    for angle in ANGLES:
        drawn = [(one, ink) for one in watched if (ink := turned(one, angle, recipe)) is not None]
        found[angle] = dict(embed(network.eval(), drawn))
    everywhere = [one for one in watched if all(one in at for at in found.values())]
    scores = compare_all(everywhere, found)
    write(f"{len(scores)} signers, {len(everywhere)} pictures; EER %, 95 % over signers.\n")
    write("| Turned | Searched | skilled R=1 | skilled R=5 | random R=1 | random R=5 |")
    write("|---|---|---|---|---|---|")
    for turn in TURNED:
        for reach in SEARCHED:
            rates = [
                eer_cell(by_signer(scores, references, turn, reach, skilled=skilled))
                for skilled in (True, False)
                for references in REFERENCES
            ]
            write(f"| {turn}° | ±{reach}° | {' | '.join(rates)} |")
    return 0


def turned(specimen: Specimen, angle: int, recipe: Recipe) -> np.ndarray | None:
    """The ink of a picture turned by so many degrees; none if it can't be used."""
    try:
        image = decode_file(specimen.path)
    except ImageError:
        return None
    pixels = np.asarray(
        Image.fromarray(image.pixels).rotate(
            angle,
            Image.Resampling.BICUBIC,
            expand=True,
            fillcolor=int(np.median(image.pixels)),
        )
    )
    height, width = pixels.shape
    grown = replace(image, pixels=pixels, source_width=width, source_height=height)
    return recipe.prepare(grown).ink.ink


def compare_all(
    specimens: Sequence[Specimen], found: dict[int, dict[Specimen, Embedding]]
) -> list[tuple[int, int, Floats]]:
    """For each signer (genuine, forged, scores).

    Scores are float64 (angles, genuine references at level, probes): genuine signatures, forgeries,
    and one genuine signature of every other signer.
    """
    level = signers_of([(one, found[0][one]) for one in specimens])
    at = {
        angle: {
            own.signer: own for own in signers_of([(one, embeddings[one]) for one in specimens])
        }
        for angle, embeddings in found.items()
    }
    rng = np.random.default_rng(0)
    result = []
    for own in level:
        others = [(each.signer, int(rng.integers(len(each.genuine)))) for each in level]
        scores = []
        for signers in at.values():
            mine = signers[own.signer]
            strangers = [
                signers[signer].genuine[place] for signer, place in others if signer != own.signer
            ]
            scores.append(fuse(own.genuine, (*mine.genuine, *mine.forged, *strangers)))
        result.append((len(own.genuine), len(own.forged), np.stack(scores)))
    return result


def fuse(references: Sequence[Embedding], probes: Sequence[Embedding]) -> Floats:
    """Fused scores (references, probes)."""
    local = match_local_block([each.local for each in references], [each.local for each in probes])
    cosine = np.stack([each.vector for each in references]) @ np.stack(
        [each.vector for each in probes]
    ).T.astype(np.float64)
    return LOCAL_WEIGHT * local + (1 - LOCAL_WEIGHT) * cosine


def by_signer(
    scores: Sequence[tuple[int, int, Floats]],
    references: int,
    turn: int,
    reach: int,
    *,
    skilled: bool,
) -> SignerScores:
    """Mated scores and those of forgeries, of probes turned to either side."""
    mated, non_mated = [], []
    for genuine, forged, all_scores in scores:
        best = np.concatenate(
            [
                all_scores[[a for a, angle in enumerate(ANGLES) if abs(angle - side) <= reach]].max(
                    axis=0
                )
                for side in sorted({turn, -turn})
            ],
            axis=1,
        )
        probes = np.tile(np.arange(all_scores.shape[2]), len({turn, -turn}))
        rng = np.random.default_rng(genuine + forged)
        own, others = [], []
        for _ in range(DRAWS):
            drawn = rng.permutation(genuine)[:references]
            means = np.sort(best[drawn], axis=0)[-TOP:].mean(axis=0)
            own.append(means[(probes < genuine) & ~np.isin(probes, drawn)])
            is_forgery = (probes >= genuine) & ((probes < genuine + forged) == skilled)
            others.append(means[is_forgery])
        mated.append(np.concatenate(own))
        non_mated.append(np.concatenate(others))
    return SignerScores(tuple(mated), tuple(non_mated), DRAWS)


if __name__ == "__main__":
    sys.exit(main())
