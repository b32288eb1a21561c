"""``doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from sigvault.cli.session import Session


def doctor(
    context: typer.Context,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also read every image and vector, which takes a while."),
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Do what can be done without losing anything."),
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Look for what is wrong with the installation and the vault, and say what to do.

    Exit code 0: no problem left, 1: some are.
    """
    from sigvault.bootstrap import diagnose
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import diagnosis_tables

    session: Session = context.obj
    output = Output(as_json=as_json)
    with output.progress("Reading images") as progress:
        diagnosis = diagnose(
            session.settings(),
            deep=deep,
            repair=repair,
            embedder=session.embedder,
            progress=progress,
        )
    document = {
        "healthy": diagnosis.healthy,
        "worst": diagnosis.worst.value,
        "findings": [to_document(finding) for finding in diagnosis.findings],
    }
    output.result(document, *diagnosis_tables(diagnosis))
    return ExitCode.DONE if diagnosis.healthy else ExitCode.REFUSE
