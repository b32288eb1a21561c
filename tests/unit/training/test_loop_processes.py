"""Two processes come to what one comes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import ARCHITECTURE, draw_signers
from torch import multiprocessing, nn

from sigvault.embedding.checkpoint import load_state
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.devices import gather_batch, own_places
from sigvault.training.distributed_norm import share_batch_norm

CONFIG = """
name = "tiny"
licence = "none"
[[data]]
path = "signers"
layout = "folders"
licence = "made up"
[architecture]
height = 32
width = 48
dimension = 8
local_channels = 4
dropout = 0.3
[split]
folds = 3
fold = 1
validation_share = 0.25
[batch]
signers = 3
genuine = 3
forged = 2
per_epoch = 3
[optimisation]
epochs = 2
learning_rate = 0.01
precision = "float32"
[optimisation.optimiser]
name = "SGD"
momentum = 0.9
"""


def _run(folder: Path, data: Path, processes: int) -> dict[str, object]:
    config = folder / "tiny.toml"
    config.write_text(CONFIG, encoding="utf-8")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    run = folder / f"by{processes}"
    outcome = subprocess.run(
        [
            sys.executable,
            *(launch if processes > 1 else []),
            *("-m", "sigvault", "train", str(config), "--data", str(data), "--out", str(run)),
            *("--device", "cpu"),
        ],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    # One process alone speaks.
    assert outcome.stdout.count("Trained tiny-") == 1
    assert outcome.stderr.count("epoch 2 of 2, batch 3 of 3") == 1
    assert "Warning" not in outcome.stderr
    return load_state(run / "state.pt")


def _parameters(network: dict[str, torch.Tensor]) -> torch.Tensor:
    """All that is trained, in one vector."""
    return torch.cat(
        [
            value.flatten()
            for name, value in network.items()
            if "running" not in name and "num_batches" not in name
        ]
    )


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path):
    """As far as rounding goes.

    torch's own batch normalisation rounds coarsely on a CPU where channels come last, so the bound
    is on the way that the weights went: the gradients of half a batch would be far outside. Running
    variances follow what was rounded, and have come out up to 5 % apart.
    """
    data = draw_signers(tmp_path / "data")
    torch.manual_seed(42)
    start = _parameters(EmbeddingNetwork(ARCHITECTURE).state_dict())
    one, two = (_run(tmp_path, data, processes) for processes in (1, 2))
    apart = _parameters(one["network"]) - _parameters(two["network"])
    assert apart.norm() < 0.05 * (_parameters(one["network"]) - start).norm()
    for name, value in one["network"].items():
        if "running" in name:
            assert (value - two["network"][name]).norm() < 0.1 * value.norm(), name
    for name, value in one["objective"].items():
        torch.testing.assert_close(value, two["objective"][name], rtol=1e-3, atol=1e-3)
    assert two["total"] == one["total"] == 0.0
    lines = (tmp_path / "by2" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2  # written by one of the two


def _compare_norm(rank: int, processes: int, meeting: str, failures: object) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes
    )
    torch.manual_seed(0)
    values, targets = torch.randn(7, 5, 4, 6), torch.randn(7, 5)
    plain, shared = nn.BatchNorm2d(5), nn.BatchNorm2d(5)
    share_batch_norm(shared)
    results = []
    for layer, places in ((plain, torch.arange(7)), (shared, own_places(7, rank, processes))):
        ink = values.clone().requires_grad_()
        whole = layer(ink[places]).mean((2, 3)) + layer(ink[places]).amax((2, 3))
        if layer is shared:
            whole = gather_batch(whole, 7, processes)
        loss = (whole * targets).square().sum()
        loss.backward()
        results.append((loss.detach(), ink.grad, layer.running_mean, layer.running_var))
    grad = results[1][1]
    torch.distributed.all_reduce(grad)
    # Every process has the whole loss, so gradients come once for each of them.
    expected = (results[0][0], results[0][1] * processes, *results[0][2:])
    for one, other in zip(expected, (results[1][0], grad, *results[1][2:]), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_shared_batch_norm_is_batch_norm_over_the_whole_batch(tmp_path: Path):
    meeting = str(tmp_path / "meeting")
    multiprocessing.spawn(_compare_norm, args=(2, meeting, None), nprocs=2)


def test_one_process_keeps_a_batch_as_it_is():
    part = torch.randn(5, 2)
    assert gather_batch(part, 5, 1) is part
    assert own_places(5, 1, 2).tolist() == [1, 3]
