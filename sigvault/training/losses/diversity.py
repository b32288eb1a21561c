"""Keeps vectors from all pointing the same way."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def diversity(vectors: Tensor) -> Tensor:
    """The mean squared cosine of two different images of the batch, whoever they are of.

    The sum over the ordered pairs, divided by B (B - 1); least where all vectors are orthogonal.
    It looks at no signer and at no forgery. pytorch-metric-learning's regularisers look at norms,
    or at each vector's nearest alone.

    Args:
        vectors: (B, D), of any length.
    """
    count = len(vectors)
    if count < 2:
        return vectors.sum() * 0.0
    unit = functional.normalize(vectors, dim=1)
    cosines = unit @ unit.T
    squares = cosines.square().sum() - cosines.diagonal().square().sum()
    return squares / (count * (count - 1))
