"""Every cosine and every local score between a signer's references and the probes, in blocks.

The same numbers as ``domain.comparison.compare`` makes one by one, many times faster: the
protocols draw from them as often as they like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.local_blocks import match_local_block

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PairScores:
    """References against probes, without fusion.

    Attributes:
        cosine: float64 (references, probes), in [-1, 1].
        local: float64 (references, probes), in [-1, 1].
    """

    cosine: Floats
    local: Floats


def score_pairs(references: Sequence[Embedding], probes: Sequence[Embedding]) -> PairScores:
    """Compare each reference with each probe.

    Args:
        references: at least one.
        probes: at least one, of the same model and shapes.

    Raises:
        GenerationMismatch: If two models made the embeddings.
        ValueError: If local features are of different shapes.
    """
    models = {embedding.model for embedding in (*references, *probes)}
    if len(models) > 1:
        raise GenerationMismatch(
            f"embeddings of {', '.join(sorted(models))} don't compare: embed all with one model"
        )
    vectors = np.stack([embedding.vector for embedding in references])
    cosine = vectors @ np.stack([embedding.vector for embedding in probes]).T
    local = match_local_block(
        [embedding.local for embedding in references], [embedding.level for embedding in probes]
    )
    return PairScores(np.clip(cosine.astype(np.float64), -1.0, 1.0), local)
