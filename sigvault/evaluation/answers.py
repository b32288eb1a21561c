"""What a system that was frozen beforehand says of each comparison.

Choices (the fusion rule and the threshold) come with the signers that they apply to, and never
from them. There is one choice for all signers where the model's card or another data set is the
source, and one a fold where the signers themselves are dealt into folds. Fused scores of two folds
are on two scales, so then a comparison's score is the log-likelihood ratio that its fold's other
signers calibrated, without bounds: increasing with the fused score, and the same scale for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.comparison import LikelihoodRatio, Threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.error_rates import Floats, SignerScores
from sigvault.evaluation.fusion_choice import choose_fusion
from sigvault.evaluation.likelihood_choice import apply_ratio
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion, scores_by_signer

REFUSE, REVIEW, ACCEPT = 0, 1, 2
"""How decisions are counted, from the worst answer to the best."""


@dataclass(frozen=True)
class Choice:
    """What was frozen before some signers were scored.

    Attributes:
        signers: whom it is applied to; none of them had a part in it. None for everybody.
        rule: the fusion rule.
        threshold: for the number of references at hand; None without one.
    """

    signers: frozenset[SignerId] | None
    rule: FusionRule
    threshold: Threshold | None


@dataclass(frozen=True, eq=False)
class Verdicts:
    """The frozen thresholds' answers on N comparisons.

    Attributes:
        margin: float64 (N,): the score minus the accept point, on the score's scale; accepted
            from 0 upwards.
        refuse_margin: float64 (N,): the same for the refuse point; refused below 0.
        decision: int8 (N,): ``REFUSE``, ``REVIEW`` or ``ACCEPT``.
        llr: float64 (N,): the log10 likelihood ratios, bounded as they are shown to people.
    """

    margin: Floats
    refuse_margin: Floats
    decision: npt.NDArray[np.int8]
    llr: Floats


@dataclass(frozen=True, eq=False)
class Answers:
    """N comparisons with one score each, and the frozen answers.

    Attributes:
        comparisons: what was compared.
        score: float64 (N,): one scale for all, higher is more alike.
        verdicts: None where a choice has no threshold.
    """

    comparisons: ComparisonScores
    score: Floats
    verdicts: Verdicts | None

    @property
    def has_skilled(self) -> bool:
        """Whether there are skilled forgeries among the probes."""
        return self.comparisons.count(Kind.SKILLED) > 0

    def by_signer(self, forgeries: Kind, values: Floats | None = None) -> SignerScores:
        """Scores, or other values float64 (N,), by signer with one kind of forgeries."""
        return scores_by_signer(
            self.comparisons, self.score if values is None else values, forgeries
        )

    def both_kinds(self, values: Floats | None = None) -> tuple[SignerScores, SignerScores | None]:
        """(with random forgeries, with skilled ones or None): of scores or other values."""
        skilled = self.by_signer(Kind.SKILLED, values) if self.has_skilled else None
        return self.by_signer(Kind.RANDOM, values), skilled


def answer(scores: ComparisonScores, choices: Sequence[Choice]) -> Answers:
    """Apply frozen choices, each to its own signers.

    Args:
        scores: the comparisons.
        choices: one, or one a fold; together they cover every claimed signer once.

    Raises:
        ValueError: If a signer has no choice or two, or folds have no thresholds to share a
            scale by.
    """
    numbers = _assign(scores, choices)
    if len(choices) > 1 and any(choice.threshold is None for choice in choices):
        raise ValueError("scores of folds without thresholds have no scale in common")
    score = np.empty(len(numbers))
    parts = np.empty((3, len(numbers)))
    decision = np.empty(len(numbers), np.int8)
    for number, choice in enumerate(choices):
        rows = numbers == number
        threshold = choice.threshold
        if threshold is None:
            score[rows] = apply_fusion(scores, choice.rule)[rows]
            continue
        fused = apply_fusion(scores, threshold.fusion)[rows]
        scale = _scale(threshold.likelihood_ratio) if len(choices) > 1 else _Scale(1.0, 0.0)
        score[rows] = scale.slope * fused + scale.intercept
        parts[0, rows] = scale.slope * (fused - threshold.accept)
        parts[1, rows] = scale.slope * (fused - threshold.refuse)
        parts[2, rows] = apply_ratio(threshold.likelihood_ratio, fused)
        decision[rows] = np.where(
            fused >= threshold.accept, ACCEPT, np.where(fused >= threshold.refuse, REVIEW, REFUSE)
        )
    decided = all(choice.threshold is not None for choice in choices)
    verdicts = Verdicts(parts[0], parts[1], decision, parts[2]) if decided else None
    return Answers(scores, score, verdicts)


def choose_by_folds(
    by_number: Mapping[int, ComparisonScores],
    provenance: Provenance,
    *,
    folds: int,
    seed: int = 0,
) -> dict[int, tuple[Choice, ...]]:
    """Deal signers into folds, and choose for each fold's signers on all the others.

    No signature of a fold's signers has a part in what is chosen for them, not even as a random
    forgery of somebody else. The rule is chosen over all numbers of references at once, as for a
    model's card.

    Args:
        by_number: by number of references, comparisons of the same signers.
        provenance: what the comparisons were made of.
        folds: how many, at least 2.
        seed: of the deal.

    Returns:
        By number of references, one choice a fold.

    Raises:
        DatasetError: If there are fewer than two signers a fold.
    """
    dealt = deal_signers(by_number, folds, seed)
    found: dict[int, list[Choice]] = {number: [] for number in by_number}
    for own in dealt:
        others = {number: scores.without(own) for number, scores in by_number.items()}
        rule = choose_fusion(others).rule
        for number, scores in others.items():
            threshold = calibrate(scores, rule, provenance, bootstraps=1)
            found[number].append(Choice(own, rule, threshold))
    return {number: tuple(choices) for number, choices in found.items()}


def deal_signers(
    by_number: Mapping[int, ComparisonScores], folds: int, seed: int
) -> tuple[frozenset[SignerId], ...]:
    """Deal all signers into folds, those with most signatures first, so that each fold has some.

    Raises:
        DatasetError: If there are fewer than two signers a fold at any number of references.
    """
    from sklearn.model_selection import KFold  # noqa: PLC0415 - slow to import

    scarcest = min(by_number.values(), key=lambda scores: len(scores.signers))
    if len(scarcest.signers) < 2 * folds:
        raise DatasetError(
            f"{len(scarcest.signers)} signers have the {scarcest.references + 1} genuine "
            f"signatures that {scarcest.references} references take, and {folds} folds take "
            f"{2 * folds} such signers: ask for fewer folds or references"
        )
    rich = sorted(scarcest.signers)
    everybody = {signer for scores in by_number.values() for signer in scores.signers}
    rest = sorted(everybody - set(rich))
    order = np.array([*rich, *rest], dtype=object)
    places = np.empty(len(order), np.int64)
    for start, stop in ((0, len(rich)), (len(rich), len(order))):
        count = stop - start
        if count >= folds:
            split = KFold(folds, shuffle=True, random_state=seed).split(np.arange(count))
            for fold, (_, chosen) in enumerate(split):
                places[start + chosen] = fold
        else:
            places[start:stop] = np.arange(count)
    return tuple(frozenset(order[places == fold].tolist()) for fold in range(folds))


@dataclass(frozen=True)
class _Scale:
    """A straight line from fused score to the score that all folds share."""

    slope: float
    intercept: float


def _scale(ratio: LikelihoodRatio) -> _Scale:
    """The logistic line, which every likelihood ratio keeps whatever its method; no bounds."""
    return _Scale(ratio.slope, ratio.intercept)


def _assign(scores: ComparisonScores, choices: Sequence[Choice]) -> npt.NDArray[np.int64]:
    """The number of each comparison's choice, int64 (N,)."""
    numbers = [list(_fitting(signer, choices)) for signer in scores.signers]
    if any(len(own) != 1 for own in numbers):
        raise ValueError("every claimed signer takes one choice")
    return np.array([own[0] for own in numbers], np.int64)[scores.signer]


def _fitting(signer: SignerId, choices: Sequence[Choice]) -> Iterator[int]:
    for number, choice in enumerate(choices):
        if choice.signers is None or signer in choice.signers:
            yield number
