"""``release`` and ``cross-validate``: from trained weights to error rates that hold."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import DrawsOption, JsonOption, SeedOption, check_report
from sigvault.cli.output import Output
from sigvault.cli.training import ConfigArgument, DataOption, DeviceOption, WorkersOption
from sigvault.training.equipment import Device, Equipment

if TYPE_CHECKING:
    from sigvault.training.config import TrainingConfig
    from sigvault.training.loop import TrainingStatus


def release(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The trained model's folder.")],
    data: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Folders of signers that it was not trained on."),
    ],
    folds: Annotated[int, typer.Option(min=2, help="Folds over signers to measure by.")] = 5,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Bind the weights to another recipe from pixels to ink, under another name.",
        ),
    ] = None,
    local_turns: Annotated[
        str | None,
        typer.Option(
            metavar="DEGREES,...",
            help="Turn references by these angles for further views of their local features, "
            "under another name.",
        ),
    ] = None,
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Also write the tables as a page of Markdown."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Give a trained model its fusion rule and thresholds, and measure them by folds.

    Rule and thresholds are written into the model's card. The figures come from signers on whom
    neither was chosen.
    """
    from sigvault.datasets import read_layout
    from sigvault.training.release import ReleasePlan, render_release
    from sigvault.training.release import release as run_release

    check_report(report)
    output = Output(as_json=as_json)
    datasets = [read_layout(path) for path in data]
    images = sum(len(dataset.specimens) for dataset in datasets)
    plan = ReleasePlan(
        folds=folds,
        draws=draws,
        seed=seed,
        preprocessing=preprocessing,
        local_turns=None if local_turns is None else _read_turns(local_turns),
    )
    with output.progress("Embedding") as advance:
        released = run_release(model, datasets, plan, progress=lambda done: advance(done, images))
    document = {
        "model": released.card.id,
        "fusion": released.choice.table(most=1)[0],
        **released.report.to_dict(),
        "session_test": {name: asdict(test) for name, test in released.sessions.items()},
        "skipped": list(released.skipped),
    }
    _show(output, document, render_release(released), report)
    return ExitCode.DONE


def _read_turns(text: str) -> tuple[float, ...]:
    """The angles in ``-12,12``.

    Raises:
        BadParameter: If something between two commas is no number.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} are no angles: give degrees separated by commas, such as -12,12",
            param_hint="--local-turns",
        ) from None


def cross_validate(
    config: ConfigArgument,
    data: DataOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder with one run a fold; runs/NAME if left out."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="How many folds, instead of split.folds."),
    ] = None,
    draws: DrawsOption = 10,
    seed: SeedOption = 0,
    device: DeviceOption = Device.AUTO,
    workers: WorkersOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Also write the tables as a page of Markdown."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Train a model for each fold of signers, and measure each on those it held out.

    Ctrl-C stops it; the same command carries on.
    """
    from sigvault.training.config import read_config
    from sigvault.training.cross_validation import (
        CrossValidationPlan,
        choose_rules,
        deal_parts,
        score_folds,
    )
    from sigvault.training.fold_report import render_markdown, report_parts

    check_report(report)
    output = Output(as_json=as_json)
    settings = read_config(config)
    if folds is not None:
        settings = replace(settings, split=replace(settings.split, folds=folds, fold=0))
    plan = CrossValidationPlan(draws=draws, seed=seed)
    place = out or Path("runs") / settings.name
    folders = _train_folds(output, settings, data, place, Equipment(device, workers))
    with output.progress("Scoring folds") as advance:
        scored = score_folds(settings, data, folders, plan, progress=advance)
    found = report_parts(deal_parts(scored, choose_rules(scored)), plan.references, seed=seed)
    _show(output, found.to_dict(), render_markdown(found), report)
    return ExitCode.DONE


def _train_folds(
    output: Output, settings: TrainingConfig, data: Path, out: Path, equipment: Equipment
) -> tuple[Path, ...]:
    from sigvault.cli.training_progress import follow
    from sigvault.training.cross_validation import train_folds

    with follow(output) as progress:

        def tell(fold: int, status: TrainingStatus) -> None:
            progress.train(status, f"fold {fold + 1} of {settings.split.folds}, ")

        return train_folds(
            settings,
            data,
            out,
            progress=tell,
            preparing=progress.prepare,
            equipment=equipment,
        )


def _show(output: Output, document: dict[str, Any], text: str, page: Path | None) -> None:
    from sigvault.reporting import write_page

    if page is not None:
        write_page(page, text)
    output.result(document, text)
