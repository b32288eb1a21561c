"""What an evaluation found, as values, as plain data and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sigvault.domain.comparison import Decision, ErrorRates, Rate, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    EqualErrorRate,
    Floats,
    SignerScores,
    equal_error_rate,
    fmr_rate,
    fnmr_rate,
    threshold_at_fmr,
)
from sigvault.evaluation.likelihood import cllr, minimum_cllr
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion, scores_by_signer

FIXED_FMR = (0.01, 0.001)
"""The rates of random forgeries at which the other errors are reported."""


@dataclass(frozen=True)
class FixedPoint:
    """The errors where random forgeries pass at a given rate.

    Attributes:
        aim: the largest share of random forgeries that may pass, in [0, 1].
        threshold: the lowest score at which that holds; found on the same scores.
        fnmr: the share of genuine signatures that don't pass there.
        skilled_fmr: the share of skilled forgeries that pass there; None without such data.
    """

    aim: float
    threshold: float
    fnmr: Rate
    skilled_fmr: Rate | None


@dataclass(frozen=True)
class DecisionShares:
    """What became of the probes of one kind.

    Attributes:
        accept: the share accepted, in [0, 1].
        review: the share sent to review.
        refuse: the share refused.
    """

    accept: float
    review: float
    refuse: float


@dataclass(frozen=True)
class FrozenResult:
    """What a threshold does that was set before, on other signers.

    Attributes:
        references: the number of references that the threshold was calibrated with.
        accept: the operating point to accept from.
        refuse: the operating point to refuse below.
        accept_rates: error rates measured here when everything from ``accept`` upwards passes.
        refuse_rates: the same for ``refuse``.
        mated: decisions on genuine signatures.
        random: decisions on random forgeries.
        skilled: decisions on skilled forgeries; None without such data.
        cllr: cost of the threshold's likelihood ratios, in bits; against skilled forgeries
            where there are any.
    """

    references: int
    accept: float
    refuse: float
    accept_rates: ErrorRates
    refuse_rates: ErrorRates
    mated: DecisionShares
    random: DecisionShares
    skilled: DecisionShares | None
    cllr: float


@dataclass(frozen=True)
class SignerResult:
    """One signer's errors at the score at which all signers' errors are equal.

    Attributes:
        signer: who.
        fnmr: the share of the signer's genuine signatures that don't pass.
        fmr: the share of random forgeries that pass; None if the signer met none.
        skilled_fmr: the share of skilled forgeries that pass; None if there were none.
    """

    signer: SignerId
    fnmr: float
    fmr: float | None
    skilled_fmr: float | None


@dataclass(frozen=True)
class ReferencesResult:
    """All figures for one number of references.

    Attributes:
        references: R.
        signers: how many signers were claimed.
        skipped: signers with too few genuine signatures for R references and a probe.
        draws: how often references were drawn.
        mated: how many comparisons with the signer's own signatures.
        random: how many with other signers' genuine signatures.
        skilled: how many with skilled forgeries.
        random_eer: equal error rate against random forgeries.
        skilled_eer: equal error rate against skilled forgeries; None without such data.
        fixed: errors at fixed rates of random forgeries.
        minimum_cllr: cost in bits with the best possible calibration, against skilled
            forgeries where there are any.
        frozen: what the model's own threshold does; None if it has none.
        per_signer: at the skilled equal error threshold, or the random one without such data.
    """

    references: int
    signers: int
    skipped: tuple[SignerId, ...]
    draws: int
    mated: int
    random: int
    skilled: int
    random_eer: EqualErrorRate
    skilled_eer: EqualErrorRate | None
    fixed: tuple[FixedPoint, ...]
    minimum_cllr: float
    frozen: FrozenResult | None
    per_signer: tuple[SignerResult, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """How well a model does on signers that it was not trained on.

    Attributes:
        data: what was measured.
        model: the model.
        preprocessing: what it was fed with.
        fusion: the rule that scores were fused by.
        seed: of the draws and the intervals.
        images: how many images were embedded.
        left_out: signers left out because the model was trained on an image of theirs.
        calibrated_on: signers whom the model's own rule and thresholds were chosen on: decisions
            about them, and rates, look better than they are.
        unusable: images that could not serve, with the reason, a line each.
        results: one for each number of references.
    """

    data: str
    model: ModelId
    preprocessing: str
    fusion: FusionRule
    seed: int
    images: int
    left_out: tuple[SignerId, ...]
    calibrated_on: tuple[SignerId, ...]
    unusable: tuple[str, ...]
    results: tuple[ReferencesResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; rates are shares in [0, 1]."""
        return asdict(self)


def measure(
    scores: ComparisonScores,
    rule: FusionRule,
    threshold: Threshold | None = None,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> ReferencesResult:
    """All figures for one number of references.

    Args:
        scores: the comparisons, with random forgeries among them.
        rule: how to fuse them.
        threshold: set on other signers, or None.
        bootstraps: how many times signers are resampled for each interval.
        seed: of the resampling.
    """
    fused = apply_fusion(scores, rule)
    random = scores_by_signer(scores, fused, Kind.RANDOM)
    skilled = None
    if scores.count(Kind.SKILLED):
        skilled = scores_by_signer(scores, fused, Kind.SKILLED)
    against = random if skilled is None else skilled
    random_eer = equal_error_rate(random, bootstraps=bootstraps, seed=seed)
    skilled_eer = None
    if skilled is not None:
        skilled_eer = equal_error_rate(skilled, bootstraps=bootstraps, seed=seed)
    return ReferencesResult(
        references=scores.references,
        signers=len(scores.signers),
        skipped=scores.skipped,
        draws=scores.draws,
        mated=scores.count(Kind.MATED),
        random=scores.count(Kind.RANDOM),
        skilled=scores.count(Kind.SKILLED),
        random_eer=random_eer,
        skilled_eer=skilled_eer,
        fixed=tuple(_fixed(aim, random, skilled, bootstraps, seed) for aim in FIXED_FMR),
        minimum_cllr=minimum_cllr(against.all_mated, against.all_non_mated),
        frozen=None if threshold is None else _frozen(scores, threshold, bootstraps, seed),
        per_signer=tuple(
            _per_signer(scores, random, skilled, (skilled_eer or random_eer).threshold)
        ),
    )


def render_markdown(report: EvaluationReport) -> str:
    """The report as a page of Markdown, rates in per cent with their 95 % intervals."""
    return "\n".join(
        [
            f"# {report.model} on {report.data}",
            "",
            *_describe(report),
            "",
            *_table(_ERROR_HEADERS, [_error_row(result) for result in report.results]),
            "",
            *_decision_section(report.results),
            *(line for result in report.results for line in _signer_section(result)),
        ]
    )


def _fixed(
    aim: float, random: SignerScores, skilled: SignerScores | None, bootstraps: int, seed: int
) -> FixedPoint:
    threshold = threshold_at_fmr(random.all_non_mated, aim)
    rates = _rates(random, skilled, threshold, bootstraps, seed)
    return FixedPoint(aim, threshold, rates.fnmr, rates.skilled_fmr)


def _rates(
    random: SignerScores,
    skilled: SignerScores | None,
    threshold: float,
    bootstraps: int,
    seed: int,
) -> ErrorRates:
    return ErrorRates(
        fnmr=fnmr_rate(random, threshold, bootstraps=bootstraps, seed=seed),
        fmr=fmr_rate(random, threshold, bootstraps=bootstraps, seed=seed),
        skilled_fmr=None
        if skilled is None
        else fmr_rate(skilled, threshold, bootstraps=bootstraps, seed=seed),
    )


def _frozen(
    scores: ComparisonScores, threshold: Threshold, bootstraps: int, seed: int
) -> FrozenResult:
    """The threshold decides on scores fused by its own rule, as in verification."""
    fused = apply_fusion(scores, threshold.fusion)
    random = scores_by_signer(scores, fused, Kind.RANDOM)
    skilled = None
    if scores.count(Kind.SKILLED):
        skilled = scores_by_signer(scores, fused, Kind.SKILLED)
    against = random if skilled is None else skilled
    accept, refuse = threshold.accept, threshold.refuse
    return FrozenResult(
        references=threshold.references,
        accept=accept,
        refuse=refuse,
        accept_rates=_rates(random, skilled, accept, bootstraps, seed),
        refuse_rates=_rates(random, skilled, refuse, bootstraps, seed),
        mated=_decisions(random.all_mated, threshold),
        random=_decisions(random.all_non_mated, threshold),
        skilled=None if skilled is None else _decisions(skilled.all_non_mated, threshold),
        cllr=cllr(_llrs(against.all_mated, threshold), _llrs(against.all_non_mated, threshold)),
    )


def _decisions(fused: Floats, threshold: Threshold) -> DecisionShares:
    decisions = [threshold.decide(float(score)) for score in fused]
    return DecisionShares(
        accept=decisions.count(Decision.ACCEPT) / len(decisions),
        review=decisions.count(Decision.REVIEW) / len(decisions),
        refuse=decisions.count(Decision.REFUSE) / len(decisions),
    )


def _llrs(fused: Floats, threshold: Threshold) -> Floats:
    return np.array([threshold.likelihood_ratio.llr(float(score)) for score in fused])


def _per_signer(
    scores: ComparisonScores,
    random: SignerScores,
    skilled: SignerScores | None,
    threshold: float,
) -> Iterator[SignerResult]:
    for place, signer in enumerate(scores.signers):
        yield SignerResult(
            signer=signer,
            fnmr=float(np.mean(random.mated[place] < threshold)),
            fmr=_passing(random.non_mated[place], threshold),
            skilled_fmr=None if skilled is None else _passing(skilled.non_mated[place], threshold),
        )


def _passing(fused: Floats, threshold: float) -> float | None:
    return float(np.mean(fused >= threshold)) if len(fused) else None


_ERROR_HEADERS = (
    "references",
    "signers",
    "genuine / random / skilled comparisons",
    "skilled EER",
    "random EER",
    *(f"FNMR at FMR {aim:.1%}" for aim in FIXED_FMR),
    *(f"skilled FMR at FMR {aim:.1%}" for aim in FIXED_FMR),
    "least Cllr",
)


def _describe(report: EvaluationReport) -> list[str]:
    rule = report.fusion
    names = ", ".join(report.left_out) or "none"
    lines = [
        f"Preprocessing {report.preprocessing}; {report.images} images; fusion: best {rule.top}, "
        f"local weight {rule.local_weight:.2f}, spread {rule.cosine_spread:g} and "
        f"{rule.local_spread:g}; seed {report.seed}. Rates in per cent, in brackets 95 % "
        "intervals that resample signers.",
        "",
        f"Signers left out because the model was trained on them: {names}.",
        f"Images that could not serve: {len(report.unusable)}.",
    ]
    if report.calibrated_on:
        lines.insert(
            0,
            f"**NOT INDEPENDENT: the model's fusion rule and thresholds were chosen on "
            f"{len(report.calibrated_on)} of these signers, so the rates below, above all those of "
            "decisions, look better than they are.** The model's card has independent ones.\n",
        )
    return lines + [f"- {line}" for line in report.unusable]


def _error_row(result: ReferencesResult) -> list[str]:
    skilled = result.skilled_eer
    return [
        str(result.references),
        str(result.signers),
        f"{result.mated} / {result.random} / {result.skilled}",
        _percent(skilled.rate if skilled else None),
        _percent(result.random_eer.rate),
        *(_percent(point.fnmr) for point in result.fixed),
        *(_percent(point.skilled_fmr) for point in result.fixed),
        f"{result.minimum_cllr:.3f}",
    ]


def _decision_section(results: Sequence[ReferencesResult]) -> list[str]:
    rows = [
        [str(result.references), str(frozen.references), kind, *_shares(shares), cost]
        for result in results
        if (frozen := result.frozen) is not None
        for kind, shares, cost in (
            ("genuine", frozen.mated, f"{frozen.cllr:.3f}"),
            ("random forgeries", frozen.random, ""),
            ("skilled forgeries", frozen.skilled, ""),
        )
    ]
    if not rows:
        return ["The model has no thresholds, so nothing was decided.", ""]
    headers = ("references", "calibrated with", "probes", "accept", "review", "refuse", "Cllr")
    return ["## Decisions at the model's own thresholds", "", *_table(headers, rows), ""]


def _signer_section(result: ReferencesResult) -> list[str]:
    rows = [
        [one.signer, *(_share(rate) for rate in (one.fnmr, one.fmr, one.skilled_fmr))]
        for one in sorted(result.per_signer, key=lambda one: -(one.skilled_fmr or 0.0) - one.fnmr)
    ]
    title = f"## By signer, {result.references} references, at the equal error threshold"
    headers = ("signer", "FNMR", "FMR", "skilled FMR")
    skipped = ", ".join(result.skipped)
    note = [f"With too few genuine signatures: {skipped}.", ""] if skipped else []
    return [title, "", *note, *_table(headers, rows), ""]


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _shares(shares: DecisionShares | None) -> tuple[str, str, str]:
    if shares is None:
        return "–", "–", "–"
    return _share(shares.accept), _share(shares.review), _share(shares.refuse)


def _share(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}"


def _percent(rate: Rate | None) -> str:
    if rate is None:
        return "–"
    return f"{100 * rate.value:.2f} ({100 * rate.low:.2f}–{100 * rate.high:.2f})"
