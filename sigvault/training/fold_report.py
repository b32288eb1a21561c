"""What a cross-validation found: error rates over all folds, and decisions on signers unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sigvault.domain.comparison import Decision, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.error_rates import (
    EqualErrorRate,
    Floats,
    SignerScores,
    equal_error,
    equal_error_rate,
)
from sigvault.evaluation.fusion_choice import FusionChoice
from sigvault.evaluation.likelihood import cllr, minimum_cllr
from sigvault.evaluation.protocols import (
    ComparisonScores,
    Kind,
    apply_fusion,
    concatenate,
    scores_by_signer,
)
from sigvault.training.cross_validation import CrossValidationPlan, FoldScores

GLOBAL_ONLY = FusionRule(top=3, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
"""The global embedding alone, best three references: what the second stage is compared with."""


@dataclass(frozen=True)
class PooledError:
    """An equal error rate over the held-out signers of all folds.

    Attributes:
        pooled: all folds' scores together, with the interval that resamples signers.
        fold_mean: the mean of the folds' own rates, in [0, 1].
        fold_low: the lowest of them.
        fold_high: the highest of them.
    """

    pooled: EqualErrorRate
    fold_mean: float
    fold_low: float
    fold_high: float


@dataclass(frozen=True)
class DataSetResult:
    """One data set at one number of references.

    Attributes:
        data: the data set.
        references: R.
        signers: how many signers, each held out once.
        skilled: equal error rate against skilled forgeries; None without such data.
        random: equal error rate against random forgeries.
        global_skilled: the same with the global embedding alone; None without such data.
        global_random: the same against random forgeries.
        decisions: by kind of probe, the share of each answer, at operating points set on other
            signers; None where they could not be set.
        cllr: of the likelihood ratios fitted on other signers, in bits; None likewise.
        minimum_cllr: with the best possible calibration on the same scores; None likewise.
    """

    data: str
    references: int
    signers: int
    skilled: PooledError | None
    random: PooledError
    global_skilled: PooledError | None
    global_random: PooledError
    decisions: dict[str, dict[str, float]] | None
    cllr: float | None
    minimum_cllr: float | None


@dataclass(frozen=True)
class CrossValidationReport:
    """Everything that a cross-validation reports.

    Attributes:
        models: the folds' models.
        rules: their fusion rules.
        results: by data set and number of references.
    """

    models: tuple[str, ...]
    rules: tuple[FusionRule, ...]
    results: tuple[DataSetResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; rates are shares in [0, 1]."""
        return asdict(self)


def report_folds(
    folds: Sequence[FoldScores], choices: Sequence[FusionChoice], plan: CrossValidationPlan
) -> CrossValidationReport:
    """Pool the folds' held-out signers.

    Args:
        folds: each fold's comparisons.
        choices: each fold's fusion rule.
        plan: which numbers of references to report.
    """
    rules = [choice.rule for choice in choices]
    results = [
        _result(folds, rules, data, number, plan)
        for data in folds[0].held_out
        for number in plan.references
        if all(number in fold.held_out[data] for fold in folds)
    ]
    return CrossValidationReport(
        tuple(fold.card.id for fold in folds), tuple(rules), tuple(results)
    )


def render_markdown(report: CrossValidationReport) -> str:
    """Two tables: equal error rates, and decisions; rates in per cent."""
    lines = [
        "| data | R | signers | skilled EER | fold mean (range) | random EER | fold mean (range) "
        "| global alone: skilled / random |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in report.results:
        alone = " / ".join(_rate(error) for error in (one.global_skilled, one.global_random))
        lines.append(
            f"| {one.data} | {one.references} | {one.signers} | {_rate(one.skilled)} "
            f"| {_folds(one.skilled)} | {_rate(one.random)} | {_folds(one.random)} | {alone} |"
        )
    lines += [
        "",
        "| data | R | probes | accept | review | refuse | Cllr (least) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in report.results:
        for kind, shares in (one.decisions or {}).items():
            cost = ""
            if kind == Kind.MATED.name.lower() and one.cllr is not None:
                cost = f"{one.cllr:.3f} ({one.minimum_cllr:.3f})"
            answers = " | ".join(f"{100 * shares[decision]:.1f}" for decision in Decision)
            lines.append(f"| {one.data} | {one.references} | {kind} | {answers} | {cost} |")
    return "\n".join(lines) + "\n"


def _result(
    folds: Sequence[FoldScores],
    rules: Sequence[FusionRule],
    data: str,
    number: int,
    plan: CrossValidationPlan,
) -> DataSetResult:
    comparisons = [fold.held_out[data][number] for fold in folds]
    alone = [GLOBAL_ONLY] * len(folds)
    decided = [
        part
        for fold, rule in zip(folds, rules, strict=True)
        for part in _cross_calibrate(fold, rule, number, plan)
    ]
    has_skilled = all(part.count(Kind.SKILLED) for part in comparisons)
    costs = _costs(decided, data, Kind.SKILLED if has_skilled else Kind.RANDOM)
    return DataSetResult(
        data=data,
        references=number,
        signers=sum(len(part.signers) for part in comparisons),
        skilled=_pool(comparisons, rules, Kind.SKILLED) if has_skilled else None,
        random=_pool(comparisons, rules, Kind.RANDOM),
        global_skilled=_pool(comparisons, alone, Kind.SKILLED) if has_skilled else None,
        global_random=_pool(comparisons, alone, Kind.RANDOM),
        decisions=_decisions(decided, data) or None,
        cllr=costs[0] if costs else None,
        minimum_cllr=costs[1] if costs else None,
    )


def _pool(
    comparisons: Sequence[ComparisonScores], rules: Sequence[FusionRule], forgeries: Kind
) -> PooledError:
    parts = [
        scores_by_signer(part, apply_fusion(part, rule), forgeries)
        for part, rule in zip(comparisons, rules, strict=True)
    ]
    own = [equal_error(part.all_mated, part.all_non_mated).rate for part in parts]
    together = SignerScores(
        tuple(scores for part in parts for scores in part.mated),
        tuple(scores for part in parts for scores in part.non_mated),
        parts[0].draws,
    )
    return PooledError(equal_error_rate(together), float(np.mean(own)), min(own), max(own))


_Decided = tuple[Threshold, ComparisonScores]


def _cross_calibrate(
    fold: FoldScores, rule: FusionRule, number: int, plan: CrossValidationPlan
) -> Iterator[_Decided]:
    """Thresholds from every second held-out signer, with the others' comparisons; both ways."""
    pooled = concatenate(
        [by_number[number] for by_number in fold.held_out.values() if number in by_number]
    )
    halves = [pooled.only(pooled.signers[start::2]) for start in (0, 1)]
    provenance = Provenance(
        ", ".join(fold.held_out), fold.card.id, fold.card.preprocessing_name, plan.seed
    )
    for learnt, other in (halves, halves[::-1]):
        yield calibrate(learnt, rule, provenance, bootstraps=1), other


def _fused(
    decided: Iterable[_Decided], data: str, kind: Kind
) -> Iterator[tuple[Threshold, Floats]]:
    for threshold, scores in decided:
        own = scores.only(s for s in scores.signers if s.startswith(f"{data}/"))
        yield threshold, apply_fusion(own, threshold.fusion)[own.kind == kind]


def _decisions(decided: Sequence[_Decided], data: str) -> dict[str, dict[str, float]]:
    shares = {}
    for kind in Kind:
        counts = Counter(
            threshold.decide(score)
            for threshold, fused in _fused(decided, data, kind)
            for score in fused.tolist()
        )
        if counts:
            total = counts.total()
            shares[kind.name.lower()] = {d.value: counts[d] / total for d in Decision}
    return shares


def _costs(decided: Sequence[_Decided], data: str, forgeries: Kind) -> tuple[float, float] | None:
    """(Cllr, the least Cllr) of likelihood ratios that were fitted on other signers."""
    ratios = {
        kind: [
            threshold.likelihood_ratio.llr(score)
            for threshold, fused in _fused(decided, data, kind)
            for score in fused.tolist()
        ]
        for kind in (Kind.MATED, forgeries)
    }
    if not all(ratios.values()):
        return None
    mated, non_mated = np.array(ratios[Kind.MATED]), np.array(ratios[forgeries])
    return cllr(mated, non_mated), minimum_cllr(mated, non_mated)


def _rate(error: PooledError | None) -> str:
    if error is None:
        return "–"
    rate = error.pooled.rate
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _folds(error: PooledError | None) -> str:
    if error is None:
        return "–"
    low, high = 100 * error.fold_low, 100 * error.fold_high
    return f"{100 * error.fold_mean:.1f} ({low:.1f}–{high:.1f})"
