"""``reindex``: the vault moved to another model, behind a gate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.generation_options import (
    OWN_GALLERIES,
    CompareOnOption,
    GenerationReportOption,
    MarginOption,
    check_generation_report,
    parse_margins,
    write_generation_report,
)
from sigvault.cli.options import JsonOption, LayoutOption
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from sigvault.cli.session import Session

NICENESS = 10
"""How far a re-index gives way if not told otherwise."""


def reindex(
    context: typer.Context,
    model: Annotated[
        Path,
        typer.Option(
            "--model", metavar="FOLDER", help="The model's folder, or a bundled model's name."
        ),
    ],
    activate: Annotated[
        bool,
        typer.Option("--activate/--no-activate", help="Let it decide, if it is no worse."),
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Let it decide even if it is worse; it is recorded.")
    ] = False,
    compare_on: CompareOnOption = None,
    layout: LayoutOption = None,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Make the new thresholds from --compare-on."),
    ] = False,
    margin: MarginOption = None,
    report: GenerationReportOption = None,
    batch: Annotated[int, typer.Option(min=1, help="Images embedded and committed at once.")] = 64,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads that embed; half of the cores if left out."),
    ] = None,
    niceness: Annotated[
        int,
        typer.Option(
            "--nice", min=0, max=19, help="How far it gives way to decisions; 0: not at all."
        ),
    ] = NICENESS,
    as_json: JsonOption = False,
) -> ExitCode:
    """Embed every reference with another model, and let it decide if it is no worse.

    The vault goes on working meanwhile. Interrupted, the same command goes on where it was. Exit
    code 0: done, 1: the new generation may not decide, and is kept to be looked at.
    """
    from sigvault.cli.documents import to_document
    from sigvault.cli.generation_tables import comparison_tables, reindexing_tables
    from sigvault.datasets import read_layout
    from sigvault.embedding.card import find_model
    from sigvault.services.reindexing import ReindexPlan

    if calibrate and compare_on is None:
        raise typer.BadParameter("--calibrate needs signatures: give --compare-on DATA")
    check_generation_report(report)
    session: Session = context.obj
    output = Output(as_json=as_json)
    plan = ReindexPlan(
        batch=batch,
        margins=parse_margins(margin),
        fresh=None if compare_on is None else read_layout(compare_on, layout),
        calibrate=calibrate,
        activate=activate,
        force=force,
    )
    half = max(1, (os.cpu_count() or 2) // 2)
    give_way(niceness)
    with session.open_vault() as vault:
        try:
            with output.stages() as progress:
                done = vault.reindex(
                    find_model(model) if session.embedder is None else session.load_embedder(model),
                    plan,
                    threads=threads or half,
                    progress=progress,
                )
        except KeyboardInterrupt:
            output.say("stopped; the same command goes on where it was")
            raise
    compared = {OWN_GALLERIES: done.comparison}
    if done.fresh is not None:
        compared["fresh signatures"] = done.fresh
    document = to_document(done)
    write_generation_report(report, document, compared, done.reasons, done.probes)
    tables = [table for on, one in compared.items() for table in comparison_tables(one, on)]
    output.result(document, *tables, *reindexing_tables(done, asked=activate))
    return ExitCode.DONE if done.activation or not (activate or done.reasons) else ExitCode.REFUSE


def give_way(niceness: int) -> None:
    """Let other processes go first on the processor, where the system knows of such a thing.

    Args:
        niceness: how far, from 0 (not at all) to 19, on top of what the process was started with.
    """
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)
