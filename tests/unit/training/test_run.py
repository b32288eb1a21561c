"""What a run takes of its material, and what it begins with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import ARCHITECTURE, CONFIG, SMALL, draw_signers

from sigvault.embedding.checkpoint import load_model, save_state
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.config import BatchNormStart, Start, TrainingConfig
from sigvault.training.devices import Device, open_fabric
from sigvault.training.ink_pool import InkPool
from sigvault.training.loop import train
from sigvault.training.material import gather
from sigvault.training.run import prepare_run

FOLDED = replace(CONFIG, start=Start(checkpoint="start.pt", batch_norm=BatchNormStart.RE_ESTIMATE))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signers, and weights whose batch normalisations have mean 0 and variance 1: as if folded."""
    folder = draw_signers(tmp_path_factory.mktemp("data"))
    torch.manual_seed(3)
    save_state(folder / "start.pt", dict(EmbeddingNetwork(ARCHITECTURE).state_dict()))
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class NotedInk(InkPool):
    """Pictures that know which of them were asked for."""

    def __init__(self, ink: np.ndarray[Any, Any]) -> None:
        super().__init__([(ink, np.arange(len(ink)))])
        self.asked: set[int] = set()

    def __getitem__(self, rows: Any) -> np.ndarray[Any, Any]:
        self.asked |= set(np.atleast_1d(rows).tolist())
        return super().__getitem__(rows)


def test_statistics_and_projections_come_from_training_signers_alone(root: Path, tmp_path: Path):
    material = gather(FOLDED, SMALL, root, tmp_path / "cache")
    ink = NotedInk(material.ink[:])
    noted = replace(material, ink=ink)
    training = {row for own in noted.training for row in (*own.genuine, *own.forged)}
    assert 0 < len(training) < len(ink)
    run = prepare_run(FOLDED, noted, root, open_fabric("float32", Device.CPU), batches=1)
    assert ink.asked == training  # by re-estimating the start's batch normalisation
    for use in (run.settle, run.fit_local):
        ink.asked.clear()
        use(FOLDED, noted)
        assert ink.asked == training


def _weights(config: TrainingConfig, root: Path, run: Path) -> dict[str, torch.Tensor]:
    train(config, root, run, preprocessing=SMALL)
    return load_model(run / "model")[0].state_dict()


def test_an_untrained_network_averaged_with_its_own_start_is_unchanged(root: Path, tmp_path: Path):
    """Re-estimated batch normalisation has other weights than the checkpoint it came from."""
    untrained = replace(FOLDED, optimisation=replace(FOLDED.optimisation, epochs=0))
    half = replace(untrained, optimisation=replace(untrained.optimisation, start_share=0.5))
    begun = _weights(untrained, root, tmp_path / "begun")
    averaged = _weights(half, root, tmp_path / "averaged")
    assert float((begun["bn1.weight"] - 1.0).abs().max()) > 0.1
    for name, value in begun.items():
        if "running" not in name and "num_batches" not in name:  # settled anew
            assert torch.equal(value, averaged[name]), name


def test_weights_are_averaged_half_way_to_the_re_estimated_start(root: Path, tmp_path: Path):
    material = gather(FOLDED, SMALL, root, tmp_path / "cache")
    half = replace(FOLDED, optimisation=replace(FOLDED.optimisation, start_share=0.5))
    run = prepare_run(half, material, root, open_fabric("float32", Device.CPU), batches=1)
    begun = {name: value.clone() for name, value in run.network.state_dict().items()}
    with torch.no_grad():
        run.network.bn1.weight += 2.0
    run.average_with_start(half, material, root)
    for name, value in run.network.state_dict().items():
        moved = 1.0 if name == "bn1.weight" else 0.0
        assert torch.allclose(value.float(), begun[name].float() + moved), name


def test_the_same_data_elsewhere_are_the_same_material_and_others_are_not(
    root: Path, tmp_path: Path
):
    def fingerprint(folder: Path) -> str:
        return gather(CONFIG, SMALL, folder, tmp_path / "cache").fingerprint()

    shutil.copytree(root / "signers", tmp_path / "elsewhere" / "signers")
    known = fingerprint(root)
    assert fingerprint(tmp_path / "elsewhere") == known
    genuine = tmp_path / "elsewhere" / "signers" / "genuine"
    (genuine / "s6").mkdir()
    for number in range(2):  # a signer more: another split, and other rows
        shutil.copy(genuine / "s0" / f"{number}.png", genuine / "s6" / f"{number}.png")
    assert fingerprint(tmp_path / "elsewhere") != known
