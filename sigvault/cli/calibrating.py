"""``calibrate`` and ``evaluate``: what a model's scores are worth on signers it has not seen."""

from __future__ import annotations

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
    parse_numbers,
)
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from sigvault.cli.session import Session


def calibrate(
    context: typer.Context,
    path: DatasetArgument,
    layout: LayoutOption = None,
    references: ReferencesOption = "1,2,3,5,10",
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Also use signers that the model was trained on.")
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Make the vault's thresholds from signatures of signers that the model has not seen."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import calibration_tables
    from sigvault.datasets import read_layout

    session: Session = context.obj
    output = Output(as_json=as_json)
    numbers = parse_numbers(references)
    with session.open_vault() as vault, output.progress("Calibrating") as advance:
        report = vault.calibrate(
            read_layout(path, layout),
            references=numbers,
            draws=draws,
            seed=seed,
            progress=advance,
            force=force,
        )
    output.result(to_document(report), *calibration_tables(report))
    return ExitCode.DONE
