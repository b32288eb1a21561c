"""How a run is watched: error rates over pairs of the validation signers' images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sigvault.domain.embedding import pack_local
from sigvault.domain.local_blocks import match_local_block
from sigvault.embedding.network import NetworkOutput
from sigvault.evaluation.error_rates import equal_error
from sigvault.training.material import Material
from sigvault.training.pairs import pair_kinds


@dataclass(frozen=True)
class ValidationErrors:
    """Equal error rates over single pairs, shares in [0, 1]; None where a kind is missing.

    Attributes:
        skilled: cosine, genuine pairs against skilled forgeries.
        random: cosine, genuine pairs against other signers.
        local_skilled: local score, genuine pairs against skilled forgeries.
        local_random: local score, genuine pairs against other signers.
    """

    skilled: float | None
    random: float | None
    local_skilled: float | None
    local_random: float | None


def validate(
    embed: Callable[[np.ndarray[Any, Any]], Iterable[NetworkOutput]], material: Material
) -> ValidationErrors | None:
    """Score all pairs of the validation images; None without validation signers."""
    if not material.validation:
        return None
    rows, groups, forged = [], [], []
    for number, group in enumerate(material.validation):
        for pool, is_forged in ((group.genuine, False), (group.forged, True)):
            rows.append(pool)
            groups.append(np.full(len(pool), number))
            forged.append(np.full(len(pool), is_forged))
    outputs = list(embed(material.ink[np.concatenate(rows)]))
    vectors = np.concatenate([output.vector.numpy() for output in outputs])
    grids = [
        pack_local(features, inked)
        for output in outputs
        for features, inked in zip(output.local.numpy(), output.inked.numpy(), strict=True)
    ]
    kinds = pair_kinds(
        torch.from_numpy(np.concatenate(groups)), torch.from_numpy(np.concatenate(forged))
    )
    return ValidationErrors(
        *(
            _eer(scores, kinds.mated.numpy(), others.numpy())
            for scores in (vectors @ vectors.T, match_local_block(grids, grids))
            for others in (kinds.skilled, kinds.random)
        )
    )


def _eer(
    scores: npt.NDArray[Any], mated: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_]
) -> float | None:
    if not mated.any() or not others.any():
        return None
    return equal_error(scores[mated].astype(np.float64), scores[others].astype(np.float64)).rate
