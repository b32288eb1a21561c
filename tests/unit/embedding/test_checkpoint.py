"""Models survive the way to disk and back; what doesn't fit says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sigvault.domain.errors import (
    CheckpointMismatch,
    ConfigurationError,
    GenerationMismatch,
    UnknownModel,
)
from sigvault.domain.fusion import FusionRule
from sigvault.domain.image import InkImage
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.card import read_card
from sigvault.embedding.checkpoint import load_model, load_state, save_model, save_state
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.embedding.torch_embedder import CoreShare, TorchEmbedder
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_ink

SMALL = Architecture(height=32, width=48, dimension=8, local_channels=4)


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        name="tiny",
        sha256="",
        architecture={},
        preprocessing=DEFAULT_PREPROCESSING.to_dict(),
        preprocessing_name=DEFAULT_PREPROCESSING.name,
        fusion=FusionRule(),
        training_data=("nothing",),
        training_digests=frozenset({"ab" * 32}),
        recipe={},
    )


@pytest.fixture
def folder(tmp_path: Path, card: ModelCard) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "model", EmbeddingNetwork(SMALL).eval(), card)
    return tmp_path / "model"


def _ink(seed: int) -> InkImage:
    ink = (np.random.default_rng(seed).random((32, 48)) > 0.8).astype(np.float32)
    return InkImage(ink, "00" * 32, DEFAULT_PREPROCESSING.name, 1.0)


def test_round_trip_keeps_the_function_within_16_bits(tmp_path: Path, card: ModelCard):
    torch.manual_seed(0)
    network = EmbeddingNetwork(SMALL).eval()
    written = save_model(tmp_path, network, card)
    again, read = load_model(tmp_path)
    assert read == written
    assert read.id == f"tiny-{written.sha256[:12]}"
    ink = torch.from_numpy(_ink(1).ink)[None, None]
    with torch.inference_mode():
        cosine = float((network(ink).vector * again(ink).vector).sum())
    assert cosine > 0.9999


def test_embedding_does_not_depend_on_the_batch(folder: Path):
    embedder = TorchEmbedder(folder, device="cpu")
    images = [_ink(seed) for seed in range(5)]
    together = embedder.embed(images)
    for image, embedding in zip(images, together, strict=True):
        (alone,) = embedder.embed([image])
        np.testing.assert_allclose(alone.vector, embedding.vector, atol=1e-5)
        assert np.abs(alone.local.astype(int) - embedding.local).max() <= 1
        assert embedding.model == embedder.model
    assert embedder.embed([]) == []


def test_an_image_of_another_recipe_is_refused(folder: Path):
    image = InkImage(_ink(0).ink, "00" * 32, "otsu-7", 1.0)
    with pytest.raises(GenerationMismatch, match="otsu-7"):
        TorchEmbedder(folder).embed([image])


def test_an_unknown_device_is_refused(folder: Path):
    with pytest.raises(ConfigurationError, match="tpu"):
        TorchEmbedder(folder, device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error_when_asked_for(folder: Path):
    with pytest.raises(ConfigurationError, match="no usable GPU"):
        TorchEmbedder(folder, device="cuda").embed([_ink(0)])


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path):
    with pytest.raises(UnknownModel, match=r"card\.json"):
        read_card(tmp_path)


def test_changed_weights_are_noticed(folder: Path):
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointMismatch, match="digest"):
        load_model(folder)


def test_another_architecture_says_which_part(folder: Path):
    path = folder / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["architecture"]["dimension"] = 16
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(CheckpointMismatch, match=r"head\.0\.weight has the shape"):
        load_model(folder)


def test_a_damaged_card_is_named(folder: Path):
    (folder / "card.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointMismatch, match="can't be understood"):
        read_card(folder)


def test_training_state_round_trips_and_a_damaged_one_is_refused(tmp_path: Path):
    save_state(tmp_path / "state.pt", {"epoch": 3, "network": {"w": torch.ones(2)}})
    state = load_state(tmp_path / "state.pt")
    assert state["epoch"] == 3
    assert torch.equal(state["network"]["w"], torch.ones(2))
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointMismatch, match="remove it"):
        load_state(tmp_path / "state.pt")


def test_references_are_looked_at_from_several_sides(tmp_path: Path, card: ModelCard):
    torch.manual_seed(0)
    turned = replace(SMALL, local_turns=(-12.0, 12.0))
    save_model(tmp_path, EmbeddingNetwork(turned).eval(), card)
    embedder = TorchEmbedder(tmp_path, device="cpu")
    images = [_ink(1), _ink(2)]
    references = embedder.embed(images, as_references=True)
    probes = embedder.embed(images)
    for place, turn in enumerate(turned.local_turns, start=1):
        inks = [replace(image, ink=turn_ink(image.ink, turn)) for image in images]
        for reference, other in zip(references, embedder.embed(inks), strict=True):
            assert np.abs(reference.local[place].astype(int) - other.local).max() <= 1
    for reference, probe in zip(references, probes, strict=True):
        assert reference.local.shape == (3, *probe.local.shape)
        np.testing.assert_allclose(reference.vector, probe.vector, atol=1e-6)
        assert np.abs(reference.level.astype(int) - probe.local).max() <= 1


def test_a_pass_for_several_callers_takes_half_of_the_threads(folder: Path):
    before = torch.get_num_threads()
    try:
        share = CoreShare(4)
        for callers, threads in ((2, 2), (1, 4), (8, 2)):
            share(callers)
            TorchEmbedder(folder, "cpu").embed([_ink(0), _ink(1)])
            assert torch.get_num_threads() == threads
        CoreShare(1)(2)
        assert torch.get_num_threads() == 1
        torch.set_num_threads(6)
        share = CoreShare()
        for callers, threads in ((2, 3), (2, 3), (1, 6), (3, 3)):  # never half of a half
            share(callers)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_local_features_alone_are_those_of_the_embeddings(folder: Path):
    embedder = TorchEmbedder(folder, device="cpu")
    images = [_ink(1), _ink(2)]
    alone = embedder.local_features(images)
    for one, embedding in zip(alone, embedder.embed(images), strict=True):
        assert one.dtype == np.int8
        assert np.abs(one.astype(int) - embedding.local).max() <= 1
    assert embedder.local_features([]) == []
    with pytest.raises(GenerationMismatch, match="another-1"):
        embedder.local_features([replace(images[0], preprocessing="another-1")])


def test_without_turns_references_are_as_probes(folder: Path):
    embedder = TorchEmbedder(folder, device="cpu")
    (reference,) = embedder.embed([_ink(1)], as_references=True)
    (probe,) = embedder.embed([_ink(1)])
    assert np.array_equal(reference.local, probe.local)
