"""Protocol P2, single pairs as the literature draws them on CEDAR, for comparison with its figures.

Of each test signer all pairs of genuine signatures (276 of 24) and as many pairs of a genuine
signature with a skilled forgery. Nobody else's signatures are met, and the usual accuracy is taken
at the threshold that suits the test pairs best: both flatter a system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    EqualErrorRate,
    Floats,
    SignerScores,
    bootstrap_statistic,
    det_curve,
    equal_error_rate,
    fmr_at,
    fnmr_at,
)
from sigvault.evaluation.notebook_protocol import area_under_curve
from sigvault.evaluation.pair_scores import score_pairs
from sigvault.evaluation.protocols import EvaluationSigner

CAVEAT = (
    "A replica of the literature's protocol on CEDAR: single pairs, skilled forgeries alone, and "
    "the best accuracy is at a threshold chosen on the test pairs themselves, so it is no forecast."
)


@dataclass(frozen=True)
class LiteratureResult:
    """What the literature would print of a model, with intervals over signers.

    Attributes:
        signers: the test signers, sorted.
        skipped: signers without two genuine signatures or without forgeries.
        genuine_pairs: pairs of two genuine signatures of one signer.
        forged_pairs: pairs of a genuine signature and a skilled forgery of it.
        seed: of the choice of forged pairs and of the intervals.
        eer: the equal error rate, with the score at which the two rates lie closest together.
        auc: area under the ROC curve.
        best_accuracy: the accuracy at ``best_threshold``; chosen on the test pairs.
        best_threshold: the score at which accuracy is highest on the test pairs.
        frozen_threshold: the threshold of the model's card for one reference, or None.
        frozen_accuracy: the accuracy there, chosen beforehand; None without a threshold.
        replica: always true: for comparison with publications alone.
        caveat: the sentence that a report must print beside the figures.
    """

    signers: tuple[SignerId, ...]
    skipped: tuple[SignerId, ...]
    genuine_pairs: int
    forged_pairs: int
    seed: int
    eer: EqualErrorRate
    auc: Rate
    best_accuracy: Rate
    best_threshold: float
    frozen_threshold: float | None
    frozen_accuracy: Rate | None
    replica: bool = True
    caveat: str = CAVEAT


def last_tenth(signers: Sequence[EvaluationSigner]) -> tuple[EvaluationSigner, ...]:
    """The last tenth of the signers by sorted name (51 to 55 of CEDAR's 55), two at least.

    Names that are whole numbers are sorted as numbers, and come before the others.
    """
    ordered = sorted(signers, key=_order)
    return tuple(ordered[-max(2, len(ordered) // 10) :])


def run_literature_pairs(
    signers: Sequence[EvaluationSigner],
    rule: FusionRule,
    threshold: float | None = None,
    *,
    seed: int = 0,
    bootstraps: int = 200,
) -> LiteratureResult:
    """Evaluate single pairs as the literature does.

    Args:
        signers: the test signers, all or `last_tenth`; those without two genuine signatures or
            without forgeries are left out.
        rule: the model's; of a single reference it weighs cosine and local score alone.
        threshold: that the model's card accepts from with one reference, or None.
        seed: of the choice of forged pairs and of the resampling of signers.
        bootstraps: how many times signers are resampled for the intervals.

    Raises:
        DatasetError: If fewer than two signers have both kinds of pairs.
    """
    ordered = sorted(signers, key=_order)
    usable = [own for own in ordered if len(own.genuine) >= 2 and own.forged]
    if len(usable) < 2:
        raise DatasetError(
            f"{len(usable)} of {len(ordered)} signers have two genuine signatures and a forgery, "
            "and the protocol takes at least two such signers: give skilled forgeries, or choose "
            "another protocol"
        )
    scores = pair_scores_by_signer(usable, rule, seed=seed)

    def accuracy(mated: Floats, others: Floats) -> float:
        return accuracy_at(mated, others, threshold or 0.0)

    return LiteratureResult(
        signers=tuple(own.signer for own in usable),
        skipped=tuple(own.signer for own in ordered if own not in usable),
        genuine_pairs=len(scores.all_mated),
        forged_pairs=len(scores.all_non_mated),
        seed=seed,
        eer=equal_error_rate(scores, seed=seed),
        auc=bootstrap_statistic(area_under_curve, scores, bootstraps=bootstraps, seed=seed),
        best_accuracy=bootstrap_statistic(
            lambda mated, others: _best(mated, others)[0],
            scores,
            bootstraps=bootstraps,
            seed=seed,
        ),
        best_threshold=_best(scores.all_mated, scores.all_non_mated)[1],
        frozen_threshold=threshold,
        frozen_accuracy=None
        if threshold is None
        else bootstrap_statistic(accuracy, scores, bootstraps=bootstraps, seed=seed),
    )


def pair_scores_by_signer(
    signers: Sequence[EvaluationSigner], rule: FusionRule, *, seed: int = 0
) -> SignerScores:
    """Every genuine pair, and as many forged pairs as there are genuine ones or forged ones at all.

    A signer's draw depends on the seed and the signer's name alone.
    """
    mated, skilled = [], []
    for own in signers:
        pairs = score_pairs(own.genuine, [*own.genuine, *own.forged])
        fused = (1.0 - rule.local_weight) * pairs.cosine + rule.local_weight * pairs.local
        count = len(own.genuine)
        mated.append(fused[:, :count][np.triu_indices(count, k=1)])
        forged = fused[:, count:].ravel()
        rng = np.random.default_rng([seed, *own.signer.encode()])
        skilled.append(forged[rng.permutation(len(forged))[: len(mated[-1])]])
    return SignerScores(tuple(mated), tuple(skilled))


def accuracy_at(mated: Floats, non_mated: Floats, threshold: float) -> float:
    """The share of pairs told right when scores of at least the threshold pass."""
    right = len(mated) * (1.0 - fnmr_at(mated, threshold))
    right += len(non_mated) * (1.0 - fmr_at(non_mated, threshold))
    return right / (len(mated) + len(non_mated))


def _best(mated: Floats, non_mated: Floats) -> tuple[float, float]:
    """(the highest accuracy, the lowest threshold that reaches it)."""
    curve = det_curve(mated, non_mated)
    wrong = len(mated) * curve.fnmr + len(non_mated) * curve.fmr
    place = int(np.argmin(wrong))
    accuracy = 1.0 - wrong[place] / (len(mated) + len(non_mated))
    return float(accuracy), float(curve.thresholds[place])


def _order(own: EvaluationSigner) -> tuple[bool, int, str]:
    named = not own.signer.isdecimal()
    return named, 0 if named else int(own.signer), own.signer
