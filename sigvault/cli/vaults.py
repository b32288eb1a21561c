"""``init`` and ``status``: the vault as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from sigvault.cli.session import Session


def init(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Set up a new, empty vault."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import status_table

    session: Session = context.obj
    with session.create_vault() as vault:
        status = vault.status()
    Output(as_json=as_json).result(
        to_document(status), f"Set up a vault in {status.location}.", status_table(status)
    )
    return ExitCode.DONE


def status(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Show what the vault holds and what it decides with."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import status_table

    session: Session = context.obj
    with session.open_vault() as vault:
        status = vault.status()
    Output(as_json=as_json).result(to_document(status), status_table(status))
    return ExitCode.DONE
