"""What the commands that compare generations take: margins, and a place for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigvault.cli.options import check_report

if TYPE_CHECKING:
    from sigvault.evaluation.generation_changes import Margins
    from sigvault.evaluation.generation_comparison import GenerationComparison
    from sigvault.evaluation.probe_flips import ProbeFlips

OWN_GALLERIES = "the vault's own galleries"

MarginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="NAME=VALUE",
        help="How much worse it may be, such as fnmr=0.03; NAME is fnmr, refused, fmr, "
        "skilled_fmr, eer or cllr. May be repeated.",
    ),
]
CompareOnOption = Annotated[
    Path | None,
    typer.Option(metavar="DATA", help="Compare on signatures that were never enrolled, too."),
]
GenerationReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write the comparison, with all signers who fare worse: FILE.md or FILE.json.",
    ),
]


def parse_margins(given: Sequence[str] | None) -> Margins:
    """Read ``fnmr=0.03`` and the like; what isn't given keeps its default.

    Raises:
        typer.BadParameter: If one has no such name or no such value.
    """
    from dataclasses import asdict, replace

    from sigvault.evaluation.generation_changes import Margins

    margins = Margins()
    for text in given or ():
        name, _, value = text.partition("=")
        try:
            margin = float(value)
        except ValueError:
            margin = -1.0
        if name not in asdict(margins) or not 0.0 <= margin < float("inf"):
            raise typer.BadParameter(
                f"{text!r} is no NAME=VALUE with one of {', '.join(asdict(margins))} and a number "
                "from 0, such as fnmr=0.03",
                param_hint="--margin",
            )
        margins = replace(margins, **{name: margin})
    return margins


def check_generation_report(report: Path | None) -> None:
    """Find out, before anything is embedded, that a report would have no place.

    Raises:
        typer.BadParameter: If it can't be a file of Markdown or JSON.
    """
    check_report(report, (".md", ".json"))


def write_generation_report(
    report: Path | None,
    document: dict[str, Any],
    comparisons: Mapping[str, GenerationComparison],
    reasons: Sequence[str],
    probes: ProbeFlips | None = None,
) -> None:
    """Write a page or the whole document, and note in the document where.

    Args:
        report: where; nothing is written if None.
        document: the command's result.
        comparisons: by what they were made on, in words.
        reasons: what speaks against the new generation.
        probes: what would change for kept probes.

    Raises:
        StorageFailed: If the file can't be written.
    """
    from sigvault.evaluation.generation_page import render_comparisons
    from sigvault.reporting import write_page

    if report is None:
        return
    document["report"] = str(report)
    if report.suffix == ".json":
        write_page(report, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        write_page(report, render_comparisons(comparisons, reasons, probes))
