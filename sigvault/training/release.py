"""From a trained model to one that decides: fusion rule, thresholds, and honest error rates.

The rule and the thresholds are chosen on signers that the model was not trained on. What they
are worth is measured by folds over the same signers: chosen on the other folds, tested on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import KFold

from sigvault.datasets import Dataset
from sigvault.domain.aims import CALIBRATED_REFERENCES
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.card import read_card, write_card
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.calibration import Provenance, calibrate, cap_copy_limits
from sigvault.evaluation.fusion_choice import FUSION_REFERENCES, FusionChoice, choose_fusion
from sigvault.evaluation.protocols import (
    DRAWS,
    compare_pairs,
    draw_comparisons,
)
from sigvault.evaluation.session_test import TOLERANCE, SessionTest, run_session_test
from sigvault.imaging.preprocessing import preprocessing_by_name
from sigvault.services.unseen_signers import UnseenSigners, embed_unseen_signers
from sigvault.training.fold_report import (
    Comparisons,
    Part,
    PartsReport,
    pool_data_sets,
    render_markdown,
    report_parts,
)


@dataclass(frozen=True)
class ReleasePlan:
    """How to choose and to measure.

    Attributes:
        calibrated: the numbers of references to make thresholds for.
        reported: the numbers of references to report.
        folds: how many folds over signers, at least 2.
        draws: how often references are drawn.
        seed: of the draws and the folds.
        preprocessing: the recipe from pixels to ink to bind the weights to, by name; None for
            the card's own.
        local_turns: the degrees by which references are turned for further views of their local
            features; None for the card's own.
    """

    calibrated: tuple[int, ...] = CALIBRATED_REFERENCES
    reported: tuple[int, ...] = (1, 3, 5, 10)
    folds: int = 5
    draws: int = DRAWS
    seed: int = 0
    preprocessing: str | None = None
    local_turns: tuple[float, ...] | None = None

    @property
    def measured(self) -> tuple[int, ...]:
        """Every number of references that the folds need."""
        return tuple(sorted({*self.reported, *FUSION_REFERENCES}))

    @property
    def drawn(self) -> tuple[int, ...]:
        """Every number of references that something is computed for."""
        return tuple(sorted({*self.calibrated, *self.measured}))


@dataclass(frozen=True, eq=False)
class Release:
    """What was chosen, and what it is worth.

    Attributes:
        card: the card with the fusion rule and the thresholds.
        choice: the fusion rule and what it was chosen from.
        report: error rates and decisions by folds over the signers.
        sessions: the session test, by data set with forgeries.
        skipped: signers and images left out, with the reason, a line each.
    """

    card: ModelCard
    choice: FusionChoice
    report: PartsReport
    sessions: dict[str, SessionTest]
    skipped: tuple[str, ...]


def release(
    folder: Path,
    datasets: Sequence[Dataset],
    plan: ReleasePlan | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> Release:
    """Choose a model's fusion rule and thresholds, measure them, and write them into its card.

    The card is written once, when all is done: a release that fails or is stopped leaves it as it
    was.

    Args:
        folder: the model.
        datasets: signatures of signers that the model was not trained on; the folders' names
            tell them apart.
        plan: how; the defaults if None.
        progress: called with the number of images of the current data set done.

    Raises:
        DatasetError: If the data don't suffice, or two folders have the same name.
        UnknownModel: If the folder holds no model.
        ConfigurationError: If there is no such recipe from pixels to ink, or nothing can be
            turned so.
    """
    plan = plan or ReleasePlan()
    embedder = TorchEmbedder(folder, card=_bind(read_card(folder), plan))
    by_data: dict[str, Comparisons] = {}
    skipped: list[str] = []
    digests: set[str] = set()
    sessions: dict[str, SessionTest] = {}
    for dataset in datasets:
        name = dataset.root.name
        if name in by_data:
            raise DatasetError(f"two data sets are called {name}: rename one of the folders")
        unseen = embed_unseen_signers(dataset, embedder, progress=progress)
        by_data[name] = _compare(unseen, name, plan)
        if sum(bool(own.genuine and own.forged) for own in unseen.signers) > 1:
            sessions[name] = run_session_test(unseen.signers, seed=plan.seed)
        skipped += [f"{name}: signer {signer}: trained on" for signer in unseen.left_out]
        skipped += unseen.unusable
        digests.update(*unseen.digests.values())
    choice = _choose(by_data)
    provenance = Provenance(", ".join(by_data), embedder.model, embedder.preprocessing, plan.seed)
    report = report_parts(_deal(by_data, embedder.card, plan), plan.reported, seed=plan.seed)
    card = replace(
        embedder.card,
        fusion=choice.rule,
        thresholds=cap_copy_limits(
            [
                calibrate(scores, choice.rule, provenance)
                for _, scores in pool_data_sets(by_data, plan.calibrated)
            ]
        ),
        calibration_digests=frozenset(digests),
        metrics={
            "fusion_choice": choice.table(),
            "by_folds": list(report.to_dict()["results"]),
            "session_test": {name: asdict(test) for name, test in sessions.items()},
        },
    )
    write_card(folder, card)
    return Release(card, choice, report, sessions, tuple(skipped))


def _bind(card: ModelCard, plan: ReleasePlan) -> ModelCard:
    """The card of the same weights as the plan wants them fed; nothing is written."""
    if plan.preprocessing is not None:
        card = bind_preprocessing(card, plan.preprocessing)
    return card if plan.local_turns is None else bind_local_turns(card, plan.local_turns)


def bind_preprocessing(card: ModelCard, name: str) -> ModelCard:
    """The card of the same weights with another recipe from pixels to ink.

    It goes by another name, so that no vault takes its embeddings for the other's, and what was
    chosen and measured with the other recipe is gone.

    Raises:
        ConfigurationError: If there is no such recipe.
    """
    canvas = card.architecture
    recipe = preprocessing_by_name(name, int(canvas["height"]), int(canvas["width"]))
    if recipe.name == card.preprocessing_name:
        return card
    renamed = replace(
        card,
        name=f"{card.name}-{recipe.name}",
        preprocessing=recipe.to_dict(),
        preprocessing_name=recipe.name,
    )
    return _undecided(renamed)


def bind_local_turns(card: ModelCard, turns: Sequence[float]) -> ModelCard:
    """The card of the same weights with other views of a reference's local features.

    It goes by another name, as in `bind_preprocessing`.

    Raises:
        ConfigurationError: If nothing can be turned so.
    """
    architecture = Architecture.from_dict(card.architecture)
    turned = replace(architecture, local_turns=tuple(turns))
    if turned == architecture:
        return card
    return _undecided(replace(card, name=f"{card.name}-turned", architecture=turned.to_dict()))


def _undecided(card: ModelCard) -> ModelCard:
    """Without what was chosen and measured."""
    return replace(card, thresholds=(), calibration_digests=frozenset(), metrics={})


def render_release(release: Release) -> str:
    """The tables of the report and the session test, as Markdown."""
    lines = [
        render_markdown(release.report),
        "| data | session test: cosine | local | 0.50 within "
        f"{TOLERANCE:.2f} | comparisons of each kind |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {test.cosine:.3f} | {test.local:.3f} "
            f"| {'yes' if test.passed else '**no**'} | {test.comparisons} |"
            for name, test in release.sessions.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _compare(unseen: UnseenSigners, name: str, plan: ReleasePlan) -> Comparisons:
    signers = [replace(own, signer=SignerId(f"{name}/{own.signer}")) for own in unseen.signers]
    pairs = compare_pairs(signers, seed=plan.seed)
    return {
        number: draw_comparisons(pairs, number, draws=plan.draws, seed=plan.seed)
        for number in plan.drawn
        if sum(own.genuine > number for own in pairs) >= plan.folds
    }


def _choose(by_data: Mapping[str, Comparisons]) -> FusionChoice:
    return choose_fusion(dict(pool_data_sets(by_data, FUSION_REFERENCES)))


def _deal(by_data: Mapping[str, Comparisons], card: ModelCard, plan: ReleasePlan) -> list[Part]:
    """One part a fold: its signers are tested, all others are learnt from.

    No signature of a tested signer is learnt from, not even as a random forgery of another.
    """
    parts = []
    for fold in range(plan.folds):
        tested: dict[str, Comparisons] = {}
        others: dict[str, Comparisons] = {}
        for data, drawn in by_data.items():
            by_number = {number: drawn[number] for number in plan.measured if number in drawn}
            own = _fold_signers(by_number, fold, plan)
            tested[data] = {number: scores.only(own) for number, scores in by_number.items()}
            others[data] = {number: scores.without(own) for number, scores in by_number.items()}
        learnt = dict(pool_data_sets(others, plan.measured))
        rule = _choose(others).rule
        parts.append(Part(card.id, card.preprocessing_name, rule, learnt, tested, fold))
    return parts


def _fold_signers(by_number: Comparisons, fold: int, plan: ReleasePlan) -> set[SignerId]:
    """The fold's signers; dealt by the largest number of references, so that each fold has some."""
    ranked = sorted(by_number[max(by_number)].signers)
    rest = sorted(set(by_number[min(by_number)].signers) - set(ranked))
    dealt: set[SignerId] = set()
    for signers in (ranked, rest):
        if len(signers) >= plan.folds:
            folds = KFold(plan.folds, shuffle=True, random_state=plan.seed)
            _, chosen = list(folds.split(np.arange(len(signers))))[fold]
            dealt |= {signers[place] for place in chosen}
        else:
            dealt |= set(signers[fold : fold + 1])
    return dealt
