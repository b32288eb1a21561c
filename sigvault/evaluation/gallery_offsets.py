"""What is known of a gallery at enrollment, before any probe, and where that puts its scores.

The references are scored against each other, and a cohort, genuine signatures of development
signers, against the references. A rule turns these scores into an offset of the gallery's accept
point. Galleries and the probes that they meet are kept apart, so that no offset can see a probe.

Auckenthaler, Carey, Lloyd-Thomas: Score normalization for text-independent speaker verification
systems, Digital Signal Processing 10 (2000), has the cohort norms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.calibration import Aims
from sigvault.evaluation.error_rates import BOOTSTRAPS, Floats
from sigvault.evaluation.pair_scores import PairScores, score_pairs
from sigvault.evaluation.protocols import (
    DRAWS,
    RANDOM_FORGERIES,
    ComparisonScores,
    EvaluationSigner,
    SignerPairs,
    apply_fusion,
    draw_comparisons,
)

UPPER_QUANTILE = 0.95
"""Of the cohort's scores: how near the nearest strangers come."""


class Candidate(StrEnum):
    """How the offset comes about.

    ``NONE``: there is none. ``REFERENCES``, ``COHORT``, ``BOTH``: learnt by ridge regression from
    mean, least and deviation of the references' scores among themselves, from mean, upper quantile
    and deviation of the cohort's, or from all six. ``COHORT_MEAN``: the cohort's mean, whole, with
    nothing learnt. ``COHORT_DIVIDED``: the same, and scores are divided by the cohort's deviation
    (Z-norm).
    """

    NONE = "none"
    REFERENCES = "references"
    COHORT_MEAN = "cohort_mean"
    COHORT_DIVIDED = "cohort_divided"
    COHORT = "cohort"
    BOTH = "both"


LEARNT = {
    Candidate.REFERENCES: (0, 1, 2),
    Candidate.COHORT: (3, 4, 5),
    Candidate.BOTH: (0, 1, 2, 3, 4, 5),
}
"""Which traits a learnt candidate may use."""


@dataclass(frozen=True)
class ThresholdPlan:
    """The numbers of the comparison.

    Attributes:
        folds: into how many parts signers are dealt; each is tested once.
        inner_folds: into how many parts development signers are dealt to choose a strength.
        cohort: genuine signatures that each cohort signer gives, the first ones.
        draws: how often references are drawn.
        rule_draws: the same, for the choice of the fusion rule.
        random_forgeries: how many signatures of strangers each signer meets.
        rules: the fusion rules to choose from; None for the whole grid.
        aims: what the frozen accept point is set by.
        bootstraps: how many times signers are resampled.
        seed: of folds, draws and intervals.
    """

    folds: int = 5
    inner_folds: int = 5
    cohort: int = 4
    draws: int = DRAWS
    rule_draws: int = 3
    random_forgeries: int = RANDOM_FORGERIES
    rules: tuple[FusionRule, ...] | None = None
    aims: Aims = field(default_factory=Aims)
    bootstraps: int = BOOTSTRAPS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class SignatureScores:
    """Every genuine signature of a data set against every other, and against its own forgeries.

    Attributes:
        signers: whose, each once.
        owner: int64 (G,): the place in ``signers`` of each genuine signature's signer, rising.
        genuine: (G, G): genuine signatures against genuine signatures.
        skilled: one a signer: the signer's genuine signatures (rows) against the skilled
            forgeries of them (columns).
    """

    signers: tuple[SignerId, ...]
    owner: npt.NDArray[np.int64]
    genuine: PairScores
    skilled: tuple[PairScores, ...]

    def rows_of(
        self, signers: Sequence[int], *, skip: int = 0, most: int | None = None
    ) -> npt.NDArray[np.int64]:
        """The rows of some signers' genuine signatures.

        Args:
            signers: places in ``signers``.
            skip: how many of each signer's first signatures to leave out.
            most: up to which signature of each to go; None for all.
        """
        return np.concatenate([np.flatnonzero(self.owner == place)[skip:most] for place in signers])


@dataclass(frozen=True, eq=False)
class Galleries:
    """What is known of M galleries at enrollment, and nothing else.

    Attributes:
        among: float64 (M, R): each reference's score against the other references, by the fusion
            rule without a spread.
        cohort: float64 (M, S, K): scores of K signatures by each of S cohort signers, likewise.
        allowance: float64 (M,): what the fusion rule subtracts for the gallery's spread.
    """

    among: Floats
    cohort: Floats
    allowance: Floats

    @cached_property
    def traits(self) -> Floats:
        """The six traits of ``Candidate``, float64 (M, 6)."""
        return traits_of(self.among, self.cohort.reshape(len(self.cohort), -1))


@dataclass(frozen=True, eq=False)
class Enrolled:
    """Galleries and the probes that they meet; kept apart, so that offsets can't see probes.

    Attributes:
        galleries: M of them: the draws of the first signer, then those of the next.
        comparisons: N comparisons.
        fused: float64 (N,): their scores by the fusion rule.
    """

    galleries: Galleries
    comparisons: ComparisonScores
    fused: Floats

    @property
    def gallery(self) -> npt.NDArray[np.int64]:
        """int64 (N,): which gallery each comparison is with."""
        return self.comparisons.signer.astype(np.int64) * self.comparisons.draws + (
            self.comparisons.draw
        )


@dataclass(frozen=True)
class OffsetRule:
    """Turns what is known of a gallery into its place on the scale of scores.

    Attributes:
        candidate: how.
        strength: the ridge penalty; infinite without offsets.
        centre: the mean of each trait over development galleries.
        scale: the deviation of each.
        weights: what a trait one deviation above its mean adds to the offset; 0 if unused.
    """

    candidate: Candidate
    strength: float = math.inf
    centre: tuple[float, ...] = (0.0,) * 6
    scale: tuple[float, ...] = (1.0,) * 6
    weights: tuple[float, ...] = (0.0,) * 6

    def place(self, traits: Floats, allowance: Floats) -> tuple[Floats, Floats]:
        """Offset and unit of galleries: a score counts as (score - offset) / unit.

        Args:
            traits: float64 (..., 6).
            allowance: float64 (...).

        Returns:
            (offset, unit), each float64 (...).
        """
        unit = np.ones(traits.shape[:-1])
        if self.candidate in (Candidate.COHORT_MEAN, Candidate.COHORT_DIVIDED):
            if self.candidate is Candidate.COHORT_DIVIDED:
                unit = np.maximum(traits[..., 5], 1e-6)
            return traits[..., 3] - allowance, unit
        standard = (traits - np.array(self.centre)) / np.array(self.scale)
        return standard @ np.array(self.weights), unit

    def adjust(self, enrolled: Enrolled) -> Floats:
        """The scores less their galleries' offsets, in their units, float64 (N,)."""
        offset, unit = self.place(enrolled.galleries.traits, enrolled.galleries.allowance)
        adjusted: Floats = (enrolled.fused - offset[enrolled.gallery]) / unit[enrolled.gallery]
        return adjusted


def score_signatures(signers: Sequence[EvaluationSigner]) -> SignatureScores:
    """Score all genuine signatures with each other and with the forgeries of them.

    Args:
        signers: of one data set; those without forgeries or genuine signatures are left out.

    Raises:
        DatasetError: If none is left, or two have the same name.
        GenerationMismatch: If two models made the embeddings.
    """
    usable = [own for own in signers if own.genuine and own.forged]
    if not usable:
        raise DatasetError("no signer has both genuine signatures and skilled forgeries of them")
    if len({own.signer for own in usable}) < len(usable):
        raise DatasetError("a signer is listed twice: name signers apart by their data set")
    genuine = [embedding for own in usable for embedding in own.genuine]
    return SignatureScores(
        tuple(own.signer for own in usable),
        np.repeat(np.arange(len(usable)), [len(own.genuine) for own in usable]),
        score_pairs(genuine, genuine),
        tuple(score_pairs(own.genuine, own.forged) for own in usable),
    )


def enrol(
    scores: SignatureScores,
    signers: Sequence[int],
    cohort: Sequence[int],
    references: int,
    rule: FusionRule,
    plan: ThresholdPlan,
) -> Enrolled:
    """Draw galleries, compare them with a cohort, and let them meet their probes.

    Random forgeries are by others of the same signers, never a signature of the cohort.

    Args:
        scores: of the data set.
        signers: whose galleries, places in ``scores.signers``.
        cohort: whose signatures to compare them with, without the gallery's own signer; holds
            all of ``signers`` or none.
        references: R, at least 2.
        rule: the fusion rule.
        plan: the numbers.
    """
    pairs = signer_pairs(scores, signers, plan)
    comparisons = draw_comparisons(pairs, references, draws=plan.draws, seed=plan.seed)
    among, against, allowance = [], [], []
    for place, own, draws in zip(signers, pairs, _drawn(pairs, references, plan), strict=True):
        rows = scores.rows_of([place])
        others = [other for other in cohort if other != place]
        columns = scores.rows_of(others, most=plan.cohort)
        for chosen in draws:
            inside = _block(own.pairs, chosen, chosen)
            among.append(_leave_one_out(inside, rule))
            strangers = _fuse(_block(scores.genuine, rows[chosen], columns), rule)
            against.append(strangers.reshape(len(others), -1))
            allowance.append(_allowance(inside, rule))
    galleries = Galleries(np.stack(among), np.stack(against), np.array(allowance))
    return Enrolled(galleries, comparisons, apply_fusion(comparisons, rule))


def signer_pairs(
    scores: SignatureScores, signers: Sequence[int], plan: ThresholdPlan
) -> tuple[SignerPairs, ...]:
    """The comparisons of some signers, who are each other's random forgers.

    Args:
        scores: of the data set.
        signers: places in ``scores.signers``, at least two.
        plan: the numbers.
    """
    pairs = []
    for place in signers:
        rows, skilled = scores.rows_of([place]), scores.skilled[place]
        others = [other for other in signers if other != place]
        strangers = scores.rows_of(others, skip=plan.cohort)
        rng = np.random.default_rng([plan.seed, place])
        random = rng.permutation(strangers)[: plan.random_forgeries]
        blocks = (_block(scores.genuine, rows, rows), skilled, _block(scores.genuine, rows, random))
        pairs.append(
            SignerPairs(
                scores.signers[place],
                PairScores(
                    np.hstack([block.cosine for block in blocks]),
                    np.hstack([block.local for block in blocks]),
                ),
                len(rows),
                skilled.cosine.shape[1],
            )
        )
    return tuple(pairs)


def traits_of(among: Floats, cohort: Floats) -> Floats:
    """Traits float64 (..., 6) of galleries with scores (..., R) and (..., S K)."""
    return np.stack(
        [
            among.mean(axis=-1),
            among.min(axis=-1),
            among.std(axis=-1),
            cohort.mean(axis=-1),
            np.quantile(cohort, UPPER_QUANTILE, axis=-1),
            cohort.std(axis=-1),
        ],
        axis=-1,
    )


def learn_offsets(
    candidate: Candidate,
    traits: Floats,
    targets: Floats,
    rows: npt.NDArray[np.bool_],
    strength: float,
) -> OffsetRule:
    """Ridge regression from the traits of some galleries to their own thresholds.

    Args:
        candidate: one of ``LEARNT``; says which traits count.
        traits: float64 (M, 6).
        targets: float64 (M,): the galleries' own thresholds.
        rows: bool (M,): which galleries to learn from.
        strength: the penalty on squared weights; infinite for no offset.
    """
    if math.isinf(strength):
        return OffsetRule(candidate)
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    used = list(LEARNT[candidate])
    scaler = StandardScaler().fit(traits[rows])
    ridge = Ridge(alpha=strength).fit(scaler.transform(traits[rows])[:, used], targets[rows])
    weights = np.zeros(traits.shape[1])
    weights[used] = ridge.coef_
    return OffsetRule(
        candidate,
        strength,
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
        tuple(weights.tolist()),
    )


def _drawn(
    pairs: Sequence[SignerPairs], references: int, plan: ThresholdPlan
) -> list[npt.NDArray[np.int64]]:
    """The references that ``draw_comparisons`` draws, int64 (draws, R) a signer.

    Read off scores that name their rows, so that they are its draws whatever it draws by.
    """
    named = []
    for own in pairs:
        rows = np.repeat(np.arange(own.genuine, dtype=np.float64)[:, None], own.genuine, axis=1)
        named.append(SignerPairs(own.signer, PairScores(rows, rows), own.genuine, 0))
    read = draw_comparisons(named, references, draws=plan.draws, seed=plan.seed)
    drawn = []
    for place in range(len(pairs)):
        own = read.signer == place
        first = [np.argmax(own & (read.draw == draw)) for draw in range(plan.draws)]
        drawn.append(read.cosine[first].astype(np.int64))
    return drawn


def _block(
    pairs: PairScores, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> PairScores:
    block = np.ix_(rows, columns)
    return PairScores(pairs.cosine[block], pairs.local[block])


def _fuse(pairs: PairScores, rule: FusionRule) -> Floats:
    """Fuse probes (columns) with references (rows) by a rule without its spread, (columns,)."""
    cosine, local = (
        np.sort(kind, axis=0)[::-1][: rule.top].mean(axis=0) for kind in (pairs.cosine, pairs.local)
    )
    fused: Floats = (1.0 - rule.local_weight) * cosine + rule.local_weight * local
    return fused


def _leave_one_out(inside: PairScores, rule: FusionRule) -> Floats:
    """Each reference's score against the others, from their scores (R, R), float64 (R,)."""
    places = np.arange(len(inside.cosine))
    return np.concatenate(
        [_fuse(_block(inside, places[places != one], places[[one]]), rule) for one in places]
    )


def _allowance(inside: PairScores, rule: FusionRule) -> float:
    """What the rule subtracts for a gallery's spread, from its scores (R, R)."""
    above = np.triu_indices(len(inside.cosine), 1)
    cosine = rule.cosine_spread * max(inside.cosine[above].mean(), rule.cosine_floor)
    local = rule.local_spread * max(inside.local[above].mean(), rule.local_floor)
    allowance = (1.0 - rule.local_weight) * cosine + rule.local_weight * local
    return rule.trust(len(inside.cosine)) * float(allowance)
