"""``verify`` and ``identify``: the two questions put to a vault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode, code_for
from sigvault.cli.options import (
    AtFmrOption,
    AtFpirOption,
    AtSkilledFmrOption,
    JsonOption,
    ProbeArgument,
    SignerOption,
    check_report,
    check_search_rate,
    parse_aims,
)
from sigvault.cli.output import Output
from sigvault.domain.aims import DEFAULT_FPIR
from sigvault.domain.identifiers import SignerId

if TYPE_CHECKING:
    from sigvault.cli.session import Session


def verify(
    context: typer.Context,
    image: ProbeArgument,
    signer: SignerOption,
    at_fmr: AtFmrOption = None,
    at_skilled_fmr: AtSkilledFmrOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Also write a page that shows the evidence."),
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Decide whether a signature is the claimed signer's.

    Exit code 0: accepted, 1: refused, 3: a person has to look.
    """
    from sigvault.cli.documents import verification_document
    from sigvault.cli.tables import verification_tables

    check_report(report, (".html",))
    aims = parse_aims(at_fmr, at_skilled_fmr)
    if len(aims) > 1:
        raise typer.BadParameter("decide at one rate: give --at-fmr or --at-skilled-fmr")
    session: Session = context.obj
    title = f"Signature claimed to be signer {signer}'s"
    with session.open_vault() as vault:
        verification = vault.verify(SignerId(signer), image, aim=aims[0] if aims else None)
        if report is not None:
            from sigvault.cli.reports import picture_verification
            from sigvault.reporting import render_verification, write_page

            case = picture_verification(vault, verification, image, title)
            write_page(report, render_verification(case))
    Output(as_json=as_json).result(
        verification_document(verification, report), *verification_tables(verification, report)
    )
    return code_for(verification.evidence.decision)


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
