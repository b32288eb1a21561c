"""What the gate of a re-index says in small vaults of real signers, of models known to be worse.

Run: ``python benchmarks/gate_power.py DATA [DATA ...] --cache DIR [--model DIR]``

Each DATA is a folder of genuine signatures of signers that the bundled model was not trained on.
Seven of each signer are embedded by it, or by DIR. Other models are made from it by adding
noise to its vectors and local features: as much to both sides, by other draws, makes two models
that err alike often and not on the same signatures; more on one side makes one that is worse. Each
gets a threshold of its own from all signers. What a pair of models truly differs by is the mean
over vaults of all signers. Then vaults of a few signers, with five references each, are drawn and
put before the gate. Vectors and every pair's scores are kept in DIR.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from sigvault.datasets import read_layout
from sigvault.domain.comparison import Threshold
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation import generation_scores, protocols
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.generation_changes import Verdict
from sigvault.evaluation.generation_comparison import GenerationComparison, compare_generations
from sigvault.evaluation.generation_scores import Side
from sigvault.evaluation.pair_scores import PairScores, score_pairs
from sigvault.evaluation.protocols import EvaluationSigner, compare_pairs, draw_comparisons
from sigvault.services.unseen_signers import embed_unseen_signers

REFERENCES = 5
"""Of each signer of a vault; one is left out, so the threshold for three decides."""

POOL = 7
"""Signatures of each signer that references are drawn from."""

THRESHOLD = 3
"""The number of references that the threshold for four was calibrated with, as on the card."""

BEFORE = {"fnmr": 0.02, "refused": 0.01, "fmr": 0.005, "eer": 0.01, "cllr": 0.05}
"""The margins by which point estimates alone decided before."""


class Kept:
    """Scores of pairs that were all computed beforehand, in the place of ``score_pairs``.

    The vaults of one model are made of the same few signatures, hundreds of times.
    """

    def __init__(self) -> None:
        """Hold no scores yet."""
        self._places: dict[int, tuple[PairScores, int]] = {}

    def add(self, every: Sequence[Embedding], pairs: PairScores) -> None:
        """Keep all pairs of one model's embeddings."""
        self._places |= {id(one): (pairs, place) for place, one in enumerate(every)}

    def __call__(self, references: Sequence[Embedding], probes: Sequence[Embedding]) -> PairScores:
        """See ``score_pairs``."""
        pairs = self._places[id(references[0])][0]
        block = np.ix_(*([self._places[id(one)][1] for one in own] for own in (references, probes)))
        return PairScores(pairs.cosine[block], pairs.local[block])


@dataclass(frozen=True, eq=False)
class Model:
    """A model made from the bundled one.

    Attributes:
        signers: as it embeds them.
        thresholds: its own.
    """

    signers: tuple[EvaluationSigner, ...]
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True)
class Case:
    """Two models.

    Attributes:
        name: in words.
        old: noise of the model that decides, and the seed that it is drawn with.
        new: the same of the other one.
        laxer: how much lower the other one accepts than it should.
    """

    name: str
    old: tuple[float, int]
    new: tuple[float, int]
    laxer: float = 0.0


CASES = (
    Case("the same, a trace of noise", (0.0, 1), (0.05, 2)),
    Case("as good, errs elsewhere", (1.0, 1), (1.0, 2)),
    Case("worse, noise 1.0", (0.0, 1), (1.0, 2)),
    Case("worse, noise 1.2", (0.0, 1), (1.2, 2)),
    Case("worse, noise 1.5", (0.0, 1), (1.5, 2)),
    Case("accepts from 0.02 lower", (0.0, 1), (0.05, 2), 0.02),
)


def main() -> int:
    """Embed what is missing, put each pair of models before the gate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=bundled_model(), help="another model")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--signers", type=int, nargs="+", default=[10, 20, 40])
    parser.add_argument("--bootstraps", type=int, default=400)
    chosen = parser.parse_args()
    signers = tuple(
        own for folder in chosen.data for own in kept_signers(folder, chosen.model, chosen.cache)
    )
    signers = tuple(
        replace(own, genuine=own.genuine[:POOL]) for own in signers if len(own.genuine) >= POOL
    )
    kept = Kept()
    for module in (generation_scores, protocols):  # to the end of the program
        patch.object(module, "score_pairs", kept).start()
    fusion = TorchEmbedder(chosen.model).card.fusion
    lines = [
        f"{len(signers)} signers, {chosen.draws} vaults a line.",
        "",
        "| Models | True change: not accepted, refused, others accepted, EER, Cllr | Signers | "
        "Before: passed | Worse | Unknown | Fit | Unknown because of |",
        "|---|---|---|---|---|---|---|---|",
    ]
    models: dict[tuple[float, int], Model] = {}
    for case in CASES:
        for key in (case.old, case.new):
            if key not in models:
                models[key] = make_model(signers, fusion, *key, kept, chosen.cache)
        old, new = models[case.old], laxer(models[case.new], case.laxer)
        truth = describe_truth(old, new)
        for count in chosen.signers:
            found = [
                put_before(old, new, count, draw, chosen.bootstraps) for draw in range(chosen.draws)
            ]
            row = [case.name, truth, str(count), *describe_found(found)]
            lines.append(f"| {' | '.join(row)} |")
            sys.stderr.write(lines[-1] + "\n")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def kept_signers(folder: Path, model: Path, cache: Path) -> tuple[EvaluationSigner, ...]:
    """The genuine signatures of a data set, read from the cache if they are there."""
    embedder = TorchEmbedder(model)
    path = cache / f"{folder.resolve().name}-{embedder.model}-genuine.npz"
    if not path.is_file():
        sys.stderr.write(f"embedding {folder}\n")
        dataset = read_layout(folder)
        genuine = tuple(specimen for specimen in dataset.specimens if specimen.genuine)
        found = embed_unseen_signers(replace(dataset, specimens=genuine), embedder).signers
        every = [one for own in found for one in own.genuine]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            signers=np.array([f"{folder.name}/{own.signer}" for own in found for _ in own.genuine]),
            vectors=np.stack([one.vector for one in every]),
            local=np.stack([one.local for one in every]),
        )
    with np.load(path, allow_pickle=False) as kept:
        names, vectors, local = kept["signers"], kept["vectors"], kept["local"]
    return tuple(
        EvaluationSigner(
            SignerId(str(name)),
            tuple(
                Embedding(vectors[place], local[place], embedder.model)
                for place in np.flatnonzero(names == name)
            ),
        )
        for name in dict.fromkeys(names.tolist())
    )


def make_model(
    signers: Sequence[EvaluationSigner],
    fusion: FusionRule,
    noise: float,
    seed: int,
    kept: Kept,
    cache: Path,
) -> Model:
    """The bundled model with noise, and a threshold of its own from all signers."""
    rng, name = np.random.default_rng(seed), ModelId(f"noise-{noise}-{seed}")
    disturbed = tuple(
        replace(own, genuine=tuple(_disturb(one, noise, name, rng) for one in own.genuine))
        for own in signers
    )
    every = [one for own in disturbed for one in own.genuine]
    kept.add(every, kept_pairs(every, cache / f"pairs-{len(every)}-{name}.npz"))
    threshold = calibrate(
        draw_comparisons(compare_pairs(disturbed), THRESHOLD),
        fusion,
        Provenance(data="all signers", model=name, preprocessing="the bundled model's"),
        bootstraps=1,
    )
    return Model(disturbed, (threshold,))


def kept_pairs(every: Sequence[Embedding], path: Path) -> PairScores:
    """All pairs of signatures, read from the cache if they are there."""
    if not path.is_file():
        sys.stderr.write(f"scoring {path.stem}\n")
        cosine, local = np.zeros((2, len(every), len(every)))
        for row, one in enumerate(every):  # scores are symmetric
            found = score_pairs([one], every[row:])
            cosine[row, row:] = cosine[row:, row] = found.cosine[0]
            local[row, row:] = local[row:, row] = found.local[0]
        np.savez_compressed(path, cosine=cosine, local=local)
    with np.load(path, allow_pickle=False) as found:
        return PairScores(found["cosine"], found["local"])


def _disturb(one: Embedding, noise: float, name: ModelId, rng: np.random.Generator) -> Embedding:
    """Noise of so much of the vector's length, and of each local feature's."""

    def added(unit: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        away = rng.standard_normal(unit.shape) / np.sqrt(unit.shape[-1])
        disturbed: npt.NDArray[np.float32] = (unit + noise * away).astype(np.float32)
        return disturbed

    vector = added(one.vector)
    local = added(one.local.astype(np.float32) / 127.0)
    inked: npt.NDArray[np.bool_] = np.any(one.local, axis=-1)
    return Embedding(vector / np.linalg.norm(vector), pack_local(local, inked), name)


def laxer(model: Model, lower: float) -> Model:
    """The same model accepting from a lower score."""
    moved = tuple(
        replace(each, accept=each.accept - lower, refuse=min(each.refuse, each.accept - lower))
        for each in model.thresholds
    )
    return replace(model, thresholds=moved)


def put_before(
    old: Model, new: Model, count: int, draw: int, bootstraps: int
) -> GenerationComparison:
    """What the gate says of a vault of so many signers, drawn at random."""
    rng = np.random.default_rng((draw, count))
    chosen = rng.choice(len(old.signers), count, replace=False)
    places = {
        int(signer): rng.permutation(len(old.signers[signer].genuine))[:REFERENCES]
        for signer in chosen
    }
    sides = [
        Side(
            GenerationId(number),
            model.thresholds[0].origin.model,
            {
                model.signers[signer].signer: Gallery(
                    model.signers[signer].signer,
                    GenerationId(number),
                    tuple(
                        Reference(ReferenceId(str(one)), model.signers[signer].genuine[one])
                        for one in own
                    ),
                )
                for signer, own in places.items()
            },
            model.thresholds,
        )
        for number, model in enumerate((old, new), start=1)
    ]
    return compare_generations(*sides, seed=draw, bootstraps=bootstraps)


def describe_truth(old: Model, new: Model, draws: int = 5) -> str:
    """The mean changes over vaults of all signers."""
    found = [put_before(old, new, len(old.signers), draw, 1) for draw in range(draws)]
    means: Mapping[str, float] = {
        change.measure: float(np.mean([one.changes[place].difference.value for one in found]))
        for place, change in enumerate(found[0].changes)
    }
    rates = ", ".join(f"{100 * means[name]:+.2f} %" for name in ("fnmr", "refused", "fmr", "eer"))
    return f"{rates}, {means['cllr']:+.3f} bits"


def describe_found(found: Sequence[GenerationComparison]) -> list[str]:
    """Shares of the verdicts, and of those that point estimates alone would have let pass."""
    passed = [
        all(change.difference.value <= BEFORE[change.measure] for change in one.changes)
        for one in found
    ]
    verdicts = Counter(one.verdict for one in found)
    because = Counter(
        change.measure
        for one in found
        if one.verdict is Verdict.UNKNOWN
        for change in one.changes
        if change.verdict is Verdict.UNKNOWN
    )
    shares = [
        float(np.mean(passed)),
        *(verdicts[each] / len(found) for each in (Verdict.WORSE, Verdict.UNKNOWN, Verdict.FIT)),
    ]
    named = ", ".join(f"{name} {number}" for name, number in because.most_common())
    return [*(f"{100 * share:.0f} %" for share in shares), named or "–"]


if __name__ == "__main__":
    sys.exit(main())
