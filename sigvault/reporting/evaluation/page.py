"""An evaluation to one HTML file that needs nothing else and asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.evaluation.report import EvaluationReport, Subject
from sigvault.evaluation.report_page import TITLES
from sigvault.evaluation.results import ReferencesResult
from sigvault.reporting.evaluation.calibration_plot import draw_reliability
from sigvault.reporting.evaluation.confusion import draw_confusion
from sigvault.reporting.evaluation.curves import draw_curves
from sigvault.reporting.evaluation.drawing import drawn_alike
from sigvault.reporting.evaluation.errors_gallery import gather_errors
from sigvault.reporting.evaluation.gate_tables import gate_section
from sigvault.reporting.evaluation.histograms import draw_histogram
from sigvault.reporting.evaluation.identification_plot import draw_identification
from sigvault.reporting.evaluation.maps import choose_shown, draw_maps
from sigvault.reporting.evaluation.pieces import Section, Table, per_cent
from sigvault.reporting.evaluation.replica_tables import caveats, replica_sections
from sigvault.reporting.evaluation.result_tables import (
    acquisition_table,
    decision_tables,
    distance_table,
    headline_table,
    identification_table,
    ratio_table,
    signer_table,
)
from sigvault.reporting.evaluation.signers_plot import draw_signers
from sigvault.reporting.evaluation.space import draw_space
from sigvault.reporting.words import count

_LONG = 12
"""Lists of more names than this are shortened on the page."""


@dataclass(frozen=True)
class Verdict:
    """What is said first.

    Attributes:
        warnings: why the figures are not what they seem, a sentence each; none if nothing is known
            against them.
        clear: what is said instead of warnings.
        mark: what tables of error rates carry; empty without warnings.
        sentences: the main figures, a sentence each.
    """

    warnings: tuple[str, ...]
    clear: str
    mark: str
    sentences: tuple[str, ...]


def render_evaluation(
    report: EvaluationReport,
    signers: Sequence[EvaluationSigner] = (),
    *,
    title: str | None = None,
) -> str:
    """An evaluation as a page of HTML: warnings first, then the figures with their pictures.

    Args:
        report: what was found.
        signers: the embedded signatures, for the maps; none are drawn without.
        title: of the page; the model, the data and the protocol if None.
    """
    environment = Environment(
        loader=PackageLoader("sigvault.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = tuple(lay_out(report, signers))
    page = environment.get_template("evaluation.html.j2").render(
        title=title or f"{report.subject.model} on {report.subject.data}",
        protocol=f"{report.subject.protocol.value.upper()}: {TITLES[report.subject.protocol]}",
        verdict=judge(report),
        facts=describe(report.subject),
        sections=sections,
        space=next((one.space for one in sections if one.space), None),
        personal=any(one.errors for one in sections),
    )
    return page.lstrip()


def draw_evaluation(
    report: EvaluationReport, signers: Sequence[EvaluationSigner] = ()
) -> dict[str, bytes]:
    """The pictures of the page singly: SVG files by name, such as ``"det_skilled.svg"``."""
    return {
        f"{drawing.name}.svg": drawing.svg
        for section in lay_out(report, signers)
        for drawing in section.drawings
    }


def judge(report: EvaluationReport) -> Verdict:
    """What must be said first, each sentence once."""
    warnings = report.subject.warnings
    said = "\n".join(warnings)
    failures = [failure for failure in report.gates.failures if failure not in said]
    remarks = () if report.replica is None else caveats(report.replica)
    found = (
        *warnings,
        *(f"A gate failed: {failure}" for failure in failures),
        *(remark for remark in remarks if remark not in said),
    )
    mark = ""
    if report.gates.failures:
        mark = "marked: a gate failed"
    elif found:
        mark = "marked: see the warnings above"
    return Verdict(
        warnings=found,
        clear=_clear(len(report.gates.not_asked)),
        mark=mark,
        sentences=tuple(map(_main_figure, report.results)),
    )


def _clear(not_asked: int) -> str:
    if not_asked:
        return f"No gate that was asked failed; {count(not_asked, 'question')} could not be asked."
    return "No gate failed, and nothing is known against these figures."


def _main_figure(result: ReferencesResult) -> str:
    kind, found = "random", result.random_eer
    if result.skilled_eer is not None:
        kind, found = "skilled", result.skilled_eer
    rate = found.rate
    return (
        f"R = {result.references}: equal error rate against {kind} forgeries "
        f"{per_cent(rate.value)} % ({per_cent(rate.low)} to {per_cent(rate.high)} %)"
    )


def describe(subject: Subject) -> tuple[tuple[str, str], ...]:
    """What was measured, as labels and values."""
    rules = "; ".join(
        f"mean of the best {rule.top}, local weight {rule.local_weight:.2f}, spread weights "
        f"{rule.cosine_spread:g} (cosine) and {rule.local_spread:g} (local), "
        f"prior {rule.spread_prior:g} pairs, floors {rule.cosine_floor:.2f} and {rule.local_floor:.2f}"
        for rule in subject.rules
    )
    return (
        ("Protocol", f"{subject.protocol.value.upper()}, {TITLES[subject.protocol]}"),
        ("Data", subject.data),
        ("Model", subject.model),
        ("Preprocessing", subject.preprocessing),
        ("Images embedded", f"{subject.images:,}"),
        ("Fusion rule and thresholds", subject.choices),
        ("Fusion rules" if len(subject.rules) > 1 else "Fusion rule", rules or "none"),
        ("Seed", str(subject.seed)),
        ("Signers left out, in the training", _names(subject.left_out)),
        ("Images that could not serve", f"{len(subject.unusable):,}"),
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LONG])
    if len(names) > _LONG:
        shown += f" and {len(names) - _LONG} more"
    return shown or "none"


def lay_out(report: EvaluationReport, signers: Sequence[EvaluationSigner]) -> Iterator[Section]:
    """The sections of the page, pictures drawn."""
    with drawn_alike():
        if report.results:
            yield from _result_sections(report.results)
        if report.replica is not None:
            yield from replica_sections(report.replica)
        yield gate_section(report.gates)
        yield from _map_sections(signers)
    if report.subject.unusable:
        yield Section(
            "unusable",
            "Images that could not serve",
            "They are left out of every rate but FTA and FTE.",
            lines=report.subject.unusable,
        )


def _result_sections(results: Sequence[ReferencesResult]) -> Iterator[Section]:
    yield Section(
        "rates",
        "Error rates",
        "R is the number of references. Random forgeries are other signers' genuine signatures, "
        "skilled forgeries deliberate imitations; the two are never pooled.",
        tables=(headline_table(results),),
        drawings=(*draw_curves(results), *map(draw_histogram, results)),
    )
    frozen = [(one, one.frozen) for one in results if one.frozen is not None]
    if frozen:
        yield Section(
            "decisions",
            "Decisions",
            "Accepted, sent to review or refused by thresholds that were fixed beforehand.",
            tables=tuple(decision_tables(results)),
            drawings=tuple(draw_confusion(one, own) for one, own in frozen),
        )
        yield Section(
            "ratios",
            "Likelihood ratios",
            "Whether the weight of the evidence means what it says.",
            tables=_known(ratio_table(results)),
            drawings=tuple(draw_reliability(one, own) for one, own in frozen),
        )
    yield Section(
        "signers",
        "Signers",
        tables=tuple(map(signer_table, results)),
        drawings=tuple(found for one in results if (found := draw_signers(one)) is not None),
    )
    errors = tuple((one.references, gather_errors(one)) for one in results if one.hardest)
    if errors:
        yield Section(
            "errors",
            "The hardest errors",
            "Each probe beside the reference that it is most like, as they were scanned: genuine "
            "signatures that scored low, and forgeries that scored high.",
            errors=errors,
        )
    searches = identification_table(results)
    if searches is not None:
        yield Section(
            "identification",
            "Identification",
            tables=(searches,),
            drawings=tuple(draw_identification(results)),
        )
    yield Section(
        "further",
        "Distances and failures",
        tables=(distance_table(results), acquisition_table(results)),
    )


def _known(table: Table | None) -> tuple[Table, ...]:
    return () if table is None else (table,)


def _map_sections(signers: Sequence[EvaluationSigner]) -> Iterator[Section]:
    shown = choose_shown(signers)
    if shown is not None:
        yield Section(
            "embeddings",
            "Embeddings",
            "Where the model puts the signatures, by their global vectors alone; the local scores "
            "have no part in it.",
            drawings=tuple(draw_maps(shown)),
            space=draw_space(shown),
        )
