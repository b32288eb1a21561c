"""Fitting the projection of local features to images, where no loss trains it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sigvault.embedding.network import EmbeddingNetwork

HALF_WHITENING = -0.25
"""Half of what would make all axes equally strong."""


@torch.no_grad()
def fit_local_projection(
    network: EmbeddingNetwork, batches: Iterable[Tensor], *, power: float = HALF_WHITENING
) -> None:
    """Project onto the principal axes of the descriptors, the strong ones held back.

    A descriptor's few strongest directions say little but that there is ink, and would rule every
    cosine. Each axis is scaled by a power of its eigenvalue, between principal axes as they are
    (0) and full whitening (-1/2; Jégou, Chum: Negative evidences and co-occurences in image
    retrieval, ECCV 2012, section 3.1).

    Args:
        network: the network; left in evaluation mode.
        batches: ink (B, 1, H, W), representative of what will be embedded; without any ink the
            projection is left as it is.
        power: of the eigenvalues.
    """
    network.eval()
    projection = network.local_projection
    inputs: list[Tensor] = []
    hook = projection.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    moment = torch.zeros(projection.in_channels, projection.in_channels, dtype=torch.float64)
    cells = 0
    try:
        for batch in batches:
            inked = network(batch).inked
            descriptors = inputs.pop().permute(0, 2, 3, 1)[inked].cpu().double()
            moment += descriptors.T @ descriptors
            cells += len(descriptors)
    finally:
        hook.remove()
    if cells:
        projection.weight.copy_(_scaled_axes(moment / cells, projection, power)[..., None, None])


def _scaled_axes(moment: Tensor, projection: nn.Conv2d, power: float) -> Tensor:
    """The weights, (out, in), from the descriptors' second moment (in, in)."""
    strengths, axes = torch.linalg.eigh(moment)
    strongest = strengths.argsort(descending=True)[: projection.out_channels]
    least = strengths.max() * torch.finfo(torch.float32).eps
    scales = strengths[strongest].clamp(min=least) ** power
    # The sign of an axis is arbitrary: fixed here, so that a fit can be repeated.
    chosen = axes[:, strongest]
    signs = torch.sign(chosen[chosen.abs().argmax(dim=0), torch.arange(len(strongest))])
    weights: Tensor = (chosen * signs * scales).T
    return weights.to(projection.weight)
