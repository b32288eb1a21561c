"""Batches of P signers with K genuine signatures and F skilled forgeries each.

pytorch-metric-learning's samplers draw by label, and know neither forgeries nor texts.
"""

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
        share: how many times as often it is drawn as its images alone would have it.
    """

    genuine: npt.NDArray[np.int64]
    forged: npt.NDArray[np.int64]
    text: str = ""
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class BatchRows:
    """One batch.

    Attributes:
        rows: int64 (B,), the images.
        groups: int64 (B,), the group that each belongs to.
        forged: bool (B,), whether it is a forgery of its group's signer.
        likes: int64 (B,), the same number for pictures of one text, or of one signer: whatever
            makes another signer of a signer does the same to all of them.
    """

    rows: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    forged: npt.NDArray[np.bool_]
    likes: npt.NDArray[np.int64]


def draw_batches(
    groups: Sequence[TrainingGroup], batch: Batch, seed: Sequence[int]
) -> Iterator[BatchRows]:
    """Draw one epoch of P different groups a batch: as many images as there are, or their shares.

    A large group comes more often, but in a batch once alone: what has come already is put off.
    A batch is made of two halves. Groups of the same text come together in a half, so that the
    other writers of the same text, the hardest negatives where there are no forgeries, are in the
    batch; two halves of different kinds keep batch normalisation from seeing one kind alone.

    Args:
        groups: what can be drawn from.
        batch: P, K and F, and how many batches make an epoch.
        seed: the run's seed and the epoch: the same numbers give the same batches.
    """
    generator = np.random.default_rng(list(seed))
    queue = _Queue(groups, batch, generator)
    for _ in range(batch.per_epoch or _enough(groups, batch)):
        yield _draw(groups, sorted(queue.take()), batch, generator)


class _Queue:
    """The half batches to come; more are drawn whenever they run out."""

    def __init__(
        self, groups: Sequence[TrainingGroup], batch: Batch, generator: np.random.Generator
    ) -> None:
        self._groups, self._batch, self._generator = groups, batch, generator
        self._halves: list[list[int]] = []

    def take(self) -> list[int]:
        """The next batch's groups, each once; fewer than P only if there are no more."""
        wanted = min(self._batch.signers, len(self._groups))
        while sum(map(len, self._halves)) < wanted:
            self._draw_more()
        chosen: list[int] = []
        while len(chosen) < wanted:
            for number in self._halves.pop(0)[: wanted - len(chosen)]:
                chosen.append(self._put_off(number, chosen) if number in chosen else number)
        return chosen

    def _put_off(self, repeat: int, chosen: Sequence[int]) -> int:
        """Let a repeat change places with the next group that the batch lacks.

        Every group so comes as often as it was drawn, and of the same text, if there is one, the
        half stays of one text.
        """
        while not (lacking := self._find_lacking(chosen)):
            self._draw_more()
        text = self._groups[repeat].text
        alike = (at for at in lacking if self._groups[at[0][at[1]]].text == text)
        half, place = next(alike, lacking[0])
        number, half[place] = half[place], repeat
        return number

    def _find_lacking(self, chosen: Sequence[int]) -> list[tuple[list[int], int]]:
        """Half and place of everything in the queue that is not chosen yet."""
        return [
            (half, place)
            for half in self._halves
            for place, number in enumerate(half)
            if number not in chosen
        ]

    def _draw_more(self) -> None:
        self._halves += _halves(self._groups, self._batch, self._generator)


def _size(group: TrainingGroup) -> int:
    return len(group.genuine) + len(group.forged)


def _enough(groups: Sequence[TrainingGroup], batch: Batch) -> int:
    images = sum(_size(group) * group.share for group in groups)
    return max(1, round(images / (batch.signers * (batch.genuine + batch.forged))))


def _halves(
    groups: Sequence[TrainingGroup], batch: Batch, generator: np.random.Generator
) -> list[list[int]]:
    """All groups, the large ones several times, in shuffled half batches of one text each."""
    drawn = batch.genuine + batch.forged
    by_text: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        expected = max(1, round(_size(group) / drawn)) * group.share
        times = int(expected)
        if expected > times:  # a part of a time: by chance
            times += int(generator.random() < expected - times)
        by_text.setdefault(group.text, []).extend([number] * times)
    half = max(1, batch.signers // 2)
    halves = []
    for numbers in by_text.values():
        order = generator.permutation(numbers).tolist()
        halves += [order[first : first + half] for first in range(0, len(order), half)]
    return [halves[place] for place in generator.permutation(len(halves))]


def _draw(
    groups: Sequence[TrainingGroup],
    chosen: Sequence[int],
    batch: Batch,
    generator: np.random.Generator,
) -> BatchRows:
    rows, numbers, forged, likes = [], [], [], []
    first_of_text: dict[str, int] = {}
    for number in chosen:
        group = groups[number]
        like = first_of_text.setdefault(group.text, number) if group.text else number
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
            likes.append(np.full(len(drawn), like))
    return BatchRows(*(np.concatenate(parts) for parts in (rows, numbers, forged, likes)))
