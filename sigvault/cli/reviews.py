"""``review list``, ``review show`` and ``review decide``: what people say about verifications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption
from sigvault.cli.output import Output
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.verdicts import ReviewState, Verdict

if TYPE_CHECKING:
    from sigvault.cli.session import Session

app = typer.Typer(
    help="Look at what needs a person, and decide.", no_args_is_help=True, rich_markup_mode=None
)

EventArgument = Annotated[
    int, typer.Argument(min=1, metavar="EVENT", help="The number of the verification's event.")
]


@app.command("list")
def list_cases(
    context: typer.Context,
    state: Annotated[ReviewState, typer.Option(help="Only cases in this state.")] = (
        ReviewState.OPEN
    ),
    signer: Annotated[
        str | None, typer.Option(metavar="ID", help="Only cases of this signer.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, help="Only cases after this event.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show the cases that people have to look at, oldest first."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.review_tables import cases_table

    session: Session = context.obj
    about = None if signer is None else SignerId(signer)
    with session.open_vault() as vault:
        cases = vault.reviews(state=state, signer=about, after=after, limit=limit)
    Output(as_json=as_json).result({"cases": to_document(cases)}, cases_table(cases))
    return ExitCode.DONE


@app.command("show")
def show(
    context: typer.Context,
    event: EventArgument,
    probe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the kept probe there.")
    ] = None,
    as_json: JsonOption = False,
) -> ExitCode:
    """Show a case with its evidence and its verdicts."""
    from sigvault.cli.documents import to_document
    from sigvault.cli.review_tables import case_tables

    session: Session = context.obj
    with session.open_vault() as vault:
        case = vault.review(EventNumber(event))
        if probe is not None:
            probe.write_bytes(vault.probe_image(EventNumber(event)))
    Output(as_json=as_json).result(to_document(case), *case_tables(case))
    return ExitCode.DONE


@app.command("decide")
def decide(
    context: typer.Context,
    event: EventArgument,
    verdict: Annotated[Verdict, typer.Argument(metavar="VERDICT", help="What you say.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    blind: Annotated[
        bool, typer.Option("--blind", help="You have not seen the machine's scores.")
    ] = False,
    as_json: JsonOption = False,
) -> ExitCode:
    """Say accept, refuse or cannot-tell about a verification; SIGVAULT_BY says who you are."""
    from sigvault.cli.documents import to_document

    session: Session = context.obj
    with session.open_vault() as vault:
        record = vault.decide_review(EventNumber(event), verdict, reason=reason, blind=blind)
        case = vault.review(EventNumber(event))
    Output(as_json=as_json).result(
        to_document(record),
        f"Verification {event}: {verdict.value}, audit event {record.number}; the case is "
        f"{case.state.value}.",
    )
    return ExitCode.DONE
