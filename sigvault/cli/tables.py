"""Results as tables and lines for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sigvault.cli.output import tidy
from sigvault.cli.ruled_table import ruled_table
from sigvault.domain.audit import AuditRecord, ReferenceErased
from sigvault.domain.comparison import Decision, Evidence, Rate, Threshold
from sigvault.domain.copies import ALARMS, once_turned
from sigvault.domain.diagnosis import Diagnosis, Finding, Severity
from sigvault.domain.image import QualityFinding
from sigvault.domain.model_card import MeasuredRates, ModelCard
from sigvault.domain.threshold_fit import describe_fit
from sigvault.domain.turned_probe import once_straightened
from sigvault.domain.verbal_scale import describe_llr

if TYPE_CHECKING:
    from sigvault.cli.known_models import KnownModel
    from sigvault.reporting import Case, IdentificationCase
    from sigvault.services.calibration import CalibrationReport
    from sigvault.vault import (
        AuditCheck,
        EnrollmentReport,
        Identification,
        Replay,
        SignerDetail,
        SignerSummary,
        VaultStatus,
        Verification,
    )

DECISION_STYLES = {
    Decision.ACCEPT: "bold green",
    Decision.REVIEW: "bold yellow",
    Decision.REFUSE: "bold red",
}
"""Each decision's colour; the word is always there too."""

LISTED_REFERENCES = (1, 5)
"""The two numbers of references whose error rates a list of models shows."""

SHOWN_RESULTS = 20
"""How many enrolled images are listed one by one; failures are always listed."""


SEVERITY_STYLES = {
    Severity.FINE: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "bold yellow",
    Severity.PROBLEM: "bold red",
}
"""Each severity's colour; the word is always there too."""


def status_table(status: VaultStatus) -> Table:
    """What a vault holds, a line each."""
    return facts_table([(name.replace("_", " "), value) for name, value in vars(status).items()])


def diagnosis_tables(diagnosis: Diagnosis) -> list[Table | Text]:
    """What was looked at, a line each, and how many of each kind."""
    table = ruled_table("", "What", "Found", "What to do")
    for finding in diagnosis.findings:
        table.add_row(_severity(finding), finding.subject, finding.message, finding.remedy)
    counts = [
        f"{diagnosis.count(severity)} {severity.value}{'' if severity is Severity.FINE else 's'}"
        for severity in reversed(Severity)
    ]
    return [table, Text(", ".join(counts))]


def _severity(finding: Finding) -> Text:
    if finding.repaired:
        return Text("repaired", style="green")
    return Text(finding.severity.value, style=SEVERITY_STYLES[finding.severity])


def facts_table(facts: Sequence[tuple[str, Any]]) -> Table:
    """Labels and values without lines."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, value in facts:
        table.add_row(label, _cell(value))
    return table


def enrollment_table(report: EnrollmentReport) -> list[Table | Text]:
    """What became of the images: every one of a few, the left out of many, and the counts."""
    few = len(report.results) <= SHOWN_RESULTS
    rows = [one for one in report.results if few or one.error is not None or one.repeated]
    parts: list[Table | Text] = []
    if rows:
        table = ruled_table("Image", "Signer", "Outcome", "What happened")
        for result in rows:
            style = "red" if result.error else ""
            message = f"{result.error}: {result.message}" if result.error else result.message
            table.add_row(
                _cell(result.item),
                _cell(result.signer),
                Text(result.outcome.value, style),
                _cell(message),
            )
        parts.append(table)
    counts = f"{report.enrolled} enrolled, {report.already} already there, {report.failed} failed"
    return [*parts, Text(counts)]


def verification_tables(verification: Verification, report: Path | None) -> list[Table | Text]:
    """The decision, what it rests on, and the score against each reference."""
    evidence = verification.evidence
    threshold = evidence.threshold
    facts: list[tuple[str, Any]] = [
        ("score", f"{evidence.score.value:.3f}"),
        ("accept from", _point(threshold.accept, threshold, accept=True)),
        ("refuse below", _point(threshold.refuse, threshold, accept=False)),
        ("likelihood ratio", describe_ratio(evidence)),
        ("measured on", f"{threshold.origin.data}, {threshold.origin.signers} signers"),
        ("model", f"{evidence.model}, generation {evidence.generation}"),
        ("audit event", verification.event),
    ]
    if fit := describe_fit(threshold, len(evidence.score.per_reference)):
        facts.append(("references", fit))
    if threshold.aim is not None:
        facts.append(("decided at", describe_aim(threshold)))
    facts += [
        ("alarm" if finding.name in ALARMS else "quality", text)
        for finding, text in zip(evidence.findings, _findings(evidence.findings), strict=True)
    ]
    if report is not None:
        facts.append(("report", report))
    table = ruled_table("Reference", ">Cosine", ">Distance", ">Local")
    for score in evidence.score.per_reference:
        turned = f" (turned {score.likest:.3f})" if score.likest > score.local else ""
        table.add_row(
            score.reference,
            f"{score.cosine:.3f}",
            f"{score.distance:.3f}",
            f"{score.local:.3f}{turned}",
        )
    return [
        _decision(evidence.decision, f"  signer {evidence.signer}"),
        facts_table(facts),
        table,
    ]


def describe_ratio(evidence: Evidence) -> str:
    """The likelihood ratio in figures and words, and whether it could not have been further."""
    text = f"10^{evidence.llr:+.2f}: {describe_llr(evidence.llr)}"
    ratio = evidence.threshold.likelihood_ratio
    if evidence.llr in {ratio.llr(-math.inf), ratio.llr(math.inf)}:
        text += "; at the limit of what the data support"
    return text


def describe_aim(threshold: Threshold) -> str:
    """The error rate that was asked for, what was measured there, and how far to trust it."""
    if threshold.aim is None:
        return "the accept point as calibrated"
    rates = threshold.accept_rates
    measured = f"{_rate(rates.fmr, 2)} of random forgeries accepted"
    if rates.skilled_fmr is not None:
        measured += f", {_rate(rates.skilled_fmr, 2)} of skilled ones"
    text = f"{threshold.aim}; measured there: {measured}, "
    text += f"{_rate(rates.fnmr, 2)} of genuine ones not accepted"
    if not threshold.well_supported(threshold.aim):
        text += f". CAREFUL: {threshold.describe_support(threshold.aim)}"
    return text


def identification_tables(identification: Identification) -> list[Table | Text]:
    """The candidates of an identification."""
    searched = (
        f"{identification.searched} references of {identification.signers} signers searched; at "
        f"most {identification.fpir:.3g} of searches by strangers may be accepted; audit event "
        f"{identification.event}"
    )
    if not identification.candidates:
        return [Text("no candidate"), Text(searched)]
    table = ruled_table(">Rank", "Signer", "Decision", ">Score", ">LLR", "In words")
    for candidate in identification.candidates:
        table.add_row(
            str(candidate.rank),
            _cell(candidate.signer),
            _decision(candidate.decision),
            f"{candidate.score.value:.3f}",
            f"{candidate.llr:+.2f}",
            describe_llr(candidate.llr, "this signer"),
        )
    copies = [
        _alarm(
            f"stroke for stroke like signer {tidy(candidate.signer)}'s reference "
            f"{copied.reference}{once_turned(copied)}, perhaps a copy of that picture"
        )
        for candidate in identification.candidates
        if (copied := candidate.copied_score) is not None
    ]
    tracings = [
        _alarm(
            f"liker to signer {tidy(candidate.signer)}'s reference {traced.reference}"
            f"{once_turned(traced)} than 99 in 100 signatures get, perhaps traced from it"
        )
        for candidate in identification.candidates
        if (traced := candidate.traced_score) is not None
    ]
    turned = [
        Text(f"signer {tidy(candidate.signer)}: compared with the picture{turn}")
        for candidate in identification.candidates
        if (turn := once_straightened(candidate.score))
    ]
    findings = [Text(f"quality: {finding}") for finding in _findings(identification.findings)]
    unsupported = identification.unsupported
    why = [Text(f"nobody can be accepted: {unsupported}")] if unsupported else []
    return [table, *copies, *tracings, *turned, *findings, *why, Text(searched)]


def _alarm(why: str) -> Text:
    return Text(f"alarm: {why}, so it is not accepted", style="bold red")


def signers_table(signers: Sequence[SignerSummary]) -> Table:
    """The signers, a line each."""
    table = ruled_table("Signer", "Name", ">References", "Since (UTC)", "Status")
    for signer in signers:
        table.add_row(
            _cell(signer.signer),
            _cell(signer.name),
            str(signer.references),
            _cell(signer.created_at),
            _cell(signer.status),
        )
    return table


def signer_tables(
    detail: SignerDetail, copies: Sequence[tuple[int, int]] = ()
) -> list[Table | Text]:
    """A signer, the references, and which of them are as alike as scans of one signing."""
    spread = detail.spread
    facts: list[tuple[str, Any]] = [
        ("signer", detail.summary.signer),
        ("name", detail.summary.name),
        ("since (UTC)", detail.summary.created_at),
        ("status", detail.summary.status),
        ("events", detail.events),
    ]
    if spread is not None:
        similarity = f"cosine {spread.cosine:.3f}, local {spread.local:.3f}"
        facts.append(("references' own similarity", similarity))
    table = ruled_table("Reference", "Picture's SHA-256", "Enrolled (UTC)", "By", "Quality")
    for reference in detail.references:
        table.add_row(
            reference.id,
            f"{reference.digest[:16]}…",
            _cell(reference.enrolled_at),
            _cell(reference.enrolled_by),
            _cell(", ".join(finding.name for finding in reference.findings)),
        )
    alarms = [
        Text(
            f"reference {one} is as like reference {of} as another scan of it: if it is one, the "
            "signer seems to vary less than anyone does, so that genuine signatures are refused; "
            "enroll separate signings",
            style="bold red",
        )
        for one, of in copies
    ]
    return [facts_table(facts), table, *alarms]


def models_table(models: Sequence[KnownModel]) -> Table:
    """The models, each with the data sets that it was measured on."""
    few, more = LISTED_REFERENCES
    table = ruled_table(
        "Model", "Where", "Licence", "Measured on", f">{few} reference", f">{more} references"
    )
    for place in (0, 3, 4, 5):  # a model's data sets and rates stand line by line
        table.columns[place].no_wrap = True
    table.caption = "Equal error rates in per cent: skilled / random forgeries."
    for known in models:
        where = [f"bundled as {known.bundled_as}"] if known.bundled_as else []
        where += ["in use"] if known.in_use else ["in the vault"] if known.in_vault else []
        rates = {(each.data, each.references): each for each in known.card.measured}
        data = list(dict.fromkeys(each.data for each in known.card.measured))
        table.add_row(
            known.card.id,
            _cell("\n".join(where)),
            _cell(known.card.licence),
            _cell("\n".join(data) or "nothing yet"),
            *(
                "\n".join(_measured(rates.get((one, count))) for one in data)
                for count in (few, more)
            ),
        )
    return table


def model_tables(card: ModelCard) -> list[Table | Text]:
    """A model's card."""
    facts = facts_table(
        [
            ("model", card.id),
            ("weights' SHA-256", card.sha256),
            ("preprocessing", card.preprocessing_name),
            ("architecture", _pairs(card.architecture)),
            ("fusion", _pairs(vars(card.fusion))),
            ("trained on", "\n".join(dict.fromkeys(card.training_data))),
            ("pictures seen", len(card.training_digests)),
            ("session test", _session_test(card)),
            ("thresholds for", ", ".join(str(t.references) for t in card.thresholds)),
            ("licence", card.licence),
        ]
    )
    if not card.measured:
        return [facts, Text("Its error rates were not measured: `sigvault release` measures them.")]
    table = ruled_table(
        "Data", ">References", ">Signers", ">Skilled forgeries, EER", ">Random forgeries, EER"
    )
    for rates in card.measured:
        table.add_row(
            _cell(rates.data),
            str(rates.references),
            str(rates.signers),
            "" if rates.skilled is None else _rate(rates.skilled),
            _rate(rates.random),
        )
    return [facts, table, Text("In brackets the 95 % interval over signers.", style="dim")]


def _measured(rates: MeasuredRates | None) -> str:
    if rates is None:
        return ""
    skilled = "–" if rates.skilled is None else f"{100 * rates.skilled.value:.1f}"
    return f"{skilled} / {100 * rates.random.value:.1f}"


def _session_test(card: ModelCard) -> str:
    """What the areas under the curve of the session test were; 0.5 is chance."""
    tests = card.metrics.get("session_test", {}).items()
    return "\n".join(
        f"{data}: cosine {test['cosine']:.3f}, local {test['local']:.3f}" for data, test in tests
    )


def threshold_tables(thresholds: Sequence[Threshold]) -> list[Table | Text]:
    """Operating points and error rates for each number of references, and their origin."""
    table = ruled_table(
        ">References",
        "Point",
        ">Score",
        "Genuine below",
        "Random forgeries above",
        "Skilled forgeries above",
    )
    ordered = sorted(thresholds, key=lambda threshold: threshold.references)
    for threshold in ordered:
        points = (
            ("accept", threshold.accept, threshold.accept_rates),
            ("refuse", threshold.refuse, threshold.refuse_rates),
        )
        for point, score, rates in points:
            table.add_row(
                str(threshold.references),
                point,
                f"{score:.3f}",
                _rate(rates.fnmr),
                _rate(rates.fmr),
                "" if rates.skilled_fmr is None else _rate(rates.skilled_fmr),
            )
    origins = dict.fromkeys(_origin(threshold) for threshold in ordered)
    return [table, *(Text(f"from {origin}") for origin in origins)]


def calibration_tables(report: CalibrationReport) -> list[Table | Text]:
    """The thresholds that a calibration made."""
    skipped = [Text(tidy(f"left out: {reason}")) for reason in report.skipped]
    made = f"generation {report.generation}: thresholds from {report.signers} signers"
    return [*threshold_tables(report.thresholds), *skipped, Text(made)]


def audit_table(records: Sequence[AuditRecord]) -> Table:
    """The events, a line each."""
    table = ruled_table(">Event", "When (UTC)", "What", "About", "Hash")
    for record in records:
        said = _subject(record), _gist(record.public), _erased(record), _actor(record)
        about = " ".join(filter(None, said)) + _reason(record)
        hash_ = f"{record.hash[:12]}…"
        table.add_row(str(record.number), _cell(record.at), record.kind, _cell(about), hash_)
    for column in table.columns:
        column.no_wrap = column.header != "About"
    return table


def replay_lines(replay: Replay) -> list[Text]:
    """A recorded decision beside the one that follows from its evidence."""
    agreement = (
        Text("the answer follows from the recorded evidence", "green")
        if replay.agrees
        else Text("the answer does not follow from the recorded evidence", "bold red")
    )
    return [
        Text(tidy(f"event {replay.event}: signer {replay.evidence.signer}")),
        Text.assemble("recorded ", _decision(replay.recorded)),
        Text.assemble("replayed ", _decision(replay.replayed)),
        agreement,
    ]


def audit_check_lines(check: AuditCheck) -> list[Text]:
    """The outcome of a check, in a few lines."""
    lines = [
        Text(f"{check.events} events: the chain is whole", "green")
        if check.whole
        else Text(f"broken at event {check.first_broken}: {check.reason}", "bold red")
    ]
    if check.images_missing:
        lines.append(Text(f"{len(check.images_missing)} pictures are missing", "bold red"))
        lines += [Text(f"  {tidy(str(image))}") for image in check.images_missing]
    if check.erased_parts:
        text = f"{check.erased_parts} personal parts were erased with their signers or references"
        lines.append(Text(text))
    return lines


def short_time(at: datetime) -> str:
    """A moment to the second in UTC, which the heading says."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _cell(value: object) -> Text:
    """A value that may come from outside, as text that can't steer the terminal."""
    if isinstance(value, datetime):
        return Text(short_time(value))
    if isinstance(value, tuple | list):
        return Text(tidy(", ".join(str(entry) for entry in value)))
    return Text("" if value is None else tidy(str(value)))


def _decision(decision: Decision, rest: str = "") -> Text:
    return Text.assemble((decision.value, DECISION_STYLES[decision]), tidy(rest))


def _point(value: float, threshold: Threshold, *, accept: bool) -> str:
    rates = threshold.accept_rates if accept else threshold.refuse_rates
    skilled = rates.skilled_fmr
    also = "" if skilled is None else f", {100 * skilled.value:.1f} % of skilled"
    return (
        f"{value:.3f}, where {100 * rates.fnmr.value:.1f} % of genuine signatures score lower and "
        f"{100 * rates.fmr.value:.1f} % of random{also} forgeries score higher"
    )


def _rate(rate: Rate, digits: int = 1) -> str:
    value, low, high = (f"{100 * r:.{digits}f}" for r in (rate.value, rate.low, rate.high))
    return f"{value} % ({low}–{high})"


def _origin(threshold: Threshold) -> str:
    origin = threshold.origin
    return tidy(
        f"{origin.data}: {origin.signers} signers, {threshold.references} references, "
        f"{origin.mated} genuine, {origin.random_forgeries} random and "
        f"{origin.skilled_forgeries} skilled forgeries"
    )


def _findings(findings: Sequence[QualityFinding]) -> list[str]:
    return [
        f"{finding.name} ({finding.value:.3g} {finding.unit}): {finding.message}"
        for finding in findings
    ]


def _pairs(content: Mapping[str, Any]) -> str:
    return "\n".join(f"{key} {value}" for key, value in content.items())


def _subject(record: AuditRecord) -> str:
    """Whom an event is about, as far as it is still known."""
    if record.personal is None:
        return "(erased)"
    personal = record.personal
    evidence = personal.get("evidence", {})
    return str(personal.get("signer") or evidence.get("signer") or personal.get("name") or "")


def _actor(record: AuditRecord) -> str:
    """Who did it, as far as it is still known."""
    by = (record.personal or {}).get("by")
    return f"by {by}" if by else ""


def _erased(record: AuditRecord) -> str:
    """Which reference was erased."""
    if record.kind != ReferenceErased.kind:
        return ""
    return f"reference {record.public['reference']}"


def _reason(record: AuditRecord) -> str:
    """Why a reference was erased, as far as it is still known."""
    if record.kind != ReferenceErased.kind or record.personal is None:
        return ""
    return f": {record.personal['reason']}"


def _gist(public: Mapping[str, Any]) -> str:
    """What an event's public part says, without keys that mean nothing to people."""
    shown = {"decision", "error", "key", "references", "verdict", "verification", "version"}
    shown |= {"through"}
    return ", ".join(f"{key} {public[key]}" for key in public if key in shown)


def demo_tables(
    cases: Sequence[Case], identification: IdentificationCase | None, report: Path
) -> list[Table | Text]:
    """The cases of a demonstration, the identification, and where the report lies."""
    table = ruled_table("Signature", "Decision", ">Score", ">LLR", "In words")
    for case in cases:
        evidence = case.evidence
        table.add_row(
            _cell(case.note),
            _decision(evidence.decision),
            f"{evidence.score.value:.3f}",
            f"{evidence.llr:+.2f}",
            describe_llr(evidence.llr),
        )
    parts: list[Table | Text] = [table]
    if identification is not None and identification.candidates:
        best = identification.candidates[0]
        row = (_decision(best.decision), f"{best.score.value:.3f}", f"{best.llr:+.2f}")
        found = describe_llr(best.llr, f"signer {tidy(best.signer)}")
        table.add_section()
        table.add_row(_cell(identification.note), *row, found)
    threshold = cases[0].evidence.threshold
    parts.append(
        Text(f"Accepted from {threshold.accept:.3f}, refused below {threshold.refuse:.3f}.")
    )
    parts.append(Text(f"The report is {report.name} in the folder\n{report.parent}"))
    return parts
