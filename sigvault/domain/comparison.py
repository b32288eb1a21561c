"""A probe against a claimed signer's gallery: scores, threshold, decision, evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from sigvault.domain.aims import (
    LEAST_SIGNERS,
    OMIT_DEFAULT,
    RULE_OF_THIRTY,
    RULE_OF_THREE,
    Aim,
    Measure,
)
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import GenerationMismatch, UnsupportedAim
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Spread
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.domain.image import QualityFinding
from sigvault.domain.local_blocks import match_local_block


class Decision(StrEnum):
    """The three answers."""

    ACCEPT = "accept"
    REVIEW = "review"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Rate:
    """An error rate with its interval.

    Attributes:
        value: the rate, in [0, 1].
        low: the lower end of the 95 % interval that resamples signers.
        high: the upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ErrorRates:
    """What happens when everything from a score upwards passes.

    Attributes:
        fnmr: the share of genuine signatures that don't pass.
        fmr: the share of random forgeries (other signers' genuine signatures) that pass.
        skilled_fmr: the share of skilled forgeries that pass; None without such data.
    """

    fnmr: Rate
    fmr: Rate
    skilled_fmr: Rate | None


@dataclass(frozen=True)
class OperatingPoint:
    """What happens when everything from a score upwards is accepted.

    Attributes:
        score: the fused score.
        rates: the error rates there.
        name: what is special about it, such as ``"eer_random"``; empty for most.
    """

    score: float
    rates: ErrorRates
    name: str = field(default="", metadata=OMIT_DEFAULT)


@dataclass(frozen=True)
class Origin:
    """Where a threshold comes from; there is none without one.

    Attributes:
        data: what was measured, such as ``"cedar, sigcomp2011"``.
        protocol: how, in words.
        signers: how many signers, none of which the model was trained on.
        mated: how many comparisons of a signer's own signatures.
        random_forgeries: how many comparisons with other signers' genuine signatures.
        skilled_forgeries: how many comparisons with skilled forgeries.
        draws: how many random draws of the references.
        seed: the seed of the draws.
        model: the model that made the scores.
        preprocessing: the preprocessing that the model was fed with.
    """

    data: str
    protocol: str
    signers: int
    mated: int
    random_forgeries: int
    skilled_forgeries: int
    draws: int
    seed: int
    model: ModelId
    preprocessing: str


@dataclass(frozen=True)
class LikelihoodRatio:
    """Turns a score into a calibrated log10 likelihood ratio: genuine against skilled forgery.

    Without knots ``llr = clip(slope * score + intercept, lower, upper)``; with knots the straight
    line gives way to straight pieces between them, level outside.

    Attributes:
        slope: log10 units per unit of score, above 0.
        intercept: log10 units.
        lower: the least that the calibration data can support, below 0.
        upper: the most that the calibration data can support, above 0.
        method: how it was fitted: ``"logistic"``, ``"isotonic"`` or ``"kernel"``.
        scores: the knots' scores, rising; none with a straight line.
        llrs: the knots' log10 units, never falling; as many.
    """

    slope: float
    intercept: float
    lower: float
    upper: float
    method: str = field(default="logistic", metadata=OMIT_DEFAULT)
    scores: tuple[float, ...] = field(default=(), metadata=OMIT_DEFAULT)
    llrs: tuple[float, ...] = field(default=(), metadata=OMIT_DEFAULT)

    def __post_init__(self) -> None:
        """Check the knots.

        Raises:
            ValueError: If they don't pair up or the map would fall.
        """
        if len(self.scores) != len(self.llrs):
            raise ValueError(f"{len(self.scores)} scores and {len(self.llrs)} ratios make no knots")
        if np.any(np.diff(self.scores) <= 0.0) or np.any(np.diff(self.llrs) < 0.0):
            raise ValueError("the knots of the likelihood ratio don't rise")

    def llr(self, score: float) -> float:
        """The base-10 log-likelihood ratio of a fused score."""
        if self.scores:
            value = float(np.interp(score, self.scores, self.llrs))
        else:
            value = self.slope * score + self.intercept
        return min(self.upper, max(self.lower, value))


TRACE_MARGIN = 0.07
"""What a probe must be liker to a reference than the references are to each other, before it was
perhaps traced: whoever signs the same way each time does so once more
(docs/adr/0033-a-tracing-goes-to-a-person.md)."""

CLOSER_LOOK = 0.12
"""How far below the limit of copies a local score asks whether the probe lies turned as a copy
would: pictures of references that are turned by an angle between those that references are seen
from mostly stay that near (docs/adr/0026-the-turn-is-told-before-it-is-undone.md)."""


@dataclass(frozen=True)
class Threshold:
    """Two operating points for a number of references, with the review zone between them.

    Attributes:
        references: the number of references that it was calibrated with.
        accept: scores of at least this are accepted.
        refuse: scores below this are refused; never above ``accept``.
        accept_rates: error rates when everything from ``accept`` upwards passes.
        refuse_rates: error rates when everything from ``refuse`` upwards passes.
        likelihood_ratio: the calibration of the likelihood ratio.
        fusion: the rule by which the calibrated scores were fused.
        origin: where all this comes from.
        points: the operating points that were measured, by rising score; none where it was
            calibrated before there were any, and in evidence, which has no use for them.
        aim: the rate that ``accept`` was moved to by whoever asked; None as calibrated.
        copy_limit: the local score with one reference from which on a probe counts as a copy of
            it, in [-1, 1]; None where it was calibrated before there was one.
        trace_limit: the lower one from which on a person should look whether it was traced, in
            [-1, 1], see `trace_limit_of`; None where it was calibrated before there was one.
    """

    references: int
    accept: float
    refuse: float
    accept_rates: ErrorRates
    refuse_rates: ErrorRates
    likelihood_ratio: LikelihoodRatio
    fusion: FusionRule
    origin: Origin
    points: tuple[OperatingPoint, ...] = field(default=(), metadata=OMIT_DEFAULT)
    aim: Aim | None = field(default=None, metadata=OMIT_DEFAULT)
    copy_limit: float | None = field(default=None, metadata=OMIT_DEFAULT)
    trace_limit: float | None = field(default=None, metadata=OMIT_DEFAULT)

    def __post_init__(self) -> None:
        """Check the order of the operating points.

        Raises:
            ValueError: If they are not finite or in the wrong order.
        """
        if not (math.isfinite(self.accept) and math.isfinite(self.refuse)):
            raise ValueError("the operating points are not finite")
        if self.refuse > self.accept:
            raise ValueError(f"refuse ({self.refuse}) lies above accept ({self.accept})")

    def decide(self, score: float) -> Decision:
        """Decide on a fused score; one that is not a number is refused.

        A pure function of the score, so evidence can be replayed.
        """
        if score >= self.accept:
            return Decision.ACCEPT
        return Decision.REVIEW if score >= self.refuse else Decision.REFUSE

    def copied(self, score: Score) -> ReferenceScore | None:
        """The reference that a probe is too like to be another signature, or None.

        Nobody signs twice alike to the pixel: such a probe is perhaps a pasted picture of it.
        """
        nearest = _likest(score)
        if self.copy_limit is None or nearest.likest < self.copy_limit:
            return None
        return nearest

    def traced(self, score: Score) -> ReferenceScore | None:
        """The reference that a probe is liker to than most signatures get, but no copy; or None.

        One genuine signature in a hundred is, and so is one that was drawn over it by hand.
        """
        limit, nearest = self.trace_limit_of(score), _likest(score)
        if limit is None or nearest.likest < limit or self.copied(score) is not None:
            return None
        return nearest

    def trace_limit_of(self, score: Score) -> float | None:
        """From which local score on a probe was perhaps traced, higher for references much alike.

        None where nothing is limited.
        """
        if self.trace_limit is None or score.spread is None:
            return self.trace_limit
        return max(self.trace_limit, score.spread.local + TRACE_MARGIN)

    def asks_closer_look(self, score: Score) -> bool:
        """Whether a probe may be a picture of a reference that was turned a little.

        Only one that would be accepted, and is nearly as like one reference as a copy.
        """
        if self.copy_limit is None or self.decide(score.value) is not Decision.ACCEPT:
            return False
        if self.copied(score) is not None:
            return False
        return max(one.local for one in score.per_reference) >= self.copy_limit - CLOSER_LOOK

    def judge(self, score: Score) -> Decision:
        """Decide on a probe: by its fused score, but one too like a reference is not accepted."""
        decision = self.decide(score.value)
        if decision is Decision.ACCEPT and (self.copied(score) or self.traced(score)):
            return Decision.REVIEW
        return decision

    def at_fmr(self, rate: float) -> Threshold:
        """Accept from where at most this share of random forgeries pass; see ``at``."""
        return self.at(Aim(Measure.FMR, rate))

    def at_skilled_fmr(self, rate: float) -> Threshold:
        """Accept from where at most this share of skilled forgeries pass; see ``at``."""
        return self.at(Aim(Measure.SKILLED_FMR, rate))

    def at_fnmr(self, rate: float) -> Threshold:
        """Accept from where at most this share of genuine ones don't pass; see ``at``."""
        return self.at(Aim(Measure.FNMR, rate))

    def at(self, aim: Aim) -> Threshold:
        """The threshold with its accept point moved to an aim.

        The point is one of those measured: the laxest that keeps an FMR, the strictest that
        keeps an FNMR. The refuse point moves only where it would lie above.

        Raises:
            UnsupportedAim: If the data can't support the aim, or no points were measured.
        """
        self.require_support(aim)
        keeping = [point for point in self.points if _rate_of(point.rates, aim) <= aim.rate]
        if not keeping:
            raise UnsupportedAim(
                f"no measured operating point keeps {aim}: aim higher, or calibrate with more data"
            )
        pick = max if aim.measure is Measure.FNMR else min
        point = pick(keeping, key=lambda point: point.score)
        words = f"accept point moved by whoever asked, to {aim}"
        if not self.well_supported(aim):
            words += f" (few comparisons: {self.describe_support(aim)})"
        above = self.refuse > point.score
        return replace(
            self,
            accept=point.score,
            accept_rates=point.rates,
            refuse=point.score if above else self.refuse,
            refuse_rates=point.rates if above else self.refuse_rates,
            origin=replace(self.origin, protocol=f"{words}; {self.origin.protocol}"),
            aim=aim,
        )

    def distinct(self, measure: Measure) -> int:
        """How many comparisons a rate rests on, those with other draws of references not counted.

        The same probe against other references of the same signer is no new evidence.
        """
        counts = {
            Measure.FMR: self.origin.random_forgeries,
            Measure.SKILLED_FMR: self.origin.skilled_forgeries,
            Measure.FNMR: self.origin.mated,
        }
        return counts[measure] // max(1, self.origin.draws)

    def least_rate(self, measure: Measure) -> float:
        """The smallest aim that the data support, by the rule of three; 1 without data."""
        return min(1.0, RULE_OF_THREE / max(1, self.distinct(measure)))

    def well_supported(self, aim: Aim) -> bool:
        """Whether the data meet the rule of thirty for an aim."""
        return self.distinct(aim.measure) * aim.rate >= RULE_OF_THIRTY

    def describe_support(self, aim: Aim) -> str:
        """How far the data carry an aim, in words."""
        found = self.distinct(aim.measure)
        wanted = math.ceil(RULE_OF_THIRTY / aim.rate)
        return (
            f"{found} distinct comparisons of {self.origin.signers} signers, {wanted} wanted by "
            "the rule of thirty, so read the interval rather than the rate"
        )

    def require_support(self, aim: Aim) -> None:
        """Make sure that the data can support an aim.

        Raises:
            UnsupportedAim: If not; the message says why and names the smallest aim that they can.
        """
        found = self.distinct(aim.measure)
        if not self.points:
            raise UnsupportedAim(
                f"the threshold for {self.references} references holds no operating points to "
                "choose from: run `sigvault calibrate` again"
            )
        if not found:
            raise UnsupportedAim(
                f"no share of {aim.measure.words} was measured: calibrate with such signatures"
            )
        if self.origin.signers < LEAST_SIGNERS:
            raise UnsupportedAim(
                f"{self.origin.signers} signers can't support any aim, {LEAST_SIGNERS} are "
                "needed: calibrate with more signers"
            )
        if found * aim.rate < RULE_OF_THREE * (1.0 - 1e-9):
            least = math.ceil(1e5 * self.least_rate(aim.measure)) / 1e5
            raise UnsupportedAim(
                f"{aim} can't be supported: by the rule of three (ISO/IEC 19795-1) that takes "
                f"{math.ceil(RULE_OF_THREE / aim.rate)} distinct comparisons, and there are "
                f"{found}; the smallest aim that these support is {least:.5f}"
            )

    @cached_property
    def without_points(self) -> Threshold:
        """What a decision rests on alone, for evidence."""
        return replace(self, points=())

    def __hash__(self) -> int:
        """By what mostly differs: all of it would take longer than what is remembered by it."""
        return hash((self.references, self.accept, self.refuse, self.copy_limit))


def _rate_of(rates: ErrorRates, aim: Aim) -> float:
    """The rate that an aim is about; 1 where it was not measured."""
    rate = getattr(rates, aim.measure.value)
    return 1.0 if rate is None else float(rate.value)


@dataclass(frozen=True)
class ReferenceScore:
    """The probe against one reference.

    Attributes:
        reference: the reference.
        cosine: cosine similarity of the global embeddings, in [-1, 1].
        distance: Euclidean distance of the unit vectors, sqrt(2 - 2 cosine), in [0, 2].
        local: local score, in [-1, 1].
        turned: the highest local score of the probe turned by a few degrees, in [-1, 1], where it
            was looked at so (`sigvault.services.closer_look`), else None; it tells copies, and is
            no part of the fused score.
    """

    reference: ReferenceId
    cosine: float
    distance: float
    local: float
    turned: float | None = field(default=None, metadata=OMIT_DEFAULT)

    @property
    def likest(self) -> float:
        """How like the reference the probe is at most, turned or not."""
        return self.local if self.turned is None else max(self.local, self.turned)


@dataclass(frozen=True)
class Score:
    """A probe against a gallery.

    Attributes:
        value: the fused score; higher is more alike.
        per_reference: one entry a reference, in the gallery's order.
        spread: the gallery's own variability, or None with a single reference.
        fusion: the rule that made ``value``.
        straightened: by how many degrees the probe was turned before it was compared, anticlockwise
            positive, since it lay turned against the references
            (`sigvault.domain.turned_probe`); None where it was compared as it is.
    """

    value: float
    per_reference: tuple[ReferenceScore, ...]
    spread: Spread | None
    fusion: FusionRule
    straightened: float | None = field(default=None, metadata=OMIT_DEFAULT)


def compare(probe: Embedding, gallery: Gallery, fusion: FusionRule) -> Score:
    """Score a probe against every reference of a gallery and fuse the scores.

    Args:
        probe: the probe's embedding.
        gallery: the claimed signer's gallery.
        fusion: the rule of the generation.

    Raises:
        GenerationMismatch: If another model made the probe's embedding than the gallery's.
    """
    model = gallery.references[0].embedding.model
    if probe.model != model:
        raise GenerationMismatch(
            f"the probe was embedded by {probe.model}, the gallery by {model}: "
            "embed the probe with the generation's own model"
        )
    enrolled = [reference.embedding for reference in gallery.references]
    found = match_local_block([embedding.local for embedding in enrolled], [probe.level])
    locals_: list[float] = found[:, 0].tolist()
    # One at a time: the last bit of a product of matrices depends on how many there are.
    product = probe.vector.dot
    cosines = [min(1.0, max(-1.0, float(product(embedding.vector)))) for embedding in enrolled]
    scores = tuple(
        ReferenceScore(reference.id, cosine, math.sqrt(2.0 - 2.0 * cosine), local)
        for reference, cosine, local in zip(gallery.references, cosines, locals_, strict=True)
    )
    return Score(fusion.fuse(cosines, locals_, gallery.spread), scores, gallery.spread, fusion)


@dataclass(frozen=True)
class Evidence:
    """All that a decision rests on; replaying it gives the same answer.

    Attributes:
        signer: the claimed signer.
        probe_digest: SHA-256 of the probe's bytes, hex.
        decision: the answer.
        score: the scores against the references, and their fusion.
        llr: calibrated base-10 log-likelihood ratio of the fused score.
        threshold: the threshold applied.
        findings: what quality inspection noticed about the probe.
        model: the model that embedded probe and references.
        preprocessing: the preprocessing that both went through.
        generation: the generation that the gallery and the threshold belong to.
    """

    signer: SignerId
    probe_digest: str
    decision: Decision
    score: Score
    llr: float
    threshold: Threshold
    findings: tuple[QualityFinding, ...]
    model: ModelId
    preprocessing: str
    generation: GenerationId

    @property
    def copied(self) -> ReferenceScore | None:
        """The reference that the probe is perhaps a copy of; see `Threshold.copied`."""
        return self.threshold.copied(self.score)

    @property
    def traced(self) -> ReferenceScore | None:
        """The reference that the probe was perhaps traced from; see `Threshold.traced`."""
        return self.threshold.traced(self.score)

    def replay(self) -> Decision:
        """Fuse the recorded scores and decide once more."""
        scores = self.score.per_reference
        value = self.score.fusion.fuse(
            [score.cosine for score in scores], [score.local for score in scores], self.score.spread
        )
        return self.threshold.judge(replace(self.score, value=value))


@dataclass(frozen=True)
class Candidate:
    """One signer that an identification came up with.

    Attributes:
        rank: 1 for the best: by decision, then by likelihood ratio.
        signer: the candidate.
        score: the probe against the candidate's whole gallery, fused as in verification.
        llr: calibrated base-10 log-likelihood ratio of that score.
        decision: accept, review or refuse, at the error rate that the search decides at; a copy
            or a tracing is never accepted.
        copied: the reference that the probe is perhaps a copy of (see `Threshold.copied`), or None.
        traced: the one that it was perhaps traced from (see `Threshold.traced`), or None.
    """

    rank: int
    signer: SignerId
    score: Score
    llr: float
    decision: Decision
    copied: ReferenceId | None = field(default=None, metadata=OMIT_DEFAULT)
    traced: ReferenceId | None = field(default=None, metadata=OMIT_DEFAULT)

    @property
    def copied_score(self) -> ReferenceScore | None:
        """The scores of the reference that the probe is perhaps a copy of, or None."""
        return self._score_of(self.copied)

    @property
    def traced_score(self) -> ReferenceScore | None:
        """The scores of the reference that the probe was perhaps traced from, or None."""
        return self._score_of(self.traced)

    def _score_of(self, reference: ReferenceId | None) -> ReferenceScore | None:
        found = (one for one in self.score.per_reference if one.reference == reference)
        return next(found, None)


def _likest(score: Score) -> ReferenceScore:
    """The reference that a probe is most like stroke for stroke, turned back or as it is."""
    return max(score.per_reference, key=lambda one: one.likest)


def select_threshold(thresholds: tuple[Threshold, ...], references: int) -> Threshold | None:
    """The threshold for a gallery of some size, with its likelihood ratio.

    Between two calibrated numbers it is the stricter of the two, the larger number's where they
    are as strict. A fused score means something else with every number of references: the mean of
    the best ones rises with more to choose from, so a smaller number's threshold lets more
    forgeries pass than was measured. But what is taken off for the gallery's spread also grows
    with the first few references, by which scores fall. The stricter one errs towards review both
    ways.

    With more references than the fusion rule averages, scores only rise. A threshold for more of
    them that accepts from a lower score was measured on other signers, those who have so many
    signatures, with easier forgeries; then the stricter one for fewer references stays. Above the
    largest number there is only that one's: see `sigvault.domain.threshold_fit.describe_fit`.

    Args:
        thresholds: what one generation was calibrated with, in any order.
        references: how many references the gallery holds.

    Returns:
        The threshold, or None if none was calibrated for so few.
    """
    ordered = sorted(thresholds, key=lambda each: each.references)
    below = [each for each in ordered if each.references <= references]
    if not below:
        return None
    fitting = [each for each in below if each.references >= each.fusion.top] or below[-1:]
    if below[-1].references < references:
        fitting += [below[-1], *ordered[len(below) : len(below) + 1]]
    return max(fitting, key=lambda each: (each.accept, each.references))
