"""``enroll``: references from files, a data set or a list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.manifests import read_manifest
from sigvault.cli.options import JsonOption, LayoutOption
from sigvault.cli.output import Output
from sigvault.domain.identifiers import SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.datasets.layouts import Layout
    from sigvault.vault import EnrollmentItem


def enroll(
    context: typer.Context,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMG...", help="With --signer: the pictures.")
    ] = None,
    signer: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose signatures the pictures show.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --signer: the signer's name.")] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Instead: a folder of signatures; genuine ones only."),
    ] = None,
    layout: LayoutOption = None,
    per_signer: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --dataset: only the first N of each signer."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Instead: a table with columns signer and path."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also enroll pictures that lie under another signer.")
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Enroll genuine signatures as references.

    Give pictures with --signer, or a folder with --dataset, or a list with --manifest. A bad
    picture is reported and does not stop the others; the exit code is then 4.
    """
    _check_source(images, signer, dataset, manifest)
    if name is not None and signer is None:
        raise typer.BadParameter("a name belongs to --signer", param_hint="--name")
    if dataset is None and (layout is not None or per_signer is not None):
        raise typer.BadParameter("--layout and --per-signer belong to --dataset")
    output = Output(as_json=as_json)
    if dataset is not None:
        items = _items_of_dataset(dataset, layout, per_signer, output)
    elif manifest is not None:
        items = _items_of_manifest(manifest)
    else:
        items = _items_of_signer(images or [], signer or "")
    names = {SignerId(signer): name} if signer is not None and name is not None else None
    return _enroll(context, items, names, output, force=force)


def _enroll(
    context: typer.Context,
    items: list[EnrollmentItem],
    names: dict[SignerId, str] | None,
    output: Output,
    *,
    force: bool,
) -> ExitCode:
    from sigvault.cli.documents import enrollment_document
    from sigvault.cli.tables import enrollment_table
    from sigvault.vault import EnrollmentInterrupted

    session: Session = context.obj
    with session.open_vault() as vault, output.progress("Enrolling") as advance:
        try:
            report = vault.enroll(
                items,
                names=names,
                force=force,
                progress=lambda done: advance(done, len(items)),
            )
        except EnrollmentInterrupted as interruption:
            kept = interruption.report.enrolled
            output.say(f"{kept} references were enrolled; the same command enrolls the others")
            raise
    output.result(enrollment_document(report), *enrollment_table(report))
    if report.failed:
        output.say(f"sigvault: {report.failed} of {len(items)} images could not be enrolled")
        return ExitCode.FAILED
    return ExitCode.DONE


def _check_source(
    images: list[Path] | None, signer: str | None, dataset: Path | None, manifest: Path | None
) -> None:
    """Exactly one source, and pictures with a signer only.

    Raises:
        typer.BadParameter: If it is otherwise.
    """
    given = [
        option
        for option, value in (
            ("--signer", signer),
            ("--dataset", dataset),
            ("--manifest", manifest),
        )
        if value is not None
    ]
    if len(given) != 1:
        raise typer.BadParameter(
            f"give exactly one of --signer, --dataset and --manifest, not {' and '.join(given)}"
            if given
            else "give one of --signer with pictures, --dataset and --manifest"
        )
    if signer is not None and not images:
        raise typer.BadParameter("name at least one picture", param_hint="IMG...")
    if signer is None and images:
        raise typer.BadParameter(
            f"pictures on the command line belong to --signer, not to {given[0]}",
            param_hint="IMG...",
        )


def _items_of_signer(images: list[Path], signer: str) -> list[EnrollmentItem]:
    from sigvault.vault import EnrollmentItem

    return [EnrollmentItem(SignerId(signer), path, str(path)) for path in images]


def _items_of_dataset(
    path: Path, layout: Layout | None, per_signer: int | None, output: Output
) -> list[EnrollmentItem]:
    from sigvault.datasets import read_layout
    from sigvault.vault import EnrollmentItem

    dataset = read_layout(path, layout)
    forged = sum(not specimen.genuine for specimen in dataset.specimens)
    output.say(
        f"{path}: layout {dataset.layout}, {len(dataset.signers)} signers, "
        f"{len(dataset.specimens) - forged} genuine signatures; not enrolled: {forged} forgeries, "
        f"{len(dataset.skipped)} files that don't fit"
    )
    for skipped in dataset.skipped:
        output.say(f"  skipped {skipped}")
    counts: Counter[SignerId] = Counter()
    items = []
    for specimen in dataset.specimens:
        if not specimen.genuine:
            continue
        counts[specimen.signer] += 1
        if per_signer is None or counts[specimen.signer] <= per_signer:
            items.append(EnrollmentItem(specimen.signer, specimen.path, str(specimen.path)))
    return items


def _items_of_manifest(path: Path) -> list[EnrollmentItem]:
    from sigvault.vault import EnrollmentItem

    return [EnrollmentItem(row.signer, row.path, row.name) for row in read_manifest(path)]
