"""The embedding network: a residual network with one grey channel and two outputs.

Torch tensors never leave this package and training.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ResNet

from sigvault.domain.errors import ConfigurationError, WeightsUnavailable
from sigvault.embedding.architecture import Architecture, Head

LEAST_INK = 0.01
"""The share of a cell's area that must be ink for the cell to count as inked."""


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """What one forward pass gives.

    Attributes:
        vector: float (B, D), unit norm.
        local: float (B, rows, columns, C), unit norm in inked cells and zero elsewhere.
        inked: bool (B, rows, columns).
    """

    vector: Tensor
    local: Tensor
    inked: Tensor


class EmbeddingNetwork(nn.Module):
    """Ink (B, 1, H, W) in [0, 1] to unit vectors and local features, in one pass."""

    def __init__(self, architecture: Architecture, weights: str | None = None) -> None:
        """Build the network.

        Args:
            architecture: its arguments.
            weights: the name of torchvision weights for the backbone, such as
                ``"IMAGENET1K_V1"``, or None for a random start (Kaiming normal, fan out: He,
                Zhang, Ren, Sun, ICCV 2015, eq. 10).

        Raises:
            ConfigurationError: If torchvision knows no such weights.
            WeightsUnavailable: If they can't be downloaded.
        """
        super().__init__()
        self.architecture = architecture
        backbone = _torchvision_backbone(architecture, weights)
        self.conv1 = _grey_convolution(backbone.conv1)
        self.bn1: nn.Module = backbone.bn1
        self.relu: nn.Module = backbone.relu
        self.maxpool: nn.Module = backbone.maxpool
        self.layer1: nn.Module = backbone.layer1
        self.layer2: nn.Module = backbone.layer2
        self.layer3: nn.Module = backbone.layer3
        self.layer4: nn.Module = backbone.layer4
        source = {2: self.layer2, 3: self.layer3}[architecture.local_stage]
        self.extra, pooled = _extra_blocks(_output_channels(self.layer4), architecture)
        self.head = _head(pooled, architecture)
        self.local_projection = nn.Conv2d(
            _output_channels(source), architecture.local_channels, 1, bias=False
        )
        nn.init.orthogonal_(self.local_projection.weight.flatten(1))

    def forward(self, ink: Tensor) -> NetworkOutput:
        """Embed a batch.

        Args:
            ink: float (B, 1, H, W) in [0, 1], of the architecture's canvas.

        Raises:
            ConfigurationError: If the shape is not that.
        """
        second = self._two_stages(ink)
        third = self.layer3(second)
        deep = self.extra(self.layer4(third))
        grid = (self.architecture.pool_rows, self.architecture.pool_columns)
        vector = self.head(functional.adaptive_avg_pool2d(deep, grid).flatten(1))
        source = {2: second, 3: third}[self.architecture.local_stage]
        local, inked = self._project(source, ink)
        return NetworkOutput(functional.normalize(vector.float(), dim=-1), local, inked)

    def local_features(self, ink: Tensor) -> tuple[Tensor, Tensor]:
        """The local features of a batch and its inked cells, as ``forward`` gives them, alone.

        Args:
            ink: float (B, 1, H, W) in [0, 1], of the architecture's canvas.

        Raises:
            ConfigurationError: If the shape is not that.
        """
        second = self._two_stages(ink)
        source = second if self.architecture.local_stage == 2 else self.layer3(second)
        return self._project(source, ink)

    def _two_stages(self, ink: Tensor) -> Tensor:
        """What the second residual stage gives.

        Raises:
            ConfigurationError: If ink is not of the architecture's canvas.
        """
        canvas = (self.architecture.height, self.architecture.width)
        if ink.ndim != 4 or ink.shape[1] != 1 or ink.shape[2:] != canvas:
            raise ConfigurationError(
                f"the network takes ink of (B, 1, {canvas[0]}, {canvas[1]}), not {tuple(ink.shape)}"
            )
        stem = self.maxpool(self.relu(self.bn1(self.conv1(ink))))
        second: Tensor = self.layer2(self.layer1(stem))
        return second

    def _project(self, source: Tensor, ink: Tensor) -> tuple[Tensor, Tensor]:
        """Local features float (B, rows, columns, C) of a stage, and which cells hold ink."""
        grid = (source.shape[2], source.shape[3])
        inked = functional.adaptive_avg_pool2d(ink, grid).squeeze(1) >= LEAST_INK
        local = self.local_projection(source).float().permute(0, 2, 3, 1)
        return functional.normalize(local, dim=-1) * inked[..., None], inked


def _torchvision_backbone(architecture: Architecture, weights: str | None) -> ResNet:
    name = architecture.backbone.value
    chosen = None
    if weights is not None:
        offered = torchvision.models.get_model_weights(name)
        names = [entry.name for entry in offered]
        if weights not in names:
            raise ConfigurationError(
                f"torchvision has no weights {weights!r} for {name}; use one of {', '.join(names)}"
            )
        chosen = offered[weights]
    try:
        backbone: ResNet = torchvision.models.get_model(name, weights=chosen)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsUnavailable(
            f"the weights {weights} of {name} can't be had ({error}): without a network, put "
            "torchvision's file into the folder `torch.hub.get_dir()`/checkpoints, or give the "
            "path of a checkpoint to start from in the configuration's `start.checkpoint`"
        ) from error
    if chosen is None:
        _initialise(backbone)
    return backbone


def _grey_convolution(colour: nn.Conv2d) -> nn.Conv2d:
    """A one-channel copy of the first convolution.

    The kernels' sum over the three planes answers a grey picture just as the colour one does;
    their mean answers it with a third of the strength, which batch normalisation undoes.
    """
    grey = nn.Conv2d(1, colour.out_channels, 7, stride=2, padding=3, bias=False)
    with torch.no_grad():
        grey.weight.copy_(colour.weight.sum(dim=1, keepdim=True))
    return grey


def _output_channels(stage: nn.Module) -> int:
    last = list(stage.children())[-1]
    convolutions = [layer for layer in last.children() if isinstance(layer, nn.Conv2d)]
    return convolutions[-1].out_channels


def _extra_blocks(channels: int, architecture: Architecture) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = []
    widths = (*architecture.extra_widths, architecture.dimension)
    for width in widths if architecture.extra_widths else ():
        layers += [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        channels = width
    blocks = nn.Sequential(*layers)
    _initialise(blocks)
    return blocks, channels


def _head(channels: int, architecture: Architecture) -> nn.Sequential:
    features = channels * architecture.pool_rows * architecture.pool_columns
    layers: list[nn.Module] = []
    if architecture.head is not Head.LINEAR:
        layers.append(nn.BatchNorm1d(features))
    layers += [nn.Linear(features, architecture.dimension), nn.BatchNorm1d(architecture.dimension)]
    if architecture.head is Head.ONE_ORTHANT:
        layers.append(nn.ReLU())
    layers.append(nn.Dropout(architecture.dropout))
    head = nn.Sequential(*layers)
    _initialise(head)
    return head


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
