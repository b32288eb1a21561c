"""Does a model tell the sessions apart in which genuine signatures and forgeries were written?

A signer's genuine signatures are scored against other signers' genuine signatures and against
forgeries of other signers. Neither is the signer's hand or name, so the scores must not differ: if
they do, the model has seen the pen, the paper or the scanner of a session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.errors import DatasetError
from sigvault.evaluation.pair_scores import score_pairs
from sigvault.evaluation.protocols import EvaluationSigner, draw_some

TOLERANCE = 0.03
"""How far from 0.50 the test may come out."""

REFERENCES = 6
PROBES = 3


@dataclass(frozen=True)
class SessionTest:
    """How well scores tell others' genuine signatures from forgeries of others.

    Attributes:
        cosine: area under the ROC curve of the cosine; 0.5 tells nothing.
        local: the same of the local score.
        comparisons: how many of each kind.
    """

    cosine: float
    local: float
    comparisons: int

    @property
    def passed(self) -> bool:
        """Whether both lie within the tolerance of 0.50."""
        return max(abs(self.cosine - 0.5), abs(self.local - 0.5)) <= TOLERANCE


def run_session_test(signers: Sequence[EvaluationSigner], *, seed: int = 0) -> SessionTest:
    """Run the session test on signers that the model was not trained on.

    Args:
        signers: of one data set; those without genuine signatures or forgeries are left out.
        seed: of the choice of signatures: at most six references of each signer, at most three
            signatures of each kind from each other signer.

    Raises:
        DatasetError: If fewer than two signers have both kinds.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - slow to import

    both = [own for own in signers if own.genuine and own.forged]
    if len(both) < 2:
        raise DatasetError(
            f"the session test takes two signers with forgeries, and there are {len(both)}"
        )
    rng = np.random.default_rng(seed)
    cosines: list[list[float]] = [[], []]
    locals_: list[list[float]] = [[], []]
    for own in both:
        others = [other for other in both if other is not own]
        references = draw_some(own.genuine, REFERENCES, rng)
        for kind, pools in enumerate(
            ([other.genuine for other in others], [other.forged for other in others])
        ):
            probes = [probe for pool in pools for probe in draw_some(pool, PROBES, rng)]
            pairs = score_pairs(references, probes)
            cosines[kind] += pairs.cosine.ravel().tolist()
            locals_[kind] += pairs.local.ravel().tolist()
    labels = np.r_[np.ones(len(cosines[0])), np.zeros(len(cosines[1]))]
    return SessionTest(
        cosine=float(roc_auc_score(labels, np.concatenate(cosines))),
        local=float(roc_auc_score(labels, np.concatenate(locals_))),
        comparisons=len(cosines[0]),
    )
