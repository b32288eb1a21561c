"""Runs that are stopped, damaged or diverge: nothing is lost, and nothing comes out different."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import CONFIG, SMALL, draw_signers

from sigvault.domain.errors import CheckpointMismatch, TrainingDiverged
from sigvault.embedding.checkpoint import load_state, save_state
from sigvault.training.devices import Device
from sigvault.training.epoch import TrainingStatus
from sigvault.training.loop import Equipment, train
from sigvault.training.run_state import PREVIOUS_FILE, STATE_FILE, find_state, keep_state

TWO_EPOCHS = replace(
    CONFIG,
    batch=replace(CONFIG.batch, per_epoch=4),
    optimisation=replace(CONFIG.optimisation, epochs=2, patience=5, keep="best"),
    architecture=replace(CONFIG.architecture, dropout=0.2),
)
CPU = Equipment(device=Device.CPU)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_signers(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(TWO_EPOCHS, data, run, preprocessing=SMALL, equipment=CPU)
    return run


def _assert_same(left: object, right: object) -> None:
    """Equal bit for bit, however deep."""
    if isinstance(left, dict):
        assert isinstance(right, dict)
        assert left.keys() == right.keys()
        for key in left:
            _assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert isinstance(right, list | tuple)
        for one, other in zip(left, right, strict=True):
            _assert_same(one, other)
    elif isinstance(left, torch.Tensor):
        assert isinstance(right, torch.Tensor)
        assert torch.equal(left, right)
    else:
        assert left == right


def _losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.parametrize(("epoch", "batch"), [(1, 2), (1, 4), (2, 1)])
def test_stopped_within_an_epoch_and_resumed_equals_uninterrupted(
    data: Path, whole: Path, tmp_path: Path, epoch: int, batch: int
):
    def stop(status: TrainingStatus) -> None:
        if (status.epoch, status.batch) == (epoch, batch):
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(TWO_EPOCHS, data, run, preprocessing=SMALL, progress=stop, equipment=CPU)
    assert load_state(run / STATE_FILE)["batch"] == batch
    train(TWO_EPOCHS, data, run, preprocessing=SMALL, equipment=CPU)
    _assert_same(load_state(run / STATE_FILE), load_state(whole / STATE_FILE))
    assert (run / "model" / "model.safetensors").read_bytes() == (
        whole / "model" / "model.safetensors"
    ).read_bytes()
    assert _losses(run) == _losses(whole)


def test_a_termination_signal_stops_after_the_batch_under_way(data: Path, tmp_path: Path):
    before = signal.getsignal(signal.SIGTERM)
    told: list[int] = []

    def terminate(status: TrainingStatus) -> None:
        told.append(status.batch)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        train(TWO_EPOCHS, data, tmp_path, preprocessing=SMALL, progress=terminate, equipment=CPU)
    assert told == [1]
    assert load_state(tmp_path / STATE_FILE)["batch"] == 1
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_worker_processes_change_nothing(data: Path, whole: Path, tmp_path: Path):
    equipment = replace(CPU, workers=2)
    train(TWO_EPOCHS, data, tmp_path, preprocessing=SMALL, equipment=equipment)
    _assert_same(load_state(tmp_path / STATE_FILE), load_state(whole / STATE_FILE))


def test_a_damaged_state_falls_back_to_the_one_before(
    data: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def stop(status: TrainingStatus) -> None:
        if status.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TWO_EPOCHS, data, tmp_path, preprocessing=SMALL, progress=stop, equipment=CPU)
    newest = tmp_path / STATE_FILE
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING):
        train(TWO_EPOCHS, data, tmp_path, preprocessing=SMALL, equipment=CPU)
    assert "carrying on from the state before it" in caplog.text
    _assert_same(load_state(newest), load_state(whole / STATE_FILE))


def test_states_that_are_all_damaged_are_refused_and_left(tmp_path: Path):
    keep_state(tmp_path, {"epoch": 1})
    keep_state(tmp_path, {"epoch": 2})
    assert find_state(tmp_path) == ({"epoch": 2}, None)
    for name in (STATE_FILE, PREVIOUS_FILE):
        (tmp_path / name).write_bytes(b"noise")
    with pytest.raises(CheckpointMismatch, match="can't be resumed"):
        find_state(tmp_path)
    assert (tmp_path / STATE_FILE).read_bytes() == b"noise"


def test_a_state_of_another_network_is_refused(data: Path, tmp_path: Path):
    keep_state(tmp_path, {"network": {"conv1.weight": torch.zeros(1)}})
    with pytest.raises(CheckpointMismatch, match="doesn't fit this run"):
        train(TWO_EPOCHS, data, tmp_path, preprocessing=SMALL, equipment=CPU)


@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Data of one's own, and a run on them that was stopped within its first epoch."""
    root, run = tmp_path / "root", tmp_path / "run"
    shutil.copytree(data / "signers", root / "signers")

    def stop(status: TrainingStatus) -> None:
        if status.batch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TWO_EPOCHS, root, run, preprocessing=SMALL, progress=stop, equipment=CPU)
    return root, run


@pytest.mark.parametrize("change", ["removed", "added", "changed"])
def test_a_run_is_not_carried_on_with_other_data(stopped: tuple[Path, Path], change: str):
    """The card would list the new files alone, and the old ones count as unseen."""
    root, run = stopped
    signers = root / "signers" / "genuine"
    # Every signer, so that it doesn't matter who is held out.
    for folder in sorted(signers.iterdir()):
        if change != "added":
            (folder / "0.png").unlink()
        if change != "removed":
            other = {"s5": "s0"}.get(folder.name, f"s{int(folder.name[1:]) + 1}")
            shutil.copy(
                signers / other / "3.png", folder / f"{0 if change == 'changed' else 9}.png"
            )
    before = (run / STATE_FILE).read_bytes(), (run / "left_out.json").read_bytes()
    with pytest.raises(CheckpointMismatch, match=r"other data.*put the data back"):
        train(TWO_EPOCHS, root, run, preprocessing=SMALL, equipment=CPU)
    assert ((run / STATE_FILE).read_bytes(), (run / "left_out.json").read_bytes()) == before
    assert not (run / "model").exists()


def test_data_that_were_moved_are_the_same_data(stopped: tuple[Path, Path], whole: Path):
    root, run = stopped
    moved = root.rename(root.with_name("moved"))
    train(TWO_EPOCHS, moved, run, preprocessing=SMALL, equipment=CPU)
    _assert_same(load_state(run / STATE_FILE), load_state(whole / STATE_FILE))


def test_a_state_of_before_that_names_no_data_is_carried_on(
    stopped: tuple[Path, Path], whole: Path
):
    root, run = stopped
    state = load_state(run / STATE_FILE)
    del state["material"]
    save_state(run / STATE_FILE, state)
    train(TWO_EPOCHS, root, run, preprocessing=SMALL, equipment=CPU)
    _assert_same(load_state(run / STATE_FILE), load_state(whole / STATE_FILE))


def test_a_loss_that_is_no_number_names_the_files_and_keeps_the_state(data: Path, tmp_path: Path):
    optimiser = {"name": "SGD"}
    wild = replace(
        TWO_EPOCHS,
        optimisation=replace(
            TWO_EPOCHS.optimisation,
            optimiser=optimiser,
            scheduler={"name": "ConstantLR", "factor": 1.0},
            gradient_norm=0.0,
            learning_rate=1e38,
        ),
    )
    always = replace(CPU, save_seconds=0.0)
    with pytest.raises(TrainingDiverged, match=r"batch \d+ of epoch \d+.*\.png \(signer s\d\)"):
        train(wild, data, tmp_path, preprocessing=SMALL, equipment=always)
    assert load_state(tmp_path / STATE_FILE)["batch"] >= 1


def test_patience_ends_a_run_and_the_best_epoch_becomes_the_model(data: Path, tmp_path: Path):
    chosen = replace(TWO_EPOCHS.optimisation, epochs=12, patience=1, learning_rate=1e-6)
    config = replace(TWO_EPOCHS, optimisation=chosen)
    train(config, data, tmp_path, preprocessing=SMALL, equipment=CPU)
    stopping = load_state(tmp_path / STATE_FILE)["stopping"]
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 12
    assert stopping["waited"] == 1
    best = load_state(tmp_path / "best.pt")["conv1.weight"]
    last = load_state(tmp_path / STATE_FILE)["network"]["conv1.weight"]
    assert not torch.equal(best, last)
    from sigvault.embedding.checkpoint import load_model

    kept = load_model(tmp_path / "model")[0].state_dict()["conv1.weight"]
    assert torch.equal(kept, best.half().float())


def test_a_run_leaves_curves_events_and_what_was_left_out(whole: Path):
    assert (whole / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((whole / "events").iterdir())
    assert set(json.loads((whole / "left_out.json").read_text(encoding="utf-8"))) == {
        "files",
        "signers",
        "copies",
    }
    lines = (whole / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert {"loss", "waiting", "images_per_second", "active", "learning_rate"} <= set(
        json.loads(lines[0])
    )


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_training_on_cuda(data: Path, tmp_path: Path, precision: str):
    chosen = replace(TWO_EPOCHS.optimisation, precision=precision)
    config = replace(TWO_EPOCHS, optimisation=chosen)
    train(config, data, tmp_path, preprocessing=SMALL, equipment=Equipment(device=Device.CUDA))
    state = load_state(tmp_path / STATE_FILE)
    assert state["epoch"] == 2
    assert bool(state["precision"]) == (precision == "float16")
