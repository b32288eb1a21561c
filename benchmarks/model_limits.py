"""What keeps a model from being better: strangers, or signers of whom each varies differently.

Run: ``python benchmarks/model_limits.py TRAJECTORIES --model DIR --stem WEIGHTS``

TRAJECTORIES is what ``scripts/render_trajectories`` drew, DIR a model of ``configs/`` that was
trained on them, WEIGHTS ImageNet's weights of ResNet-18. Skilled equal error rates, by the vector
alone and by local features alone (third stage, half whitened), of

- strangers: the validation signers, whom no weight was trained on;
- signers trained on: as many, of the same sources;
- strangers whose own scores are known: the mean of a signer's mated scores is subtracted, which no
  system can know before, to see what a perfect threshold for each signer would bring;
- strangers, by ImageNet's weights alone, with batch norms estimated anew on signatures.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from local_stages import (
    HALF_WHITENED,
    LOCAL_ALONE,
    RECIPE,
    VECTOR_ALONE,
    batches,
    build,
    draw_ink,
    eer_cell,
    embed,
    read_material,
    signers_of,
    write,
)

from sigvault.datasets import Specimen
from sigvault.domain.embedding import Embedding
from sigvault.domain.identifiers import SignerId
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.checkpoint import load_model
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.evaluation.error_rates import SignerScores
from sigvault.evaluation.protocols import (
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
    scores_by_signer,
)
from sigvault.imaging.preprocessing import preprocessing_by_name
from sigvault.training.local_projection import HALF_WHITENING, fit_local_projection
from sigvault.training.warm_start import settle_batch_norm, start_from

REFERENCES = (1, 5)


def main() -> int:
    """Embed each group of signers, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--stem", type=Path, required=True)
    chosen = parser.parse_args()
    material = read_material(chosen.trajectories)
    split = material.split
    network = load_model(chosen.model)[0]
    recipe = preprocessing_by_name(
        RECIPE, height=network.architecture.height, width=network.architecture.width
    )
    fitted_to = [ink for _, ink in draw_ink(material.fitted_to, recipe)]
    known = alike(split.validation, split.training)
    strangers, acquaintances = (
        draw_ink(material.of(group), recipe) for group in (split.validation, known)
    )
    own = build(HALF_WHITENED, chosen.model, fitted_to)
    stem = build_stem(chosen.stem, network.architecture, fitted_to)
    write(f"{len(split.validation)} and {len(known)} signers; skilled EER %, 95 % over signers.\n")
    write("| Signers | vector R=1 | vector R=5 | local R=1 | local R=5 |")
    write("|---|---|---|---|---|")
    found = list(embed(own, strangers))
    write(f"| strangers | {' | '.join(rates(found))} |")
    write(f"| trained on | {' | '.join(rates(list(embed(own, acquaintances))))} |")
    write(f"| strangers, their own scores known | {' | '.join(rates(found, centred=True))} |")
    local = rates(list(embed(stem, strangers)))[len(REFERENCES) :]
    write(f"| strangers, by ImageNet's weights | – | – | {' | '.join(local)} |")
    return 0


def alike(watched: Sequence[SignerId], trained: Sequence[SignerId]) -> list[SignerId]:
    """For each watched signer one of the same source that was trained on; none twice."""
    chosen: list[SignerId] = []
    for signer in watched:
        source = signer.rsplit("-", 1)[0]
        chosen.append(
            next(each for each in trained if each.startswith(source) and each not in chosen)
        )
    return chosen


def build_stem(
    weights: Path, architecture: Architecture, fitted_to: Sequence[np.ndarray]
) -> EmbeddingNetwork:
    """ImageNet's weights, with batch norms of signatures and local features fitted to them."""
    network = EmbeddingNetwork(replace(architecture, local_stage=3))
    start_from(network, weights)
    settle_batch_norm(network, [], batches(fitted_to))
    fit_local_projection(network, batches(fitted_to), power=HALF_WHITENING)
    return network


def rates(found: Sequence[tuple[Specimen, Embedding]], *, centred: bool = False) -> list[str]:
    """Skilled equal error rates by the vector, then by local features."""
    pairs = compare_pairs(signers_of(found))
    cells = []
    for rule in (VECTOR_ALONE, LOCAL_ALONE):
        for references in REFERENCES:
            scores = draw_comparisons(pairs, references)
            by_signer = scores_by_signer(scores, apply_fusion(scores, rule), Kind.SKILLED)
            cells.append(eer_cell(centre(by_signer) if centred else by_signer))
    return cells


def centre(scores: SignerScores) -> SignerScores:
    """Each signer's scores less the mean of the signer's mated ones."""
    means = [own.mean() for own in scores.mated]
    return SignerScores(
        tuple(own - mean for own, mean in zip(scores.mated, means, strict=True)),
        tuple(own - mean for own, mean in zip(scores.non_mated, means, strict=True)),
        scores.draws,
    )


if __name__ == "__main__":
    sys.exit(main())
