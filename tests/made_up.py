"""Comparisons with known levels, made without any pictures."""

from __future__ import annotations

import numpy as np

from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.protocols import ComparisonScores, Kind


def made_up_scores(
    seed: int, *, skilled: bool = True, signers: int = 6, draws: int = 2
) -> ComparisonScores:
    """Two references; genuine above skilled above random, 30 of each a signer.

    Random forgeries are by the other signers in turn.
    """
    rng = np.random.default_rng(seed)
    levels = {Kind.MATED: 0.8, Kind.RANDOM: 0.2} | ({Kind.SKILLED: 0.5} if skilled else {})
    kinds = np.repeat([kind.value for kind in levels], 30)
    means = np.repeat(list(levels.values()), 30)
    size = len(kinds) * signers
    scores = np.tile(means, signers)[:, None] + rng.normal(0, 0.15, (size, 2))
    claimed = np.repeat(np.arange(signers, dtype=np.int32), len(kinds))
    others = (claimed + 1 + np.arange(size) % (signers - 1)) % signers
    owner = np.where(np.tile(kinds, signers) == Kind.RANDOM, others, claimed)
    return ComparisonScores(
        signers=tuple(SignerId(f"s{number}") for number in range(signers)),
        skipped=(SignerId("few"),),
        signer=claimed,
        kind=np.tile(kinds, signers).astype(np.int8),
        draw=np.tile(np.arange(draws), size // draws).astype(np.int16),
        cosine=scores,
        local=scores + rng.normal(0, 0.1, scores.shape),
        cosine_spread=np.zeros(size),
        local_spread=np.zeros(size),
        owners=tuple(SignerId(f"s{number}") for number in range(signers)),
        owner=owner.astype(np.int32),
    )
