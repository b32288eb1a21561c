"""The training loop: epochs, validation, checkpoints, and resuming exactly where it stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from sigvault.domain.errors import CheckpointMismatch, ConfigurationError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.card import read_card
from sigvault.embedding.checkpoint import load_state, save_model, save_state
from sigvault.imaging.preprocessing import Recipe, preprocessing_by_name
from sigvault.training.config import TrainingConfig
from sigvault.training.curves import draw_curves
from sigvault.training.devices import any_process, open_fabric
from sigvault.training.epoch import EpochFigures, TrainingStatus, Watch, train_epoch
from sigvault.training.equipment import Equipment
from sigvault.training.material import Material, gather
from sigvault.training.optimisers import PER_BATCH
from sigvault.training.run import Run, count_batches, determinism, prepare_run
from sigvault.training.run_log import note_epoch, read_metrics
from sigvault.training.run_state import BEST_FILE, find_state, interruptions, keep_state
from sigvault.training.validation import ValidationErrors, validate

MODEL_FOLDER = "model"
CACHE_FOLDER = "cache"
CONFIG_FILE = "config.json"
START_FILE = "start.json"
LEFT_OUT_FILE = "left_out.json"

_log = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    data_root: Path,
    run_folder: Path,
    *,
    preprocessing: Recipe | None = None,
    progress: Callable[[TrainingStatus], None] | None = None,
    preparing: Callable[[int, int], None] | None = None,
    teaching: Callable[[int, int], None] | None = None,
    equipment: Equipment | None = None,
) -> ModelCard:
    """Train a model, or carry on where the run in the folder stopped, be it within an epoch.

    Interrupted and resumed, a run ends with the very weights that it would have had (on the same
    machine, device and number of threads).

    Args:
        config: the run.
        data_root: what the configuration's paths are relative to.
        run_folder: for the configuration, metrics, the state and, at the end, the model.
        preprocessing: the recipe, kept in the model card; None for the one that is configured.
        progress: told after every batch; may raise KeyboardInterrupt to stop.
        preparing: told how many of how many images are harmonised.
        teaching: told how far the local features are taught at the end, if they are.
        equipment: device, worker processes, and how often the state is kept; the usual if None.

    Returns:
        The card of the model, which lies in ``run_folder / "model"``.

    Raises:
        ConfigurationError: If the device can't do what is asked, or nothing says which is best.
        DatasetError: If the data can't be read or are too few.
        CheckpointMismatch: If the folder holds another run, or one on other data, or a start
            doesn't fit.
        TrainingDiverged: If a loss is not finite; the last good state is kept.
        KeyboardInterrupt: If Ctrl-C or SIGTERM asked to stop; the state is kept.
    """
    preprocessing = preprocessing or recipe_of(config)
    equipment = equipment or Equipment()
    steps = config.optimisation
    fabric = open_fabric(steps.precision, equipment.device, steps.cpu_precision)
    if fabric.is_global_zero:
        run_folder.mkdir(parents=True, exist_ok=True)
        claim_folder(run_folder, config)
    fabric.barrier()
    material = gather(config, preprocessing, data_root, run_folder.parent / CACHE_FOLDER, preparing)
    if config.optimisation.keep == "best" and not material.validation:
        raise ConfigurationError(
            "optimisation.keep is best, but split.validation_share leaves no validation signers: "
            "raise it, or keep the last epoch"
        )
    with determinism(config.deterministic), interruptions() as interruption:
        run = prepare_run(config, material, data_root, fabric, count_batches(config, material))
        workers = equipment.workers
        if workers is None:
            workers = 4 if fabric.device.type == "cuda" else 0
        watch = Watch(run_folder, interruption, progress, equipment.save_seconds, workers)
        _resume(run, run_folder)
        if fabric.is_global_zero:
            _note_start(run, material, run_folder)
        _train_epochs(run, config, material, watch)
        _finish(run, config, material, data_root, watch, teaching)
        card = _card(config, preprocessing, material, run_folder)
        if config.start.checkpoint and (data_root / config.start.checkpoint).is_dir():
            card = _inherit(card, read_card(data_root / config.start.checkpoint))
        if fabric.is_global_zero:
            card = save_model(run_folder / MODEL_FOLDER, run.network, card)
    fabric.barrier()
    return card


def recipe_of(config: TrainingConfig) -> Recipe:
    """The recipe from pixels to ink that is configured, for the network's canvas."""
    canvas = config.architecture
    return preprocessing_by_name(config.preprocessing, canvas.height, canvas.width)


def _resume(run: Run, run_folder: Path) -> None:
    state, damage = find_state(run_folder)
    if damage is not None:
        _log.warning("%s; carrying on from the state before it", damage)
    if state is not None:
        run.restore(state)


def _train_epochs(run: Run, config: TrainingConfig, material: Material, watch: Watch) -> None:
    errors: ValidationErrors | None = None
    while run.epoch < config.optimisation.epochs and not run.stopping.over:
        figures = train_epoch(run, config, material, watch, errors)
        run.epoch += 1
        if config.optimisation.scheduler["name"] not in PER_BATCH:
            run.scheduler.step()
        run.settle(config, material)
        errors = validate(run.embed, material)
        better = run.stopping.note(run.epoch, errors)
        if run.fabric.is_global_zero:
            _keep_epoch(run, watch.folder, figures, errors, better=better)
        run.batch, run.total, run.images = 0, 0.0, 0
        if run.fabric.is_global_zero:
            keep_state(watch.folder, run.state())
        run.fabric.barrier()


def _keep_epoch(
    run: Run,
    folder: Path,
    figures: EpochFigures,
    errors: ValidationErrors | None,
    *,
    better: bool,
) -> None:
    """Metrics, curves and the best weights come before the state, so that none can be missed."""
    if better:
        save_state(folder / BEST_FILE, run.network.state_dict())
    entry = {
        "epoch": run.epoch,
        **asdict(figures),
        "learning_rate": float(run.optimiser.param_groups[0]["lr"]),
        **(asdict(errors) if errors else {}),
    }
    note_epoch(folder, entry)
    draw_curves(folder, read_metrics(folder))


def _finish(
    run: Run,
    config: TrainingConfig,
    material: Material,
    data_root: Path,
    watch: Watch,
    teaching: Callable[[int, int], None] | None,
) -> None:
    """From the last epoch's weights to the model's; begun anew after an interruption."""
    if config.optimisation.keep == "best" and run.stopping.best_epoch:
        run.network.load_state_dict(load_state(watch.folder / BEST_FILE))
    if config.start.checkpoint is not None and config.optimisation.start_share:
        run.average_with_start(config, material, data_root)
        run.settle(config, material)
    if config.local_projection.batches:

        def tell(done: int, count: int) -> None:
            if any_process(watch.interruption.asked, run.fabric):
                raise KeyboardInterrupt
            if teaching is not None:
                teaching(done, count)

        run.teach_local(config, material, tell)
    elif not config.loss.local_weight:
        run.fit_local(config, material)


def claim_folder(run_folder: Path, config: TrainingConfig) -> None:
    """Note whose a folder is.

    Raises:
        CheckpointMismatch: If it is another configuration's.
    """
    path = run_folder / CONFIG_FILE
    text = json.dumps(config.to_dict(), indent=1, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise CheckpointMismatch(
            f"{run_folder} holds a run of another configuration: give another folder, or remove it"
        )
    path.write_text(text, encoding="utf-8")


def _note_start(run: Run, material: Material, run_folder: Path) -> None:
    """What was left out, and what the weights began as."""
    left_out = json.dumps(material.left_out(), indent=1)
    (run_folder / LEFT_OUT_FILE).write_text(left_out, encoding="utf-8")
    if run.started is not None:
        started = json.dumps(asdict(run.started), indent=1)
        (run_folder / START_FILE).write_text(started, encoding="utf-8")
        _log.warning("%s", run.started.describe())


def _inherit(card: ModelCard, earlier: ModelCard) -> ModelCard:
    """What a model was trained on before stays what it was trained on."""
    return replace(
        card,
        training_data=(*earlier.training_data, *card.training_data),
        training_digests=earlier.training_digests | card.training_digests,
        recipe={**card.recipe, "started_from": {"model": earlier.id, "recipe": earlier.recipe}},
    )


def _card(
    config: TrainingConfig, preprocessing: Recipe, material: Material, run_folder: Path
) -> ModelCard:
    entries = read_metrics(run_folder)
    return ModelCard(
        name=config.name,
        sha256="",
        architecture=config.architecture.to_dict(),
        preprocessing=preprocessing.to_dict(),
        preprocessing_name=preprocessing.name,
        fusion=FusionRule(),
        training_data=tuple(
            f"{source.path}: {len(material.splits[source.path].training)} signers trained on, "
            f"{len(material.splits[source.path].validation)} validated with, "
            f"{len(material.splits[source.path].held_out)} held out. {source.licence}"
            for source in config.data
        ),
        training_digests=material.digests,
        recipe=config.to_dict(),
        metrics={"last_epoch": entries[-1]} if entries else {},
        licence=config.licence,
    )


__all__ = [
    "CACHE_FOLDER",
    "MODEL_FOLDER",
    "Equipment",
    "TrainingStatus",
    "claim_folder",
    "train",
]
