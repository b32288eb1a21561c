"""No loss ever pulls a forgery towards the signer whom it imitates."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from sigvault.embedding.network import NetworkOutput
from sigvault.training.losses.settings import (
    ArcFace,
    BatchTriplet,
    ForgeryRanking,
    Loss,
    MultiSimilarity,
    SubCentreArcFace,
    SupervisedContrastive,
    TripletMargin,
    TupletMargin,
)
from sigvault.training.objective import Objective

RANKING = ForgeryRanking(skilled=1.0, random=0.5)
SMOOTH = [
    MultiSimilarity(local_weight=0),
    TripletMargin(local_weight=0),
    SupervisedContrastive(local_weight=0),
    TupletMargin(local_weight=0),
    BatchTriplet(local_weight=0),
    BatchTriplet(local_weight=0, soft_margin=True),
    BatchTriplet(local_weight=0, distance="cosine", margin=0.4),
    BatchTriplet(local_weight=0, mining="batch-semi-hard"),
    BatchTriplet(local_weight=0, mining="batch-semi-hard", distance="cosine", margin=0.4),
    ArcFace(local_weight=0, forgeries=RANKING),
    SubCentreArcFace(local_weight=0, forgeries=RANKING),
    MultiSimilarity(local_weight=0, forgeries=RANKING),
]
EVERY = [*SMOOTH, BatchTriplet(local_weight=0, p=1.0), ArcFace(local_weight=0)]
GROUPS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
FORGED = torch.tensor([0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1], dtype=torch.bool)
DIMENSION = 16


def _name(loss: Loss) -> str:
    changed = [getattr(loss, name, "") for name in ("mining", "distance", "soft_margin", "p")]
    return "-".join(map(str, [loss.name, *changed, loss.forgeries.skilled]))


def _objective(loss: Loss) -> Objective:
    torch.manual_seed(9)
    return Objective(loss, 3, DIMENSION).double()


def _loss(objective: Objective, vectors: Tensor, local: Tensor | None = None) -> Tensor:
    count = len(vectors)
    if local is None:
        local = torch.zeros(count, 1, 1, 2, dtype=vectors.dtype)
    output = NetworkOutput(vectors, local, torch.ones(count, 1, 1, dtype=torch.bool))
    total: Tensor = objective(output, GROUPS, FORGED).total
    return total


def _cost(objective: Objective, vectors: Tensor, local: Tensor | None = None) -> float:
    with torch.no_grad():
        return float(_loss(objective, vectors, local))


def _vectors(seed: int) -> Tensor:
    """Neither all alike nor all unlike."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(len(GROUPS), DIMENSION, generator=generator, dtype=torch.float64)
    centre = torch.randn(3, DIMENSION, generator=generator, dtype=torch.float64)[GROUPS]
    share = torch.rand((), generator=generator, dtype=torch.float64)
    return normalize(drawn + 2 * share * centre, dim=1)


@pytest.mark.parametrize("loss", SMOOTH, ids=_name)
@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=25, deadline=None)
def test_a_forgery_is_pushed_from_its_signer_s_genuine_images_and_from_nobody_else(
    loss: Loss, seed: int
):
    """Its gradient, as seen on the sphere, is a sum of its signer's vectors, none of them negative.

    Descending is going against the gradient, so each of them is fled from or left alone.
    """
    vectors = _vectors(seed).requires_grad_()
    _loss(_objective(loss), vectors).backward()
    assert vectors.grad is not None
    for row in FORGED.nonzero().flatten().tolist():
        signer = vectors.detach()[(GROUPS[row] == GROUPS) & ~FORGED]
        own = vectors.detach()[row]
        on_sphere = torch.eye(DIMENSION, dtype=torch.float64) - torch.outer(own, own)
        gradient, directions = on_sphere @ vectors.grad[row], on_sphere @ signer.T
        weights = torch.linalg.lstsq(directions, gradient[:, None], driver="gelsd").solution
        assert bool((weights >= -1e-9).all())
        assert torch.allclose(directions @ weights[:, 0], gradient, atol=1e-9)


@pytest.mark.parametrize("loss", EVERY, ids=_name)
@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=25, deadline=None)
def test_moving_a_forgery_towards_its_signer_never_lowers_the_loss(loss: Loss, seed: int):
    """The signer writes always alike here, so that towards one image is towards all."""
    vectors = _vectors(seed)
    vectors[:3] = vectors[0]
    objective = _objective(loss)
    values = []
    for step in (0.0, 0.3, 0.6, 0.9):
        moved = vectors.clone()
        moved[3] = torch.lerp(vectors[3], vectors[0], step)
        values.append(_cost(objective, moved))
    for before, after in pairwise(values):
        assert after >= before - 1e-9


@pytest.mark.parametrize("loss", EVERY, ids=_name)
def test_a_near_forgery_costs_more_than_a_far_one_where_forgeries_count(loss: Loss):
    vectors = _vectors(1)
    vectors[:3] = vectors[0]
    near, far = vectors.clone(), vectors.clone()
    near[3], far[3] = normalize(vectors[0] + 0.05 * vectors[5], dim=0), -vectors[0]
    objective = _objective(loss)
    costs = _cost(objective, near), _cost(objective, far)
    if isinstance(loss, ArcFace) and not loss.forgeries.skilled:
        assert costs[0] == costs[1]
    else:
        assert costs[0] > costs[1] + 1e-6


@pytest.mark.parametrize("loss", [ArcFace(local_weight=0), SubCentreArcFace(local_weight=0)])
def test_a_forgery_moves_no_class_centre(loss: Loss):
    objective = _objective(loss)
    gradients = []
    for seed in (1, 2):
        vectors = _vectors(1)
        vectors[FORGED] = _vectors(seed)[FORGED]
        objective.zero_grad()
        _loss(objective, vectors).backward()
        gradients.append([one.grad for one in objective.parameters() if one.grad is not None])
    assert gradients[0]
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


def test_the_local_loss_too_pushes_a_forgery_away():
    objective = _objective(MultiSimilarity())
    vectors = torch.eye(DIMENSION, dtype=torch.float64)[: len(GROUPS)]
    local = torch.zeros(len(GROUPS), 1, 1, 2, dtype=torch.float64)
    local[..., 0] = 1.0
    values = []
    for turn in (1.2, 0.8, 0.4, 0.0):
        angle = torch.tensor(turn, dtype=torch.float64)
        local[3, 0, 0] = torch.stack([angle.cos(), angle.sin()])
        values.append(_cost(objective, vectors, local))
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_diversity_looks_at_nobody():
    """It drives apart what is alike, whoever it is of: exchanging rows changes nothing."""
    vectors = _vectors(4)
    plain = _objective(MultiSimilarity(local_weight=0))
    diverse = _objective(MultiSimilarity(local_weight=0, diversity=0.5))
    extra = _cost(diverse, vectors) - _cost(plain, vectors)
    mixed = vectors[torch.randperm(len(vectors), generator=torch.Generator().manual_seed(1))]
    assert extra > 0
    assert _cost(diverse, mixed) - _cost(plain, mixed) == pytest.approx(extra)
