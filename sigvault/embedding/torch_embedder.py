"""The embedder that serving uses: a checkpoint run by torch on the CPU or a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import ConfigurationError, GenerationMismatch
from sigvault.domain.identifiers import ModelId
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.card import read_card
from sigvault.imaging.turning import turn_ink

if TYPE_CHECKING:
    import torch

    from sigvault.embedding.network import EmbeddingNetwork


class CoreShare:
    """How many of torch's threads a pass of the embedding thread takes; one a process.

    A pass for several callers takes half: others decode the next pictures meanwhile, and threads
    that fight for cores wait for each other at every layer. A pass for one caller takes all.
    """

    def __init__(self, threads: int | None = None) -> None:
        """Take the threads that there are, or None for torch's own choice."""
        self._threads = threads

    def __call__(self, callers: int) -> None:
        """Set them for the calling thread, before a pass for so many callers."""
        import torch

        if self._threads is None:
            self._threads = torch.get_num_threads()
        torch.set_num_threads(self._threads if callers == 1 else max(1, self._threads // 2))


class TorchEmbedder:
    """Embeds with a model folder; torch and the weights are loaded when first needed."""

    def __init__(
        self,
        folder: Path,
        device: str = "auto",
        threads: int | None = None,
        card: ModelCard | None = None,
    ) -> None:
        """Read the card.

        Args:
            folder: the model's folder.
            device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
            threads: CPU threads that torch may use, or None for its own choice.
            card: a card for the same weights that is not written yet; None for the folder's own.

        Raises:
            UnknownModel: If the folder holds no model.
            CheckpointMismatch: If its card can't be understood.
            ConfigurationError: If the device is not one of the three.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise ConfigurationError(f"the device is {device!r}; use auto, cpu or cuda")
        self._folder = folder
        self._device = device
        self._threads = threads
        self._card = card or read_card(folder)
        self._network: EmbeddingNetwork | None = None
        self._loading = threading.Lock()

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    @property
    def model(self) -> ModelId:
        """The model behind every embedding that this makes."""
        return self._card.id

    @property
    def dimension(self) -> int:
        """D, the length of the global vectors."""
        return int(self._card.architecture["dimension"])

    @property
    def preprocessing(self) -> str:
        """The name and version of the preprocessing that the model was trained with."""
        return self._card.preprocessing_name

    def embed(self, images: Sequence[InkImage], *, as_references: bool = False) -> list[Embedding]:
        """Embed a batch in one forward pass, in order.

        Args:
            images: ink on the canvas, float32 (H, W) each; any number, none gives none.
            as_references: also take the local features of the ink turned, for a model that has
                them (``Architecture.local_turns``), in a pass more for each turn.

        Raises:
            GenerationMismatch: If an image was preprocessed by another recipe.
            CheckpointMismatch: If the weights don't fit the card.
            ConfigurationError: If a GPU is asked for and there is none.
        """
        self._require_own(images)
        if not images:
            return []
        import torch

        network, device = self._load()
        inks = [image.ink for image in images]
        turns = network.architecture.local_turns if as_references else ()
        with torch.inference_mode():
            output = network(_put(inks, device))
            views = [(output.local, output.inked)]
            views += [
                network.local_features(_put((turn_ink(ink, degrees) for ink in inks), device))
                for degrees in turns
            ]
        vectors = output.vector.cpu().numpy()
        grids = [_pack(local, inked) for local, inked in views]
        return [
            Embedding(vector.copy(), np.stack(own) if turns else own[0], self.model)
            for vector, *own in zip(vectors, *grids, strict=True)
        ]

    def local_features(self, images: Sequence[InkImage]) -> list[npt.NDArray[np.int8]]:
        """The local features of a batch alone: a pass without the last stage and the head.

        Args:
            images: ink on the canvas, float32 (H, W) each; any number, none gives none.

        Raises:
            GenerationMismatch: If an image was preprocessed by another recipe.
            CheckpointMismatch: If the weights don't fit the card.
            ConfigurationError: If a GPU is asked for and there is none.
        """
        self._require_own(images)
        if not images:
            return []
        import torch

        network, device = self._load()
        with torch.inference_mode():
            return _pack(*network.local_features(_put((one.ink for one in images), device)))

    def _require_own(self, images: Sequence[InkImage]) -> None:
        """Make sure that all images are for this model.

        Raises:
            GenerationMismatch: If not.
        """
        for image in images:
            if image.preprocessing != self.preprocessing:
                raise GenerationMismatch(
                    f"the image was preprocessed by {image.preprocessing}, but {self.model} takes "
                    f"{self.preprocessing}: prepare it with the model's own preprocessing"
                )

    def _load(self) -> tuple[EmbeddingNetwork, str]:
        import torch

        from sigvault.embedding.checkpoint import load_model
        from sigvault.embedding.folding import fold_batch_norms

        with self._loading:
            device = self._device
            if device == "auto":
                device = "cuda" if torch.cuda.is_available() else "cpu"
            if device == "cuda" and not torch.cuda.is_available():
                raise ConfigurationError(
                    "there is no usable GPU here: set the device to auto or cpu"
                )
            if self._network is None:
                if self._threads is not None:
                    torch.set_num_threads(self._threads)
                network, _ = load_model(self._folder, self._card)
                fold_batch_norms(network)
                self._network = network.to(device).to(memory_format=torch.channels_last)
            return self._network, device


def _put(inks: Iterable[npt.NDArray[np.float32]], device: str) -> torch.Tensor:
    """Ink as the network takes it, float (B, 1, H, W)."""
    import torch

    batch = torch.from_numpy(np.stack(list(inks))[:, None])
    return batch.to(device, memory_format=torch.channels_last)


def _pack(local: torch.Tensor, inked: torch.Tensor) -> list[npt.NDArray[np.int8]]:
    """Each image's local features, int8 (rows, columns, C)."""
    pairs = zip(local.cpu().numpy(), inked.cpu().numpy(), strict=True)
    return [pack_local(features, mask) for features, mask in pairs]
