"""What could be made of the references at enrollment, and whether it tells forgeries better.

Run: ``python benchmarks/enrollment_gains.py TRAJECTORIES REPORT [REPORT ...] --prototypes DIR
[--model DIR] [--references 1 3 5 10] [--draws 10] [--duplicates 4]``

TRAJECTORIES is what ``scripts/render_trajectories`` drew, REPORT any data set, of which signers
that the model was trained on are left out. By the validation signers of ``configs/default.toml``,
whom no weight was trained on, it is chosen how much the vector's score counts beside the local
score, for each row and number of references by itself; those of REPORT are measured with that. DIR
holds signers of whom a machine learns what others look like, one genuine signature each.

Duplicates: each reference bent a little, in the manner of Diaz, Ferrer, Eskander, Sabourin:
Generation of Duplicated Off-Line Signature Images for Verification Systems, IEEE TPAMI 39 (2017).
Machines: linear and radial, a signer's references against the prototypes, as in Hafemann, Sabourin,
Oliveira, Pattern Recognition 70 (2017), section 4. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gallery_spread import write
from model_study import difference_cell
from sklearn.svm import SVC

from sigvault.datasets import Dataset, Layout, Specimen, read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.image import InkImage
from sigvault.domain.local_blocks import match_local_block
from sigvault.domain.protocol import Seen
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.error_rates import (
    SignerScores,
    equal_error,
    equal_error_rate,
    paired_difference,
)
from sigvault.evaluation.protocols import (
    RANDOM_FORGERIES,
    EvaluationSigner,
    Kind,
    draw_references,
    draw_some,
)
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.services.acquisition import Acquired
from sigvault.services.unseen_signers import embed_unseen_signers
from sigvault.training.augmentation.augmenter import Augmenter
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.config import read_config
from sigvault.training.splits import split_signers

BENT = Augmentation(
    rotation=4.0,
    translation=0.01,
    scale=0.05,
    shear=5.0,
    elastic=4.0,
    elastic_spacing=40,
    stroke_width=0.0,
    erase=0.0,
)
"""How a duplicate may differ from its reference."""

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "default.toml"

WATCHED = "validation signers"

WEIGHTS = (0.0, 0.1, 0.2, 0.33, 0.5, 0.67, 1.0)
"""Shares of the vector's score that are tried."""

SPREAD = FusionRule(top=3, cosine_spread=0.5, local_spread=0.5, spread_prior=0.25)
"""How a gallery's spread is subtracted; what is subtracted elsewhere is chosen by `release`."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signer:
    """A signer, and the duplicates of each genuine signature.

    Attributes:
        own: embeddings of references with their views, as enrollment makes them.
        duplicates: K a genuine signature, in the order of ``own.genuine``.
    """

    own: EvaluationSigner
    duplicates: tuple[tuple[Embedding, ...], ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One draw of R references of a signer, and the probes that they meet.

    Attributes:
        vectors: float64 (R, D): the references'.
        duplicates: float64 (R, K, D): their duplicates'.
        probes: float64 (N, D): the probes'.
        local: float64 (R, N): local scores of the probes against each reference.
        local_bent: float64 (R, K, N): the same against each duplicate.
        among: float64 (P,): local scores of the references with each other, P pairs.
        among_bent: float64 (P,): the same where the best of a reference and its duplicates counts.
        turned: float64 (R,): how alike each reference is to itself turned.
        kind: int8 (N,): a ``Kind`` each.
    """

    vectors: Floats
    duplicates: Floats
    probes: Floats
    local: Floats
    local_bent: Floats
    among: Floats
    among_bent: Floats
    turned: Floats
    kind: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """All that a signer's G genuine signatures meet, before references are drawn.

    Attributes:
        vectors: float64 (N, D): of the genuine signatures, then of the other probes.
        duplicates: float64 (G, K, D): of the genuine ones' duplicates.
        local: float64 (G, N): local scores.
        local_bent: float64 (G, K, N): the same against each duplicate.
        turned: float64 (G,): how alike each genuine one is to itself turned.
        kind: int8 (N,): a ``Kind`` each.
    """

    vectors: Floats
    duplicates: Floats
    local: Floats
    local_bent: Floats
    turned: Floats
    kind: npt.NDArray[np.int8]

    def draw(self, drawn: npt.NDArray[np.int64]) -> Case:
        """The case of some references; the others are probes.

        The earlier of two references is the reference, as in a gallery's spread.
        """
        met = np.setdiff1d(np.arange(len(self.kind)), drawn)
        earlier, later = (drawn[place] for place in np.triu_indices(len(drawn), 1))
        best = np.maximum(self.local, self.local_bent.max(axis=1))
        return Case(
            vectors=self.vectors[drawn],
            duplicates=self.duplicates[drawn],
            probes=self.vectors[met],
            local=self.local[np.ix_(drawn, met)],
            local_bent=self.local_bent[drawn][:, :, met],
            among=self.local[earlier, later],
            among_bent=best[earlier, later],
            turned=self.turned[drawn],
            kind=self.kind[met],
        )


Way = Callable[[Case], Floats]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        title: what the table calls it.
        vector: what makes a score of the vectors.
        local: what makes one of the local features.
    """

    title: str
    vector: Way
    local: Way


def main() -> int:
    """Embed, choose, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trajectories", type=Path)
    parser.add_argument("report", type=Path, nargs="+")
    parser.add_argument("--prototypes", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=bundled_model())
    parser.add_argument("--references", type=int, nargs="+", default=[1, 3, 5, 10])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--duplicates", type=int, default=4)
    chosen = parser.parse_args()
    embedder = TorchEmbedder(chosen.model)
    # The card names validation signers' pictures as well as those trained on.
    known = embed_signers(
        watched(chosen.trajectories), embedder, chosen.duplicates, seen=Seen.INCLUDE
    )
    sets = {WATCHED: known} | {
        folder.name: embed_signers(read_layout(folder), embedder, chosen.duplicates)
        for folder in chosen.report
    }
    rows = ways(embed_prototypes(chosen.prototypes, embedder))
    counted = ", ".join(f"{len(signers)} of {name}" for name, signers in sets.items())
    write(f"Signers: {counted}. EER, skilled and random, %; below it the skilled one less")
    write("that of the first row, 95 % over signers; bold: the interval is off zero.")
    for references in chosen.references:
        drawn = {
            name: cases
            for name, signers in sets.items()
            if len(cases := list(draw_cases(signers, references, chosen.draws))) > 1
        }
        if WATCHED not in drawn:
            write(f"\nR = {references}: too few signatures of {WATCHED}.")
            continue
        write(f"\n| R = {references} | vector counts | {' | '.join(drawn)} |")
        write(f"|{'---|' * (len(drawn) + 2)}")
        first: dict[str, SignerScores] = {}
        for row in rows:
            weight, figures = measure(row, drawn, chosen.draws, first)
            write(f"| {row.title} | {weight:g} | {' | '.join(figures)} |")
    return 0


def watched(trajectories: Path) -> Dataset:
    """The validation signers of the bundled model's training."""
    dataset = read_layout(trajectories, Layout.FOLDERS)
    kept = set(split_signers(dataset.signers, read_config(CONFIG).split).validation)
    return replace(dataset, specimens=tuple(one for one in dataset.specimens if one.signer in kept))


def embed_signers(
    dataset: Dataset, embedder: TorchEmbedder, count: int, seen: Seen = Seen.LEAVE_OUT
) -> list[Signer]:
    """A data set's signers and duplicates of what is genuine."""
    inks: dict[str, InkImage] = {}

    def keep(specimen: Specimen, acquired: Acquired) -> None:
        if specimen.genuine:
            inks[str(specimen.path)] = acquired.prepared.ink

    found = embed_unseen_signers(dataset, embedder, seen=seen, observe=keep).signers
    augmenter = Augmenter(BENT)
    return [
        Signer(
            own,
            tuple(
                tuple(bend(inks[file], embedder, augmenter, count, seed))
                for seed, file in enumerate(own.genuine_files)
            ),
        )
        for own in found
        if own.genuine and own.forged
    ]


def bend(
    ink: InkImage, embedder: TorchEmbedder, augmenter: Augmenter, count: int, seed: int
) -> list[Embedding]:
    """So many duplicates of a signature, embedded."""
    picture = np.rint(ink.ink * 255.0).astype(np.uint8)
    bent = augmenter(
        np.repeat(picture[None], count, axis=0), [1000 * seed + n for n in range(count)]
    )
    return embedder.embed(
        [InkImage(one, ink.digest, ink.preprocessing, ink.scale) for one in bent[:, 0].numpy()]
    )


def embed_prototypes(folder: Path, embedder: TorchEmbedder) -> Floats:
    """The vector of the first genuine signature of each signer of a folder, float64 (S, D)."""
    first: dict[str, Specimen] = {}
    for specimen in read_layout(folder, Layout.FOLDERS).specimens:
        if specimen.genuine:
            first.setdefault(specimen.signer, specimen)
    recipe = read_preprocessing(embedder.card.preprocessing)
    inks = [recipe.prepare(decode_file(one.path)).ink for one in first.values()]
    return np.stack(
        [
            each.vector.astype(np.float64)
            for start in range(0, len(inks), 32)
            for each in embedder.embed(inks[start : start + 32])
        ]
    )


def draw_cases(signers: Sequence[Signer], references: int, draws: int) -> Iterator[list[Case]]:
    """The draws of each signer with more than R genuine signatures, a list a signer."""
    usable = [signer for signer in signers if len(signer.own.genuine) > references]
    for signer in usable:
        others = [other.own.genuine for other in usable if other is not signer]
        rng = np.random.default_rng([0, *signer.own.signer.encode()])
        random = draw_some(list(chain.from_iterable(others)), RANDOM_FORGERIES, rng)
        own = signer.own
        probes = [*own.genuine, *own.forged, *random]
        kind = np.repeat(
            np.array([Kind.MATED, Kind.SKILLED, Kind.RANDOM], np.int8),
            [len(own.genuine), len(own.forged), len(random)],
        )
        levels = [probe.level for probe in probes]
        local = match_local_block([each.local for each in own.genuine], levels)
        bent = np.stack(
            [
                match_local_block([each.level for each in copies], levels)
                for copies in signer.duplicates
            ]
        )
        comparisons = Comparisons(
            vectors=_vectors(probes),
            duplicates=np.stack([_vectors(each) for each in signer.duplicates]),
            local=local,
            local_bent=bent,
            turned=np.array([own_likeness(each) for each in own.genuine]),
            kind=kind,
        )
        yield [
            comparisons.draw(np.sort(drawn))
            for drawn in draw_references(own.signer, len(own.genuine), references, draws, 0)
        ]


def own_likeness(reference: Embedding) -> float:
    """How alike a reference is to its own turned views; 0 for a model without views."""
    if reference.local.ndim == 3:
        return 0.0
    return float(match_local_block([reference.level], list(reference.local[1:])).mean())


def ways(prototypes: Floats) -> list[Row]:
    """The lines of the table; the first is what is served."""

    def machine(kernel: str, *, duplicated: bool) -> Way:
        def score(case: Case) -> Floats:
            own = case.vectors
            if duplicated:
                own = np.concatenate([own, case.duplicates.reshape(-1, own.shape[1])])
            learner = SVC(kernel=kernel, gamma=1.0, class_weight={1: len(prototypes) / len(own)})
            labels = np.repeat([1, -1], [len(own), len(prototypes)])
            learner.fit(np.concatenate([own, prototypes]), labels)
            decided: Floats = learner.decision_function(case.probes)
            return decided

        return score

    return [
        Row("references as they are", by_cosine, by_local),
        Row("duplicates in the vector's mean", by_mean_of_duplicates, by_local),
        Row("duplicates as views of local features", by_cosine, by_bent_views),
        Row("a linear machine", machine("linear", duplicated=False), by_local),
        Row("a radial machine", machine("rbf", duplicated=False), by_local),
        Row("a linear machine, duplicates too", machine("linear", duplicated=True), by_local),
        Row("a radial machine, duplicates too", machine("rbf", duplicated=True), by_local),
        Row("less half a reference's likeness to itself turned", by_cosine, by_less_turned(0.5)),
        Row("less all of it", by_cosine, by_less_turned(1.0)),
    ]


def by_cosine(case: Case) -> Floats:
    """The mean of the best cosines, less a part of the spread."""
    return _cosines(case.vectors, case.probes)


def by_mean_of_duplicates(case: Case) -> Floats:
    """The same with each reference's vector averaged with its duplicates'."""
    mean = (case.vectors + case.duplicates.sum(axis=1)) / (1 + case.duplicates.shape[1])
    return _cosines(mean / np.linalg.norm(mean, axis=1, keepdims=True), case.probes)


def by_local(case: Case) -> Floats:
    """The mean of the best local scores, less a part of the spread."""
    return _less_spread(case.local, case.among, SPREAD.local_spread)


def by_bent_views(case: Case) -> Floats:
    """The same where the best of a reference and its duplicates counts."""
    best = np.maximum(case.local, case.local_bent.max(axis=1))
    return _less_spread(best, case.among_bent, SPREAD.local_spread)


def by_less_turned(share: float) -> Way:
    """As served, less a share of each reference's likeness to itself turned."""
    return lambda case: _less_spread(
        case.local - share * case.turned[:, None], case.among, SPREAD.local_spread
    )


def _cosines(references: Floats, probes: Floats) -> Floats:
    among = (references @ references.T)[np.triu_indices(len(references), 1)]
    return _less_spread(references @ probes.T, among, SPREAD.cosine_spread)


def _less_spread(scores: Floats, among: Floats, share: float) -> Floats:
    fused: Floats = np.sort(scores, axis=0)[::-1][: SPREAD.top].mean(axis=0)
    return fused - SPREAD.trust(len(scores)) * share * among.mean() if len(among) else fused


def measure(
    row: Row,
    drawn: dict[str, list[list[Case]]],
    draws: int,
    first: dict[str, SignerScores],
) -> tuple[float, list[str]]:
    """Choose the vector's weight on the validation signers and give the figures of all sets.

    ``first`` is filled with the first row's scores.
    """
    scored = {
        name: [[(row.vector(case), row.local(case)) for case in signer] for signer in cases]
        for name, cases in drawn.items()
    }
    scale = unit(drawn[WATCHED], scored[WATCHED])

    def by_signer(name: str, weight: float, forgeries: Kind) -> SignerScores:
        mated: list[Floats] = []
        non_mated: list[Floats] = []
        for signer, scores in zip(drawn[name], scored[name], strict=True):
            fused = [weight * vector / scale + (1.0 - weight) * local for vector, local in scores]
            for kind, kept in ((Kind.MATED, mated), (forgeries, non_mated)):
                parts = [one[case.kind == kind] for case, one in zip(signer, fused, strict=True)]
                kept.append(np.concatenate(parts))
        return SignerScores(tuple(mated), tuple(non_mated), draws)

    def errors(weight: float) -> float:
        kinds = (by_signer(WATCHED, weight, kind) for kind in (Kind.SKILLED, Kind.RANDOM))
        return sum(equal_error(one.all_mated, one.all_non_mated).rate for one in kinds)

    weight = min(WEIGHTS, key=errors)
    figures = []
    for name in drawn:
        skilled = by_signer(name, weight, Kind.SKILLED)
        random = by_signer(name, weight, Kind.RANDOM)
        rates = (equal_error_rate(one, bootstraps=2).rate.value for one in (skilled, random))
        text = ", ".join(f"{100 * rate:.1f}" for rate in rates)
        if name in first:
            text += f"<br>{difference_cell(paired_difference(skilled, first[name]))}"
        else:
            first[name] = skilled
        figures.append(text)
    return weight, figures


def unit(
    cases: Sequence[Sequence[Case]], scored: Sequence[Sequence[tuple[Floats, Floats]]]
) -> float:
    """By how much more the vector's score varies among forgeries than the local score does."""
    pairs = [
        (scores[0][case.kind != Kind.MATED], scores[1][case.kind != Kind.MATED])
        for signer, found in zip(cases, scored, strict=True)
        for case, scores in zip(signer, found, strict=True)
    ]
    vector, local = (np.concatenate(kind) for kind in zip(*pairs, strict=True))
    return float(vector.std() / local.std())


def _vectors(embeddings: Sequence[Embedding]) -> Floats:
    return np.stack([each.vector for each in embeddings]).astype(np.float64)


if __name__ == "__main__":
    sys.exit(main())
