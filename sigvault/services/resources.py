"""What the use cases work with, gathered once by bootstrap."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.errors import DemonstrationModel, GenerationMismatch
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import ModelId
from sigvault.domain.ports import Embedder
from sigvault.domain.reviewing import ReviewRules
from sigvault.imaging.decode import DEFAULT_LIMITS, DecodeLimits
from sigvault.imaging.preprocessing import Recipe, read_preprocessing
from sigvault.services.pending_images import PendingImages
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.generations import active_generation
from sigvault.storage.tables import GenerationRow
from sigvault.storage.thresholds import load_thresholds


def utc_now() -> datetime:
    """The present time, UTC."""
    return datetime.now(UTC)


def _observe_nothing(_stage: str, _seconds: float) -> None:
    """Where nobody wants to know."""


class ModelShelf(Protocol):
    """The models that a vault keeps; see `bootstrap`."""

    def find(self, model: ModelId) -> Embedder:
        """The model of this name; another one where the settings name one.

        Raises:
            ModelError: If it can't be found or read.
        """

    def keep(self, folder: Path, *, threads: int | None = None) -> Embedder:
        """Copy a model's folder into the vault, and load it.

        Raises:
            ModelError: If it can't be read, or may not serve.
            StorageFailed: If it can't be copied.
        """

    def discard(self, model: ModelId) -> None:
        """Remove a kept model, if it is there."""


@dataclass(frozen=True, eq=False)
class Resources:
    """A vault's database, images and models. Safe for threads.

    Attributes:
        engine: the database.
        images: the enrolled images.
        pending: the images that a crash may leave over.
        models: the models; each is loaded when it is first needed, so that what needs none works
            without one, and a generation that another process activates is followed.
        clock: the present time, UTC.
        rules: how people are asked.
        limits: what a picture may cost.
        decoding: entered by whoever decodes and harmonises a picture, to bound how many do.
        observe: told the name of a stage of a decision and the seconds that it took.
    """

    engine: Engine
    images: ImageFolder
    pending: PendingImages
    models: ModelShelf
    clock: Callable[[], datetime] = utc_now
    rules: ReviewRules = field(default_factory=ReviewRules)
    limits: DecodeLimits = DEFAULT_LIMITS
    decoding: AbstractContextManager[object] = field(default_factory=nullcontext)
    observe: Callable[[str, float], None] = _observe_nothing
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _embedders: dict[ModelId, Embedder] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Tell how long the block takes, if it comes to its end."""
        began = time.perf_counter()
        yield
        self.observe(stage, time.perf_counter() - began)

    def embedder_for(self, generation: BoundGeneration) -> Embedder:
        """The embedder of a generation's own model.

        Raises:
            ModelError: If the model can't be found or read, or may not serve.
            GenerationMismatch: If the model at hand is another.
        """
        with self._loading:
            found = self._embedders.get(generation.model)
            if found is None:
                found = self.models.find(generation.model)
                require_serving(found)
                require_model(generation, found)
                self._embedders[generation.model] = found
        require_model(generation, found)
        return found

    def take(self, embedder: Embedder) -> None:
        """Use this embedder for its model from now on.

        Raises:
            DemonstrationModel: If it may not serve.
        """
        require_serving(embedder)
        with self._loading:
            self._embedders[embedder.model] = embedder

    def forget(self, model: ModelId) -> None:
        """Let go of a model's embedder, and of the model's files."""
        with self._loading:
            self._embedders.pop(model, None)
        self.models.discard(model)


def recipe_of(embedder: Embedder) -> Recipe:
    """The preprocessing that the embedder's model was trained with.

    Raises:
        ModelError: If the model needs a preprocessing that is not known here.
    """
    return read_preprocessing(embedder.card.preprocessing)


def load_active(session: Session) -> BoundGeneration:
    """Read the active generation.

    Raises:
        VaultDamaged: If there is none.
    """
    return bind(session, active_generation(session))


def bind(session: Session, row: GenerationRow) -> BoundGeneration:
    """A generation with its thresholds, whether it is active or not."""
    return BoundGeneration(
        id=row.id,
        model=row.model_id,
        preprocessing=row.preprocessing,
        dimension=row.dimension,
        thresholds=load_thresholds(session, row.id),
    )


def require_serving(embedder: Embedder) -> None:
    """Make sure that the model is one that may decide about people.

    Raises:
        DemonstrationModel: If its preprocessing keeps leaks on purpose.
        CheckpointMismatch: If its preprocessing is not known here.
    """
    if recipe_of(embedder).demonstration:
        raise DemonstrationModel(
            f"{embedder.model} takes pictures by {embedder.preprocessing}, which leaves paper, pen "
            "and scanner in them on purpose, so its answers are about those: use a model of "
            "another recipe, such as onepen-5"
        )


def require_model(active: BoundGeneration, embedder: Embedder) -> None:
    """Make sure that the embedder is the generation's own.

    Raises:
        GenerationMismatch: If its model or preprocessing is another.
    """
    if embedder.model != active.model:
        raise GenerationMismatch(
            f"the vault's references were embedded by {active.model}, but the model at hand is "
            f"{embedder.model}: set SIGVAULT_MODEL to the folder of {active.model}"
        )
    if embedder.preprocessing != active.preprocessing:
        raise GenerationMismatch(
            f"the vault's references went through {active.preprocessing}, but the model at hand "
            f"expects {embedder.preprocessing}: restore the model's card"
        )
