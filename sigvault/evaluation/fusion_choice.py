"""The fusion rule, chosen by measurement on signers that nothing else is reported on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.evaluation.calibration import DEFAULT_AIMS
from sigvault.evaluation.error_rates import equal_error, threshold_at_fmr
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion

FUSION_REFERENCES = (1, 2, 3, 5)
"""The numbers of references that a rule is chosen for."""

LOCAL_WEIGHTS = (0.0, 0.25, 0.5, 2.0 / 3.0, 0.75, 0.9, 1.0)
SPREADS = (0.0, 0.25, 0.5, 0.75, 1.0)

SPREAD_PRIOR = 0.25
"""A quarter of a pair, a fixed part of every rule tried: two references are trusted to 80 %."""

REVIEW_COST = 0.1
"""A genuine signature that is not accepted at once, against one decided wrongly: ten make one."""

FLOOR_QUANTILE = 0.05
"""Of twenty galleries, the one that holds together least is taken to be like the next."""

TIE = 0.0005
"""Criteria that lie this close, half a thousandth, count as equal."""


@dataclass(frozen=True)
class FusionTrial:
    """One rule, tried.

    Attributes:
        rule: the rule.
        criterion: mean skilled plus mean random equal error rate over the numbers of
            references, plus ``REVIEW_COST`` times the mean share of genuine signatures that lie
            below where accepting begins by the usual aims; what is minimised.
        skilled_eer: by number of references; empty without skilled forgeries.
        random_eer: by number of references.
        not_accepted: share of genuine signatures not accepted, by number of references.
    """

    rule: FusionRule
    criterion: float
    skilled_eer: dict[int, float]
    random_eer: dict[int, float]
    not_accepted: dict[int, float]


@dataclass(frozen=True)
class FusionChoice:
    """The rule chosen and what it was chosen from.

    Attributes:
        rule: the simplest of the best.
        trials: every rule tried, the best criterion first.
    """

    rule: FusionRule
    trials: tuple[FusionTrial, ...]

    def table(self, most: int = 10) -> list[dict[str, Any]]:
        """The best trials and the chosen one as plain data, rates in per cent, for a card."""
        chosen = [trial for trial in self.trials if trial.rule == self.rule]
        best = [trial for trial in self.trials[:most] if trial.rule != self.rule]
        return [_row(trial) for trial in chosen + best]


def choose_fusion(
    scores: Mapping[int, ComparisonScores], rules: Sequence[FusionRule] | None = None
) -> FusionChoice:
    """Try every rule of a grid and take the best; of rules as good, the simplest.

    Args:
        scores: by number of references, such as 1, 3 and 5; of validation signers.
        rules: what to try; ``fusion_grid`` if None.

    Raises:
        DatasetError: If there are no comparisons, or none of them with random forgeries.
    """
    if not scores:
        raise DatasetError("there are no comparisons to choose a fusion rule by")
    for references, comparisons in scores.items():
        if not comparisons.count(Kind.RANDOM):
            raise DatasetError(
                f"there are no random forgeries to choose a fusion rule by with {references} "
                "references: that takes two signers who are not tested by it, so give more "
                "signers, or ask for fewer folds"
            )
    tried = _with_floors(fusion_grid(max(scores)), scores) if rules is None else rules
    known: dict[tuple[int, FusionRule], _Errors] = {}
    trials = sorted((_try(rule, scores, known) for rule in tried), key=lambda t: t.criterion)
    good = [trial for trial in trials if trial.criterion <= trials[0].criterion + TIE]
    simplest = min(good, key=lambda trial: (_complexity(trial.rule), trial.criterion))
    return FusionChoice(simplest.rule, tuple(trials))


def fusion_grid(references: int) -> tuple[FusionRule, ...]:
    """The rules worth trying with at most so many references, each meaning something else."""
    tops = [top for top in (1, 2, 3) if top < references] + [max(references, 1)]
    rules = []
    for top, weight, cosine, local in product(tops, LOCAL_WEIGHTS, SPREADS, SPREADS):
        idle = (weight == 1.0 and cosine > 0.0) or (weight == 0.0 and local > 0.0)
        without_spread = references == 1 and (cosine > 0.0 or local > 0.0)
        if not (idle or without_spread):
            rules.append(FusionRule(top, weight, cosine, local, SPREAD_PRIOR))
    return tuple(rules)


def _with_floors(
    rules: Sequence[FusionRule], scores: Mapping[int, ComparisonScores]
) -> list[FusionRule]:
    """The rules with the floors that the galleries of these comparisons give."""
    spreads = [
        (each.cosine_spread[mated], each.local_spread[mated])
        for references, each in scores.items()
        if references > 1 and (mated := each.kind == Kind.MATED).any()
    ]
    if not spreads:
        return list(rules)
    cosine, local = (
        float(np.quantile(np.concatenate(kind), FLOOR_QUANTILE))
        for kind in zip(*spreads, strict=True)
    )
    return [
        replace(
            rule,
            cosine_floor=cosine if rule.cosine_spread else -1.0,
            local_floor=local if rule.local_spread else -1.0,
        )
        for rule in rules
    ]


@dataclass(frozen=True)
class _Errors:
    """Error rates of a rule at one number of references; skilled is None without data."""

    random: float
    skilled: float | None
    not_accepted: float


def _try(
    rule: FusionRule,
    scores: Mapping[int, ComparisonScores],
    known: dict[tuple[int, FusionRule], _Errors],
) -> FusionTrial:
    errors = {}
    for references, comparisons in scores.items():
        key = references, _effective(rule, references)
        if key not in known:
            known[key] = _measure(comparisons, rule)
        errors[references] = known[key]
    random = {references: error.random for references, error in errors.items()}
    skilled = {
        references: error.skilled
        for references, error in errors.items()
        if error.skilled is not None
    }
    not_accepted = {references: error.not_accepted for references, error in errors.items()}
    criterion = float(np.mean(list(random.values())))
    criterion += REVIEW_COST * float(np.mean(list(not_accepted.values())))
    if skilled:
        criterion += float(np.mean(list(skilled.values())))
    return FusionTrial(rule, criterion, skilled, random, not_accepted)


def _effective(rule: FusionRule, references: int) -> FusionRule:
    """The plainest rule that does the same with so many references."""
    if references == 1:
        return FusionRule(1, rule.local_weight, 0.0, 0.0)
    return replace(rule, top=min(rule.top, references))


def _measure(comparisons: ComparisonScores, rule: FusionRule) -> _Errors:
    fused = apply_fusion(comparisons, rule)
    mated, random, forged = (fused[comparisons.kind == kind] for kind in Kind)
    accept, skilled = threshold_at_fmr(random, DEFAULT_AIMS.fmr), None
    if len(forged):
        accept = max(accept, threshold_at_fmr(forged, DEFAULT_AIMS.skilled_fmr))
        skilled = equal_error(mated, forged).rate
    return _Errors(equal_error(mated, random).rate, skilled, float((mated < accept).mean()))


def _complexity(rule: FusionRule) -> int:
    """How many ingredients a rule has beyond one score averaged over all references."""
    both = 0.0 < rule.local_weight < 1.0
    return both + (rule.cosine_spread > 0.0) + (rule.local_spread > 0.0)


def _row(trial: FusionTrial) -> dict[str, Any]:
    rates = {f"skilled EER R={number}": rate for number, rate in trial.skilled_eer.items()}
    rates |= {f"not accepted R={number}": rate for number, rate in trial.not_accepted.items()}
    rates |= {f"random EER R={number}": rate for number, rate in trial.random_eer.items()}
    return {
        "top": trial.rule.top,
        "local_weight": round(trial.rule.local_weight, 4),
        "cosine_spread": trial.rule.cosine_spread,
        "local_spread": trial.rule.local_spread,
        **{name: round(100.0 * rate, 2) for name, rate in rates.items()},
    }
