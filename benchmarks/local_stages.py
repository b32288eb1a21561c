"""Which residual stage local features are best taken from, and how they are best projected.

Run: ``python benchmarks/local_stages.py TRAJECTORIES --model DIR [--model DIR ...]
[--brief | --own] [--preprocessing NAME]``

TRAJECTORIES is what ``scripts/render_trajectories`` drew, DIR the model of ``configs/small.toml``
or one that starts from it; pictures are drawn by one recipe on each model's canvas. Scores the
validation signers of ``configs/strokes.toml``, whom no weight was trained on, by the vector alone
and by local features alone; projections are fitted to 1,024 pictures of the signers trained on. So
the choice is made without the signers that the bundled model is reported on.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sigvault.datasets import Dataset, Specimen, read_layout
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import ImageError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.embedding.card import WEIGHTS_FILE
from sigvault.embedding.checkpoint import load_model
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.evaluation.error_rates import SignerScores, equal_error_rate
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
    scores_by_signer,
)
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Recipe, preprocessing_by_name
from sigvault.training.config import read_config
from sigvault.training.local_projection import HALF_WHITENING, fit_local_projection
from sigvault.training.splits import SignerSplit, split_signers
from sigvault.training.warm_start import start_from

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "strokes.toml"
FITTED_TO = 1024
RECIPE = "onepen-2"
LOCAL_ALONE = FusionRule(top=3, local_weight=1.0, cosine_spread=0.0, local_spread=0.0)
VECTOR_ALONE = FusionRule(top=3, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
MODEL = ModelId("compared")


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        title: what the table calls it.
        stage: the residual stage; None for the model's own, with its trained projection.
        channels: of the projection.
        power: of each axis' eigenvalue.
    """

    title: str
    stage: int | None
    channels: int = 64
    power: float = 0.0


HALF_WHITENED = Variant("third stage, half whitened", 3, power=HALF_WHITENING)

VARIANTS = (
    Variant("own projection", None),
    Variant("third stage, principal axes", 3),
    HALF_WHITENED,
    Variant("second stage, principal axes", 2),
    Variant("second stage, half whitened", 2, power=HALF_WHITENING),
    Variant("second stage, half whitened, 32 channels", 2, channels=32, power=HALF_WHITENING),
    Variant("second stage, whitened", 2, power=-0.5),
)

BRIEF = VARIANTS[:4]


def main() -> int:
    """Embed, fit, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("--model", type=Path, required=True, action="append")
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--brief", action="store_true", help="the first four variants alone")
    few.add_argument("--own", action="store_true", help="each model's own projection alone")
    parser.add_argument("--preprocessing", default=RECIPE, help="the recipe of the pictures")
    chosen = parser.parse_args()
    material = read_material(chosen.trajectories)
    watched = material.of(material.split.validation)
    variants = VARIANTS[:1] if chosen.own else BRIEF if chosen.brief else VARIANTS
    count = len(material.split.validation)
    write(f"{count} signers, {len(watched)} pictures; EER %, 95 % over signers.\n")
    write("| Model | Canvas | Features | skilled R=1 | skilled R=5 | random R=1 | random R=5 |")
    write("|---|---|---|---|---|---|---|")
    for model in chosen.model:
        network, card = load_model(model)
        height, width = network.architecture.height, network.architecture.width
        recipe = preprocessing_by_name(chosen.preprocessing, height=height, width=width)
        fitted_to = [ink for _, ink in draw_ink(() if chosen.own else material.fitted_to, recipe)]
        drawn = draw_ink(watched, recipe)
        row = f"| {card.name} | {height} x {width} |"
        write(f"{row} vector | {' | '.join(score(list(embed(network, drawn)), VECTOR_ALONE))} |")
        for variant in variants:
            found = list(embed(build(variant, model, fitted_to), drawn))
            write(f"{row} {variant.title} | {' | '.join(score(found, LOCAL_ALONE))} |")
    return 0


def write(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Material:
    """What is compared, and what projections are fitted to.

    Attributes:
        dataset: the drawn trajectories.
        split: who was trained on, and who only watched.
        fitted_to: pictures of signers trained on.
    """

    dataset: Dataset
    split: SignerSplit
    fitted_to: tuple[Specimen, ...]

    def of(self, signers: Sequence[SignerId]) -> list[Specimen]:
        """All pictures of these signers."""
        chosen = set(signers)
        return [each for each in self.dataset.specimens if each.signer in chosen]


def read_material(trajectories: Path) -> Material:
    """Find the drawn trajectories, and split them as they were for training."""
    config = read_config(CONFIG)
    dataset = read_layout(trajectories)
    split = split_signers(dataset.signers, config.split)
    trained = [each for each in dataset.specimens if each.signer in set(split.training)]
    order = np.random.default_rng(config.seed).permutation(len(trained))[:FITTED_TO]
    return Material(dataset, split, tuple(trained[place] for place in order))


Drawn = tuple[Specimen, np.ndarray]


def draw_ink(specimens: Sequence[Specimen], recipe: Recipe) -> list[Drawn]:
    """Pictures as the network sees them; those that can't be used are left out."""
    found = []
    for specimen in specimens:
        try:
            prepared = recipe.prepare(decode_file(specimen.path))
        except ImageError:
            continue
        found.append((specimen, prepared.ink.ink))
    return found


def batches(inks: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
    """Ink (B, 1, H, W), at most 32 at a time."""
    for first in range(0, len(inks), 32):
        yield torch.from_numpy(np.stack(inks[first : first + 32])[:, None])


def build(variant: Variant, model: Path, fitted_to: Sequence[np.ndarray]) -> EmbeddingNetwork:
    """The model's weights with the variant's local features."""
    trained = load_model(model)[0].eval()
    if variant.stage is None:
        return trained
    network = EmbeddingNetwork(
        replace(trained.architecture, local_stage=variant.stage, local_channels=variant.channels)
    )
    start_from(network, model / WEIGHTS_FILE)
    fit_local_projection(network, batches(fitted_to), power=variant.power)
    return network


@torch.inference_mode()
def embed(
    network: EmbeddingNetwork, drawn: Sequence[Drawn]
) -> Iterator[tuple[Specimen, Embedding]]:
    """Each picture's embedding."""
    specimens = iter([specimen for specimen, _ in drawn])
    for batch in batches([ink for _, ink in drawn]):
        output = network(batch)
        for vector, local, inked in zip(
            output.vector.numpy(), output.local.numpy(), output.inked.numpy(), strict=True
        ):
            yield next(specimens), Embedding(vector, pack_local(local, inked), MODEL)


def signers_of(found: Sequence[tuple[Specimen, Embedding]]) -> list[EvaluationSigner]:
    """Embeddings by signer, genuine and forged."""
    return [
        EvaluationSigner(
            SignerId(signer),
            tuple(each for one, each in found if one.signer == signer and one.genuine),
            tuple(each for one, each in found if one.signer == signer and not one.genuine),
        )
        for signer in dict.fromkeys(one.signer for one, _ in found)
    ]


def score(found: Sequence[tuple[Specimen, Embedding]], rule: FusionRule) -> list[str]:
    """The error rates by a rule."""
    pairs = compare_pairs(signers_of(found))
    cells = []
    for kind in (Kind.SKILLED, Kind.RANDOM):
        for references in (1, 5):
            scores = draw_comparisons(pairs, references)
            cells.append(eer_cell(scores_by_signer(scores, apply_fusion(scores, rule), kind)))
    return cells


def eer_cell(scores: SignerScores) -> str:
    """The equal error rate and its interval in per cent, for a table."""
    rate = equal_error_rate(scores).rate
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
