"""Every loss against a loop that is written from its definition, and what each calls active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest
import torch
from torch import Tensor

from sigvault.training.losses import settings
from sigvault.training.losses.choice import build_loss
from sigvault.training.losses.diversity import diversity
from sigvault.training.losses.ranking import rank_forgeries
from sigvault.training.pairs import pair_kinds

BATCHES = (
    [(0, 0), (0, 0), (0, 0), (0, 1), (1, 0), (1, 0), (1, 1), (1, 1), (2, 0), (2, 0)],
    # A signer alone in the batch with one image, one without forgeries, one with forgeries alone.
    [(0, 0), (1, 0), (1, 0), (2, 1), (2, 1), (3, 0), (3, 0), (3, 1)],
    [(0, 0), (0, 0), (0, 1)],
)
CLASSES, DIMENSION = 4, 6


class Loop:
    """A batch as lists, and who is what of whom, by definition."""

    def __init__(self, batch: list[tuple[int, int]], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(batch), DIMENSION, generator=generator, dtype=torch.float64)
        self.vectors = torch.nn.functional.normalize(drawn + 0.6, dim=1)
        self.rows = self.vectors.tolist()
        self.batch = batch
        self.kinds = pair_kinds(
            torch.tensor([group for group, _ in batch]),
            torch.tensor([bool(forged) for _, forged in batch]),
        )

    def mates(self, a: int) -> list[int]:
        group, forged = self.batch[a]
        if forged:
            return []
        return [k for k, other in enumerate(self.batch) if k != a and other == (group, 0)]

    def skilled(self, a: int) -> list[int]:
        group, forged = self.batch[a]
        return [] if forged else [k for k, own in enumerate(self.batch) if own == (group, 1)]

    def random(self, a: int) -> list[int]:
        group, forged = self.batch[a]
        if forged:
            return []
        return [k for k, (other, fake) in enumerate(self.batch) if other != group and not fake]

    def others(self, a: int) -> list[int]:
        return self.skilled(a) + self.random(a)

    def cosine(self, i: int, j: int) -> float:
        return sum(x * y for x, y in zip(self.rows[i], self.rows[j], strict=True))

    def triplets(self, others: Callable[[int], list[int]]) -> Iterator[tuple[int, int, int]]:
        for a in range(len(self.batch)):
            for p in self.mates(a):
                for n in others(a):
                    yield a, p, n

    def misordered(self) -> float | None:
        anchors = [a for a in range(len(self.batch)) if self.mates(a) and self.others(a)]
        wrong = [
            max(self.cosine(a, n) for n in self.others(a))
            > min(self.cosine(a, p) for p in self.mates(a))
            for a in anchors
        ]
        return mean(wrong) if wrong else None


def mean(values: list[float] | list[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


@pytest.fixture(params=[(batch, seed) for batch in range(len(BATCHES)) for seed in (0, 1, 2)])
def loop(request: pytest.FixtureRequest) -> Loop:
    batch, seed = request.param
    return Loop(BATCHES[batch], seed)


def measured(loop: Loop, chosen: settings.Loss) -> tuple[float, float | None]:
    found = build_loss(chosen, CLASSES, DIMENSION)(loop.vectors, loop.kinds)
    return float(found.value), found.active


def test_multi_similarity(loop: Loop):
    chosen = settings.MultiSimilarity(alpha=2, beta=40, base=0.5)
    total = 0.0
    for a in range(len(loop.batch)):
        near = sum(math.exp(-2 * (loop.cosine(a, p) - 0.5)) for p in loop.mates(a))
        far = sum(math.exp(40 * (loop.cosine(a, n) - 0.5)) for n in loop.others(a))
        total += math.log1p(near) / 2 + math.log1p(far) / 40
    value, active = measured(loop, chosen)
    assert value == pytest.approx(total / len(loop.batch))
    assert active == pytest.approx(loop.misordered())


def test_triplet_margin(loop: Loop):
    chosen = settings.TripletMargin(margin=0.2)
    losses = [
        max(0.0, loop.cosine(a, n) - loop.cosine(a, p) + 0.2)
        for a, p, n in loop.triplets(loop.others)
    ]
    value, active = measured(loop, chosen)
    assert value == pytest.approx(mean(losses))
    assert active == pytest.approx(mean([loss > 0 for loss in losses]))


def test_supervised_contrastive(loop: Loop):
    chosen = settings.SupervisedContrastive(temperature=0.2)
    losses = []
    for a in range(len(loop.batch)):
        if not loop.mates(a):
            continue
        every = loop.mates(a) + loop.others(a)
        whole = sum(math.exp(loop.cosine(a, k) / 0.2) for k in every)
        losses.append(
            mean([-math.log(math.exp(loop.cosine(a, p) / 0.2) / whole) for p in loop.mates(a)])
        )
    value, active = measured(loop, chosen)
    assert value == pytest.approx(mean(losses))
    assert active == pytest.approx(loop.misordered())


def test_tuplet_margin(loop: Loop):
    chosen = settings.TupletMargin(margin=10, scale=16)
    losses = []
    for a in range(len(loop.batch)):
        for p in loop.mates(a):
            slack = math.cos(math.acos(loop.cosine(a, p)) - math.radians(10))
            losses.append(
                math.log1p(sum(math.exp(16 * (loop.cosine(a, n) - slack)) for n in loop.others(a)))
            )
    value, active = measured(loop, chosen)
    assert value == pytest.approx(mean(losses))
    assert active == pytest.approx(loop.misordered())


def _naive_batch_triplet(loop: Loop, chosen: settings.BatchTriplet) -> tuple[float, float | None]:
    def distance(i: int, j: int) -> float:
        x, y = loop.rows[i], loop.rows[j]
        if chosen.normalise or chosen.distance == "cosine":
            x, y = ([value / math.hypot(*row) for value in row] for row in (x, y))
        if chosen.distance == "cosine":
            return 1 - sum(left * right for left, right in zip(x, y, strict=True))
        powers = [abs(left - right) ** chosen.p for left, right in zip(x, y, strict=True)]
        return sum(powers) ** (1 / chosen.p)

    losses, active = [], []
    for a in range(len(loop.batch)):
        if not loop.mates(a) or not loop.others(a):
            continue
        positive = max(distance(a, p) for p in loop.mates(a))
        negatives = sorted(distance(a, n) for n in loop.others(a))
        negative = negatives[0]
        if chosen.mining == "batch-semi-hard":
            band = [d for d in negatives if positive < d < positive + chosen.margin]
            negative = band[0] if band else negatives[0]
        if chosen.soft_margin:
            losses.append(math.log1p(math.exp(positive - negative)))
            active.append(positive > negative)
        else:
            losses.append(max(0.0, positive - negative + chosen.margin))
            active.append(losses[-1] > 0)
    return mean(losses), mean(active) if active else None


@pytest.mark.parametrize("mining", ["batch-hard", "batch-semi-hard"])
@pytest.mark.parametrize("soft_margin", [False, True])
@pytest.mark.parametrize(
    "distance", [{}, {"p": 1.0}, {"p": 3.0}, {"normalise": True}, {"distance": "cosine"}], ids=str
)
def test_batch_triplet(loop: Loop, mining: str, soft_margin: bool, distance: dict[str, object]):
    # Lengths that differ, so that normalising makes a difference.
    loop.vectors = loop.vectors * torch.linspace(0.5, 2, len(loop.batch))[:, None]
    loop.rows = loop.vectors.tolist()
    chosen = settings.BatchTriplet(mining=mining, soft_margin=soft_margin, margin=0.3, **distance)
    value, active = measured(loop, chosen)
    expected, expected_active = _naive_batch_triplet(loop, chosen)
    assert value == pytest.approx(expected)
    assert active == pytest.approx(expected_active)


def test_the_semi_hard_negative_is_not_always_the_nearest():
    differ = [
        measured(Loop(BATCHES[0], seed), settings.BatchTriplet(mining="batch-hard", margin=0.3))[0]
        != measured(
            Loop(BATCHES[0], seed), settings.BatchTriplet(mining="batch-semi-hard", margin=0.3)
        )[0]
        for seed in range(5)
    ]
    assert any(differ)


@pytest.mark.parametrize("sub_centres", [None, 1, 3])
def test_arcface_and_its_sub_centres(loop: Loop, sub_centres: int | None):
    torch.manual_seed(5)
    chosen: settings.Loss = settings.ArcFace(margin=25, scale=16)
    if sub_centres:
        chosen = settings.SubCentreArcFace(margin=25, scale=16, sub_centres=sub_centres)
    loss = build_loss(chosen, CLASSES, DIMENSION)
    (centres,) = loss.parameters()
    each = sub_centres or 1
    assert centres.shape == (DIMENSION, CLASSES * each)
    columns = [column.tolist() for column in centres.T.double()]
    losses, active = [], []
    for row, (group, forged) in zip(loop.rows, loop.batch, strict=True):
        if forged:
            continue
        near = [
            sum(x * y for x, y in zip(row, column, strict=True)) / math.hypot(*column)
            for column in columns
        ]
        logits = [max(near[each * k : each * (k + 1)]) for k in range(CLASSES)]
        logits[group] = _with_margin(logits[group], math.radians(25))
        whole = sum(math.exp(16 * logit) for logit in logits)
        losses.append(-math.log(math.exp(16 * logits[group]) / whole))
        active.append(max(logits[:group] + logits[group + 1 :]) > logits[group])
    found = loss(loop.vectors, loop.kinds)
    assert float(found.value.detach()) == pytest.approx(mean(losses), rel=1e-5)
    assert found.active == pytest.approx(mean(active))


def _with_margin(cosine: float, margin: float) -> float:
    """Deng et al.: where the angle would pass 180 degrees, a slope that goes on falling."""
    angle = math.acos(cosine)
    if angle <= math.pi - margin:
        return math.cos(angle + margin)
    return cosine - margin * math.sin(margin)


def test_diversity(loop: Loop):
    count = len(loop.batch)
    total = sum(2 * loop.cosine(i, j) ** 2 for i, j in combinations(range(count), 2))
    assert float(diversity(loop.vectors)) == pytest.approx(total / (count * (count - 1)))
    assert float(diversity(3 * loop.vectors)) == pytest.approx(float(diversity(loop.vectors)))
    assert float(diversity(torch.eye(4))) == 0.0
    assert float(diversity(torch.ones(1, 3))) == 0.0


@pytest.mark.parametrize(("skilled", "random"), [(1.0, 0.0), (0.0, 2.0), (3.0, 0.5)])
def test_ranking(loop: Loop, skilled: float, random: float):
    chosen = settings.ForgeryRanking(skilled, random, margin=0.15, scale=8)
    expected = 0.0
    for weight, others in ((skilled, loop.skilled), (random, loop.random)):
        excesses = [
            loop.cosine(a, n) - loop.cosine(a, p) + 0.15 for a, p, n in loop.triplets(others)
        ]
        expected += weight * mean([math.log1p(math.exp(8 * one)) / 8 for one in excesses])
    assert float(rank_forgeries(loop.vectors, loop.kinds, chosen)) == pytest.approx(expected)


EVERY = [
    settings.MultiSimilarity(),
    settings.TripletMargin(),
    settings.BatchTriplet(),
    settings.BatchTriplet(mining="batch-semi-hard", soft_margin=True, distance="cosine"),
    settings.SupervisedContrastive(),
    settings.TupletMargin(),
    settings.ArcFace(),
    settings.SubCentreArcFace(),
]


@pytest.mark.parametrize("chosen", EVERY, ids=lambda chosen: chosen.name)
@pytest.mark.parametrize("batch", [[(0, 1), (1, 1)], [(0, 1)]])
def test_forgeries_alone_give_nothing_and_can_be_derived_from(
    chosen: settings.Loss, batch: list[tuple[int, int]]
):
    loop = Loop(batch, 0)
    vectors = loop.vectors.clone().requires_grad_()
    found = build_loss(chosen, CLASSES, DIMENSION)(vectors, loop.kinds)
    found.value.backward()
    assert float(found.value.detach()) == 0.0
    assert found.active is None
    assert float(vectors.grad.abs().sum()) == 0.0


@pytest.mark.parametrize("chosen", EVERY, ids=lambda chosen: chosen.name)
def test_images_that_come_out_the_same_leave_finite_gradients(chosen: settings.Loss):
    """A collapsed network: every vector equal, and so every class centre."""
    loss = build_loss(chosen, CLASSES, DIMENSION)
    one = torch.nn.functional.normalize(torch.rand(1, DIMENSION), dim=1)
    with torch.no_grad():
        for centres in loss.parameters():
            centres.copy_(one.T.expand_as(centres))
    vectors: Tensor = one.repeat(10, 1).requires_grad_()
    found = loss(vectors, Loop(BATCHES[0], 0).kinds)
    found.value.backward()
    assert math.isfinite(float(found.value.detach()))
    assert bool(vectors.grad.isfinite().all())
    assert all(bool(centres.grad.isfinite().all()) for centres in loss.parameters())
