"""``signer list``, ``show``, ``erase`` and ``erase-reference``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption, SignerArgument
from sigvault.cli.output import Output, tidy
from sigvault.domain.errors import ConfigurationError
from sigvault.domain.identifiers import ReferenceId, SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session

NOT_CLEAN = (
    "Older pages of the database may still hold something of it, since others use it at this "
    "moment or it is large: run `sigvault doctor --repair` at a quiet time."
)

PICTURE_STAYS = "Its picture stays, since another signer or a kept probe has the same."
NOTHING = "nothing was erased"

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
        held = None if yes else vault.signer(SignerId(signer)).summary
        if held and not _confirmed(
            f"Erase signer {held.signer} with {held.references} references for good?"
        ):
            output.result(error_document("NotConfirmed", NOTHING), NOTHING)
            return ExitCode.FAILED
        erasure = vault.erase(SignerId(signer))
    output.result(
        to_document(erasure),
        f"Erased signer {signer}: {erasure.references} references, "
        f"{erasure.images_removed} pictures; audit event {erasure.event}.",
        *([] if erasure.log_clean else [NOT_CLEAN]),
    )
    return ExitCode.DONE


@app.command("erase-reference")
def erase_reference(
    context: typer.Context,
    signer: SignerArgument,
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The reference, as `signer show` names it.")
    ],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; the audit log keeps it with the signer.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Erase one reference with its picture; the signer keeps the others."""
    from sigvault.cli.documents import error_document, to_document

    session: Session = context.obj
    output = Output(as_json=as_json)
    with session.open_vault() as vault:
        own = () if yes else vault.signer(SignerId(signer)).references
        can_go = len(own) > 1 and reference in {each.id for each in own}
        if can_go and not _confirmed(
            f"Erase reference {reference} of signer {signer} for good, and keep {len(own) - 1}?"
        ):
            output.result(error_document("NotConfirmed", NOTHING), NOTHING)
            return ExitCode.FAILED
        erasure = vault.erase_reference(SignerId(signer), ReferenceId(reference), reason=reason)
    output.result(
        to_document(erasure),
        f"Erased reference {reference} of signer {signer}, {erasure.references_left} left; "
        f"audit event {erasure.event}.",
        *([] if erasure.images_removed else [PICTURE_STAYS]),
        *([] if erasure.log_clean else [NOT_CLEAN]),
    )
    return ExitCode.DONE


def _confirmed(question: str) -> bool:
    """Ask, on stderr, so that stdout has the result alone.

    Raises:
        ConfigurationError: If there is nobody to answer.
        Abort: If whoever should answer interrupts.
    """
    try:
        return typer.confirm(tidy(question), err=True)
    except typer.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        raise ConfigurationError(f"{NOTHING}: there is no terminal to ask on; give --yes") from None
