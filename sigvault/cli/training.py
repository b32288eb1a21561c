"""``train``: a model from a configuration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.training.equipment import Device, Equipment, is_first_process

if TYPE_CHECKING:
    from sigvault.domain.model_card import ModelCard

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on what, and how.")
]
DataOption = Annotated[
    Path, typer.Option(metavar="DIR", help="What the configuration's paths start from.")
]
DeviceOption = Annotated[
    Device, typer.Option(help="Where to compute; auto takes CUDA where there is one.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Processes that make batches ahead; none on the CPU and 4 beside CUDA if left out.",
    ),
]


def train(
    config: ConfigArgument,
    data: DataOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder; runs/NAME if left out."),
    ] = None,
    device: DeviceOption = Device.AUTO,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Train a model, or carry on a run that was interrupted.

    Ctrl-C stops it; the same command carries on with the batch that it stopped at.
    """
    from sigvault.cli.documents import model_document
    from sigvault.cli.training_progress import follow
    from sigvault.training.config import read_config
    from sigvault.training.loop import train as run_training
    from sigvault.training.run_log import mean_waiting

    output = Output(as_json=as_json)
    settings = read_config(config)
    folder = out or Path("runs") / settings.name
    if not is_first_process():
        logging.disable(logging.WARNING)  # the first process says the same
    with follow(output) as progress:
        card = run_training(
            settings,
            data,
            folder,
            preparing=progress.prepare,
            progress=progress.train,
            teaching=progress.teach,
            equipment=Equipment(device, workers),
        )
    if is_first_process():
        model, waiting = folder / "model", mean_waiting(folder)
        document = {"folder": str(model), "waiting": waiting, **model_document(card)}
        output.result(document, _describe(card, model, waiting))
    return ExitCode.DONE


def _describe(card: ModelCard, model: Path, waiting: float | None) -> str:
    from sigvault.cli.training_progress import describe_share
    from sigvault.imaging.preprocessing import read_preprocessing

    waited = (
        "" if waiting is None else f" {describe_share(waiting)} of the time was waiting for images."
    )
    use = "set SIGVAULT_MODEL to use it."
    if read_preprocessing(card.preprocessing).demonstration:
        use = f"it is for comparison alone, since {card.preprocessing_name} keeps leaks."
    return f"Trained {card.id}.{waited} The model lies in {model}; {use}"
