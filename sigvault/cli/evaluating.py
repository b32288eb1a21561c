"""``evaluate``: what a model's scores are worth on signers it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import (
    DatasetArgument,
    DrawsOption,
    JsonOption,
    LayoutOption,
    ReferencesOption,
    SeedOption,
    check_report,
    parse_numbers,
)
from sigvault.cli.output import Output
from sigvault.domain.protocol import Protocol, Seen

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.datasets import Dataset
    from sigvault.services.evaluation import Evaluation, EvaluationPlan

PAGES = (".html", ".md")


def evaluate(
    context: typer.Context,
    path: DatasetArgument,
    layout: LayoutOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The model's folder or a bundled one's name; what the settings name if left out.",
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            case_sensitive=False,
            help="p0 gates alone, p1 writer-independent, p2 single pairs of the literature, p3 a "
            "classifier for each signer, p4 choices from another set, p5 disturbed probes, "
            "notebook the seed notebook's own.",
        ),
    ] = Protocol.P1,
    references: ReferencesOption = "1,3,5,10",
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Choose fusion rule and thresholds by so many folds over the signers, each on "
            "the others, instead of taking the model's own.",
        ),
    ] = 0,
    choose_on: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Protocol p4: choose rule and thresholds on this data set."
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Instead: two models' folders, their paired difference."),
    ] = None,
    unseen_only: Annotated[
        bool, typer.Option("--unseen-only", help="Leave out signers that it was trained on.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Measure on signers that it was trained on, marked as such."),
    ] = False,
    identification: Annotated[
        bool, typer.Option(help="Also measure searches among all galleries.")
    ] = True,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a page: FILE.html with pictures, or FILE.md."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Measure a model on signers that it was not trained on; takes no vault.

    The gates run first: where something else than the writing tells forgeries from genuine
    signatures, all figures are marked.
    """
    from sigvault.datasets import read_layout
    from sigvault.services.evaluation import EvaluationPlan
    from sigvault.services.evaluation import evaluate as measure

    check_report(report, PAGES)
    _check(report, protocol, folds, compare, unseen_only=unseen_only, force=force)
    if choose_on is not None and protocol not in {Protocol.P1, Protocol.P4}:
        raise typer.BadParameter("--choose-on belongs to protocol p4")
    if choose_on is None and protocol is Protocol.P4:
        raise typer.BadParameter("protocol p4 chooses on another data set: give --choose-on PATH")
    session: Session = context.obj
    output = Output(as_json=as_json)
    plan = EvaluationPlan(
        protocol=Protocol.P4 if choose_on is not None else protocol,
        references=parse_numbers(references),
        draws=draws,
        seed=seed,
        folds=folds,
        seen=Seen.INCLUDE if force else Seen.LEAVE_OUT if unseen_only else Seen.REFUSE,
        identify=identification,
    )
    dataset = read_layout(path, layout)
    if compare is not None:
        return _compare(session, dataset, compare, plan, report, output)
    other = None if choose_on is None else read_layout(choose_on)
    total = len(dataset.specimens) + (0 if other is None else len(other.specimens))
    with output.progress("Embedding") as advance:
        found = measure(
            dataset,
            session.load_embedder(model),
            plan,
            other=other,
            progress=lambda done: advance(done, total),
        )
    _show(found, report, output)
    return ExitCode.DONE


def _check(
    report: Path | None,
    protocol: Protocol,
    folds: int,
    compare: tuple[Path, Path] | None,
    *,
    unseen_only: bool,
    force: bool,
) -> None:
    """Refuse what does not go together.

    Raises:
        typer.BadParameter: Saying what to do instead.
    """
    if unseen_only and force:
        raise typer.BadParameter("--unseen-only and --force contradict each other: give one")
    if folds == 1:
        raise typer.BadParameter("one fold has no others to choose on: give 2 or more, or 0")
    if folds and protocol is not Protocol.P1:
        raise typer.BadParameter("--folds belongs to protocol p1")
    if compare is not None and (folds or protocol is not Protocol.P1):
        raise typer.BadParameter("--compare goes with protocol p1 and each model's own rule")
    if compare is not None and report is not None and report.suffix != ".md":
        raise typer.BadParameter("a comparison is written as .md", param_hint="--report")


def _show(found: Evaluation, report: Path | None, output: Output) -> None:
    from sigvault.cli.documents import to_document
    from sigvault.cli.evaluation_tables import evaluation_tables
    from sigvault.evaluation.report_page import render_markdown
    from sigvault.reporting import write_page

    if report is not None and report.suffix == ".md":
        write_page(report, render_markdown(found.report))
    elif report is not None:
        from sigvault.reporting.evaluation import render_evaluation

        output.say("Drawing the report …")
        write_page(report, render_evaluation(found.report, found.signers))
    document = to_document(found.report)
    if report is not None:
        document["report"] = str(report)
    output.result(document, *evaluation_tables(found.report))


def _compare(
    session: Session,
    dataset: Dataset,
    models: tuple[Path, Path],
    plan: EvaluationPlan,
    report: Path | None,
    output: Output,
) -> ExitCode:
    from sigvault.cli.documents import to_document
    from sigvault.cli.evaluation_tables import comparison_tables
    from sigvault.reporting import write_page
    from sigvault.services.model_comparison import compare_models, render_comparison

    with output.progress("Embedding") as advance:
        found = compare_models(
            dataset,
            *(session.load_embedder(model) for model in models),
            references=plan.references,
            draws=plan.draws,
            seed=plan.seed,
            seen=plan.seen,
            progress=lambda done: advance(done, 2 * len(dataset.specimens)),
        )
    if report is not None:
        write_page(report, render_comparison(found))
    output.result(to_document(found), *comparison_tables(found))
    return ExitCode.DONE
