"""``audit log`` and ``audit check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.identifiers import EventNumber, SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session

app = typer.Typer(help="Read and check the audit log.", no_args_is_help=True, rich_markup_mode=None)


@app.command("log")
def log(
    context: typer.Context,
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many events.")] = None,
    signer: Annotated[
        str | None, typer.Option(metavar="ID", help="Only events about this signer.")
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show what happened, oldest first."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import audit_table

    session: Session = context.obj
    about = None if signer is None else SignerId(signer)
    with session.open_vault() as vault:
        records = vault.audit_log(after=after, limit=limit, signer=about)
    Output(as_json=as_json).result({"events": to_document(records)}, audit_table(records))
    return ExitCode.DONE


@app.command("replay")
def replay(
    context: typer.Context,
    event: Annotated[int, typer.Argument(min=1, help="The number of a verification's event.")],
    as_json: JsonOption = False,
) -> ExitCode:
    """Decide a recorded verification once more; exit code 1 if the answer differs."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import replay_lines

    session: Session = context.obj
    with session.open_vault() as vault:
        outcome = vault.replay(EventNumber(event))
    Output(as_json=as_json).result(to_document(outcome), *replay_lines(outcome))
    return ExitCode.DONE if outcome.agrees else ExitCode.REFUSE


@app.command("check")
def check(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Check the hash chain and the pictures; exit code 1 if anything is wrong."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import audit_check_lines

    session: Session = context.obj
    with session.open_vault() as vault:
        outcome = vault.audit_check()
    Output(as_json=as_json).result(to_document(outcome), *audit_check_lines(outcome))
    return ExitCode.DONE if outcome.whole and not outcome.images_missing else ExitCode.REFUSE
