"""A run from files to a model: whole, interrupted and resumed, and refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import ARCHITECTURE, CONFIG, SMALL, draw_signers

from sigvault.datasets import Layout, read_layout
from sigvault.domain.errors import (
    CheckpointMismatch,
    ConfigurationError,
    DatasetError,
    TrainingDiverged,
)
from sigvault.embedding.architecture import Backbone
from sigvault.embedding.checkpoint import load_model, load_state, save_state
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training.config import Batch, LocalProjection, Split, Start, TrainingConfig
from sigvault.training.datasets import load_ink
from sigvault.training.loop import TrainingStatus, train
from sigvault.training.losses.settings import (
    ArcFace,
    BatchTriplet,
    ForgeryRanking,
    Loss,
    SubCentreArcFace,
    SupervisedContrastive,
    TupletMargin,
)
from sigvault.training.warm_start import batch_norms, re_estimate, start_from

FROZEN = {"conv1", "bn1", "layer1", "layer2", "layer3"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_signers(tmp_path_factory.mktemp("data"))


@pytest.fixture
def config() -> TrainingConfig:
    return CONFIG


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_model(run / "model")[0].state_dict()


def test_interrupted_and_resumed_equals_uninterrupted(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    whole = train(config, data, tmp_path / "whole", preprocessing=SMALL)

    def interrupt(status: TrainingStatus) -> None:
        if status.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "halves", preprocessing=SMALL, progress=interrupt)
    assert not (tmp_path / "halves" / "model").exists()
    resumed = train(config, data, tmp_path / "halves", preprocessing=SMALL)
    assert resumed.sha256 == whole.sha256
    metrics = (tmp_path / "halves" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in metrics] == [1, 2, 3]


def test_a_loss_with_parameters_of_its_own_is_resumed_with_them(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    classified = replace(config, loss=SubCentreArcFace(forgeries=ForgeryRanking(skilled=1.0)))

    def interrupt(status: TrainingStatus) -> None:
        if (status.epoch, status.batch) == (2, 1):
            raise KeyboardInterrupt

    whole = train(classified, data, tmp_path / "whole", preprocessing=SMALL)
    with pytest.raises(KeyboardInterrupt):
        train(classified, data, tmp_path / "halves", preprocessing=SMALL, progress=interrupt)
    kept = load_state(tmp_path / "halves" / "state.pt")["objective"]
    # Three of the six signers are trained on, with three centres each.
    assert kept["global_loss._loss.W"].shape == (8, 3 * 3)
    resumed = train(classified, data, tmp_path / "halves", preprocessing=SMALL)
    assert resumed.sha256 == whole.sha256


@pytest.mark.parametrize(
    "loss",
    [
        BatchTriplet(mining="batch-semi-hard", diversity=0.1, local_weight=0),
        SupervisedContrastive(),
        TupletMargin(),
        ArcFace(),
    ],
    ids=lambda loss: loss.name,
)
def test_every_loss_trains(data: Path, config: TrainingConfig, tmp_path: Path, loss: Loss):
    statuses: list[TrainingStatus] = []
    short = replace(
        config,
        loss=loss,
        batch=replace(config.batch, per_epoch=2),
        optimisation=replace(config.optimisation, epochs=1),
    )
    train(short, data, tmp_path / "run", preprocessing=SMALL, progress=statuses.append)
    assert len(statuses) == 2
    assert all(status.active is not None for status in statuses)
    assert all(status.loss > 0 for status in statuses)


def test_without_epochs_the_start_is_kept_and_local_features_are_fitted(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    root = tmp_path / "root"
    shutil.copytree(data / "signers", root / "signers")
    one_epoch = replace(config, optimisation=replace(config.optimisation, epochs=1))
    earlier = train(one_epoch, root, tmp_path / "first", preprocessing=SMALL)
    shutil.copytree(tmp_path / "first" / "model", root / "earlier")
    fitted = replace(
        config,
        name="fitted",
        architecture=replace(ARCHITECTURE, local_stage=2),
        start=Start(checkpoint="earlier"),
        loss=replace(config.loss, local_weight=0.0),
        optimisation=replace(config.optimisation, epochs=0),
    )
    card = train(fitted, root, tmp_path / "second", preprocessing=SMALL)
    before, after = _weights(tmp_path / "first"), _weights(tmp_path / "second")
    assert all(
        torch.equal(before[name], after[name])
        for name in before
        if not name.startswith("local_projection")
    )
    assert after["local_projection.weight"].shape == (4, 128, 1, 1)
    assert card.training_digests == earlier.training_digests
    again = train(fitted, root, tmp_path / "third", preprocessing=SMALL)
    assert again.sha256 == card.sha256


def test_local_features_are_taught_at_the_end_and_carried_on_anew(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    root = tmp_path / "root"
    shutil.copytree(data / "signers", root / "signers")
    one_epoch = replace(config, optimisation=replace(config.optimisation, epochs=1))
    train(one_epoch, root, tmp_path / "first", preprocessing=SMALL)
    shutil.copytree(tmp_path / "first" / "model", root / "earlier")
    taught = replace(
        config,
        start=Start(checkpoint="earlier"),
        loss=replace(config.loss, local_weight=0.0),
        optimisation=replace(config.optimisation, epochs=0),
        local_projection=LocalProjection(batches=3),
    )
    told: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        told.append((done, total))
        if done == total and len(told) == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(taught, root, tmp_path / "second", preprocessing=SMALL, teaching=note)
    assert not (tmp_path / "second" / "model").exists()
    train(taught, root, tmp_path / "second", preprocessing=SMALL, teaching=note)
    total = told[0][1]
    assert told == [(done, total) for done in range(1, total + 1)] * 2
    before, after = _weights(tmp_path / "first"), _weights(tmp_path / "second")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["local_projection.weight"]
    # It starts from the projection that came with the start, so it stays near it.
    moved = (before[changed[0]] - after[changed[0]]).norm() / before[changed[0]].norm()
    assert 0.0 < moved < 0.2


def test_without_epochs_there_must_be_a_start(config: TrainingConfig):
    with pytest.raises(ConfigurationError, match=r"optimisation\.epochs"):
        replace(config, optimisation=replace(config.optimisation, epochs=0))


def test_what_was_left_out_is_written_down(data: Path, config: TrainingConfig, tmp_path: Path):
    root = tmp_path / "root"
    shutil.copytree(data / "signers", root / "signers")
    for picture in sorted((root / "signers" / "genuine" / "s0").iterdir())[1:]:
        picture.unlink()
    (root / "signers" / "genuine" / "s1" / "bad.png").write_bytes(b"no picture")
    everybody = replace(
        config,
        split=Split(folds=1, validation_share=0),
        batch=replace(config.batch, per_epoch=1),
        optimisation=replace(config.optimisation, epochs=1),
    )
    train(everybody, root, tmp_path / "run", preprocessing=SMALL)
    found = json.loads((tmp_path / "run" / "left_out.json").read_text(encoding="utf-8"))
    assert [line.split(":")[0] for line in found["signers"]] == ["signer s0 of signers"]
    assert ["bad.png" in line for line in found["files"]] == [True]


def test_the_card_names_every_image_seen_and_no_held_out_one(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    statuses: list[TrainingStatus] = []
    one_epoch = replace(config, optimisation=replace(config.optimisation, epochs=1))
    card = train(one_epoch, data, tmp_path / "run", preprocessing=SMALL, progress=statuses.append)
    dataset = read_layout(data / "signers")
    digests = {specimen.path: decode_file(specimen.path).digest for specimen in dataset.specimens}
    seen = {s.signer for s in dataset.specimens if digests[s.path] in card.training_digests}
    unseen = {s.signer for s in dataset.specimens if digests[s.path] not in card.training_digests}
    assert len(seen) == 4
    assert len(unseen) == 2
    assert not seen & unseen
    assert statuses[-1].batch == statuses[-1].batches
    assert "2 held out" in card.training_data[0]
    assert Preprocessing.from_dict(card.preprocessing) == SMALL
    embedder = TorchEmbedder(tmp_path / "run" / "model", device="cpu")
    picture = SMALL.prepare(decode_file(dataset.specimens[0].path)).ink
    assert embedder.embed([picture])[0].vector.shape == (8,)


def test_a_folder_with_another_run_is_refused(data: Path, config: TrainingConfig, tmp_path: Path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointMismatch, match="another configuration"):
        train(config, data, tmp_path, preprocessing=SMALL)


def test_too_few_signers_for_a_batch_are_refused(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    with pytest.raises(DatasetError, match=r"batch\.signers"):
        train(replace(config, batch=Batch(signers=8)), data, tmp_path, preprocessing=SMALL)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    wild = replace(config, optimisation=replace(config.optimisation, learning_rate=1e30))
    with pytest.raises(TrainingDiverged, match="batch"):
        train(wild, data, tmp_path, preprocessing=SMALL)


def test_unusable_files_are_reported_and_the_others_used(data: Path, tmp_path: Path):
    folder = tmp_path / "genuine" / "a"
    folder.mkdir(parents=True)
    (folder / "bad.png").write_bytes(b"no picture")
    source = next((data / "signers" / "genuine" / "s0").iterdir())
    (folder / "good.png").write_bytes(source.read_bytes())
    loaded = load_ink(read_layout(tmp_path, Layout.FOLDERS), SMALL, tmp_path / "cache")
    assert len(loaded.specimens) == 1
    assert len(loaded.failed) == 1
    assert "bad.png" in loaded.failed[0]


def _checkpoint(path: Path) -> Path:
    torch.manual_seed(3)
    tensors = EmbeddingNetwork(ARCHITECTURE).state_dict()
    tensors["conv1.weight"] = torch.rand(64, 3, 7, 7)
    tensors["head.0.weight"] = torch.zeros(3, 3)
    del tensors["local_projection.weight"]
    save_state(path, dict(tensors))
    return path


def test_a_warm_start_takes_what_fits_and_says_what_does_not(tmp_path: Path):
    network = EmbeddingNetwork(ARCHITECTURE)
    path = _checkpoint(tmp_path / "start.pt")
    report = start_from(network, path)
    assert report.unfitting == ("head.0.weight",)
    assert report.missing == ("local_projection.weight",)
    kept = load_state(path)
    assert torch.allclose(network.conv1.weight, kept["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(network.layer3[0].conv1.weight, kept["layer3.0.conv1.weight"])


def test_a_checkpoint_of_which_nothing_fits_is_refused(tmp_path: Path):
    save_state(tmp_path / "other.pt", {"other": torch.zeros(1)})
    with pytest.raises(CheckpointMismatch, match="nothing in"):
        start_from(EmbeddingNetwork(ARCHITECTURE), tmp_path / "other.pt")
    (tmp_path / "noise.pt").write_bytes(b"noise")
    with pytest.raises(CheckpointMismatch, match="no tensors"):
        start_from(EmbeddingNetwork(ARCHITECTURE), tmp_path / "noise.pt")


@pytest.mark.parametrize("backbone", [Backbone.RESNET34, Backbone.RESNET50])
def test_a_checkpoint_of_another_backbone_is_refused_and_takes_nothing(
    tmp_path: Path, backbone: Backbone
):
    """Many of its tensors would fit by name and shape, and mean something else."""
    other = EmbeddingNetwork(replace(ARCHITECTURE, backbone=backbone))
    save_state(tmp_path / "other.pt", dict(other.state_dict()))
    network = EmbeddingNetwork(ARCHITECTURE)
    before = network.conv1.weight.detach().clone()
    with pytest.raises(CheckpointMismatch, match=r"another backbone than resnet18.*layer1\.\d"):
        start_from(network, tmp_path / "other.pt")
    assert torch.equal(network.conv1.weight, before)


def test_a_checkpoint_of_a_backbone_with_fewer_blocks_is_refused(tmp_path: Path):
    smaller = EmbeddingNetwork(ARCHITECTURE)
    save_state(tmp_path / "smaller.pt", dict(smaller.state_dict()))
    network = EmbeddingNetwork(replace(ARCHITECTURE, backbone=Backbone.RESNET34))
    with pytest.raises(CheckpointMismatch, match="another backbone than resnet34"):
        start_from(network, tmp_path / "smaller.pt")


def test_re_estimating_batch_norm_keeps_the_function(tmp_path: Path):
    torch.manual_seed(1)
    network = EmbeddingNetwork(ARCHITECTURE).eval()
    ink = (torch.rand(8, 1, 32, 48) > 0.8).float()
    with torch.inference_mode():
        before = network(ink).vector
    layers = batch_norms(network, network.state_dict())
    assert len(layers) == 20
    re_estimate(network, layers, [ink[:4], ink[4:]])
    assert float(layers[0].running_mean.abs().sum()) > 0
    with torch.inference_mode():
        after = network(ink).vector
    assert torch.allclose(before, after, atol=1e-4)


def test_finished_weights_can_keep_a_share_of_the_start(
    data: Path, config: TrainingConfig, tmp_path: Path
):
    root = tmp_path / "root"
    root.mkdir()
    (root / "signers").symlink_to(data / "signers")
    one_epoch = replace(config, optimisation=replace(config.optimisation, epochs=1))
    first = train(one_epoch, root, root / "start", preprocessing=SMALL)
    onward = replace(one_epoch, start=Start(checkpoint="start/model"))
    half = replace(onward, optimisation=replace(onward.optimisation, start_share=0.5))
    train(onward, root, root / "ends", preprocessing=SMALL)
    card = train(half, root, root / "half", preprocessing=SMALL)
    begun, ended, averaged = (_weights(root / name) for name in ("start", "ends", "half"))
    name = "layer3.0.conv1.weight"
    assert torch.allclose(averaged[name], (begun[name] + ended[name]) / 2, atol=2e-3)
    assert not torch.allclose(averaged[name], ended[name], atol=1e-5)
    assert card.training_digests >= first.training_digests
    assert card.recipe["started_from"]["model"] == first.id


def test_frozen_stages_stay_as_they_were(data: Path, config: TrainingConfig, tmp_path: Path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "signers").symlink_to(data / "signers")
    one_epoch = replace(config, optimisation=replace(config.optimisation, epochs=1))
    train(one_epoch, root, root / "start", preprocessing=SMALL)
    start = Start(checkpoint="start/model", frozen_stages=3)
    train(replace(one_epoch, start=start), root, root / "onward", preprocessing=SMALL)
    begun, ended = _weights(root / "start"), _weights(root / "onward")
    frozen = {name for name in begun if name.split(".")[0] in FROZEN}
    assert {name.split(".")[0] for name in frozen} == FROZEN
    assert all(torch.equal(begun[name], ended[name]) for name in frozen)
    assert not torch.equal(begun["layer4.0.conv1.weight"], ended["layer4.0.conv1.weight"])
    assert not torch.equal(begun["layer4.0.bn1.running_mean"], ended["layer4.0.bn1.running_mean"])
    assert not torch.equal(begun["head.0.weight"], ended["head.0.weight"])
