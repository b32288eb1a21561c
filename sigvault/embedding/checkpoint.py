"""Checkpoints: safetensors weights with a model card beside them. No pickle.

A model is a folder with ``model.safetensors`` and ``card.json``.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.card import CARD_FILE, WEIGHTS_FILE, read_card, write_card
from sigvault.embedding.network import EmbeddingNetwork


def save_model(folder: Path, network: EmbeddingNetwork, card: ModelCard) -> ModelCard:
    """Write a model: 16-bit weights and the card, each complete or not at all.

    Args:
        folder: where to; made if missing.
        network: the trained network.
        card: the card, whose digest and architecture are filled in.

    Returns:
        The card as written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    weights = save(tensors)
    partial = folder / f"{WEIGHTS_FILE}.tmp"
    partial.write_bytes(weights)
    partial.replace(folder / WEIGHTS_FILE)
    written = replace(
        card,
        sha256=hashlib.sha256(weights).hexdigest(),
        architecture=network.architecture.to_dict(),
    )
    write_card(folder, written)
    return written


def load_model(folder: Path, card: ModelCard | None = None) -> tuple[EmbeddingNetwork, ModelCard]:
    """Read a model back, ready to embed (float32, evaluation mode).

    Args:
        folder: the model's folder.
        card: the card to build it by; None for the folder's own.

    Raises:
        UnknownModel: If there is no card or no weights.
        CheckpointMismatch: If card and weights don't belong together, or don't fit the network.
    """
    card = card or read_card(folder)
    weights = (folder / WEIGHTS_FILE).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != card.sha256:
        raise CheckpointMismatch(
            f"{folder / WEIGHTS_FILE} has the digest {digest[:12]}..., but {CARD_FILE} was written "
            f"for {card.sha256[:12]}...: restore the pair from where it came from"
        )
    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise CheckpointMismatch(
            f"{folder / WEIGHTS_FILE} is no safetensors file: {error}"
        ) from error
    network = EmbeddingNetwork(Architecture.from_dict(card.architecture))
    fill_network(network, tensors, source=str(folder / WEIGHTS_FILE))
    return network.eval(), card


def fill_network(network: EmbeddingNetwork, tensors: dict[str, Tensor], source: str) -> None:
    """Put tensors into a network, all of them and nothing else.

    Raises:
        CheckpointMismatch: Naming the first parts that are missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is not part of the network" for name in tensors if name not in wanted]
    problems += [
        f"{name} has the shape {tuple(tensors[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointMismatch(
            f"{source} doesn't fit {network.architecture.backbone} of "
            f"{network.architecture.dimension} dimensions: {'; '.join(problems[:3])}{more}"
        )
    network.load_state_dict(tensors)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a torch file with nothing but tensors.

    Raises:
        CheckpointMismatch: If it is neither.
    """
    try:
        if path.suffix == ".safetensors":
            return load(path.read_bytes())
        tensors = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise CheckpointMismatch(f"{path} can't be read: {error.strerror}") from error
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise CheckpointMismatch(f"{path} holds no tensors that can be read: {error}") from error
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointMismatch(f"{path} holds no named tensors")
    return tensors


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state of an unfinished training run, complete or not at all."""
    partial = path.with_name(f"{path.name}.tmp")
    torch.save(state, partial)
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any]:
    """Read the state of an unfinished training run.

    Raises:
        CheckpointMismatch: If the file is no such state.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a file that is not its own
        raise CheckpointMismatch(
            f"{path} can't be resumed from ({error}): remove it to start the run again"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointMismatch(f"{path} holds no training state: remove it to start again")
    return state
