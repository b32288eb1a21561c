"""How a run's progress is shown: a bar on a terminal, lines elsewhere, nothing by a helper process.

All of it goes to stderr.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from sigvault.cli.output import Output
    from sigvault.training.loop import TrainingStatus
    from sigvault.training.validation import ValidationErrors

LINES_AN_EPOCH = 10


class Silence:
    """Shows nothing: what every process but the first of a shared run does."""

    def prepare(self, done: int, total: int) -> None:
        """Take that so many of so many images are harmonised."""

    def train(self, status: TrainingStatus, fold: str = "") -> None:
        """Take where a run is; ``fold`` names the run, where there are several."""

    def teach(self, done: int, total: int) -> None:
        """Take how far local features are taught."""


class Lines(Silence):
    """About ten lines an epoch, for files and pipes."""

    def __init__(self, output: Output) -> None:
        """Take where people are told."""
        self._output = output

    def train(self, status: TrainingStatus, fold: str = "") -> None:
        """Write a line, if one is due."""
        every = max(1, status.batches // LINES_AN_EPOCH)
        if status.batch % every == 0 or status.batch == status.batches:
            self._output.say(f"{fold}{describe_place(status)}: {describe_figures(status)}")

    def teach(self, done: int, total: int) -> None:
        """Write a line, if one is due."""
        if done % max(1, total // LINES_AN_EPOCH) == 0 or done == total:
            self._output.say(f"teaching local features: {done} of {total}")


class Bar(Silence):
    """One bar: images while they are harmonised, then the whole run's batches."""

    def __init__(self, progress: Progress) -> None:
        """Take a display that is running."""
        self._progress = progress
        self._preparing: TaskID | None = None
        self._training: TaskID | None = None
        self._teaching: TaskID | None = None

    def prepare(self, done: int, total: int) -> None:
        """Move the bar of the images; it is gone when all are done."""
        if self._preparing is None:
            self._preparing = self._progress.add_task("Preparing images", figures="")
        figures = f"{done} of {total}"
        self._progress.update(self._preparing, completed=done, total=total, figures=figures)
        if done == total:
            self._progress.remove_task(self._preparing)
            self._preparing = None

    def train(self, status: TrainingStatus, fold: str = "") -> None:
        """Move the bar of the run."""
        if self._training is None:
            self._training = self._progress.add_task("", figures="")
        self._progress.update(
            self._training,
            description=fold + describe_place(status),
            completed=(status.epoch - 1) * status.batches + status.batch,
            total=status.epochs * status.batches,
            figures=describe_figures(status),
        )

    def teach(self, done: int, total: int) -> None:
        """Move the bar of the local features."""
        if self._teaching is None:
            self._teaching = self._progress.add_task("Teaching local features", figures="")
        figures = f"{done} of {total}"
        self._progress.update(self._teaching, completed=done, total=total, figures=figures)


@contextmanager
def follow(output: Output, console: Console | None = None) -> Iterator[Silence]:
    """What to tell of a run, by whoever looks.

    Args:
        output: where lines go.
        console: where a bar goes if it is a terminal; stderr if None.
    """
    from rich.console import Console

    from sigvault.training.equipment import is_first_process

    console = console or Console(stderr=True)
    if not is_first_process():
        yield Silence()
    elif not console.is_terminal:
        yield Lines(output)
    else:
        with _display(console) as progress:
            yield Bar(progress)


def _display(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[figures]}", markup=False),
        console=console,
        transient=True,
    )


def describe_place(status: TrainingStatus) -> str:
    """Epoch and batch."""
    return f"epoch {status.epoch} of {status.epochs}, batch {status.batch} of {status.batches}"


def describe_figures(status: TrainingStatus) -> str:
    """Loss, active triplets, speed, waiting, time left and the last validation, in one line."""
    parts = [f"loss {status.loss:.4f}"]
    if status.active is not None:
        parts.append(f"{100 * status.active:.0f} % active")
    if status.validation is not None:
        parts.append(_describe_errors(status.validation))
    parts += [
        f"{status.images_per_second:.0f} images/s",
        f"{describe_share(status.waiting)} waiting",
        f"{describe_seconds(status.seconds_left)} left",
    ]
    return ", ".join(parts)


def describe_share(value: float) -> str:
    """A share in per cent, with a place after the point where it is small."""
    return f"{100 * value:.{0 if value >= 0.1 else 1}f} %"


def describe_seconds(seconds: float) -> str:
    """Such as 1:02:03, or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _describe_errors(errors: ValidationErrors) -> str:
    known = [
        f"{100 * value:.1f} % {name}"
        for name, value in (("skilled", errors.skilled), ("random", errors.random))
        if value is not None
    ]
    return f"validation EER {' and '.join(known) if known else 'not to be had'}"
