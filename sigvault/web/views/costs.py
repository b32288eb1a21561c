"""What an accept point costs, in people's terms, and how far the data tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigvault.domain.aims import LEAST_SIGNERS, RULE_OF_THIRTY, Measure
from sigvault.domain.comparison import OperatingPoint, Rate, Threshold
from sigvault.web.visits import Visit

_LATEST = 2000
"""Events of the audit log that are looked back on."""


@dataclass(frozen=True)
class CostRow:
    """One kind of error at an accept point.

    Attributes:
        kind: what happens, in words.
        rate: how often, with its interval; None where it was not measured.
        of_thousand: how many of a thousand, in words.
        support: how far the data carry the figure; empty where they do.
    """

    kind: str
    rate: Rate | None
    of_thousand: str
    support: str


@dataclass(frozen=True)
class Replayed:
    """The vault's own late verifications, decided by an accept point.

    Attributes:
        verifications: how many rest on this threshold.
        accepted: how many would be accepted.
        reviewed: how many would go to people.
        refused: how many would be refused.
    """

    verifications: int
    accepted: int
    reviewed: int
    refused: int


@dataclass(frozen=True)
class Costs:
    """An accept point and what it costs.

    Attributes:
        score: the accept point.
        rows: the kinds of errors.
        replayed: what it would have meant for late verifications.
    """

    score: float
    rows: tuple[CostRow, ...]
    replayed: Replayed


def view_costs(threshold: Threshold, point: OperatingPoint, scores: Sequence[float]) -> Costs:
    """What accepting from a point upwards costs.

    Args:
        threshold: the threshold whose accept point is moved.
        point: where to.
        scores: of late verifications that rest on the threshold.
    """
    rates = point.rates
    return Costs(
        score=point.score,
        rows=(
            _row(threshold, Measure.FNMR, "Genuine signatures not accepted", rates.fnmr),
            _row(threshold, Measure.SKILLED_FMR, "Skilled forgeries accepted", rates.skilled_fmr),
            _row(threshold, Measure.FMR, "Other people's signatures accepted", rates.fmr),
        ),
        replayed=_replay(threshold, point.score, scores),
    )


def _row(threshold: Threshold, measure: Measure, kind: str, rate: Rate | None) -> CostRow:
    if rate is None:
        return CostRow(kind, None, "", "not measured: calibrate with such signatures")
    low, value, high = (_thousand(each) for each in (rate.low, rate.value, rate.high))
    return CostRow(
        kind, rate, f"{value} of 1,000 ({low} to {high})", _support(threshold, measure, rate)
    )


def _thousand(share: float) -> str:
    number = 1000.0 * share
    return f"{number:.0f}" if number >= 9.95 or number == 0 else f"{number:.1f}"


def _support(threshold: Threshold, measure: Measure, rate: Rate) -> str:
    """Why a figure says less than it seems to; empty where the data carry it."""
    found = threshold.distinct(measure)
    errors = found * rate.value
    if threshold.origin.signers < LEAST_SIGNERS:
        return f"only {threshold.origin.signers} signers were measured: too few to say"
    if errors < 1:
        return (
            f"none or hardly any among {found:,} comparisons: the true rate may be up to "
            f"{100 * threshold.least_rate(measure):.2g} % (rule of three)"
        )
    if errors < RULE_OF_THIRTY:
        return (
            f"about {errors:.0f} errors among {found:,} comparisons: read the interval, not the "
            "figure (rule of thirty)"
        )
    return ""


def late_scores(visit: Visit, threshold: Threshold) -> tuple[float, ...]:
    """The scores of the vault's late verifications that rest on a threshold."""
    events = visit.vault.audit_size()
    return tuple(
        float(record.public["score"])
        for record in visit.vault.audit_log(after=max(0, events - _LATEST))
        if record.kind == "verified"
        and record.personal is not None
        and record.public["model"] == threshold.origin.model
        and record.personal["evidence"]["threshold"]["references"] == threshold.references
    )


def _replay(threshold: Threshold, accept: float, scores: Sequence[float]) -> Replayed:
    """Late verifications by this threshold, decided with another accept point."""
    refuse = min(threshold.refuse, accept)
    accepted = sum(score >= accept for score in scores)
    refused = sum(score < refuse for score in scores)
    return Replayed(len(scores), accepted, len(scores) - accepted - refused, refused)
