"""Folding batch normalisations changes nothing but the rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sigvault.embedding.architecture import Architecture, Backbone, Head
from sigvault.embedding.folding import fold_batch_norms
from sigvault.embedding.network import EmbeddingNetwork

SMALL = {"height": 32, "width": 48, "dimension": 8, "local_channels": 4}


def _trained(**architecture) -> EmbeddingNetwork:
    """A network whose batch normalisations have statistics, factors and offsets of their own."""
    torch.manual_seed(3)
    network = EmbeddingNetwork(Architecture(**SMALL, **architecture)).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.2, 0.2)
    return network


def _count(network: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize("backbone", [Backbone.RESNET18, Backbone.RESNET50])
@pytest.mark.parametrize(
    ("head", "left"), [(Head.LINEAR, 0), (Head.NORMED_LINEAR, 1), (Head.ONE_ORTHANT, 1)]
)
@pytest.mark.parametrize("extra_widths", [(), (16, 8)])
def test_the_folded_network_answers_the_same(backbone, head, left, extra_widths):
    network = _trained(backbone=backbone, head=head, extra_widths=extra_widths)
    ink = (torch.rand(4, 1, 32, 48) > 0.8).float()
    with torch.inference_mode():
        before = network(ink)
        assert _count(network) > 20
        fold_batch_norms(network)
        after = network(ink)
    # A head that begins with a normalisation keeps it: nothing lies before it.
    assert _count(network) == left
    torch.testing.assert_close(after.vector, before.vector, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(after.local, before.local, atol=2e-5, rtol=1e-4)
    assert (after.inked == before.inked).all()


def test_a_normalisation_that_nothing_feeds_stays():
    layers = nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    fold_batch_norms(layers)
    assert _count(layers) == 2
