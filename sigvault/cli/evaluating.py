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

if TYPE_CHECKING:
    from sigvault.cli.session import Session


def evaluate(
    context: typer.Context,
    path: DatasetArgument,
    layout: LayoutOption = None,
    references: ReferencesOption = "1,5",
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Also write all figures as a page of Markdown."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Measure the model on signers that it was not trained on; takes no vault."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import evaluation_tables
    from sigvault.datasets import read_layout
    from sigvault.evaluation.report import render_markdown
    from sigvault.reporting import write_page
    from sigvault.services.evaluation import evaluate as measure

    check_report(report)
    session: Session = context.obj
    output = Output(as_json=as_json)
    numbers = parse_numbers(references)
    dataset = read_layout(path, layout)
    with output.progress("Embedding") as advance:
        found = measure(
            dataset,
            session.load_embedder(),
            references=numbers,
            draws=draws,
            seed=seed,
            progress=lambda done: advance(done, len(dataset.specimens)),
        )
    if report is not None:
        write_page(report, render_markdown(found))
    output.result(to_document(found), *evaluation_tables(found))
    return ExitCode.DONE
