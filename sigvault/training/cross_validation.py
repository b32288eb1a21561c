"""Every signer is held out once: the error rates of a recipe.

What is chosen, and on whom: weights on the training signers; the fusion rule on validation
signers, of any fold, whom the fold does not hold out; the operating points on one half of the
held-out signers to decide on the other half, and the other way round. Nothing is chosen on the
signers that a figure is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sigvault.datasets import read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import CheckpointMismatch, ConfigurationError, TrainingDiverged
from sigvault.domain.identifiers import SignerId
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.fusion_choice import FUSION_REFERENCES, FusionChoice, choose_fusion
from sigvault.evaluation.protocols import (
    ComparisonScores,
    EvaluationSigner,
    Kind,
    compare_pairs,
    concatenate,
    draw_comparisons,
)
from sigvault.imaging.preprocessing import Recipe, read_preprocessing
from sigvault.services.unseen_signers import embed_specimens
from sigvault.training.config import TrainingConfig
from sigvault.training.datasets import InkSet, load_ink
from sigvault.training.equipment import Equipment
from sigvault.training.fold_report import Comparisons, Part, pool_data_sets
from sigvault.training.loop import (
    CACHE_FOLDER,
    MODEL_FOLDER,
    TrainingStatus,
    claim_folder,
    train,
)
from sigvault.training.splits import SignerSplit, split_source

EMBED_BATCH = 32


@dataclass(frozen=True)
class CrossValidationPlan:
    """What to measure.

    Attributes:
        references: the numbers of references to report.
        draws: how often references are drawn.
        seed: of the draws.
    """

    references: tuple[int, ...] = (1, 5)
    draws: int = 10
    seed: int = 0

    @property
    def drawn(self) -> tuple[int, ...]:
        """Every number of references that something is computed for."""
        return tuple(sorted({*self.references, *FUSION_REFERENCES}))


@dataclass(frozen=True, eq=False)
class FoldScores:
    """What one fold's model says of the signers that it was not trained on.

    Attributes:
        card: the model's card.
        held_out: by data set, comparisons of the held-out signers.
        validation: by data set, comparisons of the validation signers.
    """

    card: ModelCard
    held_out: dict[str, Comparisons]
    validation: dict[str, Comparisons]


def train_folds(
    config: TrainingConfig,
    data_root: Path,
    out: Path,
    *,
    preprocessing: Recipe | None = None,
    progress: Callable[[int, TrainingStatus], None] | None = None,
    preparing: Callable[[int, int], None] | None = None,
    equipment: Equipment | None = None,
) -> tuple[Path, ...]:
    """Train one model a fold, or carry on; folds that are finished are left as they are.

    A fold that diverges doesn't keep the others from being trained.

    Args:
        config: the recipe; its fold is ignored.
        data_root: what the configuration's paths are relative to.
        out: a folder with one run a fold, ``fold0`` and so on.
        preprocessing: the recipe from pixels to ink; None for the one that is configured.
        progress: told the fold and where its run is, after every batch.
        preparing: told how many of how many images are harmonised.
        equipment: device, worker processes, and how often the state is kept; the usual if None.

    Returns:
        The models' folders.

    Raises:
        ConfigurationError: If there are fewer than two folds.
        CheckpointMismatch: If a fold in the folder is of another recipe.
        TrainingDiverged: If folds diverged, once all others are trained; names them.
        SigvaultError: Otherwise as `sigvault.training.loop.train`.
    """
    if config.split.folds < 2:
        raise ConfigurationError(
            f"split.folds is {config.split.folds}: cross-validation takes 2 or more"
        )
    diverged: dict[int, TrainingDiverged] = {}
    runs = [out / f"fold{fold}" for fold in range(config.split.folds)]
    for fold, run in enumerate(runs):
        own = replace(config, split=replace(config.split, fold=fold))
        if (run / MODEL_FOLDER / "card.json").is_file():
            claim_folder(run, own)
            continue
        try:
            train(
                own,
                data_root,
                run,
                preprocessing=preprocessing,
                progress=None if progress is None else _with_fold(progress, fold),
                preparing=preparing,
                equipment=equipment,
            )
        except TrainingDiverged as error:
            diverged[fold] = error
    if diverged:
        raise TrainingDiverged(_name_diverged(diverged, out, len(runs)))
    return tuple(run / MODEL_FOLDER for run in runs)


def _name_diverged(diverged: Mapping[int, TrainingDiverged], out: Path, folds: int) -> str:
    cases = "; ".join(
        f"fold {fold + 1} of {folds} (fold{fold}): {error}" for fold, error in diverged.items()
    )
    return (
        f"{len(diverged)} of {folds} folds diverged, the other {folds - len(diverged)} are trained "
        f"and kept in {out}. The same command tries what is missing again, from the last good "
        "state; should that not do, change the recipe and give another folder, since folds of two "
        f"recipes make no figure. {cases}"
    )


def score_folds(
    config: TrainingConfig,
    data_root: Path,
    folders: Sequence[Path],
    plan: CrossValidationPlan,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FoldScores, ...]:
    """Embed and compare each fold's unseen signers with the fold's model.

    Args:
        config: the recipe.
        data_root: what its paths are relative to.
        folders: the folds' models, in order.
        plan: what to measure.
        progress: told how many of how many folds are done.
    """
    scored = []
    for fold, folder in enumerate(folders):
        scored.append(_score_fold(config, data_root, folder, fold, plan))
        if progress is not None:
            progress(fold + 1, len(folders))
    return tuple(scored)


def choose_rules(folds: Sequence[FoldScores]) -> tuple[FusionChoice, ...]:
    """Choose each fold's fusion rule on validation signers that the fold doesn't hold out.

    No signature of a signer whom it holds out has a part in it, not even as a random forgery.
    """
    choices = []
    for fold in folds:
        barred = {signer for by_number in fold.held_out.values() for signer in by_number[1].signers}
        pools = {
            number: [
                _named_after(allowed, place)
                for place, other in enumerate(folds)
                for comparisons in other.validation.values()
                if number in comparisons
                and (allowed := comparisons[number].without(barred)).count(Kind.RANDOM)
            ]
            for number in FUSION_REFERENCES
        }
        choices.append(
            choose_fusion({number: concatenate(pool) for number, pool in pools.items() if pool})
        )
    return tuple(choices)


def deal_parts(folds: Sequence[FoldScores], choices: Sequence[FusionChoice]) -> tuple[Part, ...]:
    """Two parts a fold: one half of the held-out signers to learn from, the other to test.

    No signature of the tested half is learnt from, not even as a random forgery.
    """
    parts = []
    for number, (fold, choice) in enumerate(zip(folds, choices, strict=True)):
        for start in (0, 1):
            tested: dict[str, Comparisons] = {}
            others: dict[str, Comparisons] = {}
            for data, by_number in fold.held_out.items():
                half = set(by_number[min(by_number)].signers[start::2])
                tested[data] = {n: scores.only(half) for n, scores in by_number.items()}
                others[data] = {n: scores.without(half) for n, scores in by_number.items()}
            learnt = dict(pool_data_sets(others, sorted({n for o in others.values() for n in o})))
            card = fold.card
            parts.append(
                Part(card.id, card.preprocessing_name, choice.rule, learnt, tested, number)
            )
    return tuple(parts)


def _with_fold(
    progress: Callable[[int, TrainingStatus], None], fold: int
) -> Callable[[TrainingStatus], None]:
    return lambda status: progress(fold, status)


def _score_fold(
    config: TrainingConfig, data_root: Path, folder: Path, fold: int, plan: CrossValidationPlan
) -> FoldScores:
    embedder = TorchEmbedder(folder)
    preprocessing = read_preprocessing(embedder.card.preprocessing)
    held_out: dict[str, Comparisons] = {}
    validation: dict[str, Comparisons] = {}
    for source in config.data:
        dataset = read_layout(data_root / source.path, source.layout)
        ink_set = load_ink(dataset, preprocessing, folder.parent.parent / CACHE_FOLDER)
        split = split_source(dataset.signers, source, replace(config.split, fold=fold))
        _check_split(split, ink_set, embedder.card, source.path)
        for kept, signers in ((held_out, split.held_out), (validation, split.validation)):
            if not signers:  # of a data set that doesn't validate
                continue
            chosen = ink_set.where(
                np.array([specimen.signer in signers for specimen in ink_set.specimens])
            )
            kept[source.path] = _compare(_embed(embedder, chosen, source.path), plan)
    return FoldScores(embedder.card, held_out, validation)


def _check_split(split: SignerSplit, ink_set: InkSet, card: ModelCard, path: str) -> None:
    """A held-out signer of whom the model has seen an image would make every figure a lie."""
    for specimen, digest in zip(ink_set.specimens, ink_set.digests, strict=True):
        if specimen.signer in split.held_out and digest in card.training_digests:
            raise CheckpointMismatch(
                f"{card.id} was trained on {specimen.path}, whose signer {specimen.signer} of "
                f"{path} it should hold out: remove the run and train it again"
            )


def _embed(embedder: TorchEmbedder, ink_set: InkSet, name: str) -> list[EvaluationSigner]:
    """Embed a data set's images; signers are named apart by the data set."""
    found: dict[SignerId, tuple[list[Embedding], list[Embedding]]] = {}
    for first in range(0, len(ink_set.specimens), EMBED_BATCH):
        block = slice(first, first + EMBED_BATCH)
        images = [
            InkImage(ink.astype(np.float32) / 255.0, digest, embedder.preprocessing, 1.0)
            for ink, digest in zip(ink_set.ink[block], ink_set.digests[block], strict=True)
        ]
        batch = list(zip(ink_set.specimens[block], images, strict=True))
        for specimen, embedding in embed_specimens(embedder, batch):
            genuine, forged = found.setdefault(SignerId(f"{name}/{specimen.signer}"), ([], []))
            (genuine if specimen.genuine else forged).append(embedding)
    return [
        EvaluationSigner(signer, tuple(genuine), tuple(forged))
        for signer, (genuine, forged) in found.items()
    ]


def _compare(signers: Sequence[EvaluationSigner], plan: CrossValidationPlan) -> Comparisons:
    pairs = compare_pairs(signers, seed=plan.seed)
    return {
        number: draw_comparisons(pairs, number, draws=plan.draws, seed=plan.seed)
        for number in plan.drawn
        if sum(own.genuine > number for own in pairs) >= 2
    }


def _named_after(scores: ComparisonScores, fold: int) -> ComparisonScores:
    """A signer may validate several folds' models, and then counts once for each."""
    signers = tuple(SignerId(f"fold{fold}/{signer}") for signer in scores.signers)
    return replace(scores, signers=signers)
