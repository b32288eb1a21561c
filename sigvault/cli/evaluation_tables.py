"""What an evaluation found, as tables and lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sigvault.cli.output import tidy
from sigvault.cli.ruled_table import ruled_table
from sigvault.cli.tables import facts_table
from sigvault.domain.comparison import Rate
from sigvault.evaluation.report_page import flatten

if TYPE_CHECKING:
    from sigvault.evaluation.gates import GateReport
    from sigvault.evaluation.report import EvaluationReport
    from sigvault.evaluation.results import ReferencesResult
    from sigvault.services.model_comparison import ModelComparison

NOTHING = "–"


def evaluation_tables(report: EvaluationReport) -> list[Table | Text]:
    """What must be said first, the gates, then the figures."""
    subject = report.subject
    parts: list[Table | Text] = warning_lines(subject.warnings)
    parts.append(_gate_line(report.gates))
    if report.results:
        parts.append(_error_table(report.results))
        if any(result.frozen for result in report.results):
            parts.append(_decision_table(report.results))
        parts += _identification_table(report.results)
    if report.replica is not None:
        parts += _replica(report.replica)
    left = f"; {len(subject.left_out)} signers left out: trained on" if subject.left_out else ""
    unusable = f"; {len(subject.unusable)} images can't serve" if subject.unusable else ""
    what = f"{subject.protocol.value}: {subject.model} on {subject.data}, {subject.images} images"
    parts.append(Text(tidy(f"{what}{left}{unusable}.")))
    parts.append(Text(tidy(f"Fusion rule and thresholds: {subject.choices}.")))
    parts.append(Text("Per cent; intervals of 95 % resample signers."))
    return parts


def comparison_tables(found: ModelComparison) -> list[Table | Text]:
    """Two models' figures and their paired differences."""
    table = ruled_table(">R", "Forgeries", "Measure", "First", "Second", "Difference", "Certain")
    for entry in found.differences:
        table.add_row(
            str(entry.references),
            entry.forgeries,
            entry.measure,
            *(percent(rate) for rate in (entry.one, entry.other, entry.difference)),
            "yes" if entry.certain else "no",
        )
    one, other = found.models
    about = (
        f"First: {one}; second: {other}; {len(found.signers)} signers of {found.data} that neither "
        "was trained on. Certain: the interval of the paired difference leaves out 0."
    )
    return [*warning_lines(found.warnings), table, Text(tidy(about))]


def warning_lines(warnings: Sequence[str]) -> list[Table | Text]:
    """Each warning on a line of its own, as loud as a terminal can."""
    return [Text(tidy(f"! {warning}"), "bold red") for warning in warnings]


def percent(rate: Rate | None) -> str:
    """A rate with its interval, in per cent."""
    if rate is None:
        return NOTHING
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _gate_line(gates: GateReport) -> Text:
    if gates.passed:
        return Text("The gates (P0) passed.", "green")
    return Text("The gates (P0) FAILED: the rates below are marked.", "bold red")


def _error_table(results: Sequence[ReferencesResult]) -> Table:
    aims = [f"{point.aim:.1%}" for point in results[0].binary.fixed]
    table = ruled_table(
        ">R",
        ">Signers",
        "Skilled EER",
        "Random EER",
        *(f"FNMR at FMR {aim}" for aim in aims),
        *(f"Skilled FMR at FMR {aim}" for aim in aims),
    )
    for result in results:
        table.add_row(
            str(result.references),
            str(result.signers),
            percent(result.skilled_eer.rate if result.skilled_eer else None),
            percent(result.random_eer.rate),
            *(percent(point.fnmr) for point in result.binary.fixed),
            *(percent(point.skilled_fmr) for point in result.binary.fixed),
        )
    return table


def _decision_table(results: Sequence[ReferencesResult]) -> Table:
    """What the frozen thresholds decide on these signers."""
    table = ruled_table(">R", "Signature", "Accepted", "Review", "Refused", "Cllr (least)")
    for result in results:
        if result.frozen is None:
            continue
        ratios = result.frozen.ratios
        cost = f"{ratios.cllr.value:.3f} ({ratios.minimum_cllr.value:.3f})"
        for kind, shares, shown in (
            ("genuine", result.frozen.mated, cost),
            ("random forgery", result.frozen.random, ""),
            ("skilled forgery", result.frozen.skilled, ""),
        ):
            if shares is not None:
                decided = (shares.accept, shares.review, shares.refuse)
                table.add_row(
                    str(result.references), kind, *(percent(share) for share in decided), shown
                )
    return table


def _identification_table(results: Sequence[ReferencesResult]) -> list[Table | Text]:
    found = [(r.references, r.identification) for r in results if r.identification is not None]
    if not found:
        return []
    first = found[0][1]
    table = ruled_table(
        ">R",
        ">Galleries",
        *(f"Rank {point.rank}" for point in first.cmc[:3]),
        *(f"FNIR at FPIR {point.aim:.0%}" for point in first.open_set[:2]),
    )
    for number, one in found:
        table.add_row(
            str(number),
            str(one.signers),
            *(percent(point.identified) for point in one.cmc[:3]),
            *(percent(point.fnir) for point in one.open_set[:2]),
        )
    return [table]


def _replica(content: Mapping[str, Any]) -> list[Table | Text]:
    """Plain data as labels and values, part by part, with its caveat first."""
    parts: list[Table | Text] = []
    facts: list[tuple[str, Any]] = []
    for name, value in content.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping) and set(value) != {"value", "low", "high"}:
            parts += [Text(tidy(label), "bold"), *_replica(value)]
        elif name == "caveat":
            parts.insert(0, Text(tidy(str(value)), "yellow"))
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            parts.append(_rows(value))
        elif value is not None:
            facts.append((label, _figure(value)))
    return [*parts, facts_table(facts)] if facts else parts


def _rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    flat = [flatten(row) for row in rows]
    table = ruled_table(*flat[0])
    for row in flat:
        table.add_row(*(tidy(text) for text in row.values()))
    return table


def _figure(value: object) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):
        return f"{value['value']:.4f} ({value['low']:.4f}–{value['high']:.4f})"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_figure(entry) for entry in value) or "none"
    return tidy(str(value))
