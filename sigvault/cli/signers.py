"""``signer list``, ``signer show`` and ``signer erase``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption, SignerArgument
from sigvault.cli.output import Output, tidy
from sigvault.domain.errors import ConfigurationError
from sigvault.domain.identifiers import SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.vault import SignerDetail

NOT_CLEAN = (
    "Older pages of the database may still hold something of it, since others use it at this "
    "moment or it is large: run `sigvault doctor --repair` at a quiet time."
)

app = typer.Typer(help="List, show and erase signers.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_signers(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """List the signers of the vault."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import signers_table

    session: Session = context.obj
    with session.open_vault() as vault:
        signers = vault.signers()
    Output(as_json=as_json).result({"signers": to_document(signers)}, signers_table(signers))
    return ExitCode.DONE


@app.command("show")
def show(context: typer.Context, signer: SignerArgument, as_json: JsonOption = False) -> ExitCode:
    """Show a signer and the signer's references."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.tables import signer_tables

    session: Session = context.obj
    with session.open_vault() as vault:
        detail = vault.signer(SignerId(signer))
        copies = vault.consistency(SignerId(signer)).copies
    document = to_document(detail) | {"copies": to_document(copies)}
    Output(as_json=as_json).result(document, *signer_tables(detail, copies))
    return ExitCode.DONE


@app.command("erase")
def erase(
    context: typer.Context,
    signer: SignerArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Erase a signer with every reference, picture and personal entry of the audit log."""
    from sigvault.cli.documents import error_document, to_document

    session: Session = context.obj
    output = Output(as_json=as_json)
    with session.open_vault() as vault:
        if not yes and not _confirmed(vault.signer(SignerId(signer))):
            message = "nothing was erased"
            output.result(error_document("NotConfirmed", message), message)
            return ExitCode.FAILED
        erasure = vault.erase(SignerId(signer))
    output.result(
        to_document(erasure),
        f"Erased signer {signer}: {erasure.references} references, "
        f"{erasure.images_removed} pictures; audit event {erasure.event}.",
        *([] if erasure.log_clean else [NOT_CLEAN]),
    )
    return ExitCode.DONE


def _confirmed(held: SignerDetail) -> bool:
    """Ask, on stderr, so that stdout has the result alone.

    Raises:
        ConfigurationError: If there is nobody to answer.
        Abort: If whoever should answer interrupts.
    """
    summary = held.summary
    question = f"Erase signer {summary.signer} with {summary.references} references for good?"
    try:
        return typer.confirm(tidy(question), err=True)
    except typer.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        raise ConfigurationError(
            "nothing was erased: there is no terminal to ask on; give --yes"
        ) from None
