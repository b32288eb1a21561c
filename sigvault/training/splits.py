"""Who is trained on, who validates, who is held out: whole signers, always."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import KFold, train_test_split

from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.training.config import DataSource, Split


@dataclass(frozen=True)
class SignerSplit:
    """Three disjoint sets of one data set's signers, in the data set's order.

    Attributes:
        training: signers to train on.
        validation: signers to watch the training with.
        held_out: signers that the run never sees.
    """

    training: tuple[SignerId, ...]
    validation: tuple[SignerId, ...]
    held_out: tuple[SignerId, ...]


def split_signers(signers: Sequence[SignerId], split: Split) -> SignerSplit:
    """Split the signers of one data set.

    Args:
        signers: every signer once.
        split: folds, the fold held out, the share of validation signers, and the seed.

    Raises:
        DatasetError: If there are fewer signers than folds, or too few to train on.
    """
    everyone = np.array(signers, dtype=object)
    training, held_out = np.arange(len(everyone)), np.array([], dtype=np.int64)
    if split.folds > 1:
        if len(everyone) < split.folds:
            raise DatasetError(
                f"{len(everyone)} signers don't make {split.folds} folds: use fewer folds"
            )
        folds = KFold(split.folds, shuffle=True, random_state=split.seed)
        training, held_out = list(folds.split(everyone))[split.fold]
    validation = np.array([], dtype=np.int64)
    count = round(split.validation_share * len(training))
    if count:
        training, validation = train_test_split(
            training, test_size=count, random_state=split.seed + split.fold
        )
    if len(training) < 2:
        raise DatasetError(
            f"{len(training)} of {len(everyone)} signers left to train on; at least 2 are "
            "needed: add signers, or use fewer folds and a smaller validation share"
        )
    parts = (np.sort(part) for part in (training, validation, held_out))
    return SignerSplit(*(tuple(everyone[part]) for part in parts))


def split_source(signers: Sequence[SignerId], source: DataSource, split: Split) -> SignerSplit:
    """Split the signers of a data set as its own entry says: nobody of some validates.

    Args:
        signers: every signer once.
        source: the data set's entry.
        split: as in `split_signers`.

    Raises:
        DatasetError: As `split_signers`.
    """
    wanted = split if source.validates else replace(split, validation_share=0.0)
    return split_signers(signers, wanted)
