"""What changes during a run: made from a configuration, written to a state, restored from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sigvault.domain.errors import CheckpointMismatch
from sigvault.embedding.card import WEIGHTS_FILE
from sigvault.embedding.network import EmbeddingNetwork, NetworkOutput
from sigvault.training.batches import to_pixels
from sigvault.training.config import BatchNormStart, TrainingConfig
from sigvault.training.devices import wrap_network
from sigvault.training.distributed_norm import each_alone, share_batch_norm
from sigvault.training.early_stopping import EarlyStopping
from sigvault.training.local_projection import fit_local_projection
from sigvault.training.local_teaching import teach_local_projection
from sigvault.training.material import Material
from sigvault.training.objective import Objective
from sigvault.training.optimisers import build_optimiser, build_scheduler
from sigvault.training.placed_dropout import place_dropout
from sigvault.training.sampling import draw_batches
from sigvault.training.warm_start import (
    WarmStart,
    average_with_start,
    batch_norms,
    freeze_stages,
    re_estimate,
    settle_batch_norm,
    start_from,
)

_PROJECTION = "local_projection.weight"
EMBED_BATCH = 64
SETTLING_IMAGES = 1024
"""How many training images batch normalisation is settled with after each epoch."""


class _Tensors(nn.Module):
    """The network with a plain tuple as its output, which wrappers can look into."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, ink: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output = self.network(ink)
        return output.vector, output.local, output.inked


@dataclass(eq=False)
class Run:
    """A run under way.

    Attributes:
        fabric: devices, precision and processes.
        network: the network itself.
        wrapped: the same in mixed precision and shared between processes, for training steps.
        objective: the losses and their own parameters.
        optimiser: torch's optimiser.
        stepper: the same, as Fabric steps it.
        scheduler: of the learning rate.
        frozen: normalisations that are not trained.
        stopping: the best epoch so far.
        started: what was taken from a checkpoint, or None.
        fingerprint: of what it is trained and validated with; see `Material.fingerprint`.
        epoch: whole epochs done.
        batch: batches done in the epoch under way.
        total: the sum of their losses.
        images: how many images they had.
    """

    fabric: Fabric
    network: EmbeddingNetwork
    wrapped: Any
    objective: Objective
    optimiser: Optimizer
    stepper: Any
    scheduler: LRScheduler
    frozen: list[nn.BatchNorm2d]
    stopping: EarlyStopping
    started: WarmStart | None
    fingerprint: str
    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    images: int = 0

    def state(self) -> dict[str, Any]:
        """Everything that is needed to carry on; all that is random hangs on these numbers."""
        return {
            "material": self.fingerprint,
            "epoch": self.epoch,
            "batch": self.batch,
            "total": self.total,
            "images": self.images,
            "stopping": self.stopping.state(),
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from `state`.

        Raises:
            CheckpointMismatch: If it is none of this run's, or of other data.
        """
        # States of earlier versions don't say what they were trained on.
        if state.get("material", self.fingerprint) != self.fingerprint:
            raise CheckpointMismatch(
                "the kept state was trained on other data: files were added, removed or changed "
                "since, or --data is another folder; put the data back as they were, or give "
                "another folder for the run"
            )
        try:
            self.network.load_state_dict(state["network"])
            self.objective.load_state_dict(state["objective"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.scheduler.load_state_dict(state["scheduler"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            self.stopping.restore(state["stopping"])
            self.epoch, self.batch = int(state["epoch"]), int(state["batch"])
            self.total, self.images = float(state["total"]), int(state["images"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointMismatch(
                f"the kept state doesn't fit this run ({error}): give another folder, or remove it"
            ) from error

    def settle(self, config: TrainingConfig, material: Material) -> None:
        """Settle batch normalisation with training images; see `settle_batch_norm`."""
        with each_alone(self.network):
            settle_batch_norm(self.network, self.frozen, self._some(config, material))

    def average_with_start(
        self, config: TrainingConfig, material: Material, data_root: Path
    ) -> None:
        """Move the weights back towards what they began as; see `average_with_start`.

        The checkpoint alone won't do: of folded batch normalisation it has other weights than the
        run began with.

        Raises:
            CheckpointMismatch: If the start is not to be had any more.
        """
        begun = EmbeddingNetwork(config.architecture)
        started, _ = _warm(begun, config, material, data_root)
        if started is not None:
            share = config.optimisation.start_share
            average_with_start(self.network, begun, started.taken, share)

    def fit_local(self, config: TrainingConfig, material: Material) -> None:
        """Fit local features to training images; see `fit_local_projection`."""
        fit_local_projection(self.network, self._some(config, material))

    def teach_local(
        self, config: TrainingConfig, material: Material, tell: Callable[[int, int], None]
    ) -> None:
        """Teach local features after the last epoch; see `teach_local_projection`.

        A projection that came with the start is taught on if nothing was trained since; else it is
        fitted first.
        """
        chosen = config.local_projection
        if self.started is None or _PROJECTION not in self.started.taken or self.epoch:
            self.fit_local(config, material)
        torch.manual_seed(config.seed)

        def pictures(rows: np.ndarray[Any, Any]) -> Tensor:
            return self.put(material.ink[rows])

        batch = replace(config.batch, per_epoch=chosen.batches)
        batches = list(draw_batches(material.training, batch, (config.seed, self.epoch, 1)))
        teach_local_projection(self.network, pictures, batches, chosen.learning_rate, tell)

    def _some(self, config: TrainingConfig, material: Material) -> Iterator[Tensor]:
        """Batches of training images drawn at random, others after each epoch."""
        generator = np.random.default_rng((config.seed, self.epoch))
        rows = generator.permutation(material.training_rows)
        parts = min(SETTLING_IMAGES // EMBED_BATCH, max(1, len(rows) // 2))
        for part in np.array_split(rows[:SETTLING_IMAGES], parts):
            yield self.put(material.ink[part])

    def embed(self, ink: np.ndarray[Any, Any]) -> Iterator[NetworkOutput]:
        """Embed ink (N, H, W) in batches, in evaluation mode and float32; results on the CPU."""
        self.network.eval()
        with torch.inference_mode():
            for first in range(0, len(ink), EMBED_BATCH):
                output = self.network(self.put(ink[first : first + EMBED_BATCH]))
                yield NetworkOutput(
                    output.vector.cpu(), output.local.float().cpu(), output.inked.cpu()
                )

    def put(self, ink: np.ndarray[Any, Any]) -> Tensor:
        """Ink (B, H, W) as the network takes it, on its device."""
        pixels = to_pixels(ink).to(self.fabric.device)
        return pixels.contiguous(memory_format=torch.channels_last)


def prepare_run(
    config: TrainingConfig, material: Material, data_root: Path, fabric: Fabric, batches: int
) -> Run:
    """Build network, losses, optimiser and scheduler; ``batches`` is how many an epoch has.

    Raises:
        CheckpointMismatch: If the start doesn't fit.
        ConfigurationError: If optimiser or scheduler can't be built.
    """
    torch.manual_seed(config.seed)
    chosen = config.optimisation
    network = EmbeddingNetwork(config.architecture, config.start.weights)
    place_dropout(network)
    started, frozen = _warm(network, config, material, data_root)
    frozen += freeze_stages(network, config.start.frozen_stages)
    if fabric.world_size > 1:
        share_batch_norm(network)
    network = network.to(fabric.device).to(memory_format=torch.channels_last)
    objective = Objective(config.loss, len(material.training), config.architecture.dimension)
    objective = objective.to(fabric.device)
    optimiser = build_optimiser(
        chosen.optimiser, chosen.learning_rate, network, objective.parameters()
    )
    steps = max(1, batches * chosen.epochs)
    scheduler = build_scheduler(chosen.scheduler, chosen.learning_rate, optimiser, steps)
    return Run(
        fabric=fabric,
        network=network,
        wrapped=wrap_network(fabric, _Tensors(network)),
        objective=objective,
        optimiser=optimiser,
        stepper=fabric.setup_optimizers(optimiser),
        scheduler=scheduler,
        frozen=frozen,
        stopping=EarlyStopping(chosen.criterion, chosen.patience),
        started=started,
        fingerprint=material.fingerprint(),
    )


def count_batches(config: TrainingConfig, material: Material) -> int:
    """How many batches an epoch has."""
    return sum(1 for _ in draw_batches(material.training, config.batch, (config.seed, 0)))


def weights_file(start: Path) -> Path:
    """The file of tensors of a start that may be a model's folder."""
    return start / WEIGHTS_FILE if start.is_dir() else start


def _warm(
    network: EmbeddingNetwork, config: TrainingConfig, material: Material, data_root: Path
) -> tuple[WarmStart | None, list[nn.BatchNorm2d]]:
    start = config.start
    if start.checkpoint is None:
        return None, []
    report = start_from(network, weights_file(data_root / start.checkpoint))
    layers = batch_norms(network, report.taken)
    if start.batch_norm is BatchNormStart.FREEZE:
        return report, layers
    if start.batch_norm is BatchNormStart.RE_ESTIMATE:
        rows = np.random.default_rng(config.seed).permutation(material.training_rows)[:256]
        parts = [part for part in np.array_split(rows, 8) if len(part)]
        re_estimate(network, layers, [to_pixels(material.ink[part]) for part in parts])
    return report, []


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Use deterministic algorithms alone, while it lasts."""
    before = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    if wanted:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark
