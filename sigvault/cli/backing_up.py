"""``backup`` and ``restore``: the vault kept elsewhere, and going back to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output

if TYPE_CHECKING:
    from sigvault.cli.session import Session

BackupArgument = Annotated[
    Path, typer.Argument(metavar="BACKUP", help="The folder that `sigvault backup` made.")
]


def backup(
    context: typer.Context,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", help="The backup's folder, which isn't there yet, outside the vault."
        ),
    ],
    as_json: JsonOption = False,
) -> ExitCode:
    """Copy all that the vault needs to a folder, while it goes on being used.

    `sigvault restore BACKUP --check` says whether a backup is whole. It holds signatures of all
    signers in it, also of those who are erased later: keep it as safe as the vault, and no longer
    than you have to. Exit code 1: the vault itself has lost pictures, so the backup lacks them.
    """
    from sigvault.cli.backup_tables import backup_document, backup_parts

    session: Session = context.obj
    output = Output(as_json=as_json)
    with session.open_vault() as vault, output.stages() as progress:
        made = vault.back_up(target, progress=progress)
    output.result(backup_document(made), *backup_parts(made))
    return ExitCode.REFUSE if made.manifest.missing else ExitCode.DONE


def restore(
    context: typer.Context,
    backup: BackupArgument,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the backup is whole.")
    ] = False,
    erased_since: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The vault as it is now, a later backup, or what `sigvault audit erasures` "
            "wrote: who was erased there since is erased again.",
        ),
    ] = None,
    accept_unknown_erasures: Annotated[
        bool,
        typer.Option(
            "--accept-unknown-erasures",
            help="Restore without knowing who was erased since; all keys are revoked then.",
        ),
    ] = False,
    keep_keys: Annotated[
        bool,
        typer.Option(
            "--keep-keys", help="Revoke no keys, though some may have been revoked since."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Make a vault of a backup at the path of --vault, where nothing may lie yet.

    Every file is compared with its digest first, and the vault is looked at as by `sigvault audit
    check` and `sigvault doctor` at the end. Exit code 1: that found something wrong.
    """
    session: Session = context.obj
    output = Output(as_json=as_json)
    if check:
        if erased_since is not None or accept_unknown_erasures or keep_keys:
            raise typer.BadParameter("--check restores nothing: leave the other options out")
        return _check(backup, output)
    if erased_since is not None and accept_unknown_erasures:
        raise typer.BadParameter(
            "give either --erased-since or --accept-unknown-erasures: by the first they are known"
        )
    if keep_keys and not accept_unknown_erasures:
        raise typer.BadParameter("--keep-keys is for --accept-unknown-erasures alone")
    from sigvault.cli.backup_tables import restoration_document, restoration_parts
    from sigvault.recovery import restore_vault

    with output.stages() as progress:
        restored = restore_vault(
            backup,
            session.settings(),
            erased_since=erased_since,
            accept_unknown=accept_unknown_erasures,
            keep_keys=keep_keys,
            embedder=session.embedder,
            progress=progress,
        )
    output.result(restoration_document(restored), *restoration_parts(restored))
    return ExitCode.DONE if restored.sound else ExitCode.REFUSE


def _check(backup: Path, output: Output) -> ExitCode:
    from sigvault.cli.backup_tables import manifest_document, manifest_parts
    from sigvault.recovery import verify_backup

    with output.stages() as progress:
        manifest = verify_backup(backup, progress=progress)
    output.result(manifest_document(manifest), "The backup is whole.", *manifest_parts(manifest))
    return ExitCode.DONE
