"""An evaluation as a page of Markdown: rates in per cent with their 95 % intervals over signers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sigvault.domain.comparison import Rate
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.acquisition_rates import AcquisitionRates
from sigvault.evaluation.binary_measures import FixedFmr, MinimumCost
from sigvault.evaluation.gate_page import render_gates
from sigvault.evaluation.identification_rates import IdentificationRates
from sigvault.evaluation.report import EvaluationReport
from sigvault.evaluation.results import DecisionShares, FrozenResult, ReferencesResult

NOTHING = "–"

TITLES = {
    Protocol.P0: "the gates",
    Protocol.P1: "writer-independent verification",
    Protocol.P2: "a replica of the literature's single pairs",
    Protocol.NOTEBOOK: "a replica of the seed notebook's evaluation",
    Protocol.P3: "a replica of the writer-dependent protocol",
    Protocol.P4: "writer-independent verification, choices carried over from another set",
    Protocol.P5: "disturbed probes",
}


def render_markdown(report: EvaluationReport) -> str:
    """The report as a page of Markdown, what must be said first."""
    subject = report.subject
    mark = " (marked: see the warnings)" if subject.warnings else ""
    lines = [
        f"# {subject.model} on {subject.data}: {subject.protocol.value}, "
        f"{TITLES[subject.protocol]}",
        "",
    ]
    for warning in subject.warnings:
        lines += [f"> **{warning}**", ""]
    lines += [*_describe(report), ""]
    if report.results:
        lines += [f"## Error rates{mark}", "", *_error_table(report.results), ""]
        lines += [*_decision_section(report.results, mark)]
        lines += [f"## Beyond the threshold{mark}", "", *_further_table(report.results), ""]
        lines += list(_identification_section(report.results, mark))
        lines += list(_acquisition_section(report.results))
        for result in report.results:
            lines += _signer_section(result)
    if report.replica is not None:
        lines += [f"## Figures{mark}", "", *render_replica(report.replica), ""]
    lines += ["## The gates (P0)", "", *render_gates(report.gates), ""]
    if subject.unusable:
        lines += ["## Images that could not serve", "", *(f"- {x}" for x in subject.unusable), ""]
    return "\n".join(lines)


def render_replica(content: Mapping[str, Any]) -> list[str]:
    """Plain data as a nested list; figures with their intervals, as they are."""
    lines: list[str] = []
    for name, value in content.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping) and set(value) == {"value", "low", "high"}:
            lines.append(f"- {label}: {_number_with_interval(value)}")
        elif isinstance(value, Mapping):
            lines += [f"- {label}:", *(f"  {line}" for line in render_replica(value))]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines += _render_sequence(label, value)
        elif value is not None:
            lines.append(f"- {label}: {_figure(value)}")
    return lines


def percent(rate: Rate | None) -> str:
    """A rate with its interval, in per cent."""
    if rate is None:
        return NOTHING
    return f"{100 * rate.value:.2f} ({100 * rate.low:.2f}–{100 * rate.high:.2f})"


def decimal(rate: Rate | None, digits: int = 3) -> str:
    """A figure with its interval, not in per cent."""
    if rate is None:
        return NOTHING
    return f"{rate.value:.{digits}f} ({rate.low:.{digits}f}–{rate.high:.{digits}f})"


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _number_with_interval(value: Mapping[str, float]) -> str:
    return f"{value['value']:.4f} ({value['low']:.4f}–{value['high']:.4f})"


def _render_sequence(label: str, values: Sequence[Any]) -> list[str]:
    if values and all(isinstance(value, Mapping) for value in values):
        rows = [flatten(value) for value in values]
        cells = [list(row.values()) for row in rows]
        return [f"- {label}:", "", *table(list(rows[0]), cells), ""]
    shown = ", ".join(_figure(value) for value in values)
    return [f"- {label}: {shown or 'none'}"]


def flatten(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of plain data as text by column; nested figures get columns of their own."""
    cells: dict[str, str] = {}
    for name, value in row.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping) and set(value) != {"value", "low", "high"}:
            cells |= {f"{label}: {inner}": text for inner, text in flatten(value).items()}
        elif isinstance(value, Mapping):
            cells[label] = _number_with_interval(value)
        else:
            cells[label] = NOTHING if value is None else _figure(value)
    return cells


def _describe(report: EvaluationReport) -> list[str]:
    subject = report.subject
    names = ", ".join(subject.left_out) or "none"
    rules = "; ".join(
        f"best {rule.top}, local weight {rule.local_weight:.2f}, spread {rule.cosine_spread:g} "
        f"and {rule.local_spread:g}, prior {rule.spread_prior:g} pairs, "
        f"floors {rule.cosine_floor:.2f} and {rule.local_floor:.2f}"
        for rule in subject.rules
    )
    return [
        f"Preprocessing {subject.preprocessing}; {subject.images} images; seed {subject.seed}. "
        "Rates in per cent, in brackets 95 % intervals that resample signers.",
        "",
        f"Fusion rule and thresholds: {subject.choices}. Rules: {rules}.",
        "",
        f"Signers left out because the model was trained on them: {names}. "
        f"Images that could not serve: {len(subject.unusable)}.",
    ]


def _error_table(results: Sequence[ReferencesResult]) -> list[str]:
    aims = [point.aim for point in results[0].binary.fixed]
    headers = [
        "references",
        "signers",
        "genuine / random / skilled comparisons",
        "skilled EER",
        "random EER",
        *(f"FNMR at FMR {aim:.1%}" for aim in aims),
        *(f"skilled FMR at FMR {aim:.1%}" for aim in aims),
    ]
    rows = [
        [
            str(result.references),
            str(result.signers),
            f"{result.mated} / {result.random} / {result.skilled}",
            percent(result.skilled_eer.rate if result.skilled_eer else None),
            percent(result.random_eer.rate),
            *(_supported(point, point.fnmr) for point in result.binary.fixed),
            *(_supported(point, point.skilled_fmr) for point in result.binary.fixed),
        ]
        for result in results
    ]
    lines = table(headers, rows)
    if not all(point.supported for result in results for point in result.binary.fixed):
        lines += ["", "\\* fewer than 3 / FMR distinct random forgeries: the point rests on none."]
    return lines


def _supported(point: FixedFmr, rate: Rate | None) -> str:
    star = "" if point.supported or rate is None else " \\*"
    return percent(rate) + star


def _decision_section(results: Sequence[ReferencesResult], mark: str) -> list[str]:
    frozen = [(result, result.frozen) for result in results if result.frozen is not None]
    if not frozen:
        return ["There are no thresholds, so nothing was decided.", ""]
    rows = [
        [str(result.references), _made_with(own), kind, *_shares(shares)]
        for result, own in frozen
        for kind, shares in (
            ("genuine", own.mated),
            ("random forgeries", own.random),
            ("skilled forgeries", own.skilled),
        )
    ]
    quality = [
        [
            str(result.references),
            kind,
            percent(one.accuracy),
            percent(one.balanced_accuracy),
            percent(one.precision),
            percent(one.recall),
            percent(one.f1),
            *(decimal(cost.actual) for cost in one.costs),
        ]
        for result, own in frozen
        for kind, one in (("random", own.at_accept.random), ("skilled", own.at_accept.skilled))
        if one is not None
    ]
    ratios = [
        [
            str(result.references),
            decimal(own.ratios.cllr),
            decimal(own.ratios.minimum_cllr),
            decimal(own.ratios.calibration_loss),
            decimal(own.ratios.expected_calibration_error),
        ]
        for result, own in frozen
    ]
    priors = [f"DCF, prior {c.cost.prior:g}" for c in frozen[0][1].at_accept.random.costs]
    return [
        f"## Decisions at the frozen thresholds{mark}",
        "",
        *table(("references", "calibrated with", "probes", "accept", "review", "refuse"), rows),
        "",
        "At the accept point, everything below it counting as failed:",
        "",
        *table(
            (
                *("references", "forgeries", "accuracy", "balanced accuracy", "precision"),
                *("recall", "F1", *priors),
            ),
            quality,
        ),
        "",
        "Likelihood ratios, in bits:",
        "",
        *table(
            ("references", "Cllr", "least Cllr", "difference", "calibration error (ECE)"), ratios
        ),
        "",
    ]


def _made_with(frozen: FrozenResult) -> str:
    return ", ".join(map(str, frozen.calibrated_with))


def _shares(shares: DecisionShares | None) -> tuple[str, str, str]:
    if shares is None:
        return NOTHING, NOTHING, NOTHING
    return percent(shares.accept), percent(shares.review), percent(shares.refuse)


def _further_table(results: Sequence[ReferencesResult]) -> list[str]:
    rows = []
    for result in results:
        distances = result.distances
        for kind, one, mean, triplets in (
            ("skilled", result.binary.skilled, distances.skilled, distances.skilled_triplets),
            ("random", result.binary.random, distances.random, distances.random_triplets),
        ):
            if one is not None and triplets is not None:
                rows.append(
                    [
                        str(result.references),
                        kind,
                        decimal(one.auc, 4),
                        *(_cost(cost) for cost in one.costs),
                        decimal(distances.mated),
                        decimal(mean),
                        decimal(triplets.loss),
                    ]
                )
    costs = [f"minDCF, prior {cost.cost.prior:g}" for cost in results[0].binary.random.costs]
    headers = ("references", "forgeries", "AUC", *costs, "mean mated distance")
    return table((*headers, "mean non-mated distance", "triplet loss"), rows)


def _cost(cost: MinimumCost) -> str:
    return decimal(cost.minimum)


def _identification_section(results: Sequence[ReferencesResult], mark: str) -> Iterator[str]:
    found = [(r.references, r.identification) for r in results if r.identification is not None]
    if not found:
        return
    yield from (f"## Identification among all galleries{mark}", "")
    yield from _identification_table(found)
    yield ""


def _identification_table(found: Sequence[tuple[int, IdentificationRates]]) -> list[str]:
    first = found[0][1]
    headers = [
        "references",
        "signers",
        *(f"rank {point.rank}" for point in first.cmc),
        *(f"FNIR at FPIR {point.aim:.0%}" for point in first.open_set),
    ]
    rows = [
        [
            str(number),
            str(one.signers),
            *(percent(point.identified) for point in one.cmc),
            *(percent(point.fnir) for point in one.open_set),
        ]
        for number, one in found
    ]
    return table(headers, rows)


def _acquisition_section(results: Sequence[ReferencesResult]) -> Iterator[str]:
    yield from ("## Images that can't serve", "")
    rows = [_acquisition_row(result.references, result.acquisition) for result in results]
    headers = ("references", "images", "failed", "FTA", "FTA genuine", "FTA skilled", "FTE")
    yield from table(headers, rows)
    yield ""


def _acquisition_row(references: int, rates: AcquisitionRates) -> list[str]:
    return [
        str(references),
        str(rates.images),
        str(rates.failed),
        *(percent(rate) for rate in (rates.fta, rates.genuine_fta, rates.forged_fta, rates.fte)),
    ]


def _signer_section(result: ReferencesResult) -> list[str]:
    rows = [
        [
            one.signer,
            *(
                _share(rate)
                for rate in (
                    *(one.eer, one.fnmr, one.fmr, one.skilled_fmr),
                    *(one.frozen_fnmr, one.frozen_skilled_fmr),
                )
            ),
        ]
        for one in sorted(result.per_signer, key=lambda one: (-(one.eer or 0.0), one.signer))
    ]
    skipped = ", ".join(result.skipped)
    note = [f"With too few genuine signatures: {skipped}.", ""] if skipped else []
    headers = (
        *("signer", "own EER (an oracle)", "FNMR", "FMR", "skilled FMR"),
        *("not accepted when frozen", "skilled accepted when frozen"),
    )
    title = f"## By signer, {result.references} references, at the equal error threshold"
    return [title, "", *note, *table(headers, rows), ""]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _share(rate: float | None) -> str:
    return NOTHING if rate is None else f"{100 * rate:.1f}"
