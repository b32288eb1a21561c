"""What a threshold that was fixed beforehand does: counts, shares and costs of its decisions.

Genuine signatures against one kind of forgery at a time: random and skilled forgeries pooled
into one accuracy would say whatever their proportion says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.evaluation.binary_measures import COSTS, DetectionCost
from sigvault.evaluation.error_rates import BOOTSTRAPS, Floats, SignerScores, allow_for_clean
from sigvault.evaluation.resampled_curves import resample_sums


@dataclass(frozen=True)
class ConfusionMatrix:
    """Comparisons by what they were and what became of them.

    Attributes:
        genuine_passed: genuine signatures from the threshold upwards.
        genuine_failed: genuine signatures below it.
        forged_passed: forgeries from the threshold upwards.
        forged_failed: forgeries below it.
    """

    genuine_passed: int
    genuine_failed: int
    forged_passed: int
    forged_failed: int


@dataclass(frozen=True)
class ActualCost:
    """What deciding at the threshold costs.

    Attributes:
        cost: the costs and the prior.
        actual: the normalised cost; 1 is the cost of the better blind decision.
    """

    cost: DetectionCost
    actual: Rate


@dataclass(frozen=True)
class DecisionMeasures:
    """Decisions on genuine signatures and one kind of forgery at one threshold.

    Attributes:
        threshold: scores of at least this pass.
        confusion: the counts.
        accuracy: the share of comparisons decided rightly; depends on how many forgeries there
            are for a genuine signature.
        balanced_accuracy: the mean of the shares of both kinds decided rightly.
        precision: the share of genuine signatures among what passed; None if nothing did.
        recall: the share of genuine signatures that passed.
        f1: the harmonic mean of precision and recall.
        costs: the detection costs.
    """

    threshold: float
    confusion: ConfusionMatrix
    accuracy: Rate
    balanced_accuracy: Rate
    precision: Rate | None
    recall: Rate
    f1: Rate
    costs: tuple[ActualCost, ...]


@dataclass(frozen=True)
class KindDecisions:
    """Decisions with each kind of forgery, apart.

    Attributes:
        random: against other signers' genuine signatures.
        skilled: against skilled forgeries; None without such data.
    """

    random: DecisionMeasures
    skilled: DecisionMeasures | None


def measure_decisions(
    random: SignerScores,
    skilled: SignerScores | None,
    threshold: float,
    *,
    costs: Sequence[DetectionCost] = COSTS,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> KindDecisions:
    """Decide on all comparisons at a threshold that was fixed before they were seen.

    Args:
        random: fused scores by signer, against random forgeries.
        skilled: against skilled forgeries of the same signers, or None without such data.
        threshold: scores of at least this pass; fixed on other signers, for the same fusion rule.
        costs: what errors cost.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    return KindDecisions(
        random=decide_at(random, threshold, costs=costs, bootstraps=bootstraps, seed=seed),
        skilled=None
        if skilled is None
        else decide_at(skilled, threshold, costs=costs, bootstraps=bootstraps, seed=seed),
    )


def decide_at(
    scores: SignerScores,
    threshold: float,
    *,
    costs: Sequence[DetectionCost] = COSTS,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> DecisionMeasures:
    """Decide on genuine signatures and one kind of forgery.

    Args:
        scores: by signer.
        threshold: scores of at least this pass; fixed on other signers.
        costs: what errors cost.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    counts = np.array(
        [
            _count(mated, non_mated, threshold)
            for mated, non_mated in zip(scores.mated, scores.non_mated, strict=True)
        ],
        np.float64,
    )
    rates = resample_sums(
        lambda sums: _measures(sums, costs), counts, bootstraps=bootstraps, seed=seed
    ).rates()
    matrix = ConfusionMatrix(*(int(count) for count in counts.sum(axis=0)))
    passed = matrix.genuine_passed + matrix.forged_passed
    genuine = matrix.genuine_passed + matrix.genuine_failed
    forged = matrix.forged_passed + matrix.forged_failed
    fewer = min(genuine, forged) / scores.draws
    return DecisionMeasures(
        threshold=threshold,
        confusion=matrix,
        accuracy=allow_for_clean(rates[0], (genuine + forged) / scores.draws),
        balanced_accuracy=allow_for_clean(rates[1], fewer),
        precision=allow_for_clean(rates[2], passed / scores.draws) if passed else None,
        recall=allow_for_clean(rates[3], genuine / scores.draws),
        f1=allow_for_clean(rates[4], fewer),
        costs=tuple(ActualCost(cost, rate) for cost, rate in zip(costs, rates[5:], strict=True)),
    )


def _count(mated: Floats, non_mated: Floats, threshold: float) -> tuple[int, int, int, int]:
    """One signer's counts, in the order of ``ConfusionMatrix``; the scores are sorted."""
    failed = int(np.searchsorted(mated, threshold, "left"))
    rejected = int(np.searchsorted(non_mated, threshold, "left"))
    return len(mated) - failed, failed, len(non_mated) - rejected, rejected


def _measures(counts: Floats, costs: Sequence[DetectionCost]) -> Floats:
    """All figures, float64 (..., 5 + costs), from counts, float64 (..., 4).

    Not a number without comparisons of both kinds.
    """
    genuine_passed, genuine_failed, forged_passed, forged_failed = np.moveaxis(counts, -1, 0)
    genuine, forged = genuine_passed + genuine_failed, forged_passed + forged_failed
    recall, rejected = genuine_passed / genuine, forged_failed / forged
    figures = [
        (genuine_passed + forged_failed) / (genuine + forged),
        0.5 * (recall + rejected),
        genuine_passed / (genuine_passed + forged_passed),
        recall,
        2.0 * genuine_passed / (2.0 * genuine_passed + genuine_failed + forged_passed),
        *(cost.of(1.0 - recall, 1.0 - rejected) for cost in costs),
    ]
    both = (genuine > 0.0) & (forged > 0.0)
    return np.where(both[..., None], np.stack(figures, axis=-1), np.nan)
