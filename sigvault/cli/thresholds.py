"""``threshold``: what the vault decides by, why, what it decided by before, and going back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.errors import NotCalibrated

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.domain.comparison import Threshold

app = typer.Typer(
    help="Show the thresholds in use, and go back to earlier ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("show")
def show(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Show the thresholds of the active generation, their error rates and their origin."""
    from sigvault.cli.tables import threshold_tables
    from sigvault.domain.serialisation import threshold_to_dict

    thresholds = _load(context)
    Output(as_json=as_json).result(
        {"thresholds": [threshold_to_dict(threshold) for threshold in thresholds]},
        *threshold_tables(thresholds),
    )
    return ExitCode.DONE


@app.command("explain")
def explain(
    context: typer.Context,
    references: Annotated[
        int | None,
        typer.Option(min=1, help="For a signer with so many references; all if left out."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Say in plain words where the thresholds come from and what they don't cover."""
    from rich.text import Text

    from sigvault.cli.explaining import explain_threshold
    from sigvault.cli.output import tidy
    from sigvault.domain.comparison import select_threshold
    from sigvault.domain.serialisation import threshold_to_dict

    thresholds = _load(context)
    if references is not None:
        chosen = select_threshold(thresholds, references)
        if chosen is None:
            fewest = min(threshold.references for threshold in thresholds)
            raise NotCalibrated(
                f"there is no threshold for {references} references, the fewest is for {fewest}: "
                f"run `sigvault calibrate` with --references {references}"
            )
        thresholds = (chosen,)
    told = [explain_threshold(threshold, references) for threshold in thresholds]
    document = [
        {"explanation": list(words), "threshold": threshold_to_dict(threshold)}
        for words, threshold in zip(told, thresholds, strict=True)
    ]
    lines = [Text(tidy(line) + "\n") for words in told for line in words]
    Output(as_json=as_json).result({"thresholds": document}, *lines)
    return ExitCode.DONE


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """List the calibrations of the active generation, the latest first."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.threshold_tables import history_table

    session: Session = context.obj
    with session.open_vault() as vault:
        found = vault.calibrations()
    Output(as_json=as_json).result({"calibrations": to_document(found)}, history_table(found))
    return ExitCode.DONE


@app.command("restore")
def restore(
    context: typer.Context,
    event: Annotated[
        int, typer.Argument(min=1, help="The calibration's event, as `threshold list` shows it.")
    ],
    as_json: JsonOption = False,
) -> ExitCode:
    """Put the thresholds of an earlier calibration back; those in use stay in the list."""
    from rich.text import Text

    from sigvault.cli.tables import threshold_tables
    from sigvault.domain.identifiers import EventNumber
    from sigvault.domain.serialisation import threshold_to_dict

    session: Session = context.obj
    with session.open_vault() as vault:
        restored = vault.restore_thresholds(EventNumber(event))
    document = {
        "generation": restored.generation,
        "restored": restored.restored,
        "event": restored.event,
        "thresholds": [threshold_to_dict(threshold) for threshold in restored.thresholds],
    }
    told = f"generation {restored.generation}: the thresholds of event {event} are back in use"
    Output(as_json=as_json).result(
        document, *threshold_tables(restored.thresholds), Text(f"{told} (event {restored.event})")
    )
    return ExitCode.DONE


def _load(context: typer.Context) -> tuple[Threshold, ...]:
    session: Session = context.obj
    with session.open_vault() as vault:
        thresholds = vault.thresholds()
    if not thresholds:
        raise NotCalibrated(
            "the vault has no threshold and decides nothing: run `sigvault calibrate PATH` with "
            "signatures of signers that the model was not trained on"
        )
    return thresholds
