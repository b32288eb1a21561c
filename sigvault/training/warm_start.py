"""Starting from weights that were trained before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from sigvault.domain.errors import CheckpointMismatch
from sigvault.embedding.checkpoint import read_tensors
from sigvault.embedding.network import EmbeddingNetwork

_BACKBONE = {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}
"""What torchvision's residual networks and ours call their parts alike."""
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class WarmStart:
    """What was taken from a checkpoint.

    Attributes:
        taken: names of tensors that were filled.
        missing: names of the network's tensors that the checkpoint lacks: they start at random.
        unfitting: names that both have, with another shape.
    """

    taken: tuple[str, ...]
    missing: tuple[str, ...]
    unfitting: tuple[str, ...]

    def describe(self) -> str:
        """What was taken and what was not, in one line."""
        parts = [f"the start gives {len(self.taken)} tensors"]
        for names, what in (
            (self.unfitting, "of another shape are left at random"),
            (self.missing, "it lacks are left at random"),
        ):
            if names:
                shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
                parts.append(f"{len(names)} {what} ({shown})")
        return "; ".join(parts)


def start_from(network: EmbeddingNetwork, path: Path) -> WarmStart:
    """Fill what fits from a checkpoint; a colour first convolution is summed to grey.

    What comes after the backbone may differ, and then starts at random.

    Raises:
        CheckpointMismatch: If the file can't be read, nothing in it fits, or it is of another
            backbone.
    """
    found = read_tensors(path)
    first = found.get("conv1.weight")
    if first is not None and first.ndim == 4 and first.shape[1] == 3:
        found["conv1.weight"] = first.sum(dim=1, keepdim=True)
    wanted = network.state_dict()
    fitting = {
        name: tensor.to(wanted[name].dtype)
        for name, tensor in found.items()
        if name in wanted and wanted[name].shape == tensor.shape
    }
    backbone = network.architecture.backbone
    if not fitting:
        raise CheckpointMismatch(f"nothing in {path} fits {backbone}")
    odd = _foreign_part(found, wanted, fitting)
    if odd is not None:
        raise CheckpointMismatch(
            f"{path} is of another backbone than {backbone}: they differ in {odd}; set "
            "architecture.backbone to the checkpoint's, or start from another one"
        )
    network.load_state_dict(fitting, strict=False)
    return WarmStart(
        taken=tuple(fitting),
        missing=tuple(name for name in wanted if name not in found),
        unfitting=tuple(name for name in wanted if name in found and name not in fitting),
    )


def _foreign_part(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], fitting: Mapping[str, Tensor]
) -> str | None:
    """A tensor of the backbone that one of the two alone has, or has in another shape.

    A whole stage may be missing: it starts at random.
    """
    stages = _BACKBONE & {_stage(name) for name in found}
    of_checkpoint = [name for name in found if _stage(name) in stages and name not in fitting]
    of_network = [
        name
        for name in wanted
        if _stage(name) in stages and name not in found and not name.endswith(_COUNTER)
    ]
    return next(iter((*of_checkpoint, *of_network)), None)


def _stage(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def batch_norms(network: EmbeddingNetwork, taken: Iterable[str]) -> list[nn.BatchNorm2d]:
    """The network's batch normalisations whose weights were taken from a checkpoint."""
    names = set(taken)
    return [
        layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.BatchNorm2d) and f"{name}.weight" in names
    ]


def freeze_stages(network: EmbeddingNetwork, stages: int) -> list[nn.BatchNorm2d]:
    """Never train the first residual stages, nor what comes before them.

    What is taken from a frozen stage, such as local features, then stays what it was.

    Args:
        network: the network, whose parameters no longer ask for gradients there.
        stages: how many, from 0, which freezes nothing, to 4.

    Returns:
        Their batch normalisations, which must stay in evaluation mode.
    """
    if not stages:
        return []
    names = ["conv1", "bn1", *(f"layer{stage}" for stage in range(1, stages + 1))]
    parts = [network.get_submodule(name) for name in names]
    for part in parts:
        part.requires_grad_(requires_grad=False)
    return [
        layer for part in parts for layer in part.modules() if isinstance(layer, nn.BatchNorm2d)
    ]


@torch.no_grad()
def average_with_start(
    network: EmbeddingNetwork, begun: EmbeddingNetwork, taken: Iterable[str], share: float
) -> None:
    """Move the weights back towards where they started.

    Weights between the start and the end of a fine-tuning keep more of what the start knew of
    other data (Wortsman et al.: Robust fine-tuning of zero-shot models, CVPR 2022, eq. 1). Running
    statistics fit neither afterwards: settle batch normalisation.

    Args:
        network: the trained network.
        begun: what it was before the first step, batch normalisation re-estimated or not.
        taken: names of the tensors that came from a checkpoint; the others began at random, and
            stay.
        share: of the starting weights, in [0, 1).
    """
    names, start = set(taken), begun.state_dict()
    for name, tensor in network.state_dict().items():
        if name in names and tensor.is_floating_point():
            tensor.lerp_(start[name].to(tensor), share)


@torch.no_grad()
def settle_batch_norm(
    network: EmbeddingNetwork, frozen: Iterable[nn.BatchNorm2d], batches: Iterable[Tensor]
) -> None:
    """Replace the running statistics by the average over given batches, with the weights as is.

    While weights move fast, running statistics lag behind them ("precise" batch normalisation:
    Wu, Johnson: Rethinking "Batch" in BatchNorm, 2021, section 3).

    Args:
        network: the network; left in evaluation mode.
        frozen: normalisations to leave alone.
        batches: ink (B, 1, H, W), representative of what will be embedded.
    """
    left_alone = set(frozen)
    layers = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer not in left_alone
    ]
    network.eval()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.train()
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over what comes
    for batch in batches:
        network(batch.to(memory_format=torch.channels_last))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()


@torch.no_grad()
def re_estimate(
    network: EmbeddingNetwork, layers: Iterable[nn.BatchNorm2d], batches: Iterable[Tensor]
) -> None:
    """Give folded batch normalisations real statistics without changing the network's function.

    A normalisation that was folded into its convolution has weight 1, mean 0 and variance 1. The
    mean m and variance v of its input are measured; with running statistics m and v, the weight
    times sqrt(v + eps) and the bias plus weight times m, it computes what it did before in
    evaluation mode, and can be trained.

    Args:
        network: the network; left in evaluation mode.
        layers: the folded normalisations (mean 0, variance 1).
        batches: ink (B, 1, H, W) to measure with.
    """
    network.eval()
    layers = list(layers)
    moments: dict[nn.BatchNorm2d, list[Tensor]] = {layer: [] for layer in layers}

    def note(layer: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float().transpose(0, 1).flatten(1)
        moments[layer].append(torch.stack([values.mean(1), values.square().mean(1)]))

    hooks = [layer.register_forward_pre_hook(partial(note)) for layer in layers]
    try:
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    for layer, seen in moments.items():
        mean, square = torch.stack(seen).mean(0)
        variance = (square - mean.square()).clamp(min=0)
        layer.bias.add_(layer.weight * mean)
        layer.weight.mul_((variance + layer.eps).sqrt())
        for statistic, value in ((layer.running_mean, mean), (layer.running_var, variance)):
            if statistic is not None:
                statistic.copy_(value)
