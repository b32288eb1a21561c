"""What the use cases need from the outside; each has at least two real implementations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding
from sigvault.domain.identifiers import ModelId
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard


class Embedder(Protocol):
    """Turns harmonised signatures into embeddings."""

    @property
    def card(self) -> ModelCard:
        """What is known of the model: how it preprocesses, fuses and decides."""

    @property
    def model(self) -> ModelId:
        """The model behind every embedding that this makes."""

    @property
    def dimension(self) -> int:
        """D, the length of the global vectors."""

    @property
    def preprocessing(self) -> str:
        """The name and version of the preprocessing that the model was trained with."""

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """Embed a batch, in order; an empty batch gives an empty list.

        Args:
            images: ink on the model's canvas.
            as_references: whether they will be references: a model may then look at the ink from
                several sides, which takes longer. A probe is looked at as it is.

        Raises:
            GenerationMismatch: If an image was preprocessed by another recipe.
        """

    def local_features(self, images: Sequence[InkImage]) -> list[npt.NDArray[np.int8]]:
        """The local features of a batch of probes alone, which take less than embedding them.

        Args:
            images: ink on the model's canvas.

        Returns:
            int8 (rows, columns, C) for each image, as `Embedding.local` has it.

        Raises:
            GenerationMismatch: If an image was preprocessed by another recipe.
        """


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The nearest vectors of each probe, best first.

    Attributes:
        rows: int64 (Q, k): the numbers that the vectors were added under; -1 where there are
            fewer than k vectors.
        scores: float32 (Q, k): cosine similarities, falling along each row; -inf beside -1.
    """

    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class VectorIndex(Protocol):
    """Finds the vectors with the largest inner product: a cache of the database."""

    def __len__(self) -> int:
        """How many vectors can be found."""

    def add(self, rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add unit vectors float32 (N, D) under the numbers int64 (N,), new and not negative.

        Raises:
            IndexFailed: If a number is taken, or the shapes don't fit.
        """

    def remove(self, rows: npt.NDArray[np.int64]) -> None:
        """Make the vectors under these numbers unfindable; unknown numbers are ignored."""

    def search(self, probes: npt.NDArray[np.float32], k: int) -> SearchResult:
        """Find the k best vectors for each of the probes float32 (Q, D).

        Raises:
            IndexFailed: If k is below 1 or the shapes don't fit.
        """
