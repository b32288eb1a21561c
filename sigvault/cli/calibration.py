"""``calibrate``: thresholds from signers that the model has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import (
    AtFmrOption,
    AtFnmrOption,
    AtSkilledFmrOption,
    DatasetArgument,
    DrawsOption,
    JsonOption,
    LayoutOption,
    ReferencesOption,
    SeedOption,
    parse_aims,
    parse_numbers,
)
from sigvault.cli.output import Output
from sigvault.domain.aims import CALIBRATED_REFERENCES

if TYPE_CHECKING:
    from sigvault.cli.session import Session

DEFAULT_REFERENCES = ",".join(map(str, CALIBRATED_REFERENCES))


def calibrate(
    context: typer.Context,
    path: DatasetArgument,
    layout: LayoutOption = None,
    references: ReferencesOption = DEFAULT_REFERENCES,
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    at_fmr: AtFmrOption = None,
    at_skilled_fmr: AtSkilledFmrOption = None,
    at_fnmr: AtFnmrOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also use signers that the model was trained on.")
    ] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what they would be; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Make the vault's thresholds from signatures of signers that the model has not seen.

    They take the place of those in use, which `threshold restore` brings back.
    """
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import calibration_tables
    from sigvault.datasets import read_layout
    from sigvault.domain.serialisation import threshold_to_dict
    from sigvault.evaluation.calibration import Aims

    session: Session = context.obj
    output = Output(as_json=as_json)
    numbers = parse_numbers(references)
    wanted = parse_aims(at_fmr, at_skilled_fmr, at_fnmr)
    dataset = read_layout(path, layout)
    with session.open_vault() as vault, output.progress("Calibrating") as advance:
        report = vault.calibrate(
            dataset,
            references=numbers,
            draws=draws,
            seed=seed,
            aims=Aims(**{aim.measure.value: aim.rate for aim in wanted}) if wanted else None,
            progress=lambda done: advance(done, len(dataset.specimens)),
            force=force,
            preview=preview,
        )
    document = to_document(report)
    document["thresholds"] = [threshold_to_dict(threshold) for threshold in report.thresholds]
    output.result(document, *calibration_tables(report))
    return ExitCode.DONE
