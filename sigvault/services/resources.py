"""What the use cases work with, gathered once by bootstrap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import DemonstrationModel, GenerationMismatch, NotCalibrated
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.domain.ports import Embedder
from sigvault.imaging.preprocessing import Recipe, read_preprocessing
from sigvault.services.pending_images import PendingImages
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.generations import active_generation
from sigvault.storage.thresholds import load_thresholds


def utc_now() -> datetime:
    """The present time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, eq=False)
class Resources:
    """A vault's database, images and embedder. Safe for threads.

    Attributes:
        engine: the database.
        images: the enrolled images.
        pending: the images that a crash may leave over.
        load_embedder: finds the model of the active generation; called once, when first needed,
            so that what needs no model works without one.
        clock: the present time, UTC.
    """

    engine: Engine
    images: ImageFolder
    pending: PendingImages
    load_embedder: Callable[[], Embedder]
    clock: Callable[[], datetime] = utc_now
    _loading: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _embedders: list[Embedder] = field(default_factory=list, init=False, repr=False)

    @property
    def embedder(self) -> Embedder:
        """The embedder at hand.

        Raises:
            ModelError: If the model can't be found or read, or may not serve.
        """
        with self._loading:
            if not self._embedders:
                embedder = self.load_embedder()
                require_serving(embedder)
                self._embedders.append(embedder)
            return self._embedders[0]

    @cached_property
    def preprocessing(self) -> Recipe:
        """The preprocessing that the embedder's model was trained with.

        Raises:
            ModelError: If the model can't be found or read, or needs another preprocessing.
        """
        return read_preprocessing(self.embedder.card.preprocessing)


@dataclass(frozen=True)
class ActiveGeneration:
    """The generation that decides.

    Attributes:
        id: its number.
        model: the model that made every vector.
        preprocessing: the name and version of the preprocessing.
        dimension: D, the length of the global vectors.
        thresholds: its thresholds by number of references; none before it is calibrated.
    """

    id: GenerationId
    model: ModelId
    preprocessing: str
    dimension: int
    thresholds: tuple[Threshold, ...]

    def require_thresholds(self) -> None:
        """Make sure that something can be decided.

        Raises:
            NotCalibrated: If the generation has no thresholds.
        """
        if not self.thresholds:
            raise NotCalibrated(
                f"generation {self.id} ({self.model}) has no thresholds, so nothing can be "
                "decided: run `sigvault calibrate` on signatures that the model was not trained on"
            )


def load_active(session: Session) -> ActiveGeneration:
    """Read the active generation.

    Raises:
        VaultDamaged: If there is none.
    """
    row = active_generation(session)
    return ActiveGeneration(
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
    if read_preprocessing(embedder.card.preprocessing).demonstration:
        raise DemonstrationModel(
            f"{embedder.model} takes pictures by {embedder.preprocessing}, which leaves paper, pen "
            "and scanner in them on purpose, so its answers are about those: use a model of "
            "another recipe, such as onepen-2"
        )


def require_model(active: ActiveGeneration, embedder: Embedder) -> None:
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
