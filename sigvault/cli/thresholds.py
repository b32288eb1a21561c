"""``threshold show``: what the vault decides by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.errors import NotCalibrated

if TYPE_CHECKING:
    from sigvault.cli.session import Session

app = typer.Typer(help="Show the thresholds in use.", no_args_is_help=True, rich_markup_mode=None)


@app.command("show")
def show(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Show the thresholds of the active generation, their error rates and their origin."""
    from sigvault.cli.tables import threshold_tables
    from sigvault.domain.serialisation import threshold_to_dict

    session: Session = context.obj
    with session.open_vault() as vault:
        thresholds = vault.thresholds()
    if not thresholds:
        raise NotCalibrated(
            "the vault has no threshold and decides nothing: run `sigvault calibrate PATH` with "
            "signatures of signers that the model was not trained on"
        )
    Output(as_json=as_json).result(
        {"thresholds": [threshold_to_dict(threshold) for threshold in thresholds]},
        *threshold_tables(thresholds),
    )
    return ExitCode.DONE
