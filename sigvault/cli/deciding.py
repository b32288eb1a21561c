"""``verify`` and ``identify``: the two questions put to a vault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode, code_for
from sigvault.cli.manifests import read_manifest
from sigvault.cli.options import (
    AtFmrOption,
    AtFpirOption,
    AtSkilledFmrOption,
    JsonOption,
    ProbeArgument,
    check_report,
    check_search_rate,
    parse_aims,
)
from sigvault.cli.output import Output
from sigvault.domain.aims import DEFAULT_FPIR
from sigvault.domain.identifiers import SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session
    from sigvault.domain.aims import Aim


def verify(
    context: typer.Context,
    image: Annotated[
        Path | None, typer.Argument(metavar="IMG", help="A picture of the signature in question.")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The claimed signer's identifier, such as 53."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Instead: many claims, a table with columns signer and path."
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="With --manifest: also write each result there; what it holds is not done again.",
        ),
    ] = None,
    at_fmr: AtFmrOption = None,
    at_skilled_fmr: AtSkilledFmrOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a page that shows the evidence."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Decide whether a signature is the claimed signer's.

    Give a picture with --signer, or many claims with --manifest. Exit code 0: accepted, 1: refused,
    3: a person has to look; of many, 4: one could not be decided, else the worst of them all.
    """
    aims = parse_aims(at_fmr, at_skilled_fmr)
    if len(aims) > 1:
        raise typer.BadParameter("decide at one rate: give --at-fmr or --at-skilled-fmr")
    aim = aims[0] if aims else None
    if manifest is not None:
        _refuse_beside_manifest({"IMG": image, "--signer": signer, "--report": report})
        return _verify_many(context, manifest, results, aim, Output(as_json=as_json))
    if image is None or signer is None:
        raise typer.BadParameter("give a picture and --signer, or --manifest")
    if results is not None:
        raise typer.BadParameter("results belong to --manifest", param_hint="--results")
    return _verify(context, image, signer, aim, report, Output(as_json=as_json))


def _verify(
    context: typer.Context,
    image: Path,
    signer: str,
    aim: Aim | None,
    report: Path | None,
    output: Output,
) -> ExitCode:
    from sigvault.cli.documents import verification_document
    from sigvault.cli.tables import verification_tables

    check_report(report, (".html",))
    session: Session = context.obj
    title = f"Signature claimed to be signer {signer}'s"
    with session.open_vault() as vault:
        verification = vault.verify(SignerId(signer), image, aim=aim)
        if report is not None:
            from sigvault.cli.reports import picture_verification
            from sigvault.reporting import render_verification, write_page

            case = picture_verification(vault, verification, image, title)
            write_page(report, render_verification(case))
    output.result(
        verification_document(verification, report), *verification_tables(verification, report)
    )
    return code_for(verification.evidence.decision)


def _refuse_beside_manifest(given: dict[str, object]) -> None:
    """What is for one claim alone.

    Raises:
        typer.BadParameter: If any of it was given.
    """
    for name, value in given.items():
        if value is not None:
            raise typer.BadParameter(f"{name} is for one claim: leave it out beside --manifest")


def _verify_many(
    context: typer.Context, manifest: Path, results: Path | None, aim: Aim | None, output: Output
) -> ExitCode:
    from sigvault.cli.claim_tables import claim_tables
    from sigvault.cli.claims import (
        ClaimResult,
        ResultsFile,
        claims_document,
        code_of_claims,
        count_claims,
        decide_claims,
    )

    rows = read_manifest(manifest)
    file = None if results is None else ResultsFile(results)
    session: Session = context.obj
    done: list[ClaimResult] = []
    with session.open_vault() as vault, output.progress("Verifying") as advance:
        try:
            decide_claims(vault, rows, aim, file, done, advance)
        except KeyboardInterrupt:
            again = "the same command decides the others" if results else "all are in the audit log"
            output.say(f"{len(done)} of {len(rows)} claims were decided; {again}")
            raise
    output.result(claims_document(done, results), *claim_tables(done, results))
    if failed := count_claims(done)["failed"]:
        output.say(f"sigvault: {failed} of {len(rows)} claims could not be decided")
    return code_of_claims(done)


def identify(
    context: typer.Context,
    image: ProbeArgument,
    top: Annotated[int, typer.Option(min=1, help="How many candidates to show.")] = 5,
    at_fpir: AtFpirOption = DEFAULT_FPIR,
    as_json: JsonOption = False,
) -> ExitCode:
    """Find the signers whose references a signature is most like.

    A candidate is accepted where at most that share of strangers would be taken for any of the
    signers enrolled. That takes 3 x signers / rate calibration comparisons (the bundled model's: 11
    signers at 0.01); with fewer, nobody is accepted, and the answer names the rate to ask for.
    Exit code 0: the best is accepted, 1: refused or none, 3: somebody must look.
    """
    from sigvault.cli.documents import identification_document
    from sigvault.cli.tables import identification_tables

    check_search_rate(at_fpir)
    session: Session = context.obj
    with session.open_vault() as vault:
        identification = vault.identify(image, top=top, fpir=at_fpir)
    Output(as_json=as_json).result(
        identification_document(identification), *identification_tables(identification)
    )
    return code_for(identification.decision)
