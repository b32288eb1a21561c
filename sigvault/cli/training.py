"""``train``: a model from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigvault.training.loop import TrainingStatus


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on what, and how.")
    ],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="What the configuration's paths start from.")
    ] = Path(),
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder; runs/NAME if left out."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Train a model, or carry on a run that was interrupted.

    Ctrl-C stops it; the same command carries on with the epoch that it stopped in.
    """
    from sigvault.cli.documents import model_document
    from sigvault.training.config import read_config
    from sigvault.training.loop import train as run_training

    output = Output(as_json=as_json)
    settings = read_config(config)
    folder = out or Path("runs") / settings.name
    with output.progress("Preparing images") as preparing:
        card = run_training(settings, data, folder, preparing=preparing, progress=_reporter(output))
    model = folder / "model"
    output.result(
        {"folder": str(model), **model_document(card)},
        f"Trained {card.id}: the model lies in {model}; set SIGVAULT_MODEL to use it.",
    )
    return ExitCode.DONE


def describe_status(status: TrainingStatus) -> str:
    """A line about where a run is, about ten times an epoch; empty in between."""
    every = max(1, status.batches // 10)
    if status.batch % every and status.batch != status.batches:
        return ""
    errors = "" if status.validation is None else f", last validation: {status.validation}"
    return (
        f"epoch {status.epoch} of {status.epochs}, batch {status.batch} of {status.batches}: "
        f"loss {status.loss:.4f}, {status.images_per_second:.0f} images/s{errors}"
    )


def _reporter(output: Output) -> Callable[[TrainingStatus], None]:
    """Say on stderr how each epoch goes."""

    def report(status: TrainingStatus) -> None:
        line = describe_status(status)
        if line:
            output.say(line)

    return report
