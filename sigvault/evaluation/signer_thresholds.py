"""Whether an accept point of its own for each signer helps: measured, not served.

A gallery's own accept point is the global one plus an offset that is known at enrollment, before
any probe: from how the references score against each other, and from how a cohort, genuine
signatures of development signers, scores against them. Rules are learnt on development signers and
tested on held-out ones, by folds over signers.

The rule for keeping any of it, fixed beforehand: at a number of references a candidate helps if,
on held-out signers, the skilled equal error rate less that with the global threshold has a 95 %
interval below 0 on at least one data set, and is not above 0 on any. It is kept from the smallest
number of references at and above which it always helps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sigvault.domain.comparison import Rate
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    Floats,
    SignerScores,
    det_curve,
    equal_error,
    equal_error_rate,
    fmr_rate,
    fnmr_rate,
    paired_difference,
    threshold_at_fmr,
)
from sigvault.evaluation.fusion_choice import FUSION_REFERENCES, TIE, choose_fusion
from sigvault.evaluation.gallery_offsets import (
    LEARNT,
    Candidate,
    Enrolled,
    OffsetRule,
    SignatureScores,
    ThresholdPlan,
    enrol,
    learn_offsets,
    signer_pairs,
    traits_of,
)
from sigvault.evaluation.protocols import Kind, draw_comparisons, scores_by_signer

STRENGTHS = (math.inf, 1e4, 1e3, 1e2, 10.0, 1.0)
"""Ridge penalties, the strongest first; the first leaves no offset at all."""

OFFSET_BOOTSTRAPS = 200
"""How many times references and cohort are resampled for the interval of a gallery's threshold."""

_ROUNDING = 1e-12
"""Shares that differ by no more are equal."""


class GalleryThreshold(NamedTuple):
    """One gallery's own accept point.

    Attributes:
        signer: whose gallery.
        draw: the number of the draw.
        value: the fused score from which it accepts.
        low: the lower end of the 95 % interval that resamples the references' scores among
            themselves and the cohort's signers, with the rule as it was learnt.
        high: the upper end.
        standard_error: the deviation over resamplings.
    """

    signer: SignerId
    draw: int
    value: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class CandidateResult:
    """What one way of setting thresholds is worth on held-out signers, with intervals over them.

    Attributes:
        candidate: how.
        skilled_eer: one threshold over all signers after their offsets.
        random_eer: the same against random forgeries.
        skilled_difference: the skilled rate less that of ``Candidate.NONE``.
        random_difference: the same against random forgeries.
        fnmr: genuine signatures that fail at the frozen accept points.
        skilled_fmr: skilled forgeries that pass there.
        fmr: random forgeries that pass there.
        deviation: of the galleries' own accept points within folds, in units of score.
        standard_error: of one gallery's, from resampling references and cohort, the mean.
        strengths: the ridge penalty chosen in each fold; none where nothing is learnt.
    """

    candidate: Candidate
    skilled_eer: Rate
    random_eer: Rate
    skilled_difference: Rate
    random_difference: Rate
    fnmr: Rate
    skilled_fmr: Rate
    fmr: Rate
    deviation: float
    standard_error: float
    strengths: tuple[float, ...]


@dataclass(frozen=True)
class ThresholdComparison:
    """All candidates at one number of references.

    Attributes:
        references: R.
        signers: how many held-out signers.
        oracle_skilled_eer: the mean of the galleries' own equal error rates, which needs their
            test scores: no rule that is fixed at enrollment can be expected to do better.
        results: one a candidate.
    """

    references: int
    signers: int
    oracle_skilled_eer: float
    results: tuple[CandidateResult, ...]


@dataclass(frozen=True)
class FrozenPoint:
    """What development signers fixed before anyone else was looked at.

    Attributes:
        rule: from gallery to offset.
        accept: the adjusted score from which probes are accepted.
        equal: the adjusted score at which development signers' skilled error rates meet.
    """

    rule: OffsetRule
    accept: float
    equal: float


def compare_thresholds(
    scores: SignatureScores, references: Sequence[int], plan: ThresholdPlan | None = None
) -> tuple[ThresholdComparison, ...]:
    """Measure every candidate on held-out signers.

    Args:
        scores: of one data set.
        references: the numbers of references, each at least 2.
        plan: the numbers; the defaults if None.

    Raises:
        DatasetError: If there are fewer than two signers a fold with enough signatures.
        ValueError: If a number of references is below 2.
    """
    plan = plan or ThresholdPlan()
    if min(references) < 2:
        raise ValueError(f"{min(references)} references don't score among themselves: at least 2")
    usable = _usable(scores, max(references), plan)
    gathered: dict[int, list[_Tested]] = {number: [] for number in references}
    for tested in _deal(usable, plan.folds, plan.seed):
        development = [place for place in usable if place not in set(tested)]
        fusion = choose_rule(scores, development, plan)
        for number in references:
            learnt = enrol(scores, development, development, number, fusion, plan)
            held_out = enrol(scores, tested, development, number, fusion, plan)
            for candidate in Candidate:
                frozen = freeze(candidate, learnt, plan)
                gathered[number].append(_Tested(frozen, held_out))
    return tuple(_compare(number, gathered[number], plan) for number in references)


def helps(differences: Mapping[str, Rate]) -> bool:
    """Whether differences of the skilled equal error rate, by data set, pass the rule above."""
    rates = differences.values()
    return any(rate.high < 0.0 for rate in rates) and all(rate.value <= 0.0 for rate in rates)


def choose_rule(
    scores: SignatureScores, development: Sequence[int], plan: ThresholdPlan
) -> FusionRule:
    """The fusion rule that is best for development signers, as a release chooses it."""
    pairs = signer_pairs(scores, development, plan)
    return choose_fusion(
        {
            number: draw_comparisons(pairs, number, draws=plan.rule_draws, seed=plan.seed)
            for number in FUSION_REFERENCES
        },
        plan.rules,
    ).rule


def freeze(candidate: Candidate, development: Enrolled, plan: ThresholdPlan) -> FrozenPoint:
    """Learn a rule on development signers, and set the global points for it.

    A learnt rule's strength is the strongest of those with the least skilled equal error rate on
    development signers that the rule was not fitted on, and the points are set on those scores.
    """
    if candidate not in LEARNT:
        rule = OffsetRule(candidate)
        return _freeze_at(rule, development, rule.adjust(development), plan)
    targets = gallery_thresholds(development)
    tried = [_cross_fit(candidate, development, targets, each, plan) for each in STRENGTHS]
    errors = [_skilled_error(development, adjusted) for adjusted in tried]
    best = next(k for k, error in enumerate(errors) if error <= min(errors) + TIE)
    everybody = np.ones(len(targets), np.bool_)
    rule = learn_offsets(
        candidate, development.galleries.traits, targets, everybody, STRENGTHS[best]
    )
    return _freeze_at(rule, development, tried[best], plan)


def gallery_thresholds(enrolled: Enrolled) -> Floats:
    """Where each gallery's own skilled error rates meet, float64 (M,): what offsets learn from.

    In the middle between the two scores that the rates meet between.
    """
    kind, gallery = enrolled.comparisons.kind, enrolled.gallery
    thresholds = []
    for number in range(len(enrolled.galleries.among)):
        own = gallery == number
        curve = det_curve(
            enrolled.fused[own & (kind == Kind.MATED)], enrolled.fused[own & (kind == Kind.SKILLED)]
        )
        after = int(np.argmax(curve.fnmr - curve.fmr >= -_ROUNDING))
        ends = curve.thresholds[after - 1 : after + 1]
        thresholds.append(float(ends[np.isfinite(ends)].mean()))
    return np.array(thresholds)


def own_thresholds(
    point: FrozenPoint,
    enrolled: Enrolled,
    *,
    bootstraps: int = OFFSET_BOOTSTRAPS,
    seed: int = 0,
) -> tuple[GalleryThreshold, ...]:
    """Each gallery's own accept point with its interval; probes play no part.

    Leave-one-out scores share references, so with three of them the interval is too narrow.

    Args:
        point: what development signers fixed.
        enrolled: the galleries.
        bootstraps: how many times references' scores and cohort signers are resampled.
        seed: of the resampling.
    """
    galleries, rng = enrolled.galleries, np.random.default_rng(seed)
    values = _accept_points(point, galleries.traits, galleries.allowance)
    thresholds = []
    for number, value in enumerate(values):
        among, cohort = galleries.among[number], galleries.cohort[number]
        redrawn = among[rng.integers(0, len(among), (bootstraps, len(among)))]
        strangers = cohort[rng.integers(0, len(cohort), (bootstraps, len(cohort)))]
        traits = traits_of(redrawn, strangers.reshape(bootstraps, -1))
        resampled = _accept_points(point, traits, np.full(bootstraps, galleries.allowance[number]))
        low, high = np.percentile(resampled, [2.5, 97.5])
        signer, draw = divmod(number, enrolled.comparisons.draws)
        thresholds.append(
            GalleryThreshold(
                enrolled.comparisons.signers[signer],
                draw,
                float(value),
                float(min(low, value)),
                float(max(high, value)),
                float(resampled.std()),
            )
        )
    return tuple(thresholds)


class _Tested(NamedTuple):
    """What one fold fixed, and the held-out signers that it is tried on."""

    point: FrozenPoint
    held_out: Enrolled


def _usable(scores: SignatureScores, references: int, plan: ThresholdPlan) -> list[int]:
    counts = np.bincount(scores.owner, minlength=len(scores.signers))
    usable = np.flatnonzero(counts > max(references, plan.cohort)).tolist()
    if len(usable) < 2 * plan.folds:
        raise DatasetError(
            f"{len(usable)} of {len(scores.signers)} signers have more than "
            f"{max(references, plan.cohort)} genuine signatures, and {plan.folds} folds take "
            f"{2 * plan.folds} such signers: ask for fewer references or folds"
        )
    return usable


def _deal(places: Sequence[int], folds: int, seed: int) -> list[list[int]]:
    """Deal signers into folds, each in rising order."""
    order = np.random.default_rng(seed).permutation(np.asarray(places))
    return [sorted(part.tolist()) for part in np.array_split(order, folds)]


def _cross_fit(
    candidate: Candidate,
    development: Enrolled,
    targets: Floats,
    strength: float,
    plan: ThresholdPlan,
) -> Floats:
    """Development signers' scores, each adjusted by a rule that was learnt on the others."""
    signer, draws = development.comparisons.signer, development.comparisons.draws
    signers = len(development.comparisons.signers)
    adjusted = np.empty(len(development.fused))
    traits = development.galleries.traits
    for part in _deal(range(signers), plan.inner_folds, plan.seed):
        outside = ~np.isin(np.repeat(np.arange(signers), draws), part)
        rule = learn_offsets(candidate, traits, targets, outside, strength)
        rows = np.isin(signer, part)
        adjusted[rows] = rule.adjust(development)[rows]
    return adjusted


def _skilled_error(enrolled: Enrolled, adjusted: Floats) -> float:
    kind = enrolled.comparisons.kind
    return equal_error(adjusted[kind == Kind.MATED], adjusted[kind == Kind.SKILLED]).rate


def _freeze_at(
    rule: OffsetRule, development: Enrolled, adjusted: Floats, plan: ThresholdPlan
) -> FrozenPoint:
    kind = development.comparisons.kind
    skilled, random = adjusted[kind == Kind.SKILLED], adjusted[kind == Kind.RANDOM]
    accept = max(
        threshold_at_fmr(skilled, plan.aims.skilled_fmr), threshold_at_fmr(random, plan.aims.fmr)
    )
    return FrozenPoint(rule, accept, equal_error(adjusted[kind == Kind.MATED], skilled).threshold)


def _accept_points(point: FrozenPoint, traits: Floats, allowance: Floats) -> Floats:
    """Galleries' own accept points on the scale of fused scores."""
    offset, unit = point.rule.place(traits, allowance)
    return offset + unit * point.accept


def _compare(
    references: int, tested: Sequence[_Tested], plan: ThresholdPlan
) -> ThresholdComparison:
    by_candidate = {
        candidate: [fold for fold in tested if fold.point.rule.candidate is candidate]
        for candidate in Candidate
    }
    plain = by_candidate[Candidate.NONE]
    oracle = [_own_errors(fold.held_out) for fold in plain]
    base = _at_points(plain, "equal")
    return ThresholdComparison(
        references=references,
        signers=sum(len(fold.held_out.comparisons.signers) for fold in plain),
        oracle_skilled_eer=float(np.mean(np.concatenate(oracle))),
        results=tuple(
            _measure(candidate, folds, base, plan) for candidate, folds in by_candidate.items()
        ),
    )


class _Sorted(NamedTuple):
    """All folds' scores by signer, less each fold's point, against each kind of forgery."""

    skilled: SignerScores
    random: SignerScores


def _at_points(folds: Sequence[_Tested], name: str) -> _Sorted:
    """Scores less the fold's point of a name, so that 0 is every fold's, on one scale."""
    kinds = []
    for kind in (Kind.SKILLED, Kind.RANDOM):
        parts = [
            scores_by_signer(
                fold.held_out.comparisons,
                fold.point.rule.adjust(fold.held_out) - getattr(fold.point, name),
                kind,
            )
            for fold in folds
        ]
        kinds.append(
            SignerScores(
                tuple(own for part in parts for own in part.mated),
                tuple(own for part in parts for own in part.non_mated),
                parts[0].draws,
            )
        )
    return _Sorted(*kinds)


def _measure(
    candidate: Candidate, folds: Sequence[_Tested], base: _Sorted, plan: ThresholdPlan
) -> CandidateResult:
    equal, accept = _at_points(folds, "equal"), _at_points(folds, "accept")
    bootstraps, seed = plan.bootstraps, plan.seed
    own = [own_thresholds(fold.point, fold.held_out, seed=seed) for fold in folds]
    spread = [np.var([gallery.value for gallery in fold]) for fold in own]
    errors = [gallery.standard_error for fold in own for gallery in fold]
    return CandidateResult(
        candidate=candidate,
        skilled_eer=equal_error_rate(equal.skilled, bootstraps=bootstraps, seed=seed).rate,
        random_eer=equal_error_rate(equal.random, bootstraps=bootstraps, seed=seed).rate,
        skilled_difference=paired_difference(
            equal.skilled, base.skilled, bootstraps=bootstraps, seed=seed
        ),
        random_difference=paired_difference(
            equal.random, base.random, bootstraps=bootstraps, seed=seed
        ),
        fnmr=fnmr_rate(accept.skilled, 0.0, bootstraps=bootstraps, seed=seed),
        skilled_fmr=fmr_rate(accept.skilled, 0.0, bootstraps=bootstraps, seed=seed),
        fmr=fmr_rate(accept.random, 0.0, bootstraps=bootstraps, seed=seed),
        deviation=float(np.sqrt(np.mean(spread))),
        standard_error=float(np.mean(errors)),
        strengths=tuple(fold.point.rule.strength for fold in folds if candidate in LEARNT),
    )


def _own_errors(enrolled: Enrolled) -> list[float]:
    """Each gallery's own skilled equal error rate."""
    kind, gallery = enrolled.comparisons.kind, enrolled.gallery
    return [
        equal_error(
            enrolled.fused[(gallery == number) & (kind == Kind.MATED)],
            enrolled.fused[(gallery == number) & (kind == Kind.SKILLED)],
        ).rate
        for number in range(len(enrolled.galleries.among))
    ]
