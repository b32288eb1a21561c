"""The command line's root: every command, and what happens to errors."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli import (
    audit,
    backing_up,
    calibration,
    deciding,
    demo,
    doctor,
    enrolling,
    evaluating,
    generations,
    keys,
    models,
    reindexing,
    releasing,
    reviews,
    serving,
    signers,
    synthesizing,
    thresholds,
    training,
    vaults,
)
from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.output import LostOutput, mend_streams, print_json, silence, tidy
from sigvault.cli.session import Session
from sigvault.domain.errors import SigvaultError

if TYPE_CHECKING:
    from sigvault.domain.ports import Embedder

app = typer.Typer(
    name="sigvault",
    help="Enroll, verify and identify offline handwritten signatures.",
    epilog=(
        "Exit codes: 0 done or accepted, 1 refused, 2 wrong usage, 3 review, 4 could not be done, "
        "130 interrupted."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help comes in half the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(vaults.init)
app.command("status")(vaults.status)
app.command("enroll")(enrolling.enroll)
app.command("verify")(deciding.verify)
app.command("identify")(deciding.identify)
app.add_typer(signers.app, name="signer")
app.add_typer(signers.app, name="signers", hidden=True)  # as it may be guessed
app.add_typer(models.app, name="model")
app.add_typer(thresholds.app, name="threshold")
app.add_typer(audit.app, name="audit")
app.command("calibrate")(calibration.calibrate)
app.command("evaluate")(evaluating.evaluate)
app.command("train")(training.train)
app.command("cross-validate")(releasing.cross_validate)
app.command("release")(releasing.release)
app.command("synth")(synthesizing.synth)
app.command("demo")(demo.demo)
app.command("backup")(backing_up.backup)
app.command("restore")(backing_up.restore)
app.command("doctor")(doctor.doctor)
app.command("reindex")(reindexing.reindex)
app.add_typer(generations.app, name="generation")
app.add_typer(reviews.app, name="review")
app.add_typer(keys.app, name="key")
app.command("serve")(serving.serve)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"sigvault {version('sigvault')}\n")
        raise typer.Exit(ExitCode.DONE)


@app.callback()
def _root(
    context: typer.Context,
    vault: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="SIGVAULT_VAULT",
            help="The vault's folder; the platform's folder for user data if left out.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    context.obj = context.ensure_object(Session).at(vault)


def main(arguments: Sequence[str] | None = None, embedder: Embedder | None = None) -> int:
    """Run one command.

    Args:
        arguments: what follows the program's name; the process's own if None.
        embedder: what embeds instead of the model that the settings name, or None.

    Returns:
        The exit code: see `ExitCode`.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    mend_streams()
    try:
        code = _invoke(arguments, Session(embedder=embedder))
        sys.stdout.flush()
    except SigvaultError as error:
        return _fail(arguments, error)
    except typer.TyperException as error:
        return _show_usage(arguments, error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except SystemExit as stop:  # of a library, whose code would pass for a decision
        return _report_error(
            arguments, "Stopped", f"it ended itself with code {stop.code}", ExitCode.FAILED
        )
    except Exception as error:  # an uncaught exception would end with 1, which means refused
        if isinstance(error, OSError) and _is_lost(error):
            return _unwritten(error)
        with suppress(OSError):
            traceback.print_exc()
        return _fail(arguments, error)
    return code


def _invoke(arguments: Sequence[str], session: Session) -> int:
    """Parse and run; unlike Typer's own call, it never ends the process and hides no error."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("sigvault", list(arguments), obj=session) as context:
            code = command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return int(code or ExitCode.DONE)


def _is_lost(error: OSError) -> bool:
    """Whether an error is stdout's, whose buffer still holds what it couldn't write."""
    if isinstance(error, LostOutput | BrokenPipeError):
        return True
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _unwritten(error: OSError) -> ExitCode:
    """Say that the result has no place; nothing to those who stopped reading, as `head` does."""
    silence(sys.stdout)
    if error.errno != errno.EPIPE:
        reason = error.strerror or str(error)
        _tell(f"the result can't be written to stdout ({reason}): send it elsewhere")
    return ExitCode.FAILED


def _tell(message: str) -> None:
    """One line to stderr, if there is anybody to read it."""
    line = re.sub(r" *\n *", " ", tidy(message))
    try:
        sys.stderr.write(f"sigvault: {line}\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def _fail(arguments: Sequence[str], error: Exception) -> ExitCode:
    return _report_error(arguments, type(error).__name__, str(error), ExitCode.FAILED)


def _interrupted(arguments: Sequence[str]) -> ExitCode:
    message = "interrupted; whatever was finished before is kept, nothing is left half-done"
    return _report_error(arguments, "Interrupted", message, ExitCode.INTERRUPTED)


def _show_usage(arguments: Sequence[str], error: typer.TyperException) -> ExitCode:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message() + "\n")
        return ExitCode.USAGE
    if context is not None:
        with suppress(OSError):
            sys.stderr.write(f"{context.get_usage()}\nSee '{context.command_path} --help'.\n")
    message = error.format_message()
    if getattr(error, "option_name", None) == "--vault":
        message += ". It goes before the command: sigvault --vault DIR COMMAND"
    return _report_error(arguments, "UsageError", message, ExitCode.USAGE)


def _report_error(arguments: Sequence[str], name: str, message: str, code: ExitCode) -> ExitCode:
    from sigvault.cli.documents import error_document

    _tell(message)
    if "--json" in arguments:
        try:
            print_json(error_document(name, message))
            sys.stdout.flush()
        except OSError:  # the line above said it, and the code stays
            silence(sys.stdout)
    return code
