"""One TOML file says everything about a training run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sigvault.datasets import Layout
from sigvault.domain.errors import ConfigurationError
from sigvault.embedding.architecture import Architecture
from sigvault.imaging.preprocessing import preprocessing_by_name
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.losses.settings import ArcFace, Loss, MultiSimilarity, SubCentreArcFace
from sigvault.training.optimisers import Named, check_names

_STRICT = ConfigDict(extra="forbid")


class BatchNormStart(StrEnum):
    """What to do with batch normalisation whose statistics don't belong to the weights.

    ``KEEP``: nothing. ``RE_ESTIMATE``: set mean and variance from the training images and
    correct weight and bias, so that the function stays the same. ``FREEZE``: never train it.
    """

    KEEP = "keep"
    RE_ESTIMATE = "re-estimate"
    FREEZE = "freeze"


@dataclass(frozen=True)
class DataSource:
    """One folder of signatures to train on.

    Attributes:
        path: the folder, relative to the data root.
        layout: how it is arranged.
        licence: under which conditions it can be used; goes into the model card.
        share: how many times as often its signers are drawn as their images alone would have it.
        validates: whether its share of signers validates; else all that aren't held out are
            trained on. For signers who say nothing of those to come, such as synthetic ones.
    """

    __pydantic_config__ = _STRICT
    path: str
    layout: Layout
    licence: str
    share: Annotated[float, Field(gt=0)] = 1.0
    validates: bool = True


@dataclass(frozen=True)
class Start:
    """Where the weights start from.

    Attributes:
        weights: the name of torchvision weights for the backbone, or none.
        checkpoint: a model's folder, whose training data the new card takes over, or a file of
            tensors; relative to the data root. Matching layers are taken.
        batch_norm: what to do with batch normalisation after a checkpoint was taken.
        frozen_stages: how many residual stages, from the first, are never trained, with all that
            comes before them; 0 trains everything.
    """

    __pydantic_config__ = _STRICT
    weights: str | None = None
    checkpoint: str | None = None
    batch_norm: BatchNormStart = BatchNormStart.KEEP
    frozen_stages: int = 0


@dataclass(frozen=True)
class Split:
    """Which signers are trained on, validated with and held out; always whole signers.

    Attributes:
        folds: how many parts the signers of each data set fall into; 1 holds nobody out.
        fold: the part that is held out, from 0.
        validation_share: share of the remaining signers to validate with.
        seed: of the shuffle.
    """

    __pydantic_config__ = _STRICT
    folds: int = 4
    fold: int = 0
    validation_share: float = 0.1
    seed: int = 42


@dataclass(frozen=True)
class Batch:
    """P signers x (K genuine + F forged) make a batch.

    Attributes:
        signers: P.
        genuine: K, at least 2.
        forged: F; signers without forgeries give genuine signatures alone.
        per_epoch: batches in an epoch; 0 for as many as hold as many images as there are.
    """

    __pydantic_config__ = _STRICT
    signers: int = 8
    genuine: int = 4
    forged: int = 4
    per_epoch: int = 0


@dataclass(frozen=True)
class Optimisation:
    """Optimiser, schedule, and when to stop.

    Attributes:
        epochs: passes over the training images, at most; 0 takes the start's weights as they are.
        learning_rate: the highest learning rate.
        optimiser: a class of torch.optim under ``name``, and its parameters.
        scheduler: a class of torch.optim.lr_scheduler under ``name``, and its parameters.
        gradient_norm: gradients longer than this are clipped; 0 clips nothing.
        precision: on CUDA: "float32", or "bfloat16" or "float16" for mixed precision.
        cpu_precision: on a CPU: "float32", or "bfloat16" for mixed precision, where it has the
            instructions.
        start_share: the share of the starting weights in the finished ones, in [0, 1).
        patience: epochs without a lower validation error after which to stop; 0 never stops.
        criterion: the validation error that counts, or the mean of those that can be measured.
        keep: whether the last epoch or the one with the lowest error becomes the model.
    """

    __pydantic_config__ = _STRICT
    epochs: int = 12
    learning_rate: float = 6e-4
    optimiser: Named = field(default_factory=lambda: {"name": "AdamW", "weight_decay": 1e-4})
    scheduler: Named = field(default_factory=lambda: {"name": "OneCycleLR", "pct_start": 0.2})
    gradient_norm: float = 5.0
    precision: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    cpu_precision: Literal["float32", "bfloat16"] = "float32"
    start_share: float = 0.0
    patience: int = 0
    criterion: Literal["mean", "skilled", "random", "local_skilled", "local_random"] = "mean"
    keep: Literal["best", "last"] = "last"


@dataclass(frozen=True)
class LocalProjection:
    """How the projection of local features is taught at the end, where ``loss.local_weight`` is 0.

    Attributes:
        batches: of pictures as they are, drawn as all others; 0 leaves the projection fitted.
        learning_rate: the highest learning rate.
    """

    __pydantic_config__ = _STRICT
    batches: int = 0
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes:
        name: the model's name, lower-case letters, digits and hyphens.
        data: what to train on.
        licence: under which conditions the trained weights can be used.
        architecture: the network.
        start: where the weights start from.
        split: which signers are held out.
        batch: how batches are drawn.
        augmentation: random changes.
        loss: which loss, by name, and what goes beside it.
        optimisation: optimiser and schedule.
        local_projection: how the projection of local features is taught at the end.
        preprocessing: the name of the recipe from pixels to ink.
        seed: of everything random in the run.
        deterministic: use deterministic algorithms alone, where that is slower too.
    """

    __pydantic_config__ = _STRICT
    name: str
    data: tuple[DataSource, ...]
    licence: str
    architecture: Architecture = field(default_factory=Architecture)
    start: Start = field(default_factory=Start)
    split: Split = field(default_factory=Split)
    batch: Batch = field(default_factory=Batch)
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: Loss = field(default_factory=MultiSimilarity)
    optimisation: Optimisation = field(default_factory=Optimisation)
    local_projection: LocalProjection = field(default_factory=LocalProjection)
    preprocessing: str = "sauvola-1"
    seed: int = 42
    deterministic: bool = False

    def __post_init__(self) -> None:
        """Check what the types can't say.

        Raises:
            ConfigurationError: Naming the entry and what it may be.
        """
        split, batch, chosen = self.split, self.batch, self.optimisation
        watched = split.validation_share > 0 and any(source.validates for source in self.data)
        checks = {
            "name: use lower-case letters, digits and hyphens": self.name.replace("-", "").isalnum()
            and self.name == self.name.lower(),
            "data: name at least one folder": bool(self.data),
            "split.folds: use 1 or more": split.folds >= 1,
            f"split.fold: use 0 to {split.folds - 1}": 0 <= split.fold < max(1, split.folds),
            "split.validation_share: use 0 up to, not including, 1": 0
            <= split.validation_share
            < 1,
            "batch.signers: use 2 or more": batch.signers >= 2,
            "batch.genuine: use 2 or more": batch.genuine >= 2,
            "batch.forged: use 0 or more": batch.forged >= 0,
            "batch.per_epoch: use 0 or more": batch.per_epoch >= 0,
            "optimisation.epochs: use 1 or more, or 0 with a start.checkpoint": chosen.epochs >= 1
            or (chosen.epochs == 0 and self.start.checkpoint is not None),
            "optimisation.learning_rate: use a number above 0": self.optimisation.learning_rate > 0,
            "optimisation.start_share: use 0 up to, not including, 1": 0
            <= self.optimisation.start_share
            < 1,
            "start.frozen_stages: use 0 to 4, and more than 0 only with a start.checkpoint or "
            "start.weights": self.start.frozen_stages == 0
            or (
                self.start.frozen_stages in range(1, 5)
                and (self.start.checkpoint or self.start.weights) is not None
            ),
            "optimisation.start_share: there is no start.checkpoint to share with": (
                self.optimisation.start_share == 0 or self.start.checkpoint is not None
            ),
            "optimisation.gradient_norm: use 0 or more": chosen.gradient_norm >= 0,
            "optimisation.patience: use 0 or more": chosen.patience >= 0,
            "optimisation.patience: without split.validation_share, and a data set that validates, "
            "nothing says when to stop": (watched or not chosen.patience),
            "optimisation.keep: without split.validation_share, and a data set that validates, "
            "nothing says which is best": (watched or chosen.keep == "last"),
            "local_projection.batches: use 0 or more": self.local_projection.batches >= 0,
            "local_projection.batches: use 0 unless loss.local_weight is 0: the local loss trains "
            "it": not (self.local_projection.batches and self.loss.local_weight),
            "local_projection.learning_rate: use a number above 0": (
                self.local_projection.learning_rate > 0
            ),
            "seed: use 0 or more": self.seed >= 0,
            "augmentation.new_signers.probability: use 0 with a loss that has a class for each "
            f"signer ({self.loss.name}): nobody new has one": (
                self.augmentation.new_signers.probability == 0
                or not isinstance(self.loss, ArcFace | SubCentreArcFace)
            ),
        }
        for message, fits in checks.items():
            if not fits:
                raise ConfigurationError(message)
        check_names(chosen.optimiser, chosen.scheduler)
        preprocessing_by_name(self.preprocessing)

    def to_dict(self) -> dict[str, Any]:
        """The configuration, JSON-ready."""
        return TypeAdapter(TrainingConfig).dump_python(self, mode="json")  # type: ignore[no-any-return]


def read_config(path: Path) -> TrainingConfig:
    """Read a training configuration.

    Raises:
        ConfigurationError: If the file can't be read, is no TOML, or an entry is unknown, missing
            or out of range; each with its place.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML file: {error}") from error
    return config_from_dict(content, source=str(path))


def config_from_dict(content: dict[str, Any], source: str) -> TrainingConfig:
    """Check and convert a configuration's content; ``source`` is named in errors.

    Raises:
        ConfigurationError: As `read_config`.
    """
    try:
        return TypeAdapter(TrainingConfig).validate_python(content)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}"
            for entry in error.errors()
        )
        raise ConfigurationError(f"{source}: {places}") from error


__all__ = [
    "Augmentation",
    "Batch",
    "BatchNormStart",
    "DataSource",
    "LocalProjection",
    "Loss",
    "Optimisation",
    "Split",
    "Start",
    "TrainingConfig",
    "config_from_dict",
    "read_config",
]
