"""The command line's root: every command, and what happens to errors."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli import (
    audit,
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
from sigvault.cli.output import print_json, tidy
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
    try:
        code = _invoke(arguments, Session(embedder=embedder))
        sys.stdout.flush()
    except SigvaultError as error:
        return _fail(arguments, error)
    except typer.TyperException as error:
        return _show_usage(arguments, error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(arguments)
    except BrokenPipeError:
        # Whoever read stdout has gone; Python's own flush at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:  # an uncaught exception would end with 1, which means refused
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
        sys.stderr.write(f"{context.get_usage()}\nSee '{context.command_path} --help'.\n")
    return _report_error(arguments, "UsageError", error.format_message(), ExitCode.USAGE)


def _report_error(arguments: Sequence[str], name: str, message: str, code: ExitCode) -> ExitCode:
    from sigvault.cli.documents import error_document

    sys.stderr.write(f"sigvault: {tidy(message)}\n")
    if "--json" in arguments:
        print_json(error_document(name, message))
    return code
