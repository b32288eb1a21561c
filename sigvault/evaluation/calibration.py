"""Thresholds with their error rates, from comparisons of signers that no model has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from sigvault.domain.comparison import Origin, Threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    Floats,
    SignerScores,
    threshold_at_fmr,
    threshold_at_fnmr,
)
from sigvault.evaluation.likelihood_choice import choose_likelihood_ratio
from sigvault.evaluation.operating_points import measure_points, rates_at
from sigvault.evaluation.protocols import (
    ComparisonScores,
    Kind,
    apply_fusion,
    scores_by_signer,
)

PROTOCOL = (
    "P1: references drawn at random from each signer's genuine signatures, the others and all "
    "skilled forgeries as probes, other signers' genuine signatures as random forgeries; rates "
    "measured on the signers that the operating points were set on, intervals over signers"
)
"""What an origin says of how its rates were measured."""


@dataclass(frozen=True)
class Aims:
    """The error rates that operating points are set by.

    A signature is accepted where few forgeries reach and refused where few genuine ones fall;
    what lies between goes to review.

    Attributes:
        skilled_fmr: the largest share of skilled forgeries that may be accepted.
        fmr: the largest share of random forgeries that may be accepted.
        fnmr: the largest share of genuine signatures that may be refused.
    """

    skilled_fmr: float = 0.02
    fmr: float = 0.001
    fnmr: float = 0.02

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: If an aim is not in [0, 1).
        """
        for name in ("skilled_fmr", "fmr", "fnmr"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ValueError(f"the aim {name} is {value}, not in [0, 1)")


DEFAULT_AIMS = Aims()

COPY_ALARMS = 0.001
"""The share of genuine signatures that may be taken for copies of a reference."""

TRACE_ALARMS = 0.01
"""The share of genuine signatures that may be as like a reference as one traced from it."""

LEAST_TRACE_LIMIT = 0.85
"""No local score below says that a signature was traced."""

LEAST_COPY_LIMIT = 0.9
"""No local score below counts as a copy: strokes visibly differ there."""

MOST_SIGNERS = 0.9
"""The share of a calibration's signers that a limit of copies has to rest on to be the highest."""

MOST_COPY_LIMIT = 0.999
"""From here on everything is a copy, even if the calibration data hold copies themselves."""


@dataclass(frozen=True)
class Provenance:
    """What the comparisons were made of, for the origin of a threshold.

    Attributes:
        data: what was measured, such as ``"cedar, sigcomp2011"``.
        model: what made the scores.
        preprocessing: what the model was fed with.
        seed: that the references were drawn with.
        remarks: sentences that the origin must carry, in front of the protocol.
    """

    data: str
    model: ModelId
    preprocessing: str
    seed: int = 0
    remarks: tuple[str, ...] = ()


class _Kinds(NamedTuple):
    """Fused scores by signer, with each kind of forgeries; skilled is None without such data."""

    random: SignerScores
    skilled: SignerScores | None


def calibrate(
    scores: ComparisonScores,
    rule: FusionRule,
    provenance: Provenance,
    *,
    aims: Aims | None = None,
    bootstraps: int = BOOTSTRAPS,
) -> Threshold:
    """Set both operating points for a number of references and measure what happens at them.

    Accepting starts at the lowest score at which both kinds of forgeries meet their aims,
    refusing below the highest at which genuine signatures meet theirs. Where the latter lies
    above the former, every score in between meets all aims, and both move to the middle: there
    is no review zone.

    Args:
        scores: comparisons with the number of references that the threshold is for.
        rule: the fusion rule of the model.
        provenance: what the comparisons were made of; its seed also seeds the bootstrap.
        aims: the error rates aimed at; the defaults if None.
        bootstraps: how many times signers are resampled.

    Raises:
        DatasetError: If the comparisons lack a kind that is needed, or don't tell genuine
            signatures from forgeries.
    """
    kinds = _sort(scores, apply_fusion(scores, rule))
    accept, refuse, notes = _operating_points(kinds, aims or Aims())
    against = kinds.skilled or kinds.random
    if kinds.skilled is None:
        notes = (*notes, "no skilled forgeries, so ratios and aims are against random ones alone")
    choice = choose_likelihood_ratio(against, bootstraps=bootstraps, seed=provenance.seed)
    measure = partial(rates_at, *kinds, bootstraps=bootstraps, seed=provenance.seed)
    return Threshold(
        references=scores.references,
        accept=accept,
        refuse=refuse,
        accept_rates=measure(accept),
        refuse_rates=measure(refuse),
        likelihood_ratio=choice.ratio,
        fusion=rule,
        origin=_origin(scores, provenance, (*notes, choice.describe())),
        points=measure_points(*kinds, bootstraps=bootstraps, seed=provenance.seed),
        copy_limit=find_copy_limit(scores),
        trace_limit=find_trace_limit(scores),
    )


def find_copy_limit(scores: ComparisonScores) -> float:
    """The local score with its nearest reference that hardly any genuine signature reaches.

    At most `COPY_ALARMS` of the mated probes lie at it or above, unless the data hold so many
    copies themselves that it is `MOST_COPY_LIMIT`; it is never below `LEAST_COPY_LIMIT`.

    Args:
        scores: comparisons, mated ones among them.
    """
    return min(MOST_COPY_LIMIT, max(LEAST_COPY_LIMIT, _rarely_reached(scores, COPY_ALARMS)))


def find_trace_limit(scores: ComparisonScores) -> float:
    """The local score with its nearest reference that few genuine signatures reach.

    At most `TRACE_ALARMS` of the mated probes lie at it or above; never below
    `LEAST_TRACE_LIMIT`. Where it lies above the limit of copies, that one alone counts.

    Args:
        scores: comparisons, mated ones among them.
    """
    return max(LEAST_TRACE_LIMIT, _rarely_reached(scores, TRACE_ALARMS))


def _rarely_reached(scores: ComparisonScores, share: float) -> float:
    """Just above what at most this share of mated probes reach with their nearest reference."""
    nearest = scores.local[scores.kind == Kind.MATED].max(axis=1)
    reached = float(np.quantile(nearest, 1.0 - share, method="higher"))
    return float(np.nextafter(reached, 2.0))


def cap_copy_limits(thresholds: Sequence[Threshold]) -> tuple[Threshold, ...]:
    """No higher limit of copies for numbers of references that fewer signers have.

    The same pair of copies in the data weighs more among fewer signers, and would lift the limit
    so far that real copies pass.

    Args:
        thresholds: of one calibration.
    """
    most = max((each.origin.signers for each in thresholds), default=0)
    limits = [
        each.copy_limit
        for each in thresholds
        if each.copy_limit is not None and each.origin.signers >= MOST_SIGNERS * most
    ]
    return tuple(
        replace(each, copy_limit=min(each.copy_limit, max(limits)))
        if limits and each.copy_limit is not None
        else each
        for each in thresholds
    )


def _origin(scores: ComparisonScores, provenance: Provenance, notes: tuple[str, ...]) -> Origin:
    return Origin(
        data=provenance.data,
        protocol="; ".join((*provenance.remarks, *notes, PROTOCOL)),
        signers=len(scores.signers),
        mated=scores.count(Kind.MATED),
        random_forgeries=scores.count(Kind.RANDOM),
        skilled_forgeries=scores.count(Kind.SKILLED),
        draws=scores.draws,
        seed=provenance.seed,
        model=provenance.model,
        preprocessing=provenance.preprocessing,
    )


def _sort(scores: ComparisonScores, fused: Floats) -> _Kinds:
    for kind in (Kind.MATED, Kind.RANDOM):
        if not scores.count(kind):
            raise DatasetError(
                f"there are no {kind.name.lower()} comparisons with {scores.references} "
                "references: at least two signers need more genuine signatures than that"
            )
    skilled = None
    if scores.count(Kind.SKILLED):
        skilled = scores_by_signer(scores, fused, Kind.SKILLED)
    return _Kinds(scores_by_signer(scores, fused, Kind.RANDOM), skilled)


def _operating_points(kinds: _Kinds, aims: Aims) -> tuple[float, float, tuple[str, ...]]:
    """(accept, refuse, what must be said about them)."""
    accept = threshold_at_fmr(kinds.random.all_non_mated, aims.fmr)
    if kinds.skilled is not None:
        skilled = threshold_at_fmr(kinds.skilled.all_non_mated, aims.skilled_fmr)
        accept = max(accept, skilled)
    refuse = threshold_at_fnmr(kinds.random.all_mated, aims.fnmr)
    aim = f"aims: skilled FMR {aims.skilled_fmr:.2%} and FMR {aims.fmr:.2%} at accept, "
    aim += f"FNMR {aims.fnmr:.2%} at refuse"
    if refuse <= accept:
        return accept, refuse, (aim,)
    middle = 0.5 * (accept + refuse)
    return middle, middle, (aim, "all aims met at one score, so there is no review zone")
