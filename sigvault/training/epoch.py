"""One epoch of training: steps, what they cost, and stopping between two of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from sigvault.domain.errors import TrainingDiverged
from sigvault.embedding.network import NetworkOutput
from sigvault.training.batches import EpochBatches, Place, derive_seed, load_batches
from sigvault.training.config import TrainingConfig
from sigvault.training.devices import any_process, gather_batch, own_places
from sigvault.training.material import Material
from sigvault.training.optimisers import PER_BATCH
from sigvault.training.placed_dropout import seed_dropout
from sigvault.training.run import Run
from sigvault.training.run_state import STATE_FILE, Interruption, keep_state
from sigvault.training.sampling import BatchRows, draw_batches
from sigvault.training.validation import ValidationErrors

LOSSES = 2**32
"""Stands for the place in the batch where what the losses draw is meant."""

DROPOUT = 2**34
"""Stands before the place in the batch where the network's own randomness is meant."""


@dataclass(frozen=True)
class TrainingStatus:
    """Where a run is, after each batch.

    Attributes:
        epoch: the epoch under way, from 1.
        epochs: of how many, at most.
        batch: batches done in the epoch.
        batches: of how many.
        loss: the mean loss of the epoch so far.
        images_per_second: of the epoch so far, since it was begun or resumed.
        validation: the errors after the last whole epoch, or None.
        active: the share of mined triplets (or what else the loss works on) that aren't settled
            yet, in the last batch; None without such.
        waiting: the share of the time that steps waited for images, in [0, 1].
        seconds_left: of the whole run, at this speed.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    images_per_second: float
    validation: ValidationErrors | None
    active: float | None = None
    waiting: float = 0.0
    seconds_left: float = 0.0


@dataclass(frozen=True)
class Watch:
    """Who is told, and when to keep the state.

    Attributes:
        folder: the run's.
        interruption: whether somebody asked to stop.
        progress: told after every batch, or None.
        save_seconds: how often the state is kept within an epoch.
        workers: processes that make batches ahead; 0 makes them in place.
    """

    folder: Path
    interruption: Interruption
    progress: Callable[[TrainingStatus], None] | None = None
    save_seconds: float = 300.0
    workers: int = 0


@dataclass
class _Clock:
    """What an epoch's time went into, in seconds.

    Attributes:
        began: when the epoch was begun or resumed.
        waited: for images.
        images: how many were trained on since.
        batches: how many batches since.
        saved: when the state was last kept.
    """

    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    images: int = 0
    batches: int = 0
    saved: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> float:
        return max(1e-9, time.monotonic() - self.began)


@dataclass(frozen=True)
class EpochFigures:
    """An epoch in numbers.

    Attributes:
        loss: the mean over its batches.
        images_per_second: since it was begun or resumed.
        waiting: the share of that time that steps waited for images, in [0, 1].
        active: as in `TrainingStatus`, the mean over batches since then; None without such.
    """

    loss: float
    images_per_second: float
    waiting: float
    active: float | None


def train_epoch(
    run: Run,
    config: TrainingConfig,
    material: Material,
    watch: Watch,
    errors: ValidationErrors | None,
) -> EpochFigures:
    """Train the epoch under way, from the batch that the run has come to.

    Raises:
        TrainingDiverged: If a loss or gradient is not finite; nothing is stepped then.
        KeyboardInterrupt: If it was asked to stop; the state is kept first.
    """
    fabric = run.fabric
    batches = list(draw_batches(material.training, config.batch, (config.seed, run.epoch)))
    place = Place(config.seed, run.epoch, run.batch, fabric.global_rank, fabric.world_size)
    pictures = EpochBatches(material.ink, batches, config.augmentation, place)
    run.network.train()
    for layer in run.frozen:
        layer.eval()
    clock, shares = _Clock(), list[float]()
    loader = load_batches(pictures, watch.workers, pin=fabric.device.type == "cuda")
    for batch in batches[run.batch :]:
        asked = time.monotonic()
        ink = next(loader)
        clock.waited += time.monotonic() - asked
        active = _step(run, config, material, ink, batch)
        if active is not None:
            shares.append(active)
        clock.images += len(batch.rows)
        clock.batches += 1
        status = _status(run, config, len(batches), clock, active, errors)
        _between_batches(run, watch, clock, status)
    return EpochFigures(
        loss=run.total / len(batches),
        images_per_second=clock.images / clock.passed,
        waiting=clock.waited / clock.passed,
        active=sum(shares) / len(shares) if shares else None,
    )


def _step(
    run: Run, config: TrainingConfig, material: Material, ink: Tensor, batch: BatchRows
) -> float | None:
    """One step of the optimiser; returns the share of active triplets."""
    fabric, count = run.fabric, len(batch.rows)
    # What network and losses draw hangs on the same numbers as everything else.
    at = (config.seed, run.epoch, run.batch)
    places = own_places(count, fabric.global_rank, fabric.world_size).tolist()
    seed_dropout(run.network, [derive_seed(*at, DROPOUT, place) for place in places])
    torch.manual_seed(derive_seed(*at, LOSSES))
    ink = ink.to(fabric.device, memory_format=torch.channels_last, non_blocking=True)
    parts = run.wrapped(ink)
    output = NetworkOutput(*(gather_batch(part, count, fabric.world_size) for part in parts))
    groups = torch.from_numpy(batch.groups).to(fabric.device)
    forged = torch.from_numpy(batch.forged).to(fabric.device)
    value = run.objective(output, groups, forged)
    loss = float(value.total.detach())
    if not math.isfinite(loss):
        _diverged(f"the loss is {loss}", run, material, batch)
    run.optimiser.zero_grad(set_to_none=True)
    fabric.backward(value.total)
    _clip(run, config.optimisation.gradient_norm, material, batch)
    run.stepper.step()
    if config.optimisation.scheduler["name"] in PER_BATCH:
        run.scheduler.step()
    run.total += loss
    run.batch += 1
    run.images += count
    return value.active  # type: ignore[no-any-return]


def _clip(run: Run, norm: float, material: Material, batch: BatchRows) -> None:
    """Shorten the network's gradient; one that is no number ends the run, unless it was scaled."""
    precision = run.fabric.strategy.precision
    precision.unscale_gradients(run.optimiser)
    length = nn.utils.clip_grad_norm_(run.network.parameters(), norm or math.inf)
    scaled = getattr(precision, "scaler", None) is not None  # a scaler skips such steps itself
    if not scaled and not math.isfinite(float(length)):
        _diverged(f"the gradient's length is {float(length)}", run, material, batch)


def _diverged(what: str, run: Run, material: Material, batch: BatchRows) -> NoReturn:
    files = ", ".join(material.names[row] for row in batch.rows)
    raise TrainingDiverged(
        f"{what} at batch {run.batch + 1} of epoch {run.epoch + 1}: lower "
        f"optimisation.learning_rate or use precision float32; the last good state is kept in "
        f"{STATE_FILE}. The batch: {files}"
    )


def _between_batches(run: Run, watch: Watch, clock: _Clock, status: TrainingStatus) -> None:
    """Tell where the run is; keep the state when it is time or somebody asked to stop."""
    try:
        if watch.progress is not None and run.fabric.is_global_zero:
            watch.progress(status)
    except KeyboardInterrupt:
        watch.interruption.asked = True
    stop = any_process(watch.interruption.asked, run.fabric)
    due = time.monotonic() - clock.saved >= watch.save_seconds
    if (stop or due) and run.fabric.is_global_zero:
        keep_state(watch.folder, run.state())
        clock.saved = time.monotonic()
    if stop:
        raise KeyboardInterrupt


def _status(
    run: Run,
    config: TrainingConfig,
    batches: int,
    clock: _Clock,
    active: float | None,
    errors: ValidationErrors | None,
) -> TrainingStatus:
    epochs = config.optimisation.epochs
    left = (epochs - run.epoch) * batches - run.batch
    return TrainingStatus(
        epoch=run.epoch + 1,
        epochs=epochs,
        batch=run.batch,
        batches=batches,
        loss=run.total / run.batch,
        images_per_second=clock.images / clock.passed,
        validation=errors,
        active=active,
        waiting=clock.waited / clock.passed,
        seconds_left=left * clock.passed / clock.batches,
    )
