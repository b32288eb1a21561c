"""The training loop: epochs, validation, checkpoints, and resuming exactly where it stopped."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from sigvault.domain.errors import CheckpointMismatch, TrainingDiverged
from sigvault.domain.fusion import FusionRule
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.card import WEIGHTS_FILE, read_card
from sigvault.embedding.checkpoint import load_state, save_model, save_state
from sigvault.embedding.network import EmbeddingNetwork, NetworkOutput
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING, Preprocessing
from sigvault.training.config import BatchNormStart, TrainingConfig
from sigvault.training.losses import GlobalLoss, LocalLoss
from sigvault.training.material import Material, gather
from sigvault.training.pairs import pair_kinds
from sigvault.training.sampling import BatchRows, draw_batches
from sigvault.training.transforms import build_transform
from sigvault.training.validation import ValidationErrors, validate
from sigvault.training.warm_start import (
    average_with_start,
    batch_norms,
    re_estimate,
    settle_batch_norm,
    start_from,
)

STATE_FILE = "state.pt"
MODEL_FOLDER = "model"
CACHE_FOLDER = "cache"
METRICS_FILE = "metrics.jsonl"
CONFIG_FILE = "config.json"
EMBED_BATCH = 64
SETTLING_IMAGES = 1024
"""How many training images batch normalisation is settled with after each epoch."""


@dataclass(frozen=True)
class TrainingStatus:
    """Where a run is, after each batch.

    Attributes:
        epoch: the epoch under way, from 1.
        epochs: of how many.
        batch: batches done in the epoch.
        batches: of how many.
        loss: the mean loss of the epoch so far.
        images_per_second: of the epoch so far.
        validation: the errors after the last whole epoch, or None.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    images_per_second: float
    validation: ValidationErrors | None


@dataclass(eq=False)
class _Run:
    """What changes during a run."""

    network: EmbeddingNetwork
    local_loss: LocalLoss
    optimiser: AdamW
    scheduler: OneCycleLR
    frozen: list[nn.BatchNorm2d]
    epoch: int = 0

    def state(self) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "network": self.network.state_dict(),
            "local_loss": self.local_loss.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.local_loss.load_state_dict(state["local_loss"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch = int(state["epoch"])


def train(
    config: TrainingConfig,
    data_root: Path,
    run_folder: Path,
    *,
    preprocessing: Preprocessing = DEFAULT_PREPROCESSING,
    progress: Callable[[TrainingStatus], None] | None = None,
    preparing: Callable[[int, int], None] | None = None,
) -> ModelCard:
    """Train a model, or carry on where the run in the folder stopped.

    An epoch is the unit that is kept: interrupted within one, the run begins that epoch again and
    ends with the very weights that it would have had (on the same machine and threads).

    Args:
        config: the run.
        data_root: what the configuration's paths are relative to.
        run_folder: for the configuration, metrics, the state and, at the end, the model.
        preprocessing: the recipe, kept in the model card.
        progress: told after every batch.
        preparing: told how many of how many images are harmonised.

    Returns:
        The card of the model, which lies in ``run_folder / "model"``.

    Raises:
        DatasetError: If the data can't be read or are too few.
        CheckpointMismatch: If the folder holds another run, or a start doesn't fit.
        TrainingDiverged: If a loss is not finite; the last whole epoch is kept.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    _claim(run_folder, config)
    material = gather(config, preprocessing, data_root, run_folder.parent / CACHE_FOLDER, preparing)
    torch.manual_seed(config.seed)
    run = _prepare(config, material, data_root)
    if (run_folder / STATE_FILE).is_file():
        run.restore(load_state(run_folder / STATE_FILE))
    errors: ValidationErrors | None = None
    while run.epoch < config.optimisation.epochs:
        loss = _train_epoch(run, config, material, progress, errors)
        run.epoch += 1
        _settle(run, config, material)
        errors = validate(_embedder(run.network), material)
        save_state(run_folder / STATE_FILE, run.state())
        _note(run_folder, {"epoch": run.epoch, "loss": loss, **(asdict(errors) if errors else {})})
    if config.start.checkpoint is not None and config.optimisation.start_share:
        start = _weights_file(data_root / config.start.checkpoint)
        average_with_start(run.network, start, config.optimisation.start_share)
        _settle(run, config, material)
    card = _card(config, preprocessing, material, run_folder)
    if config.start.checkpoint is not None and (data_root / config.start.checkpoint).is_dir():
        card = _inherit(card, read_card(data_root / config.start.checkpoint))
    return save_model(run_folder / MODEL_FOLDER, run.network, card)


def _settle(run: _Run, config: TrainingConfig, material: Material) -> None:
    rows = np.random.default_rng((config.seed, run.epoch)).permutation(len(material.ink))
    parts = np.array_split(rows[:SETTLING_IMAGES], SETTLING_IMAGES // EMBED_BATCH)
    settle_batch_norm(run.network, run.frozen, (_to_batch(material.ink[part]) for part in parts))


def _claim(run_folder: Path, config: TrainingConfig) -> None:
    path = run_folder / CONFIG_FILE
    text = json.dumps(config.to_dict(), indent=1, sort_keys=True)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise CheckpointMismatch(
            f"{run_folder} holds a run of another configuration: give another folder, or remove it"
        )
    path.write_text(text, encoding="utf-8")


def _prepare(config: TrainingConfig, material: Material, data_root: Path) -> _Run:
    start, chosen = config.start, config.optimisation
    network = EmbeddingNetwork(config.architecture, start.weights)
    frozen: list[nn.BatchNorm2d] = []
    if start.checkpoint is not None:
        taken = start_from(network, _weights_file(data_root / start.checkpoint)).taken
        if start.batch_norm is BatchNormStart.RE_ESTIMATE:
            rows = np.random.default_rng(config.seed).permutation(len(material.ink))[:256]
            batches = [_to_batch(material.ink[part]) for part in np.array_split(rows, 8)]
            re_estimate(network, batch_norms(network, taken), batches)
        elif start.batch_norm is BatchNormStart.FREEZE:
            frozen = batch_norms(network, taken)
    network = network.to(memory_format=torch.channels_last)
    local_loss = LocalLoss()
    optimiser = AdamW(
        [
            {"params": list(network.parameters()), "weight_decay": chosen.weight_decay},
            {"params": list(local_loss.parameters()), "weight_decay": 0.0},
        ],
        lr=chosen.learning_rate,
    )
    per_epoch = sum(1 for _ in draw_batches(material.training, config.batch, (config.seed, 0)))
    scheduler = OneCycleLR(
        optimiser,
        max_lr=chosen.learning_rate,
        total_steps=per_epoch * chosen.epochs,
        pct_start=chosen.warm_up,
    )
    return _Run(network, local_loss, optimiser, scheduler, frozen)


def _train_epoch(
    run: _Run,
    config: TrainingConfig,
    material: Material,
    progress: Callable[[TrainingStatus], None] | None,
    errors: ValidationErrors | None,
) -> float:
    # Everything random in an epoch hangs on its number, so that it can be begun again.
    torch.manual_seed(config.seed * 100_003 + run.epoch)
    batches = list(draw_batches(material.training, config.batch, (config.seed, run.epoch)))
    transform = build_transform(config.augmentation)
    global_loss = GlobalLoss(config.loss)
    run.network.train()
    for layer in run.frozen:
        layer.eval()
    total, images, began = 0.0, 0, time.monotonic()
    for number, batch in enumerate(batches, start=1):
        ink = _to_batch(material.ink[batch.rows])
        ink = torch.stack([transform(picture) for picture in ink])
        total += _step(run, config, global_loss, ink, batch, number)
        images += len(ink)
        if progress is not None:
            rate = images / (time.monotonic() - began)
            epochs = config.optimisation.epochs
            progress(
                TrainingStatus(
                    run.epoch + 1, epochs, number, len(batches), total / number, rate, errors
                )
            )
    return total / len(batches)


def _step(
    run: _Run,
    config: TrainingConfig,
    global_loss: GlobalLoss,
    ink: Tensor,
    batch: BatchRows,
    number: int,
) -> float:
    chosen = config.optimisation
    kinds = pair_kinds(torch.from_numpy(batch.groups), torch.from_numpy(batch.forged))
    with torch.autocast("cpu", torch.bfloat16, enabled=chosen.precision == "bfloat16"):
        output: NetworkOutput = run.network(ink.to(memory_format=torch.channels_last))
    loss = global_loss(output.vector, kinds)
    if config.loss.local_weight > 0:
        loss = loss + config.loss.local_weight * run.local_loss(output.local, output.inked, kinds)
    value = float(loss.detach())
    if not math.isfinite(value):
        rows = ", ".join(str(row) for row in batch.rows[:8])
        raise TrainingDiverged(
            f"the loss is {value} at batch {number} of epoch {run.epoch + 1} "
            f"(image rows {rows}...): lower optimisation.learning_rate or use precision float32; "
            "the last epoch is kept"
        )
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.network.parameters(), chosen.gradient_norm)
    run.optimiser.step()
    run.scheduler.step()
    return value


def _to_batch(ink: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(ink[:, None].astype(np.float32) / 255.0)


def _embedder(
    network: EmbeddingNetwork,
) -> Callable[[np.ndarray[Any, Any]], Iterator[NetworkOutput]]:
    def embed(ink: np.ndarray[Any, Any]) -> Iterator[NetworkOutput]:
        network.eval()
        with torch.inference_mode():
            for first in range(0, len(ink), EMBED_BATCH):
                batch = _to_batch(ink[first : first + EMBED_BATCH])
                yield network(batch.to(memory_format=torch.channels_last))

    return embed


def _note(run_folder: Path, entry: dict[str, Any]) -> None:
    with (run_folder / METRICS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _weights_file(start: Path) -> Path:
    return start / WEIGHTS_FILE if start.is_dir() else start


def _inherit(card: ModelCard, earlier: ModelCard) -> ModelCard:
    """What a model was trained on before stays what it was trained on."""
    return replace(
        card,
        training_data=(*earlier.training_data, *card.training_data),
        training_digests=earlier.training_digests | card.training_digests,
        recipe={**card.recipe, "started_from": {"model": earlier.id, "recipe": earlier.recipe}},
    )


def _card(
    config: TrainingConfig, preprocessing: Preprocessing, material: Material, run_folder: Path
) -> ModelCard:
    lines = (run_folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()
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
        metrics={"last_epoch": json.loads(lines[-1])},
        licence=config.licence,
    )
