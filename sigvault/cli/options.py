"""Options and arguments that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sigvault.datasets.layouts import Layout
from sigvault.domain.aims import Aim, Measure

_REPORT_HEAD = 1000
"""Bytes of a page within which the mark of a report stands."""

_REPORT_MARK = b"default-src 'none'; img-src data:"
"""What every report tells the browser, and hardly another page does."""

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on stdout, all else on stderr."),
]
SignerArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The signer's identifier, such as 53.")
]
ProbeArgument = Annotated[
    Path, typer.Argument(metavar="IMG", help="A picture of the signature in question.")
]
DatasetArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="A folder of signatures in one of the layouts.")
]
LayoutOption = Annotated[
    Layout | None,
    typer.Option(help="How the folder is arranged; found out if left out."),
]
ReferencesOption = Annotated[
    str,
    typer.Option(metavar="N,N,...", help="The numbers of references to measure with."),
]
DrawsOption = Annotated[
    int, typer.Option(min=1, help="How many times the references are drawn at random.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="The seed of everything drawn at random.")]
AtFmrOption = Annotated[
    float | None,
    typer.Option("--at-fmr", metavar="RATE", help="Accept at most this share of random forgeries."),
]
AtSkilledFmrOption = Annotated[
    float | None,
    typer.Option(
        "--at-skilled-fmr", metavar="RATE", help="Accept at most this share of skilled forgeries."
    ),
]
AtFpirOption = Annotated[
    float,
    typer.Option(
        "--at-fpir",
        metavar="RATE",
        help="Accept a candidate in at most this share of searches by strangers.",
    ),
]
AtFnmrOption = Annotated[
    float | None,
    typer.Option(
        "--at-fnmr", metavar="RATE", help="Refuse at most this share of genuine signatures."
    ),
]


def parse_aims(
    fmr: float | None, skilled_fmr: float | None, fnmr: float | None = None
) -> tuple[Aim, ...]:
    """The error rates asked for.

    Raises:
        typer.BadParameter: If one is no rate between 0 and 1.
    """
    given = ((Measure.FMR, fmr), (Measure.SKILLED_FMR, skilled_fmr), (Measure.FNMR, fnmr))
    try:
        return tuple(Aim(measure, rate) for measure, rate in given if rate is not None)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def parse_numbers(text: str) -> tuple[int, ...]:
    """Read ``1,3,5`` as numbers of references.

    Raises:
        typer.BadParameter: If it is anything but whole numbers above 0.
    """
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(
            f"{text!r} is no list of numbers above 0, such as 1,5", param_hint="--references"
        )
    return tuple(sorted(set(numbers)))


def check_search_rate(fpir: float) -> None:
    """Make sure that searches can be decided at a rate.

    Raises:
        typer.BadParameter: If it is no rate between 0 and 1.
    """
    from sigvault.domain.searching import SearchAim

    try:
        SearchAim(fpir, signers=1)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at-fpir") from None


def check_report(report: Path | None, suffixes: Sequence[str] = ()) -> None:
    """Find out, before anything is decided and recorded, that a report would have no place.

    Args:
        report: where it would be written, or None.
        suffixes: what its name may end with; anything if there are none.

    Raises:
        typer.BadParameter: If it can't be such a file, or would replace what is no report.
    """
    if report is None:
        return
    if report.is_dir() or not report.parent.is_dir():
        raise typer.BadParameter(
            f"{report} can't be a file: give a file in a folder that exists", param_hint="--report"
        )
    if suffixes and report.suffix not in suffixes:
        raise typer.BadParameter(
            f"{report} is no {' and no '.join(suffixes)}", param_hint="--report"
        )
    if report.suffix == ".html" and report.exists() and not _is_report(report):
        raise typer.BadParameter(
            f"{report} is there already and is no report of sigvault's: give another file",
            param_hint="--report",
        )


def _is_report(path: Path) -> bool:
    """Whether a file begins as all reports do, those of earlier versions too."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_REPORT_HEAD)
    return head.startswith(b"<!DOCTYPE html>") and _REPORT_MARK in head
