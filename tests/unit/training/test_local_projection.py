"""Local features fitted to images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sigvault.embedding.architecture import Architecture
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.local_projection import fit_local_projection

SMALL = Architecture(height=32, width=48, dimension=8, local_channels=4, local_stage=2)


def draw_ink(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    ink = (torch.rand(count, 1, 32, 48, generator=generator) > 0.8).float()
    ink[:, :, :, :16] = 0.0
    return ink


def descriptors(network: EmbeddingNetwork, ink: torch.Tensor) -> np.ndarray:
    """The second stage's features in inked cells, cell by cell."""
    stem = network.maxpool(network.relu(network.bn1(network.conv1(ink))))
    maps = network.layer2(network.layer1(stem)).numpy().astype(np.float64)
    found = []
    for number, picture in enumerate(ink[:, 0].numpy()):
        for row in range(4):
            for column in range(6):
                cell = picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                if cell.mean() >= 0.01:
                    found.append(maps[number, :, row, column])
    return np.stack(found)


@torch.inference_mode()
def test_it_projects_onto_the_strongest_axes_each_held_back_by_its_strength():
    torch.manual_seed(0)
    network = EmbeddingNetwork(SMALL).eval()
    ink = draw_ink(40)
    fit_local_projection(network, ink.split(16))
    weight = network.local_projection.weight[:, :, 0, 0].numpy().astype(np.float64)
    cells = descriptors(network, ink)
    strengths = np.linalg.eigvalsh(cells.T @ cells / len(cells))[::-1][:4]
    projected = cells @ weight.T
    moment = projected.T @ projected / len(cells)
    np.testing.assert_allclose(np.diag(moment), np.sqrt(strengths), rtol=1e-4)
    np.testing.assert_allclose(moment - np.diag(np.diag(moment)), 0.0, atol=1e-4 * moment.max())


def test_it_is_the_same_each_time_and_leaves_the_rest_alone():
    torch.manual_seed(0)
    network = EmbeddingNetwork(SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fit_local_projection(network, draw_ink(40).split(16))
    first = network.local_projection.weight.clone()
    fit_local_projection(network, draw_ink(40).split(16))
    assert torch.equal(network.local_projection.weight, first)
    changed = [
        name for name, tensor in network.state_dict().items() if not tensor.equal(before[name])
    ]
    assert changed == ["local_projection.weight"]


@pytest.mark.parametrize(("count", "changes"), [(0, False), (1, True)])
def test_little_ink_is_no_reason_to_fail_after_a_long_run(count: int, changes: bool):
    network = EmbeddingNetwork(SMALL)
    before = network.local_projection.weight.clone()
    fit_local_projection(network, [draw_ink(count) if count else torch.zeros(1, 1, 32, 48)])
    after = network.local_projection.weight
    assert torch.isfinite(after).all()
    assert torch.equal(after, before) is not changes
