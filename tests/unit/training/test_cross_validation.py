"""Every signer is held out once, and nothing is chosen on whom it is reported."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from sigvault.datasets import Layout, read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import (
    CheckpointMismatch,
    ConfigurationError,
    DatasetError,
    TrainingDiverged,
)
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.image import InkImage
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.card import read_card, write_card
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.fusion_choice import FusionChoice, choose_fusion
from sigvault.evaluation.protocols import (
    ComparisonScores,
    EvaluationSigner,
    Kind,
    compare_pairs,
    draw_comparisons,
)
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training import cross_validation
from sigvault.training import release as releasing
from sigvault.training.config import Batch, DataSource, Optimisation, Split, TrainingConfig
from sigvault.training.cross_validation import (
    CrossValidationPlan,
    FoldScores,
    choose_rules,
    deal_parts,
    score_folds,
    train_folds,
)
from sigvault.training.epoch import TrainingStatus
from sigvault.training.fold_report import Comparisons, Part, PartsReport, report_parts
from sigvault.training.loop import train
from sigvault.training.release import ReleasePlan, release, render_release

SMALL = Preprocessing(height=32, width=48, margin=1)
PLAN = CrossValidationPlan(references=(1, 3), draws=2)
CONFIG = TrainingConfig(
    name="tiny",
    data=(DataSource("signers", Layout.FOLDERS, "made up"),),
    licence="none",
    architecture=Architecture(height=32, width=48, dimension=8, local_channels=4),
    split=Split(folds=2, validation_share=0.4, seed=3),
    batch=Batch(signers=2, genuine=3, forged=2),
    optimisation=Optimisation(epochs=1, learning_rate=1e-3, precision="float32"),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten signers, each with a shape of their own; forgeries are that shape, badly shaken.

    Genuine ones hardly differ, so that no network puts them far apart, whatever it has learnt.
    """
    root = tmp_path_factory.mktemp("data")
    _draw_signers(root / "signers", 10, seed=5)
    return root


def _draw_signers(folder: Path, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for signer in range(count):
        shape = generator.uniform(40, 260, size=(9, 2))
        for kind, pictures, shake in (("genuine", 5, 1), ("forged", 3, 60)):
            own = folder / kind / f"s{signer}"
            own.mkdir(parents=True)
            for number in range(pictures):
                page = Image.new("L", (300, 300), 245)
                points = shape + generator.normal(0, shake, shape.shape)
                ImageDraw.Draw(page).line([tuple(p) for p in points.tolist()], fill=30, width=4)
                page.save(own / f"{number}.png")


@pytest.fixture(scope="module")
def folders(root: Path) -> tuple[Path, ...]:
    torch.set_num_threads(1)
    return train_folds(CONFIG, root, root / "runs", preprocessing=SMALL)


@pytest.fixture(scope="module")
def folds(root: Path, folders: tuple[Path, ...]) -> tuple[FoldScores, ...]:
    return score_folds(CONFIG, root, folders, PLAN)


def test_every_signer_is_held_out_once_and_never_validates_the_same_fold(
    folds: tuple[FoldScores, ...],
):
    held_out = [set(fold.held_out["signers"][1].signers) for fold in folds]
    assert len(set.union(*held_out)) == sum(map(len, held_out)) == 10
    for fold, own in zip(folds, held_out, strict=True):
        assert not own & set(fold.validation["signers"][1].signers)


def test_one_fold_is_no_cross_validation(root: Path, tmp_path: Path):
    whole = replace(CONFIG, split=replace(CONFIG.split, folds=1))
    with pytest.raises(ConfigurationError, match=r"split\.folds"):
        train_folds(whole, root, tmp_path)


def test_finished_folds_are_not_trained_again(root: Path, folders: tuple[Path, ...]):
    def refuse(fold: int, _status: object) -> None:
        raise AssertionError(f"fold {fold} was trained again")

    assert train_folds(CONFIG, root, root / "runs", preprocessing=SMALL, progress=refuse) == folders


def test_finished_folds_of_another_recipe_are_not_taken(root: Path, folders: tuple[Path, ...]):
    assert folders
    other = replace(CONFIG, optimisation=replace(CONFIG.optimisation, learning_rate=2e-3))
    with pytest.raises(CheckpointMismatch, match="another configuration"):
        train_folds(other, root, root / "runs", preprocessing=SMALL)


def test_a_fold_that_diverges_is_named_and_costs_no_other_fold(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def diverge_in_the_first(config: TrainingConfig, *args: object, **kwargs: object) -> object:
        if config.split.fold == 0:
            raise TrainingDiverged("the loss is nan at batch 3 of epoch 2")
        return train(config, *args, **kwargs)

    monkeypatch.setattr(cross_validation, "train", diverge_in_the_first)
    with pytest.raises(TrainingDiverged, match=r"1 of 2 folds.*fold 1 of 2 \(fold0\).*batch 3"):
        train_folds(CONFIG, root, tmp_path, preprocessing=SMALL)
    monkeypatch.undo()
    trained: list[int] = []

    def note(fold: int, _status: TrainingStatus) -> None:
        trained.append(fold)

    folders = train_folds(CONFIG, root, tmp_path, preprocessing=SMALL, progress=note)
    assert set(trained) == {0}
    assert all((folder / "card.json").is_file() for folder in folders)


def test_rules_are_chosen_without_the_signers_held_out(folds: tuple[FoldScores, ...]):
    """Making a fold's held-out signers look different must not change its choice."""
    choices = choose_rules(folds)
    for place, fold in enumerate(folds):
        spoilt = {
            number: replace(scores, local=-scores.local, cosine=-scores.cosine)
            for number, scores in fold.held_out["signers"].items()
        }
        others = list(folds)
        others[place] = replace(fold, held_out={"signers": spoilt})
        assert choose_rules(others)[place].rule == choices[place].rule


def test_no_signer_is_tested_by_what_was_learnt_from_them(folds: tuple[FoldScores, ...]):
    parts = deal_parts(folds, choose_rules(folds))
    tested = [set(part.tested["signers"][1].signers) for part in parts]
    assert len(set.union(*tested)) == sum(map(len, tested)) == 10
    for part, own in zip(parts, tested, strict=True):
        learnt = part.learnt[1]
        assert not own & {*learnt.signers, *_writers(learnt)}
        assert learnt.count(Kind.RANDOM)


def _writers(scores: ComparisonScores) -> set[SignerId]:
    """By whom the probes are, or whom they imitate."""
    assert scores.owner is not None
    return {scores.owners[place] for place in set(scores.owner.tolist())}


def test_no_rule_is_chosen_by_what_held_out_signers_wrote(
    folds: tuple[FoldScores, ...], monkeypatch: pytest.MonkeyPatch
):
    asked: list[set[SignerId]] = []

    def note(pools: Comparisons) -> FusionChoice:
        asked.append(set.union(*(_writers(scores) for scores in pools.values())))
        return choose_fusion(pools)

    monkeypatch.setattr(cross_validation, "choose_fusion", note)
    everybody = tuple(
        replace(fold, validation={"signers": _all_comparisons(folds)}) for fold in folds
    )
    choose_rules(everybody)
    for fold, writers in zip(folds, asked, strict=True):
        assert writers
        assert not writers & set(fold.held_out["signers"][1].signers)


def _all_comparisons(folds: tuple[FoldScores, ...]) -> Comparisons:
    """Everybody against everybody, as if all validated every fold."""
    rng = np.random.default_rng(3)
    names = [SignerId(name) for fold in folds for name in fold.held_out["signers"][1].signers]

    def embedding() -> Embedding:
        vector = rng.normal(size=8).astype(np.float32)
        local = rng.integers(-127, 128, (2, 3, 4)).astype(np.int8)
        return Embedding(vector / np.linalg.norm(vector), local, ModelId("m"))

    signers = [
        EvaluationSigner(name, tuple(embedding() for _ in range(7)), (embedding(),))
        for name in names
    ]
    pairs = compare_pairs(signers)
    return {number: draw_comparisons(pairs, number, draws=2) for number in PLAN.drawn}


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight other signers, drawn likewise."""
    root = tmp_path_factory.mktemp("strangers") / "strangers"
    _draw_signers(root, 8, seed=6)
    return root


def test_a_release_chooses_measures_and_writes_the_card(folders: tuple[Path, ...], strangers: Path):
    before = read_card(folders[1])
    plan = ReleasePlan(calibrated=(1, 2), reported=(1, 3), folds=2, draws=2)
    released = release(folders[1], [read_layout(strangers)], plan)
    card = read_card(folders[1])
    assert card == released.card
    assert card.id == before.id
    assert [threshold.references for threshold in card.thresholds] == [1, 2]
    assert {threshold.origin.signers for threshold in card.thresholds} == {8}
    assert {threshold.fusion for threshold in card.thresholds} == {card.fusion}
    assert not card.calibration_digests & card.training_digests
    assert len(card.calibration_digests) == 8 * 8
    assert [(one.references, one.signers) for one in released.report.results] == [(1, 8), (3, 8)]
    assert released.skipped == ()
    page = render_release(released)
    assert "| strangers | 3 |" in page
    assert f"| strangers | {released.sessions['strangers'].cosine:.3f} |" in page
    assert card.metrics["session_test"]["strangers"]["comparisons"] > 0


def test_a_release_that_fails_leaves_the_card_as_it_was(
    folders: tuple[Path, ...], strangers: Path, tmp_path: Path
):
    folder, few = tmp_path / "model", tmp_path / "few"
    shutil.copytree(folders[1], folder)
    plan = ReleasePlan(calibrated=(1,), reported=(1,), folds=2, draws=1)
    release(folder, [read_layout(strangers)], plan)
    before = (folder / "card.json").read_bytes()
    _draw_signers(few, 2, seed=7)
    with pytest.raises(DatasetError):
        release(folder, [read_layout(few)], replace(plan, local_turns=(-12.0, 12.0)))

    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        release(folder, [read_layout(strangers)], replace(plan, local_turns=(-9.0,)), progress=stop)
    assert (folder / "card.json").read_bytes() == before


def test_a_release_learns_nothing_from_what_tested_signers_wrote(
    folders: tuple[Path, ...],
    strangers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    folder, dealt = tmp_path / "model", []
    shutil.copytree(folders[1], folder)

    def note(parts: list[Part], *args: object, **kwargs: object) -> PartsReport:
        dealt.extend(parts)
        return report_parts(parts, *args, **kwargs)

    monkeypatch.setattr(releasing, "report_parts", note)
    plan = ReleasePlan(calibrated=(1, 2, 4), reported=(1, 3), folds=2, draws=1)
    card = release(folder, [read_layout(strangers)], plan).card
    assert [threshold.references for threshold in card.thresholds] == [1, 2, 4]
    for part in dealt:
        assert set(part.learnt) == {1, 2, 3}  # 4 is calibrated and not measured by folds
        for learnt in part.learnt.values():
            tested = set(part.tested["strangers"][learnt.references].signers)
            assert not tested & {*learnt.signers, *_writers(learnt)}


def test_a_release_leaves_out_whom_the_model_was_trained_on(root: Path, folders: tuple[Path, ...]):
    plan = ReleasePlan(calibrated=(1,), reported=(1,), folds=2, draws=1)
    released = release(folders[0], [read_layout(root / "signers")], plan)
    assert {threshold.origin.signers for threshold in released.card.thresholds} == {5}
    assert sum("trained on" in line for line in released.skipped) == 5


def test_a_release_turns_references_under_another_name(
    folders: tuple[Path, ...], strangers: Path, tmp_path: Path
):
    folder = tmp_path / "turned"
    shutil.copytree(folders[1], folder)
    before = read_card(folder)
    plan = ReleasePlan(calibrated=(1,), reported=(1,), folds=2, draws=1, local_turns=(-12.0, 12.0))
    card = release(folder, [read_layout(strangers)], plan).card
    assert card.id == ModelId(f"{before.name}-turned-{before.sha256[:12]}")
    assert card.architecture == {**before.architecture, "local_turns": [-12.0, 12.0]}
    assert len(card.thresholds) == 1
    again = release(folder, [read_layout(strangers)], plan).card
    assert again.name == card.name
    blank = InkImage(np.zeros((32, 48), np.float32), "0" * 64, card.preprocessing_name, 1.0)
    (reference,) = TorchEmbedder(folder).embed([blank], as_references=True)
    assert reference.local.shape[0] == 3
    with pytest.raises(ConfigurationError, match="local_turns holds 90"):
        release(folder, [read_layout(strangers)], replace(plan, local_turns=(90.0,)))
    assert read_card(folder).name == card.name


def test_two_data_sets_of_one_name_are_refused(folders: tuple[Path, ...], strangers: Path):
    dataset = read_layout(strangers)
    plan = ReleasePlan(calibrated=(1,), reported=(1,), folds=2, draws=1)
    with pytest.raises(DatasetError, match="two data sets"):
        release(folders[0], [dataset, dataset], plan)


def test_a_model_that_has_seen_a_held_out_signer_is_refused(
    root: Path, folders: tuple[Path, ...], folds: tuple[FoldScores, ...]
):
    card = read_card(folders[0])
    held_out = {
        signer.removeprefix("signers/") for signer in folds[0].held_out["signers"][1].signers
    }
    path = root / "signers" / "genuine" / min(held_out) / "0.png"
    seen = card.training_digests | {decode_file(path).digest}
    write_card(folders[0], replace(card, training_digests=seen))
    try:
        with pytest.raises(CheckpointMismatch, match="hold out"):
            score_folds(CONFIG, root, folders, PLAN)
    finally:
        write_card(folders[0], card)
