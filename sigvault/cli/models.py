"""``model list`` and ``model show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.errors import UnknownModel

if TYPE_CHECKING:
    from sigvault.cli.session import Session

app = typer.Typer(
    help="List and show the models of the vault.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_models(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """List the models that the vault has used."""
    from sigvault.cli.documents import model_summary
    from sigvault.cli.tables import models_table

    session: Session = context.obj
    with session.open_vault() as vault:
        cards = vault.models()
    Output(as_json=as_json).result(
        {"models": [model_summary(card) for card in cards]}, models_table(cards)
    )
    return ExitCode.DONE


@app.command("show")
def show(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The model; the one in use if left out."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show a model's card: what it is, was trained on and was measured to do."""
    from sigvault.cli.documents import model_document
    from sigvault.cli.tables import model_table

    session: Session = context.obj
    with session.open_vault() as vault:
        wanted = model or vault.status().model
        card = next((card for card in vault.models() if card.id == wanted), None)
    if card is None:
        raise UnknownModel(f"the vault has no model {wanted}: see `sigvault model list`")
    Output(as_json=as_json).result(model_document(card), model_table(card))
    return ExitCode.DONE
