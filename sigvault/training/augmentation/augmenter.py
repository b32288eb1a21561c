"""Augments whole batches, each picture by a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sigvault.training.augmentation.changes import draw_changes, draw_manner
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.augmentation.strokes import break_strokes, change_width, lose_patches
from sigvault.training.augmentation.warp import warp


class Augmenter:
    """Changes pictures at random; picture i depends on its ink and its seeds alone.

    So however a batch is dealt to processes or workers, the pictures are the same. The global
    random state is neither used nor changed.
    """

    def __init__(self, settings: Augmentation) -> None:
        """Take what may happen."""
        self.settings = settings

    def __call__(
        self,
        ink: npt.NDArray[np.uint8],
        seeds: Sequence[int],
        signer_seeds: Sequence[int] = (),
    ) -> Tensor:
        """Augment a batch.

        Args:
            ink: uint8 (B, H, W), 255 = ink; left as it is.
            seeds: B of them, each 0 or more.
            signer_seeds: as many, the same for pictures of the same signer, which become those
                of the same other signer; none leaves all signers as they are.

        Returns:
            float32 (B, 1, H, W) in [0, 1], 1 = ink.

        Raises:
            ValueError: If there is not one seed a picture.
        """
        if len(seeds) != len(ink) or len(signer_seeds) not in (0, len(ink)):
            raise ValueError(f"{len(seeds)} and {len(signer_seeds)} seeds for {len(ink)} pictures")
        if not len(ink):
            return torch.zeros(0, 1, *ink.shape[1:])
        changes = [draw_changes(self.settings, ink.shape[1:], int(seed)) for seed in seeds]
        others = self.settings.new_signers
        manners = [draw_manner(others, ink.shape[1:], int(seed)) for seed in signer_seeds]
        broken = break_strokes(ink, changes)
        # A copy of its own: the ink may be mapped from a file that can't be written to.
        pictures = torch.from_numpy(broken[:, None].astype(np.float32)).div_(255.0)
        return lose_patches(change_width(warp(pictures, changes, manners), changes), changes)
