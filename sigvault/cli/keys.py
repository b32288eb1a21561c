"""``key create``, ``key list`` and ``key revoke``: who may use the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.access import Role

if TYPE_CHECKING:
    from sigvault.cli.session import Session

_MOST_DAYS = 36_500
"""The longest that a key is good for, if not for ever."""

app = typer.Typer(
    help="Give and take keys for `sigvault serve`.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who acts with it, as the audit log shows it.")
    ],
    role: Annotated[list[Role], typer.Option(help="What it may do; may be given several times.")],
    namespace: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The part of the vault that it sees: signers that begin with NAME/.",
        ),
    ] = "",
    days: Annotated[
        float | None, typer.Option(help="For how many days it is good; for ever if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Issue a key; its secret is shown once, and can't be shown again."""
    from sigvault.cli.documents import to_document

    if days is not None and not 0.0 < days <= _MOST_DAYS:
        raise typer.BadParameter(
            f"{days:g} is no number of days above 0 and up to {_MOST_DAYS}", param_hint="--days"
        )
    session: Session = context.obj
    expires = None if days is None else timedelta(days=days)
    with session.open_vault() as vault:
        issued = vault.create_key(name, frozenset(role), namespace=namespace, expires=expires)
    output = Output(as_json=as_json)
    output.result({"secret": issued.secret, "key": to_document(issued.key)}, issued.secret)
    if not as_json:
        output.say(f"This is the secret of key {issued.key.id}; keep it, it is not shown again.")
    return ExitCode.DONE


@app.command("list")
def list_keys(context: typer.Context, as_json: JsonOption = False) -> ExitCode:
    """Show all keys, oldest first, without their secrets."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.review_tables import keys_table

    session: Session = context.obj
    with session.open_vault() as vault:
        keys = vault.keys()
    Output(as_json=as_json).result({"keys": to_document(keys)}, keys_table(keys))
    return ExitCode.DONE


@app.command("revoke")
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="ID", help="The key, as `key list` shows it.")],
    as_json: JsonOption = False,
) -> ExitCode:
    """Refuse a key from now on, for good."""
    from sigvault.cli.documents import to_document

    session: Session = context.obj
    with session.open_vault() as vault:
        revoked = vault.revoke_key(key)
    Output(as_json=as_json).result(
        to_document(revoked), f"Key {revoked.id} of {revoked.name} is refused from now on."
    )
    return ExitCode.DONE
