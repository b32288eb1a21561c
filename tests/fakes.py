"""Small, honest stand-ins: an embedder without a network, signatures without a scanner."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from sigvault.domain.comparison import (
    ErrorRates,
    LikelihoodRatio,
    OperatingPoint,
    Origin,
    Rate,
    Threshold,
)
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.fusion import FusionRule
from sigvault.domain.generation import BoundGeneration
from sigvault.domain.identifiers import GenerationId, ModelId
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard
from sigvault.domain.ports import Embedder
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING, Recipe
from sigvault.imaging.turning import turn_ink

GRID = (8, 13)
"""Rows and columns of both the coarse picture and the local features."""

ORIENTATIONS = 8
"""Bins of stroke orientation, over half a turn."""

FUSION = FusionRule(top=3, local_weight=0.5, cosine_spread=0.0, local_spread=0.0)
"""The fake's rule: the plain mean of both scores, so that expected values can be seen."""


def make_threshold(
    references: int, model: ModelId, *, accept: float = 0.85, refuse: float = 0.6
) -> Threshold:
    """A threshold with made-up but consistent rates."""
    rate = Rate(0.1, 0.05, 0.15)
    return Threshold(
        references=references,
        accept=accept,
        refuse=refuse,
        accept_rates=ErrorRates(rate, Rate(0.0, 0.0, 0.01), rate),
        refuse_rates=ErrorRates(Rate(0.0, 0.0, 0.01), rate, None),
        likelihood_ratio=LikelihoodRatio(slope=12.0, intercept=-9.0, lower=-3.0, upper=2.0),
        fusion=FUSION,
        origin=Origin(
            data="drawn polylines",
            protocol="none",
            signers=10,
            mated=100,
            random_forgeries=900,
            skilled_forgeries=0,
            draws=1,
            seed=0,
            model=model,
            preprocessing=DEFAULT_PREPROCESSING.name,
        ),
    )


def with_points(threshold: Threshold) -> Threshold:
    """The threshold with its two operating points among those measured, on more comparisons."""
    return replace(
        threshold,
        points=(
            OperatingPoint(threshold.refuse, threshold.refuse_rates),
            OperatingPoint(threshold.accept, threshold.accept_rates),
        ),
        origin=replace(threshold.origin, random_forgeries=90_000),
    )


class FakeEmbedder:
    """Embeds by looking: a coarse picture of the ink, and histograms of stroke orientation.

    Deterministic, and alike pictures get alike embeddings, which is all that sigvault asks.

    Attributes:
        batches: the size of each batch embedded so far.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        references: tuple[int, ...] = (1, 3, 5),
        recipe: Recipe = DEFAULT_PREPROCESSING,
        points: bool = True,
        noise: float = 0.0,
        copy_limit: float | None = None,
        trace_limit: float | None = None,
        turns: tuple[float, ...] = (),
        wide: bool = False,
    ) -> None:
        """Take a name, which decides the model's id, and what thresholds its card holds.

        Noise of about 1 makes a model that can't tell signers apart. Wide, a cell's local features
        say what surrounds it, too, as a network's do, so that they tell where the cell lies.
        """
        self._name = name
        self._recipe = recipe
        self._references = references
        self._points = points
        self._noise = noise
        self._limits = {"copy_limit": copy_limit, "trace_limit": trace_limit}
        self._turns = turns
        self._wide = wide
        self.batches: list[int] = []

    @cached_property
    def card(self) -> ModelCard:
        """A card as a trained model would have it."""
        sha256 = hashlib.sha256(self._name.encode()).hexdigest()
        model = ModelId(f"{self._name}-{sha256[:12]}")
        return ModelCard(
            name=self._name,
            sha256=sha256,
            architecture={"kind": "fake", "local_turns": list(self._turns)},
            preprocessing=self._recipe.to_dict(),
            preprocessing_name=self._recipe.name,
            fusion=FUSION,
            training_data=(),
            training_digests=frozenset(),
            recipe={},
            thresholds=tuple(
                replace(with_points(plain) if self._points else plain, **self._limits)
                for plain in (make_threshold(number, model) for number in self._references)
            ),
        )

    @property
    def model(self) -> ModelId:
        """See Embedder."""
        return self.card.id

    @property
    def dimension(self) -> int:
        """See Embedder."""
        return GRID[0] * GRID[1]

    @property
    def preprocessing(self) -> str:
        """See Embedder."""
        return self.card.preprocessing_name

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """See Embedder; references are looked at from as many sides more as there are turns."""
        if images:
            self.batches.append(len(images))
        for image in images:
            if image.preprocessing != self.preprocessing:
                raise GenerationMismatch(f"{image.preprocessing} is not {self.preprocessing}")
        turns = self._turns if as_references else ()
        return [self._embed(image.ink, turns) for image in images]

    def local_features(self, images: Sequence[InkImage]) -> list[npt.NDArray[np.int8]]:
        """See Embedder."""
        return [embedding.level for embedding in self.embed(images)]

    def _embed(self, ink: npt.NDArray[np.float32], turns: tuple[float, ...] = ()) -> Embedding:
        coarse = _reduce(ink)
        centred = (coarse - coarse.mean()).ravel()
        norm = float(np.linalg.norm(centred))
        if norm < 1e-9:
            centred, norm = np.eye(1, self.dimension, dtype=np.float32)[0], 1.0
        vector = centred / norm
        if self._noise:  # the same for the same picture, and for no other
            seed = int.from_bytes(hashlib.sha256(ink.tobytes()).digest()[:8])
            disturbed = np.random.default_rng(seed).standard_normal(self.dimension)
            vector = vector + self._noise * disturbed / np.linalg.norm(disturbed)
            vector = vector / np.linalg.norm(vector)
        vector = vector.astype(np.float32)
        local = _wide_local if self._wide else _local
        grids = [local(each) for each in (ink, *(turn_ink(ink, turn) for turn in turns))]
        return Embedding(vector, np.stack(grids) if turns else grids[0], self.model)


def _local(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    return pack_local(_orientations(ink), _reduce(ink) > 0.01)


def _wide_local(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    own = np.pad(_orientations(ndimage.gaussian_filter(ink, 2.0)), ((1, 1), (1, 1), (0, 0)))
    rows, columns = GRID
    around = [own[down:, right:][:rows, :columns] for down in range(3) for right in range(3)]
    return pack_local(np.concatenate(around, axis=-1), _reduce(ink) > 0.01)


def first_generation(embedder: Embedder, *thresholds: Threshold) -> BoundGeneration:
    """The first generation of a vault that an embedder serves."""
    return BoundGeneration(
        GenerationId(1), embedder.model, embedder.preprocessing, embedder.dimension, thresholds
    )


class OneModel:
    """A shelf with a single model; see `sigvault.services.resources.ModelShelf`."""

    def __init__(self, embedder: FakeEmbedder) -> None:
        """Take the model."""
        self._embedder = embedder

    def find(self, model: ModelId) -> FakeEmbedder:
        """See ModelShelf."""
        return self._embedder

    def keep(self, folder: Path, *, threads: int | None = None) -> FakeEmbedder:
        """See ModelShelf."""
        return self._embedder

    def discard(self, model: ModelId) -> None:
        """See ModelShelf."""


def _reduce(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means over the grid's cells, float32 ``GRID``."""
    rows, columns = GRID
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX))


def _orientations(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Gradient strength by direction in each cell, float32 (rows, columns, ORIENTATIONS)."""
    down, right = np.gradient(ink)
    strength = np.hypot(down, right)
    bins = np.floor(np.arctan2(down, right) % np.pi / np.pi * ORIENTATIONS) % ORIENTATIONS
    layers = [_reduce((strength * (bins == bin_)).astype(np.float32)) for bin_ in range(8)]
    return np.stack(layers, axis=-1)


def draw_signature(signer: int, number: int = 0, *, ink: int = 30, kind: str = "PNG") -> bytes:
    """Draw a signature: the same signer's differ a little, two signers' a lot.

    Args:
        signer: decides the shape.
        number: decides how this one differs from the signer's others.
        ink: grey value of the stroke, 0 = black.
        kind: Pillow's name of the format.

    Returns:
        The bytes of a 400 x 200 picture.
    """
    shape, hand = np.random.default_rng(signer), np.random.default_rng((signer, number))
    steps = np.linspace(0.0, 1.0, 9)
    points = np.stack([50 + 300 * steps, shape.uniform(40, 160, 9)], axis=1)
    points[:, 0] += shape.uniform(-30, 30, 9)
    points += hand.normal(0.0, 2.5, points.shape)
    picture = Image.new("L", (400, 200), 250)
    path = [(float(x), float(y)) for x, y in points]
    ImageDraw.Draw(picture).line(path, fill=ink, width=5, joint="curve")
    file = io.BytesIO()
    picture.save(file, format=kind)
    return file.getvalue()


def draw_blank() -> bytes:
    """An empty sheet of paper, as PNG."""
    file = io.BytesIO()
    Image.new("L", (400, 200), 250).save(file, format="PNG")
    return file.getvalue()
