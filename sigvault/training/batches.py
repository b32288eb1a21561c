"""Augmented batches, made ahead by worker processes or in place, the same either way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sigvault.training.augmentation.augmenter import Augmenter
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.devices import own_places
from sigvault.training.ink_pool import InkPool
from sigvault.training.sampling import BatchRows

SIGNER = 2**33
"""Stands for the place in the batch where all of a signer's pictures are meant."""


@dataclass(frozen=True)
class Place:
    """Which part of which epoch.

    Attributes:
        seed: the run's.
        epoch: from 0.
        first: the first batch wanted, from 0.
        rank: this process's number.
        processes: how many share each batch.
    """

    seed: int
    epoch: int
    first: int = 0
    rank: int = 0
    processes: int = 1


class EpochBatches(Dataset[Tensor]):
    """This process's part of each batch of an epoch, augmented.

    A picture depends on its pixels, its signer and (seed, epoch, batch, place in the batch) alone.
    """

    def __init__(
        self,
        ink: InkPool,
        batches: Sequence[BatchRows],
        augmentation: Augmentation,
        place: Place,
    ) -> None:
        """Take all pictures and the rows of every batch of the epoch."""
        self._ink, self._batches, self._place = ink, batches, place
        self._augment = Augmenter(augmentation)

    def __len__(self) -> int:
        """How many batches are left."""
        return len(self._batches) - self._place.first

    def __getitem__(self, number: int) -> Tensor:
        """Float32 (B, 1, H, W) in [0, 1]."""
        at = self._place
        number += at.first
        batch = self._batches[number]
        places = own_places(len(batch.rows), at.rank, at.processes).numpy()
        seeds = [derive_seed(at.seed, at.epoch, number, place) for place in places.tolist()]
        signer_seeds = [
            derive_seed(at.seed, at.epoch, number, SIGNER, like)
            for like in batch.likes[places].tolist()
        ]
        return self._augment(self._ink[batch.rows[places]], seeds, signer_seeds)


def load_batches(batches: EpochBatches, workers: int, *, pin: bool) -> Iterator[Tensor]:
    """The batches in order; workers make them while the trainer is busy."""
    loader: DataLoader[Any] = DataLoader(
        batches,
        batch_size=None,
        num_workers=min(workers, max(1, len(batches))) if workers else 0,
        pin_memory=pin,
        # Their own generator: a loader must not draw from the run's.
        generator=torch.Generator().manual_seed(0),
    )
    return iter(loader)


def to_pixels(ink: npt.NDArray[np.uint8]) -> Tensor:
    """Ink (B, H, W) as float32 (B, 1, H, W) in [0, 1]."""
    return torch.from_numpy(ink[:, None].astype(np.float32) / 255.0)


def derive_seed(*parts: int) -> int:
    """A seed of 63 bits that hangs on all parts."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
