"""A verification laid out for the person who decides it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sigvault.domain.comparison import Evidence, Threshold
from sigvault.domain.copies import ALARMS
from sigvault.domain.identifiers import SignerId
from sigvault.domain.image import QualityFinding
from sigvault.domain.reviewing import ReviewCase, ReviewVerdict
from sigvault.domain.verbal_scale import describe_llr
from sigvault.reporting.number_line import NumberLine, place_score
from sigvault.reporting.views import RateRow, view_rates
from sigvault.reporting.words import explain_decision, explain_ratio, headline
from sigvault.web.drawings.histogram import Histogram, draw_histogram
from sigvault.web.views.history import HistoryRow, view_history
from sigvault.web.views.signatures import (
    Panel,
    Sheet,
    arrange,
    probe_panel,
    reference_panels,
)
from sigvault.web.visits import Visit

_LATEST = 12
"""Events of the signer's history on a case's page."""


@dataclass(frozen=True)
class MachineView:
    """What the machine says.

    Attributes:
        decision: its answer, as a word.
        headline: its answer as a heading.
        sentence: why.
        strength: the likelihood ratio on the verbal scale.
        ratio: the likelihood ratio as a number, in words.
        line: the score between its operating points.
        histogram: the score among those of the calibration; None where they aren't known.
        rates: the errors at the operating points.
        origin: what the threshold was measured on, as labels and values.
    """

    decision: str
    headline: str
    sentence: str
    strength: str
    ratio: str
    line: NumberLine
    histogram: Histogram | None
    rates: tuple[RateRow, ...]
    origin: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CaseView:
    """A case as the template lays it out.

    Attributes:
        case: the case itself.
        signer: the claimed signer, as the visitor calls it.
        sheet: the probe and what it was compared with.
        machine: what the machine says; None while it is hidden.
        findings: what was noticed about the probe; no alarm of a copy or a tracing while the
            answer is hidden.
        verdicts: what people said, as far as this person may know it by now.
        hidden_verdicts: how many more there are.
        may_decide: whether this person may give a verdict now.
        seen: whether this person was shown the machine's answer before.
        history: what happened with the signer lately, newest first.
    """

    case: ReviewCase
    signer: str
    sheet: Sheet
    machine: MachineView | None
    findings: tuple[QualityFinding, ...]
    verdicts: tuple[ReviewVerdict, ...]
    hidden_verdicts: int
    may_decide: bool
    seen: bool
    history: tuple[HistoryRow, ...]


def view_case(visit: Visit, case: ReviewCase, probe: Panel | None = None) -> CaseView:
    """Lay out a case for whoever looks at it.

    While this person has a verdict to give, what others said is hidden, so that two people's
    verdicts are two people's; in blind mode the machine's answer is hidden, too.

    Args:
        visit: whose page it is.
        case: the case.
        probe: the probe, where it was handed in just now; the kept one if None.
    """
    name, evidence = visit.someone.name, case.evidence
    may_decide = visit.may_decide(case)
    hidden = may_decide and visit.blind
    seen = visit.desk.seen.has_seen(name, case.event)
    if not hidden:
        visit.desk.seen.note(name, case.event)
    scores = evidence.score.per_reference
    references = reference_panels(
        visit,
        case.signer,
        [score.reference for score in scores],
        [None if hidden else score for score in scores],
    )
    return CaseView(
        case=case,
        signer=visit.someone.outside(case.signer),
        sheet=arrange([probe or probe_panel(visit, case), *references]),
        machine=None if hidden else _view_machine(visit, case),
        findings=tuple(
            finding for finding in evidence.findings if not (hidden and finding.name in ALARMS)
        ),
        verdicts=() if may_decide else case.verdicts,
        hidden_verdicts=len(case.verdicts) if may_decide else 0,
        may_decide=may_decide,
        seen=seen,
        history=view_history(visit, case.signer, limit=_LATEST, quiet=hidden),
    )


def _view_machine(visit: Visit, case: ReviewCase) -> MachineView:
    evidence = replace(case.evidence, signer=SignerId(visit.someone.outside(case.signer)))
    threshold, score = evidence.threshold, evidence.score.value
    measured = _with_points(visit, evidence)
    strength = describe_llr(evidence.llr)
    return MachineView(
        decision=evidence.decision.value,
        headline=headline(evidence.decision),
        sentence=explain_decision(evidence),
        strength=strength[:1].upper() + strength[1:],
        ratio=explain_ratio(evidence.llr, threshold, evidence.signer),
        line=place_score(score, threshold.refuse, threshold.accept),
        histogram=None if measured is None else draw_histogram(measured, score),
        rates=view_rates(threshold),
        origin=_view_origin(threshold, evidence),
    )


def _with_points(visit: Visit, evidence: Evidence) -> Threshold | None:
    """The threshold that the decision rests on, with its points, if the vault still has it."""
    for threshold in visit.vault.thresholds():
        if threshold.without_points == evidence.threshold:
            return threshold
    return None


def _view_origin(threshold: Threshold, evidence: Evidence) -> tuple[tuple[str, str], ...]:
    origin = threshold.origin
    return (
        ("Measured on", f"{origin.data}: {origin.signers:,} signers, none of them trained on"),
        ("For references", f"{threshold.references} (compared with {_compared(evidence)})"),
        ("Model", f"{evidence.model}, generation {evidence.generation}"),
        ("Probe SHA-256", evidence.probe_digest),
    )


def _compared(evidence: Evidence) -> int:
    return len(evidence.score.per_reference)


def known_signer(visit: Visit, text: str) -> SignerId | None:
    """The signer that a filter names; None for no filter."""
    return visit.signer(text) if text.strip() else None
