"""All figures of a frozen system for one number of references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sigvault.domain.comparison import ErrorRates, Rate
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.acquisition_rates import AcquisitionRates
from sigvault.evaluation.answers import ACCEPT, REFUSE, REVIEW, Answers, Verdicts
from sigvault.evaluation.binary_measures import BinaryMeasures, measure_binary
from sigvault.evaluation.decision_measures import KindDecisions, measure_decisions
from sigvault.evaluation.distance_measures import DistanceMeasures, measure_distances
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    EqualErrorRate,
    Floats,
    SignerScores,
    clustered_share,
    equal_error,
    equal_error_rate,
)
from sigvault.evaluation.hardest_errors import HardError
from sigvault.evaluation.identification_rates import IdentificationRates
from sigvault.evaluation.operating_points import rates_at
from sigvault.evaluation.protocols import Kind
from sigvault.evaluation.reliability import Reliability, measure_reliability

TRIPLET_MARGIN = 0.5
"""The margin of the triplet loss that is reported: the seed notebook's, a Euclidean distance."""

HISTOGRAM_BINS = 60


@dataclass(frozen=True)
class DecisionShares:
    """What became of the probes of one kind; each share with its interval over signers.

    Attributes:
        accept: the share accepted, in [0, 1].
        review: the share sent to review.
        refuse: the share refused.
    """

    accept: Rate
    review: Rate
    refuse: Rate


@dataclass(frozen=True)
class FrozenResult:
    """What thresholds do that were set before, on other signers.

    Attributes:
        calibrated_with: the numbers of references that the thresholds were calibrated with.
        accept: the score to accept from; None where each fold has its own.
        refuse: the score to refuse below; None likewise.
        accept_rates: error rates here when everything from the accept point upwards passes.
        refuse_rates: the same for the refuse point.
        mated: decisions on genuine signatures.
        random: decisions on random forgeries.
        skilled: decisions on skilled forgeries; None without such data.
        at_accept: confusion matrix, accuracy, precision, recall and costs at the accept point.
        ratios: how well the likelihood ratios are calibrated, against skilled forgeries where
            there are any, else against random ones.
    """

    calibrated_with: tuple[int, ...]
    accept: float | None
    refuse: float | None
    accept_rates: ErrorRates
    refuse_rates: ErrorRates
    mated: DecisionShares
    random: DecisionShares
    skilled: DecisionShares | None
    at_accept: KindDecisions
    ratios: Reliability


@dataclass(frozen=True)
class SignerResult:
    """One signer's errors.

    Attributes:
        signer: who.
        genuine: comparisons with the signer's own signatures.
        fnmr: the share of them that don't pass, where all signers' errors are equal.
        fmr: the share of random forgeries that pass there; None if the signer met none.
        skilled_fmr: the share of skilled forgeries that pass there; None if there were none.
        eer: the signer's own equal error rate against skilled forgeries (random ones where the
            data have no others), at a threshold of the signer's own that was chosen afterwards:
            an oracle, to show who is hard. None without forgeries.
        frozen_fnmr: the share of genuine signatures not accepted at the frozen threshold.
        frozen_skilled_fmr: the share of skilled forgeries accepted there.
    """

    signer: SignerId
    genuine: int
    fnmr: float
    fmr: float | None
    skilled_fmr: float | None
    eer: float | None
    frozen_fnmr: float | None
    frozen_skilled_fmr: float | None


@dataclass(frozen=True)
class ScoreHistogram:
    """How scores are spread, by kind of probe.

    Attributes:
        edges: of the bins, rising; one more than there are counts of a kind.
        mated: comparisons with genuine signatures in each bin.
        random: with random forgeries.
        skilled: with skilled forgeries; None without such data.
    """

    edges: tuple[float, ...]
    mated: tuple[int, ...]
    random: tuple[int, ...]
    skilled: tuple[int, ...] | None


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
        acquisition: how often images and signers could not serve.
        random_eer: equal error rate against random forgeries.
        skilled_eer: equal error rate against skilled forgeries; None without such data.
        binary: areas, least costs, curves, and errors at fixed rates of random forgeries.
        distances: of the global vectors, and the triplet loss that they would cost.
        identification: searches among all galleries; None where it was not asked for.
        frozen: what the frozen thresholds do; None if there are none.
        per_signer: each signer's errors.
        histogram: how the scores are spread.
        hardest: the worst errors, with the files; empty where files are unknown.
    """

    references: int
    signers: int
    skipped: tuple[SignerId, ...]
    draws: int
    mated: int
    random: int
    skilled: int
    acquisition: AcquisitionRates
    random_eer: EqualErrorRate
    skilled_eer: EqualErrorRate | None
    binary: BinaryMeasures
    distances: DistanceMeasures
    identification: IdentificationRates | None
    frozen: FrozenResult | None
    per_signer: tuple[SignerResult, ...]
    histogram: ScoreHistogram
    hardest: tuple[HardError, ...]


@dataclass(frozen=True, eq=False)
class Extras:
    """What is measured beside the comparisons, for one number of references.

    Attributes:
        acquisition: how often images and signers could not serve.
        identification: searches among all galleries, or None.
        hardest: the worst errors.
        calibrated_with: the numbers of references that the frozen thresholds were made with.
        points: (accept, refuse) where one threshold serves all signers; None where none does.
    """

    acquisition: AcquisitionRates
    identification: IdentificationRates | None = None
    hardest: tuple[HardError, ...] = ()
    calibrated_with: tuple[int, ...] = ()
    points: tuple[float, float] | None = None


def measure(
    answers: Answers, extras: Extras, *, bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> ReferencesResult:
    """All figures for one number of references.

    Args:
        answers: of a frozen system, with random forgeries among the probes.
        extras: what was measured beside them.
        bootstraps: how many times signers are resampled for each interval.
        seed: of the resampling.
    """
    scores = answers.comparisons
    random, skilled = answers.both_kinds()
    random_eer = equal_error_rate(random, bootstraps=bootstraps, seed=seed)
    skilled_eer = None
    if skilled is not None:
        skilled_eer = equal_error_rate(skilled, bootstraps=bootstraps, seed=seed)
    frozen = None
    if answers.verdicts is not None:
        frozen = _frozen(answers, answers.verdicts, extras, bootstraps, seed)
    return ReferencesResult(
        references=scores.references,
        signers=len(scores.signers),
        skipped=scores.skipped,
        draws=scores.draws,
        mated=scores.count(Kind.MATED),
        random=scores.count(Kind.RANDOM),
        skilled=scores.count(Kind.SKILLED),
        acquisition=extras.acquisition,
        random_eer=random_eer,
        skilled_eer=skilled_eer,
        binary=measure_binary(random, skilled, bootstraps=bootstraps, seed=seed),
        distances=measure_distances(scores, TRIPLET_MARGIN, bootstraps=bootstraps, seed=seed),
        identification=extras.identification,
        frozen=frozen,
        per_signer=tuple(_per_signer(answers, (skilled_eer or random_eer).threshold)),
        histogram=_histogram(answers),
        hardest=extras.hardest,
    )


def _frozen(
    answers: Answers, verdicts: Verdicts, extras: Extras, bootstraps: int, seed: int
) -> FrozenResult:
    accept, refuse = extras.points or (None, None)
    margins = answers.both_kinds(verdicts.margin)
    llrs = answers.both_kinds(verdicts.llr)

    def shares(kind: Kind) -> DecisionShares:
        return _decisions(answers, verdicts, kind, bootstraps, seed)

    return FrozenResult(
        calibrated_with=extras.calibrated_with,
        accept=accept,
        refuse=refuse,
        accept_rates=rates_at(*margins, 0.0, bootstraps=bootstraps, seed=seed),
        refuse_rates=rates_at(
            *answers.both_kinds(verdicts.refuse_margin), 0.0, bootstraps=bootstraps, seed=seed
        ),
        mated=shares(Kind.MATED),
        random=shares(Kind.RANDOM),
        skilled=shares(Kind.SKILLED) if answers.has_skilled else None,
        at_accept=measure_decisions(*margins, 0.0, bootstraps=bootstraps, seed=seed),
        ratios=measure_reliability(llrs[1] or llrs[0], bootstraps=bootstraps, seed=seed),
    )


def _decisions(
    answers: Answers, verdicts: Verdicts, kind: Kind, bootstraps: int, seed: int
) -> DecisionShares:
    rows = answers.comparisons.kind == kind
    owner, given = answers.comparisons.signer[rows], verdicts.decision[rows]
    signers = len(answers.comparisons.signers)
    totals = np.bincount(owner, minlength=signers).tolist()
    draws = answers.comparisons.draws

    def share(decision: int) -> Rate:
        counts = np.bincount(owner[given == decision], minlength=signers).tolist()
        return clustered_share(counts, totals, draws, bootstraps, seed)

    return DecisionShares(accept=share(ACCEPT), review=share(REVIEW), refuse=share(REFUSE))


def _per_signer(answers: Answers, threshold: float) -> Iterator[SignerResult]:
    random, skilled = answers.both_kinds()
    verdicts = answers.verdicts
    margins = None if verdicts is None else answers.both_kinds(verdicts.margin)
    for place, signer in enumerate(answers.comparisons.signers):
        mated, others = random.mated[place], random.non_mated[place]
        imitations = None if skilled is None else skilled.non_mated[place]
        against = others if imitations is None else imitations
        yield SignerResult(
            signer=signer,
            genuine=len(mated),
            fnmr=float(np.mean(mated < threshold)),
            fmr=_passing(others, threshold),
            skilled_fmr=_passing(imitations, threshold),
            eer=equal_error(mated, against).rate if len(against) else None,
            frozen_fnmr=None if margins is None else float(np.mean(margins[0].mated[place] < 0.0)),
            frozen_skilled_fmr=_frozen_skilled(margins, place),
        )


def _frozen_skilled(
    margins: tuple[SignerScores, SignerScores | None] | None, place: int
) -> float | None:
    if margins is None or margins[1] is None:
        return None
    return _passing(margins[1].non_mated[place], 0.0)


def _passing(scores: Floats | None, threshold: float) -> float | None:
    if scores is None or not len(scores):
        return None
    return float(np.mean(scores >= threshold))


def _histogram(answers: Answers) -> ScoreHistogram:
    edges = np.histogram_bin_edges(answers.score, HISTOGRAM_BINS)

    def counts(kind: Kind) -> tuple[int, ...]:
        values = answers.score[answers.comparisons.kind == kind]
        return tuple(np.histogram(values, edges)[0].tolist())

    return ScoreHistogram(
        edges=tuple(edges.tolist()),
        mated=counts(Kind.MATED),
        random=counts(Kind.RANDOM),
        skilled=counts(Kind.SKILLED) if answers.has_skilled else None,
    )
