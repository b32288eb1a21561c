"""``generation``: which model decides, which did, and which may."""

from __future__ import annotations

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
from sigvault.domain.errors import GenerationUnfit
from sigvault.domain.identifiers import GenerationId

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.vault import Activation

app = typer.Typer(
    help="List, compare, activate and drop generations.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="The generation.")]


@app.command("list")
def list_generations(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """List the generations: a model with its vectors and thresholds each."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.generation_tables import generations_table

    session: Session = context.obj
    with session.open_vault() as vault:
        found = vault.generations()
    Output(as_json=as_json).result({"generations": to_document(found)}, generations_table(found))
    return ExitCode.DONE


@app.command("show")
def show(
    context: typer.Context,
    number: NumberArgument,
    margin: MarginOption = None,
    report: GenerationReportOption = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show a generation, who let it decide, and how it compares with the one that decides."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.generation_tables import comparison_tables
    from sigvault.cli.tables import facts_table

    check_generation_report(report)
    margins = parse_margins(margin)
    session: Session = context.obj
    output = Output(as_json=as_json)
    with session.open_vault() as vault:
        own = vault.generation(GenerationId(number))
        activation = vault.activation(own.id)
        comparison = None
        if own.status != "active" and own.vectors:
            with output.progress("Comparing") as advance:
                comparison = vault.compare_generation(own.id, margins=margins, progress=advance)
    facts = [(name.replace("_", " "), value) for name, value in vars(own).items()]
    if activation is not None:
        facts.append(("activated by", (activation.personal or {}).get("by", "unknown")))
        facts.append(("audit event", activation.number))
    compared = {} if comparison is None else {OWN_GALLERIES: comparison}
    document = {
        "generation": to_document(own),
        "activation": to_document(activation),
        "comparison": to_document(comparison),
    }
    reasons = () if comparison is None else comparison.reasons
    write_generation_report(report, document, compared, reasons)
    tables = [table for on, one in compared.items() for table in comparison_tables(one, on)]
    output.result(document, facts_table(facts), *tables)
    return ExitCode.DONE


@app.command("activate")
def activate(
    context: typer.Context,
    number: NumberArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it is worse; it is recorded.")
    ] = False,
    compare_on: CompareOnOption = None,
    layout: LayoutOption = None,
    margin: MarginOption = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Let a generation decide, if it is no worse than the one that does; completes it first.

    Exit code 0: done, 1: it may not decide.
    """
    from sigvault.cli.documents import error_document
    from sigvault.datasets import read_layout

    margins = parse_margins(margin)
    session: Session = context.obj
    output = Output(as_json=as_json)
    try:
        with session.open_vault() as vault, output.stages() as progress:
            done = vault.activate(
                GenerationId(number),
                margins=margins,
                fresh=None if compare_on is None else read_layout(compare_on, layout),
                force=force,
                progress=progress,
            )
    except GenerationUnfit as unfit:
        if force or not unfit.reasons:
            raise
        message = f"{unfit}; --force lets it all the same"
        output.say(f"sigvault: {message}")
        output.result(error_document(type(unfit).__name__, message))
        return ExitCode.REFUSE
    return _say(done, as_json=as_json)


@app.command("rollback")
def rollback(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Go back to the generation that decided before; embeds what was enrolled since."""
    session: Session = context.obj
    with session.open_vault() as vault, Output(as_json=as_json).progress("Embedding") as progress:
        done = vault.roll_back(progress=progress)
    return _say(done, as_json=as_json)


@app.command("drop")
def drop(context: typer.Context, number: NumberArgument, as_json: JsonOption = False) -> ExitCode:
    """Remove a generation that doesn't decide, with its vectors and thresholds."""
    session: Session = context.obj
    with session.open_vault() as vault:
        vault.drop(GenerationId(number))
    Output(as_json=as_json).result({"dropped": number}, f"Dropped generation {number}.")
    return ExitCode.DONE


def _say(done: Activation, *, as_json: bool) -> ExitCode:
    from sigvault.cli.documents import to_document
    from sigvault.cli.generation_tables import activation_lines

    Output(as_json=as_json).result(to_document(done), *activation_lines(done))
    return ExitCode.DONE
