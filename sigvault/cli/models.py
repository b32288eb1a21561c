"""``model list`` and ``model show``: the bundled models and the vault's."""

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
    help="List and show the bundled models and the vault's.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_models(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """List the bundled models and those that the vault has used, and how good they are."""
    from sigvault.cli.documents import model_summary
    from sigvault.cli.known_models import known_models
    from sigvault.cli.tables import models_table

    session: Session = context.obj
    models = known_models(session)
    Output(as_json=as_json).result(
        {"models": [model_summary(each) for each in models]}, models_table(models)
    )
    return ExitCode.DONE


@app.command("show")
def show(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="The model, or a bundled one's name; the one in use if left out."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show a model's card: what it is, was trained on and was measured to do."""
    from sigvault.cli.documents import model_document
    from sigvault.cli.known_models import known_models
    from sigvault.cli.tables import model_tables

    session: Session = context.obj
    models = known_models(session, vault_needed=model is None)
    found = next((each for each in models if each.answers_to(model)), None)
    if found is None:
        raise UnknownModel(f"there is no model {model}: see `sigvault model list`")
    Output(as_json=as_json).result(model_document(found.card), *model_tables(found.card))
    return ExitCode.DONE
