"""The audit log: showing, replaying and checking it, and handing on what it says of erasures."""

from __future__ import annotations

from pathlib import Path
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


@app.command("erasures")
def erasures(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to; an earlier one there is replaced.")
    ],
    as_json: JsonOption = False,
) -> ExitCode:
    """Write down which erasures and revocations there were, so that a restored backup repeats them.

    The file holds random keys of signers and references, and nobody's name: see `sigvault restore
    --erased-since`.
    """
    from sigvault.cli.backup_tables import ledger_line
    from sigvault.cli.documents import to_document

    session: Session = context.obj
    with session.open_vault() as vault:
        ledger = vault.export_erasures(target)
    document = {"location": str(target), "events": len(ledger.events)}
    document["through"] = to_document(ledger.through)
    Output(as_json=as_json).result(document, ledger_line(ledger))
    return ExitCode.DONE


@app.command("repeat-erasures")
def repeat_erasures(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `sigvault audit erasures` wrote.")
    ],
    as_json: JsonOption = False,
) -> ExitCode:
    """Erase again who is erased in a ledger of this vault's, and revoke keys likewise.

    For a vault that something else brought back, such as PostgreSQL's own tools or a copy of the
    disk; `sigvault restore` does it by itself.
    """
    from sigvault.cli.backup_tables import erased_again
    from sigvault.cli.documents import to_document
    from sigvault.cli.signers import NOT_CLEAN

    session: Session = context.obj
    with session.open_vault() as vault:
        done = vault.repeat_erasures(source)
    known = f"Erasures are known until {done.known_through.in_words()}; repeat later ones."
    Output(as_json=as_json).result(
        to_document(done),
        f"{erased_again(done.again)} {known}",
        *([] if done.log_clean else [NOT_CLEAN]),
    )
    return ExitCode.DONE
