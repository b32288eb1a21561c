"""Pairs, the local loss and batches against naive loops; a forgery is never mated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.embedding import pack_local
from sigvault.domain.local_matching import DEFAULT_RADIUS, match_local
from sigvault.training.config import Batch
from sigvault.training.losses.local import MOST_RANDOM, LocalLoss, local_scores
from sigvault.training.pairs import PairKinds, as_indices, pair_kinds
from sigvault.training.sampling import TrainingGroup, draw_batches

BATCHES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=2, max_size=12)


def _kinds(batch: list[tuple[int, bool]]) -> PairKinds:
    groups, forged = zip(*batch, strict=True)
    return pair_kinds(torch.tensor(groups), torch.tensor(forged))


@given(BATCHES)
def test_pair_kinds_equal_the_definition(batch: list[tuple[int, bool]]):
    kinds = _kinds(batch)
    for i, (group, forged) in enumerate(batch):
        for j, (other_group, other_forged) in enumerate(batch):
            genuine = not forged and not other_forged
            assert kinds.mated[i, j] == (i != j and genuine and group == other_group)
            assert kinds.random[i, j] == (genuine and group != other_group)
            assert kinds.skilled[i, j] == (not forged and other_forged and group == other_group)


@given(BATCHES)
def test_no_forgery_is_ever_a_positive(batch: list[tuple[int, bool]]):
    kinds = _kinds(batch)
    anchors, positives, negative_anchors, _ = as_indices(kinds)
    forged = torch.tensor([forged for _, forged in batch])
    assert [group if not fake else -1 for group, fake in batch] == kinds.classes.tolist()
    for rows in (anchors, positives, negative_anchors):
        assert not forged[rows].any()


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_local_scores_in_torch_equal_those_of_serving(seed: int):
    generator = np.random.default_rng(seed)
    rows, columns = int(generator.integers(1, 5)), int(generator.integers(1, 6))
    inked = generator.random((4, rows, columns)) < generator.random((4, 1, 1))
    features = generator.normal(size=(4, rows, columns, 6)).astype(np.float32)
    packed = [pack_local(one, mask) for one, mask in zip(features, inked, strict=True)]
    unit = [grid / np.maximum(np.linalg.norm(grid, axis=-1, keepdims=True), 1) for grid in packed]
    first, second = torch.cartesian_prod(torch.arange(4), torch.arange(4)).unbind(1)
    local = torch.tensor(np.stack(unit), dtype=torch.float32)
    scores = local_scores(local, torch.from_numpy(inked), first, second)
    for i, j, score in zip(first.tolist(), second.tolist(), scores.tolist(), strict=True):
        expected = match_local(packed[i], packed[j], DEFAULT_RADIUS).score
        assert score == pytest.approx(expected, abs=1e-5)


def test_finer_grids_match_as_far_in_training_as_in_serving():
    generator = np.random.default_rng(3)
    inked = generator.random((2, 12, 5)) < 0.4
    packed = [
        pack_local(generator.normal(size=(12, 5, 6)).astype(np.float32), mask) for mask in inked
    ]
    unit = [grid / np.maximum(np.linalg.norm(grid, axis=-1, keepdims=True), 1) for grid in packed]
    local = torch.tensor(np.stack(unit), dtype=torch.float32)
    (score,) = local_scores(
        local, torch.from_numpy(inked), torch.tensor([0]), torch.tensor([1])
    ).tolist()
    assert score == pytest.approx(match_local(*packed).score, abs=1e-5)
    assert score != pytest.approx(match_local(*packed, DEFAULT_RADIUS).score, abs=1e-3)


def test_of_many_random_pairs_some_are_drawn_and_the_same_again_from_a_seed():
    kinds = _kinds([(number // 2, False) for number in range(60)])
    generator = torch.Generator().manual_seed(1)
    local = torch.nn.functional.normalize(torch.randn(60, 2, 2, 4, generator=generator), dim=-1)
    inked = torch.ones(60, 2, 2, dtype=torch.bool)
    loss = LocalLoss()

    def value(seed: int) -> float:
        torch.manual_seed(seed)
        return float(loss(local, inked, kinds).detach())

    assert int(kinds.random.triu().sum()) > MOST_RANDOM
    assert value(1) == value(1) != value(2)
    assert value(1) == pytest.approx(value(2), rel=0.05)


def test_local_loss_is_low_when_the_kinds_lie_apart():
    kinds = _kinds([(0, False), (0, False), (0, True), (1, False), (1, False)])
    one, other = torch.eye(4)[0], torch.eye(4)[1]
    good = torch.stack([one, one, other, other, other])[:, None, None].expand(5, 2, 2, 4)
    bad = torch.stack([one, other, one, other, one])[:, None, None].expand(5, 2, 2, 4)
    inked = torch.ones(5, 2, 2, dtype=torch.bool)
    loss = LocalLoss()
    with torch.no_grad():
        assert float(loss(good, inked, kinds)) < 0.1 < float(loss(bad, inked, kinds))


def test_local_loss_without_any_pair_is_nothing():
    loss = LocalLoss()(
        torch.zeros(1, 2, 2, 4), torch.zeros(1, 2, 2, dtype=torch.bool), _kinds([(0, False)])
    )
    assert loss.item() == 0.0


GROUPS = [
    TrainingGroup(np.arange(0, 5), np.arange(5, 9)),
    TrainingGroup(np.arange(9, 12), np.array([], np.int64)),
    TrainingGroup(np.arange(12, 20), np.arange(20, 30)),
]


def test_batches_hold_what_was_asked_for_and_repeat_from_their_seed():
    batch = Batch(signers=2, genuine=3, forged=2)
    drawn = list(draw_batches(GROUPS, batch, (1, 0)))
    again = list(draw_batches(GROUPS, batch, (1, 0)))
    other = list(draw_batches(GROUPS, batch, (1, 1)))
    assert len(drawn) == 3
    for one, same in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one.rows, same.rows)
        assert len(set(one.rows.tolist())) == len(one.rows)
        for row, group, forged in zip(one.rows, one.groups, one.forged, strict=True):
            assert row in (GROUPS[group].forged if forged else GROUPS[group].genuine)
        for group in set(one.groups.tolist()):
            genuine = int(((one.groups == group) & ~one.forged).sum())
            assert genuine == 3
    assert any(
        len(a.rows) != len(b.rows) or (a.rows != b.rows).any()
        for a, b in zip(drawn, other, strict=True)
    )


def test_half_a_batch_shares_a_text_and_the_other_half_another():
    groups = [
        TrainingGroup(np.array([2 * n, 2 * n + 1]), np.array([], np.int64), text=f"n{n % 3}")
        for n in range(18)
    ]
    for batch in draw_batches(groups, Batch(signers=6, genuine=2, forged=0), (7, 0)):
        texts = [groups[number].text for number in sorted(set(batch.groups.tolist()))]
        assert all(texts.count(text) in (3, 6) for text in texts)


def test_writers_of_one_text_are_changed_alike_and_signers_each_in_their_own_way():
    names = [
        TrainingGroup(np.array([2 * n, 2 * n + 1]), np.array([], np.int64), text="one")
        for n in range(3)
    ]
    signers = [TrainingGroup(np.arange(n, n + 3), np.arange(n + 3, n + 5)) for n in (10, 20, 30)]
    for batch in draw_batches([*names, *signers], Batch(6, 2, 1, per_epoch=20), (7, 0)):
        likes = dict(zip(batch.groups.tolist(), batch.likes.tolist(), strict=True))
        assert [likes[number] for number in batch.groups.tolist()] == batch.likes.tolist()
        writers = {like for number, like in likes.items() if number < 3}
        others = [like for number, like in likes.items() if number >= 3]
        assert len(writers) <= 1
        assert len({*writers, *others}) == len(writers) + len(others)


def _signers(count: int, genuine: int, forged: int, first: int = 0) -> list[TrainingGroup]:
    each = genuine + forged
    return [
        TrainingGroup(*np.split(np.arange(start, start + each), [genuine]))
        for start in range(first, first + count * each, each)
    ]


@pytest.mark.parametrize(("signers", "wanted"), [(35, 8), (10, 8), (8, 8), (10, 2), (9, 5)])
def test_no_batch_is_short_of_signers(signers: int, wanted: int):
    groups = _signers(signers, 24, 24)
    for epoch in range(5):
        batches = list(draw_batches(groups, Batch(wanted, 4, 4), (42, epoch)))
        assert [len(set(batch.groups.tolist())) for batch in batches] == [wanted] * len(batches)
        assert len(batches) * wanted * 8 == pytest.approx(signers * 48, abs=wanted * 4)


def test_what_is_put_off_comes_later_so_that_shares_are_kept():
    groups = [*_signers(5, 48, 48), *_signers(15, 12, 12, first=5 * 96)]
    drawn = draw_batches(groups, Batch(4, 4, 4, per_epoch=600), (1, 0))
    numbers = np.concatenate([np.unique(batch.groups) for batch in drawn])
    assert np.mean(numbers < 5) == pytest.approx(5 * 12 / (5 * 12 + 15 * 3), abs=0.01)


def test_a_signer_with_most_of_the_images_is_in_every_batch_once():
    groups = [*_signers(1, 400, 400), *_signers(9, 4, 4, first=800)]
    for batch in draw_batches(groups, Batch(8, 4, 4), (1, 0)):
        assert len(set(batch.groups.tolist())) == 8
        assert 0 in batch.groups


def test_a_half_stays_of_one_text_where_a_repeat_is_put_off():
    groups = [
        TrainingGroup(np.arange(8 * n, 8 * n + 8), np.array([], np.int64), text=f"n{n % 3}")
        for n in range(18)
    ]
    batches = list(draw_batches(groups, Batch(signers=4, genuine=2, forged=0), (7, 0)))
    texts = [[groups[number].text for number in set(one.groups.tolist())] for one in batches]
    assert all(len(own) == 4 for own in texts)
    # Drawn twelve to a pass, a text runs out of writers near the pass's end alone.
    assert np.mean([{own.count(text) for text in own} <= {2, 4} for own in texts]) > 0.8


def test_an_epoch_can_be_cut_to_a_number_of_batches():
    assert len(list(draw_batches(GROUPS, Batch(2, 3, 2, per_epoch=11), (1, 0)))) == 11


def test_large_groups_come_more_often():
    large = TrainingGroup(np.arange(0, 40), np.array([], np.int64))
    small = [TrainingGroup(np.arange(n, n + 2), np.array([], np.int64)) for n in range(40, 80, 2)]
    batches = list(draw_batches([large, *small], Batch(2, 4, 0, per_epoch=300), (1, 0)))
    share = np.mean([0 in batch.groups for batch in batches])
    assert share > 3 * 2 / len([large, *small])


@pytest.mark.parametrize("share", [0.25, 3.0])
def test_groups_come_as_often_as_their_share(share):
    usual = [TrainingGroup(np.arange(n, n + 4), np.array([], np.int64)) for n in range(0, 80, 4)]
    other = [
        TrainingGroup(np.arange(n, n + 4), np.array([], np.int64), share=share)
        for n in range(80, 160, 4)
    ]
    drawn = draw_batches([*usual, *other], Batch(4, 4, 0, per_epoch=400), (3, 0))
    rows = np.concatenate([batch.rows for batch in drawn])
    assert np.mean(rows >= 80) == pytest.approx(share / (1 + share), abs=0.03)
