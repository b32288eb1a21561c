"""What goes where: the result to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_WIDTH = 120
"""Columns of a table that goes to a file or a pipe, unless the variable COLUMNS says how many."""

Advance = Callable[[int, int], None]
"""Told how many things are done, and of how many."""


class LostOutput(OSError):
    """Stdout takes nothing: it is closed or full, or whoever read it has gone."""


class Output:
    """Prints for people, or one JSON document for programs."""

    def __init__(self, *, as_json: bool) -> None:
        """Choose.

        Args:
            as_json: print the document instead of what is meant for people.
        """
        self._as_json = as_json

    def result(self, document: Mapping[str, Any], *renderables: RenderableType) -> None:
        """Print what the command was run for, once.

        Args:
            document: the whole result, JSON-ready.
            renderables: the result for people: tables and lines.
        """
        if self._as_json:
            print_json(document)
            return
        from rich.text import Text

        console = self._stdout()
        with _noticing():
            for renderable in renderables:
                # A line is left whole, so that a path in it can be copied.
                console.print(renderable, soft_wrap=isinstance(renderable, str | Text))

    def say(self, text: str) -> None:
        """Tell people something that is no part of the result, on stderr."""
        sys.stderr.write(tidy(text) + "\n")
        sys.stderr.flush()

    @contextmanager
    def progress(self, description: str) -> Iterator[Advance]:
        """Show how far something is, on stderr; a terminal gets a bar, a file gets nothing."""
        with self.stages() as advance:
            yield lambda done, total: advance(description, done, total)

    @contextmanager
    def stages(self) -> Iterator[Callable[[str, int, int], None]]:
        """The same for several things, one after the other, each told by its name."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        ) as progress:
            tasks: dict[str, TaskID] = {}

            def advance(description: str, done: int, total: int) -> None:
                if description not in tasks:
                    tasks[description] = progress.add_task(description, total=None, rate="")
                task = progress.tasks[progress.task_ids.index(tasks[description])]
                rate = f"{task.speed:.1f}/s" if task.speed else ""
                progress.update(task.id, completed=done, total=total, rate=rate)

            yield advance

    def _stdout(self) -> Console:
        from rich.console import Console

        class Plain(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError(
                    errno.EPIPE, os.strerror(errno.EPIPE)
                )  # Rich's own ends the process with 1, which means refused

        given = os.environ.get("COLUMNS", "")
        width = None if sys.stdout.isatty() else PLAIN_WIDTH
        if given.isdecimal() and int(given) > 0:
            width = int(given)
        return Plain(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width)


def print_json(document: Mapping[str, Any]) -> None:
    """Write a JSON document to stdout."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # A name that the locale has no letters for, or a file name that is no valid text
        # (surrogates), must not keep the document from being written.
        text = json.dumps(document, indent=2, allow_nan=False)
    with _noticing():
        sys.stdout.write(text + "\n")


def tidy(text: str) -> str:
    """Text without characters that would steer a terminal or can't be written."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text.replace("\t", " ")
    )


@contextmanager
def _noticing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LostOutput(*error.args) from error


def mend_streams() -> None:
    """Let all text be written in any locale, and a stream that is closed fail like a full one."""
    # Python has None for a stream that was closed when it started. Writing to what is open for
    # reading alone fails; and it takes the free number, which the database would get otherwise.
    if sys.stdin is None:
        sys.stdin = _nowhere(os.O_RDONLY, "r")
    if sys.stdout is None:
        sys.stdout = _nowhere(os.O_RDONLY, "w")
    if sys.stderr is None:
        sys.stderr = _nowhere(os.O_WRONLY, "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nowhere(flags: int, mode: Literal["r", "w"]) -> TextIO:
    return os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8")


def silence(stream: TextIO) -> None:
    """Send what waits in a stream that can't be written nowhere: Python would fail at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
