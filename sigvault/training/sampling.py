"""Batches of P signers with K genuine signatures and F skilled forgeries each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.training.config import Batch


@dataclass(frozen=True, eq=False)
class TrainingGroup:
    """The images that belong together: one signer's, or one writer's of one text.

    Attributes:
        genuine: int64, rows of genuine images, at least 2.
        forged: int64, rows of skilled forgeries of the same signer; may be empty.
        text: what is written, where several signers write the same; empty for signatures.
    """

    genuine: npt.NDArray[np.int64]
    forged: npt.NDArray[np.int64]
    text: str = ""


@dataclass(frozen=True, eq=False)
class BatchRows:
    """One batch.

    Attributes:
        rows: int64 (B,), the images.
        groups: int64 (B,), the group that each belongs to.
        forged: bool (B,), whether it is a forgery of its group's signer.
    """

    rows: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    forged: npt.NDArray[np.bool_]


def draw_batches(
    groups: Sequence[TrainingGroup], batch: Batch, seed: Sequence[int]
) -> Iterator[BatchRows]:
    """Draw one epoch: about as many images as there are, every group about as often.

    Groups of the same text come together, so that the other writers of the same text are in the
    batch: the hardest negatives where there are no forgeries.

    Args:
        groups: what can be drawn from.
        batch: P, K and F.
        seed: the run's seed and the epoch: the same numbers give the same batches.
    """
    generator = np.random.default_rng(list(seed))
    images = sum(len(group.genuine) + len(group.forged) for group in groups)
    size = batch.signers * (batch.genuine + batch.forged)
    queue: list[int] = []
    for _ in range(max(1, round(images / size))):
        while len(queue) < batch.signers:
            queue += _shuffled(groups, generator)
        chosen, queue = queue[: batch.signers], queue[batch.signers :]
        yield _draw(groups, sorted(set(chosen)), batch, generator)


def _shuffled(groups: Sequence[TrainingGroup], generator: np.random.Generator) -> list[int]:
    texts = sorted({group.text for group in groups})
    place = dict(zip(texts, generator.permutation(len(texts)), strict=True))
    order = generator.permutation(len(groups))
    return sorted(order.tolist(), key=lambda number: int(place[groups[number].text]))


def _draw(
    groups: Sequence[TrainingGroup],
    chosen: Sequence[int],
    batch: Batch,
    generator: np.random.Generator,
) -> BatchRows:
    rows, numbers, forged = [], [], []
    for number in chosen:
        group = groups[number]
        # A signer without forgeries fills the places with more genuine signatures.
        wanted = batch.genuine if len(group.forged) else batch.genuine + batch.forged
        for pool, count, is_forged in (
            (group.genuine, wanted, False),
            (group.forged, batch.forged, True),
        ):
            drawn = generator.permutation(pool)[:count]
            rows.append(drawn)
            numbers.append(np.full(len(drawn), number))
            forged.append(np.full(len(drawn), is_forged))
    return BatchRows(np.concatenate(rows), np.concatenate(numbers), np.concatenate(forged))
