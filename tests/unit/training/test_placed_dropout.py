"""Masks hang on the picture's place alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_run import ARCHITECTURE
from torch import nn

from sigvault.embedding.network import EmbeddingNetwork
from sigvault.training.devices import gather_batch, own_places
from sigvault.training.placed_dropout import PlacedDropout, place_dropout, seed_dropout


def dropout(share: float) -> nn.Sequential:
    network = nn.Sequential(nn.Dropout(share)).train()
    place_dropout(network)
    return network


def apply(network: nn.Module, values: torch.Tensor, seeds: list[int]) -> torch.Tensor:
    seed_dropout(network, seeds)
    return network(values)


def test_masks_equal_a_loop_over_pictures_and_features():
    values = torch.randn(5, 7)
    expected = torch.zeros(5, 7)
    for row in range(5):
        draws = torch.empty(7).uniform_(generator=torch.Generator().manual_seed(40 + row))
        for feature in range(7):
            if float(draws[feature]) >= 0.3:
                expected[row, feature] = values[row, feature] / 0.7
    torch.testing.assert_close(apply(dropout(0.3), values, [40, 41, 42, 43, 44]), expected)


def test_parts_of_a_batch_are_masked_as_the_whole():
    values, seeds = torch.ones(7, 40), list(range(7))
    whole = apply(dropout(0.3), values, seeds)
    parts = []
    for rank in range(2):
        torch.manual_seed(1)  # every process begins with the same one
        places = own_places(7, rank, 2)
        own = apply(dropout(0.3), values[places], [seeds[place] for place in places.tolist()])
        parts.append(torch.cat([own, own.new_zeros(4 - len(own), 40)]))
    assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1)[:7], whole)
    assert gather_batch(whole, 7, 1) is whole
    assert len({tuple(row) for row in whole.tolist()}) == 7


def test_nothing_else_draws_otherwise_because_of_it():
    torch.manual_seed(1)
    apply(dropout(0.3), torch.ones(4, 6), [1, 2, 3, 4])
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_so_many_features_are_dropped_and_the_mean_is_kept(share: float):
    dropped = apply(dropout(share), torch.ones(64, 256), list(range(64)))
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(float(share < 1), abs=0.02)


def test_nothing_is_dropped_outside_training():
    network, values = dropout(0.5).eval(), torch.randn(3, 4)
    assert torch.equal(network(values), values)


def test_a_pass_with_too_few_seeds_is_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        apply(dropout(0.5), torch.ones(3, 4), [1, 2])


def test_a_network_keeps_its_names_and_weights():
    network = EmbeddingNetwork(replace(ARCHITECTURE, dropout=0.3))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    place_dropout(network)
    assert [type(layer) for layer in network.modules()].count(PlacedDropout) == 1
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
