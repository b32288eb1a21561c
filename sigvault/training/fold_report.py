"""Error rates and decisions over signers on whom nothing was chosen.

Signers are dealt into folds, and folds into parts. Within a part, the fusion rule and the
operating points come from other signers than those that are tested, and each signer is tested in
one part. Parts have rules of their own, so their fused scores lie on scales of their own: pooled
are the log-likelihood ratios that each part's other signers calibrated, as in `evaluation.answers`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sigvault.domain.comparison import Decision, Threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.error_rates import (
    EqualErrorRate,
    Floats,
    SignerScores,
    equal_error,
    equal_error_rate,
)
from sigvault.evaluation.likelihood import cllr, minimum_cllr
from sigvault.evaluation.protocols import (
    ComparisonScores,
    Kind,
    apply_fusion,
    concatenate,
    scores_by_signer,
)

Comparisons = dict[int, ComparisonScores]
"""By number of references, as far as the signers have enough genuine signatures."""

GLOBAL_ONLY = FusionRule(top=3, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
"""The global embedding alone, best three references: what the second stage is compared with."""


@dataclass(frozen=True, eq=False)
class Part:
    """Signers to test, and other signers to learn from.

    Attributes:
        model: the model that made all the scores.
        preprocessing: what it was fed with.
        rule: the fusion rule, chosen without the tested signers.
        learnt: comparisons of other signers, of all data sets, to set operating points with.
        tested: by data set, comparisons of the tested signers.
        fold: which fold the tested signers are of; several parts may share one.
    """

    model: ModelId
    preprocessing: str
    rule: FusionRule
    learnt: Comparisons
    tested: dict[str, Comparisons]
    fold: int


@dataclass(frozen=True)
class PooledError:
    """An equal error rate over the tested signers of all folds.

    Attributes:
        pooled: all folds' scores together, on one scale, with the interval that resamples signers.
        fold_mean: the mean of the folds' own rates, in [0, 1].
        fold_deviation: their standard deviation (n - 1); 0 for one fold.
        fold_low: the lowest of them.
        fold_high: the highest of them.
    """

    pooled: EqualErrorRate
    fold_mean: float
    fold_deviation: float
    fold_low: float
    fold_high: float


@dataclass(frozen=True)
class DataSetResult:
    """One data set at one number of references.

    Attributes:
        data: the data set.
        references: R.
        signers: how many signers, each tested once.
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
class PartsReport:
    """Everything that is reported over parts.

    Attributes:
        models: the parts' models.
        rules: their fusion rules.
        results: by data set and number of references.
    """

    models: tuple[ModelId, ...]
    rules: tuple[FusionRule, ...]
    results: tuple[DataSetResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; rates are shares in [0, 1]."""
        return asdict(self)


def report_parts(parts: Sequence[Part], references: Sequence[int], *, seed: int = 0) -> PartsReport:
    """Pool the tested signers of all parts.

    Args:
        parts: at least one; no signer is tested in two.
        references: the numbers of references to report, where all parts have them.
        seed: of the draws, for the origin of the operating points.
    """
    thresholds = {number: _thresholds(parts, number, seed) for number in references}
    results = [
        _result(parts, data, number, thresholds[number])
        for data in parts[0].tested
        for number in references
        if all(number in part.tested[data] for part in parts)
    ]
    return PartsReport(
        tuple(part.model for part in parts), tuple(part.rule for part in parts), tuple(results)
    )


def render_markdown(report: PartsReport) -> str:
    """Two tables: equal error rates, and decisions; rates in per cent."""
    lines = [
        "| data | R | signers | skilled EER | folds: mean ± deviation (range) | random EER "
        "| folds: mean ± deviation (range) | global alone: skilled / random |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in report.results:
        alone = " / ".join(_rate(error) for error in (one.global_skilled, one.global_random))
        lines.append(
            f"| {one.data} | {one.references} | {one.signers} | {_rate(one.skilled)} "
            f"| {_spread(one.skilled)} | {_rate(one.random)} | {_spread(one.random)} | {alone} |"
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


Thresholds = tuple[Threshold, ...]
"""Of one number of references, parallel to the parts."""


def _thresholds(parts: Sequence[Part], number: int, seed: int) -> Thresholds | None:
    """Operating points set on each part's other signers; None where they could not be set."""
    found = []
    for part in parts:
        if number not in part.learnt:
            return None
        learnt_from = Provenance("other signers", part.model, part.preprocessing, seed)
        try:
            found.append(calibrate(part.learnt[number], part.rule, learnt_from, bootstraps=1))
        except DatasetError:  # a model that has learnt nothing: its error rates say so already
            return None
    return tuple(found)


def _result(
    parts: Sequence[Part], data: str, number: int, thresholds: Thresholds | None
) -> DataSetResult:
    tested = [part.tested[data][number] for part in parts]
    has_skilled = all(scores.count(Kind.SKILLED) for scores in tested)
    kinds = [kind for kind in Kind if has_skilled or kind is not Kind.SKILLED]
    answers = _answer(parts, thresholds, tested, kinds) if thresholds else {}
    costs = _costs(answers, Kind.SKILLED if has_skilled else Kind.RANDOM)
    fused = [
        _on_one_scale(apply_fusion(scores, part.rule), threshold)
        for scores, part, threshold in zip(
            tested, parts, thresholds or [None] * len(parts), strict=True
        )
    ]
    alone = [apply_fusion(scores, GLOBAL_ONLY) for scores in tested]
    return DataSetResult(
        data=data,
        references=number,
        signers=sum(len(scores.signers) for scores in tested),
        skilled=_pool(parts, tested, fused, Kind.SKILLED) if has_skilled else None,
        random=_pool(parts, tested, fused, Kind.RANDOM),
        global_skilled=_pool(parts, tested, alone, Kind.SKILLED) if has_skilled else None,
        global_random=_pool(parts, tested, alone, Kind.RANDOM),
        decisions=_shares(answers) if answers else None,
        cllr=costs[0] if costs else None,
        minimum_cllr=costs[1] if costs else None,
    )


def _on_one_scale(fused: Floats, threshold: Threshold | None) -> Floats:
    """A part's scores as log-likelihood ratios without bounds; as they are without a threshold."""
    if threshold is None:
        return fused
    ratio = threshold.likelihood_ratio
    return ratio.slope * fused + ratio.intercept


def _pool(
    parts: Sequence[Part],
    tested: Sequence[ComparisonScores],
    values: Sequence[Floats],
    forgeries: Kind,
) -> PooledError:
    """All parts together and each fold by itself, by one value for each tested comparison."""
    by_fold: defaultdict[int, list[SignerScores]] = defaultdict(list)
    for part, scores, own in zip(parts, tested, values, strict=True):
        by_fold[part.fold].append(scores_by_signer(scores, own, forgeries))
    folds = [_together(own) for own in by_fold.values()]
    rates = [equal_error(fold.all_mated, fold.all_non_mated).rate for fold in folds]
    return PooledError(
        pooled=equal_error_rate(_together(folds)),
        fold_mean=float(np.mean(rates)),
        fold_deviation=float(np.std(rates, ddof=1)) if len(rates) > 1 else 0.0,
        fold_low=min(rates),
        fold_high=max(rates),
    )


def _together(scores: Sequence[SignerScores]) -> SignerScores:
    return SignerScores(
        tuple(mated for one in scores for mated in one.mated),
        tuple(others for one in scores for others in one.non_mated),
        scores[0].draws,
    )


@dataclass(frozen=True, eq=False)
class _Answers:
    """What was said of the probes of one kind: decisions, and log-likelihood ratios (N,)."""

    decisions: Counter[Decision]
    llrs: Floats


def _answer(
    parts: Sequence[Part],
    thresholds: Thresholds,
    tested: Sequence[ComparisonScores],
    kinds: Sequence[Kind],
) -> dict[Kind, _Answers]:
    """Decide on every probe by operating points that were set on other signers."""
    decisions: dict[Kind, Counter[Decision]] = {kind: Counter() for kind in kinds}
    llrs: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    for part, threshold, scores in zip(parts, thresholds, tested, strict=True):
        fused = apply_fusion(scores, part.rule)
        for kind in kinds:
            for score in fused[scores.kind == kind].tolist():
                decisions[kind][threshold.decide(score)] += 1
                llrs[kind].append(threshold.likelihood_ratio.llr(score))
    return {kind: _Answers(decisions[kind], np.array(llrs[kind])) for kind in kinds}


def _shares(answers: Mapping[Kind, _Answers]) -> dict[str, dict[str, float]]:
    return {
        kind.name.lower(): {
            decision.value: one.decisions[decision] / one.decisions.total() for decision in Decision
        }
        for kind, one in answers.items()
    }


def _costs(answers: Mapping[Kind, _Answers], forgeries: Kind) -> tuple[float, float] | None:
    """(Cllr, the least Cllr) of likelihood ratios that were fitted on other signers."""
    if not answers:
        return None
    mated, non_mated = answers[Kind.MATED].llrs, answers[forgeries].llrs
    return cllr(mated, non_mated), minimum_cllr(mated, non_mated)


def _rate(error: PooledError | None) -> str:
    if error is None:
        return "–"
    rate = error.pooled.rate
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _spread(error: PooledError | None) -> str:
    if error is None:
        return "–"
    low, high = 100 * error.fold_low, 100 * error.fold_high
    spread = f"{100 * error.fold_mean:.1f} ± {100 * error.fold_deviation:.1f}"
    return f"{spread} ({low:.1f}–{high:.1f})"


def pool_data_sets(
    by_data: Mapping[str, Comparisons], numbers: Sequence[int]
) -> Iterator[tuple[int, ComparisonScores]]:
    """All data sets' comparisons together, for each number of references that any has."""
    for number in numbers:
        fitting = [comparisons[number] for comparisons in by_data.values() if number in comparisons]
        if fitting:
            yield number, concatenate(fitting)
